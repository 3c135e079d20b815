//! What a step may do, as plain data: reused from batch to batch, so that nothing is allocated in steady state.

use crate::Protocol;
use alloc::vec::{Drain, Vec};
use core::fmt;
use stdx::{NodeId, Position};

/// The out-parameter of [`Protocol::step`]. Effects are append-only: nothing emitted is edited later.
pub struct Effects<P: Protocol> {
    pub(crate) reached: Position,
    pub(crate) records: Vec<P::Record>,
    pub(crate) sends: Vec<(Position, NodeId, P::Message)>,
    pub(crate) early_sends: Vec<(NodeId, P::Message)>,
    pub(crate) outputs: Vec<(Position, P::Output)>,
    pub(crate) early_outputs: Vec<P::Output>,
    pub(crate) release: Option<(Position, Position)>,
}

/// What a core that holds other cores takes out of their effects, to pass on or to answer. What is not taken is
/// dropped with it.
pub struct Drained<'a, P: Protocol> {
    /// To persist, in order.
    pub records: Drain<'a, P::Record>,
    /// To send once the position is durable.
    pub sends: Drain<'a, (Position, NodeId, P::Message)>,
    /// To send at once.
    pub early_sends: Drain<'a, (NodeId, P::Message)>,
    /// To hand over once the position is durable.
    pub outputs: Drain<'a, (Position, P::Output)>,
    /// To hand over at once.
    pub early_outputs: Drain<'a, P::Output>,
    /// The oldest position still needed.
    pub release: Option<Position>,
}

impl<P: Protocol> Effects<P> {
    /// Empty effects; the next record persisted gets position `reached`.
    pub fn new(reached: Position) -> Effects<P> {
        Effects {
            reached,
            records: Vec::new(),
            sends: Vec::new(),
            early_sends: Vec::new(),
            outputs: Vec::new(),
            early_outputs: Vec::new(),
            release: None,
        }
    }

    /// The position that the next record will get: all records before it come first in the log.
    pub fn reached(&self) -> Position {
        self.reached
    }

    /// Appends `record` to the log and answers its position.
    pub fn persist(&mut self, record: P::Record) -> Position {
        let at = self.reached;
        self.records.push(record);
        self.reached = at.next();
        at
    }

    /// Leaves once every record persisted so far is durable. To oneself: how one hears of one's own durability.
    pub fn send(&mut self, to: NodeId, message: P::Message) {
        self.sends.push((self.reached, to, message));
    }

    /// Leaves at once. Only for what a node that crashes and forgets it can never contradict; the call site
    /// says why. Never a vote, a vote request, an acknowledgement.
    pub fn send_early(&mut self, to: NodeId, message: P::Message) {
        self.early_sends.push((to, message));
    }

    /// Handed to the host once every record persisted so far is durable.
    pub fn output(&mut self, output: P::Output) {
        self.outputs.push((self.reached, output));
    }

    /// Handed to the host at once. Only for what no longer depends on this node's unsynced records; the call
    /// site says why.
    pub fn output_early(&mut self, output: P::Output) {
        self.early_outputs.push(output);
    }

    /// No record before `before` is needed any more, once what was persisted so far is durable.
    pub fn release(&mut self, before: Position) {
        self.release = Some((self.reached, before));
    }

    /// Passes on a stamped send of an inner core whose positions are this one's; for cores that hold cores.
    pub fn forward(&mut self, stamp: Position, to: NodeId, message: P::Message) {
        assert!(
            stamp <= self.reached,
            "a stamp from the future: {stamp:?} after {:?}",
            self.reached
        );
        self.sends.push((stamp, to, message));
    }

    /// For a core that holds this one: sets where the next record will go, before a step.
    pub fn rebase(&mut self, reached: Position) {
        assert!(self.records.is_empty(), "rebase with records not drained");
        self.reached = reached;
    }

    /// For a core that holds this one, and for tests: everything emitted, leaving the effects empty.
    pub fn drain(&mut self) -> Drained<'_, P> {
        Drained {
            records: self.records.drain(..),
            sends: self.sends.drain(..),
            early_sends: self.early_sends.drain(..),
            outputs: self.outputs.drain(..),
            early_outputs: self.early_outputs.drain(..),
            release: self.release.take().map(|(_, before)| before),
        }
    }

    /// Whether nothing was emitted since the last drain.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.sends.is_empty()
            && self.early_sends.is_empty()
            && self.outputs.is_empty()
            && self.early_outputs.is_empty()
            && self.release.is_none()
    }
}

impl<P: Protocol> fmt::Debug for Effects<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects")
            .field("reached", &self.reached)
            .field("records", &self.records.len())
            .field("sends", &(self.sends.len() + self.early_sends.len()))
            .field("outputs", &(self.outputs.len() + self.early_outputs.len()))
            .finish()
    }
}

impl<P: Protocol> fmt::Debug for Drained<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained")
            .field("records", &self.records.len())
            .field("sends", &(self.sends.len() + self.early_sends.len()))
            .field("outputs", &(self.outputs.len() + self.early_outputs.len()))
            .finish()
    }
}
