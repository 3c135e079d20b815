//! What is replicated: a command as the leader proposes it, and what became of it.

use stdx::{Bytes, NodeId, WallClock};
use wire::resp::{Args, Reply};
use wire::{wire_enum, wire_struct};

use crate::backup::Export;
use crate::catalog::Change;
use crate::restore::Load;

/// One entry of a group's log. Executing it depends on nothing else but the state before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The leader's clock when it proposed; the group's time is the highest stamp applied.
    pub stamp: WallClock,
    /// Chance for commands that want some.
    pub seed: u64,
    /// The longest value a command may make, in bytes: as the leader is configured, so that replicas agree.
    pub limit: usize,
    /// What to do.
    pub body: Body,
}

wire_struct!(Proposal { stamp, seed, limit, body });

/// A request of a gateway, the same bytes however often it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Who asks, so that a retry is executed once. `None` for what may be executed twice.
    pub session: Option<Session>,
    /// The catalog epoch the gateway routed it by.
    pub epoch: u64,
    /// What to do.
    pub operation: Operation,
}

wire_struct!(Body { session, epoch, operation });

/// A gateway's life and where its request stands in it (Ongaro's thesis, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The gateway.
    pub node: NodeId,
    /// Its life.
    pub life: u64,
    /// Counts the gateway's writes to this group in this life.
    pub sequence: u64,
    /// Every request below is answered or given up: it need not be remembered and must not be executed.
    pub low_water: u64,
}

wire_struct!(Session { node, life, sequence, low_water });

/// What a group can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Client commands of one connection, in order; each is atomic by itself.
    Batch(Vec<Item>),
    /// Nothing but the time: expires what is due at the stamp.
    Tick,
    /// From `epoch` on, keys with this prefix belong to the keyspace `name`.
    Fence {
        /// The keyspace being declared.
        name: String,
        /// The catalog epoch that declared it.
        epoch: u64,
    },
    /// A change of the catalog.
    Catalog(Change),
    /// Read only: how many keys have the prefix `name:`, scanned from `cursor`.
    CountPrefix {
        /// The keyspace being declared.
        name: String,
        /// Where the last step ended; 0 at first.
        cursor: u64,
    },
    /// Read only: the modify index of each key, 0 for an absent one (WATCH).
    Modified(Vec<Bytes>),
    /// Read only: nothing, once the state is as new as the question.
    Barrier,
    /// A batch that a leader without memory to spare proposed: commands that add are refused. It decided, since
    /// replicas may have unequal memory; and it is told in the log, since what a retry finds done must not be
    /// refused.
    BatchFull(Vec<Item>),
    /// A piece of a backup, for a keyspace that is being restored.
    Load(Load),
    /// Read only: how far a keyspace has been restored.
    Loaded,
    /// Read only: a step of a backup. Answered by the leader's node, not by the state.
    Export(Export),
}

impl Operation {
    /// About how many bytes it takes in a proposal, a little more rather than less.
    pub(crate) fn bytes(&self) -> usize {
        const AROUND: usize = 128;
        const EACH: usize = 16;
        let Operation::Batch(items) = self else { return AROUND };
        let all = items.iter().flat_map(Item::commands);
        AROUND + all.map(|args| EACH + 4 * args.len() + args.bytes_len()).sum::<usize>()
    }
}

wire_enum!(Operation, version 1 {
    1 => Batch(items),
    2 => Tick,
    3 => Fence { name, epoch },
    4 => Catalog(change),
    5 => CountPrefix { name, cursor },
    6 => Modified(keys),
    7 => Barrier,
    8 => BatchFull(items),
    20 => Load(load),
    21 => Loaded,
    22 => Export(export),
});

/// One command of a batch, or one transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A command.
    Command(Args),
    /// MULTI ... EXEC: nothing is executed unless every watched key still has the modify index seen.
    Exec {
        /// Key and modify index.
        watches: Vec<(Bytes, u64)>,
        /// The queued commands.
        commands: Vec<Args>,
    },
}

wire_enum!(Item, version 1 {
    1 => Command(args),
    2 => Exec { watches, commands },
});

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Executed: a reply per item.
    Done(Vec<Reply>),
    /// Not executed here and not appended: ask this node, if one is known.
    NotLeader(Option<NodeId>),
    /// Not executed: the catalog has moved to this epoch and a key belongs elsewhere.
    Stale(u64),
    /// Executed before, and the gateway had given it up: nobody waits for it.
    Forgotten,
}

wire_enum!(Outcome, version 1 {
    1 => Done(replies),
    2 => NotLeader(leader),
    3 => Stale(epoch),
    4 => Forgotten,
});
