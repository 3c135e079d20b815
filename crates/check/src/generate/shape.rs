//! What to generate.

use super::World;

/// What a key holds, and what is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Reads and writes.
    Register,
    /// Reads, writes, and as many compare-and-sets as writes; those that find another value commit and say so.
    CasRegister,
    /// Additions from 1 to 5, and reads of the sum.
    Counter,
    /// Insertions, and reads of all elements.
    Set,
    /// Appends, and reads of the whole list.
    List,
    /// Enqueues, and dequeues in the place of reads.
    Queue,
    /// Redis strings: APPEND whose answer is not recorded, SET and GET; Porcupine's key-value histories.
    Text,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 7] = [
        Kind::Register,
        Kind::CasRegister,
        Kind::Counter,
        Kind::Set,
        Kind::List,
        Kind::Queue,
        Kind::Text,
    ];

    /// What one writes to ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Register => "register",
            Kind::CasRegister => "cas-register",
            Kind::Counter => "counter",
            Kind::Set => "set",
            Kind::List => "list",
            Kind::Queue => "queue",
            Kind::Text => "text",
        }
    }
}

/// A family of histories; a seed picks one. Shares are parts of a thousand.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What keys hold.
    pub kind: Kind,
    /// What becomes of transactions.
    pub world: World,
    /// How many transactions.
    pub txns: usize,
    /// Operations of a transaction, from the first to the second.
    pub ops: (u64, u64),
    /// Clients at work at a time. One that does not learn an outcome goes on as a new process, as in Jepsen.
    pub clients: u64,
    /// Keys in use at a time; each operation is on any of them.
    pub keys: u64,
    /// So many operations are reads.
    pub reads: u64,
    /// So many transactions have an unknown outcome, and most of them an effect.
    pub unknown: u64,
    /// So many transactions fail and have no effect, besides those that a world aborts.
    pub failed: u64,
    /// From a return to the next invocation of that client, at most; one stage of a transaction takes up to 100.
    pub think: u64,
    /// Values are drawn from 0 to this one; none: each is written once.
    pub values: Option<u64>,
    /// Of texts: so many writes set the whole instead of appending to it.
    pub puts: u64,
    /// A key retires after so many writes, and a new one takes its place.
    pub retire: Option<u64>,
}

impl Shape {
    /// Single operations of five clients on three keys, half of them reads, 1 % unknown and 1 % failed, in a serial
    /// world; keys of lists, sets and texts retire after 32 writes.
    pub fn new(kind: Kind, txns: usize) -> Shape {
        let retire = matches!(kind, Kind::Set | Kind::List | Kind::Text).then_some(32);
        Shape {
            kind,
            world: World::Serial,
            txns,
            ops: (1, 1),
            clients: 5,
            keys: 3,
            reads: 500,
            unknown: 10,
            failed: 10,
            think: 50,
            values: None,
            puts: 0,
            retire,
        }
    }

    /// The same in another world; transactions of 1 to 4 operations, as all but the serial one are about them.
    #[must_use]
    pub fn of(mut self, world: World) -> Shape {
        self.world = world;
        self.ops = (1, 4);
        self
    }
}
