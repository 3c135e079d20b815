//! The one interface of every protocol, and the one loop that runs it.
//!
//! A protocol here is a value that turns inputs into effects. It cannot wait, read a clock, draw chance it was
//! not given, or touch a disk or a socket. Two rules hold everywhere above:
//!
//! 1. **Durable, then promise.** [`Effects::send`] and [`Effects::output`] are stamped with the log position
//!    reached when they were emitted and leave once that position is durable, first in, first out, whether or
//!    not their own batch wrote anything. The short verbs are the safe ones; each `*_early` call says why.
//! 2. **One loop.** The dangerous code is written once, in [`host`]: the server and the simulator only feed it.
//!
//! | file | what |
//! | --- | --- |
//! | `effects` | what a step may do: [`Effects`] |
//! | `host` | [`Host`]: batches, syncs, releases; [`Action`] is all it asks of the machine |
//! | `quorum` | majorities, as pure arithmetic |
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod effects;
pub mod host;
pub mod quorum;

#[cfg(test)]
mod tests;

pub use effects::Effects;
pub use host::{Action, Host};
pub use stdx::{Digest, Instant, Mutant, NodeId, NodeSet, Now, Planted, Position, Prng};
pub use wire::Wire;

use alloc::collections::BTreeMap;

/// A replicated state machine's core: inputs in, effects out, nothing else.
pub trait Protocol: Sized + Clone {
    /// What a replica is told when it starts; includes its own id and life.
    type Config;
    /// Between nodes: one variant per arrow of the paper.
    type Message: Wire + Clone;
    /// From this node's host: propose, read, chunk loaded.
    type Request;
    /// What must outlive a crash.
    type Record: Record;
    /// To this node's host: committed, reply, "I need ...".
    type Output;

    /// From the newest snapshot mark and the records after it, each with its position in the log.
    /// Starting is recovering from nothing.
    fn recover(
        config: Self::Config,
        now: Now,
        rng: Prng,
        records: impl Iterator<Item = (Position, Self::Record)>,
    ) -> Self;

    /// Handles one input. May emit a bounded amount; must not panic on anything a peer or a client can send.
    fn step(&mut self, now: Now, input: Input<Self>, out: &mut Effects<Self>);

    /// When this core next wants [`Input::Deadline`], if at all.
    fn deadline(&self) -> Option<Instant>;

    /// Asserts every invariant one node can see, at the cost of what changed. The host calls it after each step.
    fn check(&self);

    /// For the explorer: the state without its generator, deadlines as armed or not, ids renamed.
    fn digest(&self, names: &Renaming, into: &mut Digest);
}

/// What a core persists. The host writes it to the one log of the node under the group's tag.
pub trait Record: Wire {
    /// Which group of the node the record belongs to; damage in the log is reported by group.
    fn group(&self) -> u64 {
        0
    }
}

/// All that can happen to a core.
#[derive(Clone, Debug)]
pub enum Input<P: Protocol> {
    /// A message arrived. From oneself: something became durable.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: P::Message,
    },
    /// The host asks for something.
    Request(P::Request),
    /// The core's own deadline has passed.
    Deadline,
}

/// Which id stands for which when states are compared up to symmetry.
#[derive(Clone, Debug, Default)]
pub struct Renaming(BTreeMap<NodeId, NodeId>);

impl Renaming {
    /// A renaming from pairs; ids not named stand for themselves.
    pub fn new(pairs: impl IntoIterator<Item = (NodeId, NodeId)>) -> Renaming {
        Renaming(pairs.into_iter().collect())
    }

    /// The name of `id`.
    pub fn of(&self, id: NodeId) -> NodeId {
        self.0.get(&id).copied().unwrap_or(id)
    }
}
