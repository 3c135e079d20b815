//! The explorer: every schedule of a small world, for any [`Protocol`], breadth first.
//!
//! A world is a few nodes, each a core under the real [`protocol::Host`] with a disk of its own, and a network.
//! A schedule is an order of steps: a message arrives, is lost or comes twice; a node is asked something; its
//! deadline fires; a write becomes durable; it crashes, between two steps or in the middle of one, and loses what
//! was not; it starts again. [`explore`] takes all of them, up to the bounds of the [`Scope`], and counts a state
//! once however it was reached. What it says is `exhausted`, or the limit that stopped it.
//!
//! | file | what |
//! | --- | --- |
//! | `place` | one node: host, core, disk |
//! | `steps` | nodes, messages and what a step does to a node, each computed once and numbered |
//! | `row` | a state as a row of such numbers; all that can happen next |
//! | `table` | numbers for things |
//! | `walk` | breadth-first search; the states seen, by fingerprint |
//! | `schedule` | how a state was reached, in words and as moments |
//! | `report` | what is said in the end |
//!
//! What makes it fast: a core's step is a function of its own state and its input, and a small world has few of
//! those. Each is computed once; from then on a step of the world replaces one number of a row.
//!
//! Invariants: a state is left out only if one with the same fingerprint was there; a search that was stopped
//! never says `exhausted`; the schedule shown for a violation is a shortest one.

mod place;
mod report;
mod row;
mod schedule;
mod steps;
mod table;
mod walk;

pub use report::{Bound, End, Mark, Progress, Report, Violation};
pub use row::MOST;
pub use schedule::Schedule;
pub use walk::explore;

use protocol::{NodeId, NodeSet, Planted, Protocol};
use std::fmt::Debug;
use std::hash::Hash;

/// What is explored: nodes, what may be asked of them, and what must hold.
pub trait Model {
    /// What every node runs; an enum, if they differ.
    type Core: Protocol<Message: Debug, Request: Clone + Debug, Output: Clone + Debug>;
    /// What an onlooker remembers, to judge by: part of the state, so the less the better. `()` remembers nothing.
    type Ghost: Clone + Eq + Hash;

    /// The nodes.
    fn nodes(&self) -> NodeSet;

    /// How a node starts.
    fn config(&self, id: NodeId) -> <Self::Core as Protocol>::Config;

    /// What the onlooker knows at first.
    fn ghost(&self) -> Self::Ghost;

    /// What may be asked of a node in this state, after `asked` requests in the world (always 0 if their number
    /// is not bounded). A function of its arguments.
    fn requests(
        &self,
        id: NodeId,
        core: &Self::Core,
        asked: u32,
    ) -> Vec<<Self::Core as Protocol>::Request>;

    /// Asked, in this order, before the search begins.
    fn opening(&self) -> Vec<(NodeId, <Self::Core as Protocol>::Request)> {
        Vec::new()
    }

    /// The onlooker sees something; an error is a violation.
    fn watch(
        &self,
        _ghost: &mut Self::Ghost,
        _node: NodeId,
        _seen: &Seen<'_, Self::Core>,
    ) -> Result<(), String> {
        Ok(())
    }

    /// What must hold in every state, beside what [`Protocol::check`] asserts.
    fn invariant(&self, view: &View<'_, Self>) -> Result<(), String>
    where
        Self: Sized;

    /// States that some schedule must reach: a search that cannot see anything happen proves little.
    fn marks(&self) -> Vec<Sometimes<Self>>
    where
        Self: Sized,
    {
        Vec::new()
    }
}

/// What some schedule reaches: its name, and whether a state is one.
pub type Sometimes<M> = (&'static str, fn(&View<'_, M>) -> bool);

/// What an onlooker can see.
#[derive(Debug)]
pub enum Seen<'a, P: Protocol> {
    /// Before the node hears it.
    Asked(&'a P::Request),
    /// The node handed this to its host; and the node after the step.
    Output(&'a P::Output, &'a P),
    /// The node stopped.
    Crashed,
    /// The node started again from what was durable.
    Restarted(&'a P),
}

/// One state of the world.
pub struct View<'a, M: Model> {
    pub(crate) steps: &'a steps::Steps<'a, M>,
    pub(crate) row: &'a [u32],
}

impl<M: Model> View<'_, M> {
    /// The nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.steps.ids.iter().copied()
    }

    /// The core of each node in ascending order, none if it is down.
    pub fn cores(&self) -> impl Iterator<Item = (NodeId, Option<&M::Core>)> {
        let places = self.steps.ids.iter().zip(self.row);
        places.map(|(id, place)| (*id, self.steps.place(*place).core()))
    }

    /// What the onlooker knows.
    pub fn ghost(&self) -> &M::Ghost {
        self.steps.ghost(self.row[row::ghost_at(self.steps.ids.len())])
    }

    /// What is in flight: sender, receiver, message.
    pub fn messages(
        &self,
    ) -> impl Iterator<Item = (NodeId, NodeId, &<M::Core as Protocol>::Message)> {
        let flight = &self.row[row::flight_at(self.steps.ids.len())..];
        flight.iter().map(|number| {
            let envelope = self.steps.envelope(*number);
            (self.steps.ids[envelope.from], self.steps.ids[envelope.to], &envelope.message)
        })
    }

    /// Whether a write of a node is under way. Nodes in ascending order.
    pub fn writing(&self) -> impl Iterator<Item = bool> + '_ {
        let nodes = self.steps.ids.len();
        self.row[..nodes].iter().map(|place| self.steps.place(*place).is_writing())
    }
}

impl<M: Model> Debug for View<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("View").field(&self.row).finish()
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// In any order, each as often as it was sent. One that never arrives is a lost one.
    Bag,
    /// In any order, each any number of times, for ever.
    Set,
    /// Per link in the order sent.
    Fifo,
}

/// What may happen, and how often at most in one schedule; `None`: any number of times, not counted.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// How messages travel.
    pub network: Network,
    /// Whether a write takes a step of its own to become durable, so that others may come before it. Else it is
    /// durable at once.
    pub slow_disk: bool,
    /// Whether a delivery that changes nothing and says nothing is a step. If not, the message stays in flight:
    /// fewer states, and the same nodes can still be reached, as it may arrive later.
    pub idle_steps: bool,
    /// Whether crashes also fall within a step, between two of its effects. Needs `slow_disk`.
    pub torn_steps: bool,
    /// [`Model::requests`].
    pub requests: Option<u8>,
    /// Deadlines that fire.
    pub timeouts: Option<u8>,
    /// Crashes. A node that is down may start again at any time.
    pub crashes: Option<u8>,
    /// Messages lost. Those that arrive at a node that is down are lost beside these.
    pub losses: Option<u8>,
    /// Messages that come twice.
    pub duplicates: Option<u8>,
    /// A named bug, for tests.
    pub planted: Planted,
}

impl Scope {
    /// No fault and no bound: unordered network, writes durable at once, requests and timeouts at will.
    pub fn calm() -> Scope {
        Scope {
            network: Network::Bag,
            slow_disk: false,
            idle_steps: true,
            torn_steps: false,
            requests: None,
            timeouts: None,
            crashes: Some(0),
            losses: Some(0),
            duplicates: Some(0),
            planted: Planted::NONE,
        }
    }
}

/// When a search gives up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Different states; never more than 2^32 - 1.
    pub states: u64,
    /// Steps of a schedule.
    pub depth: u32,
    /// Bytes of the explorer's tables, as it counts them itself; what cores hold on the heap comes on top.
    pub memory: usize,
}

impl Limits {
    /// At most `states` different states; no other limit.
    pub fn states(states: u64) -> Limits {
        Limits { states, depth: u32::MAX, memory: usize::MAX }
    }
}
