//! The one loop: gather a bounded batch; read the time; step each input and check; hand out what may leave
//! early; write once for the batch while the next one is stepped; release what the durable position has passed.
//!
//! It is sans-IO itself. The machine (server or simulator) offers inputs, calls [`Host::turn`], carries out the
//! [`Action`]s in order, and reports [`Host::synced`] or [`Host::sync_failed`]. A crash may fall between any
//! two actions.

use crate::{Digest, Effects, Input, Protocol, Record, Renaming};
use alloc::collections::VecDeque;
use alloc::format;
use core::hash::{Hash, Hasher};
use stdx::{Instant, Mutant, NodeId, Now, Planted, Position};
use wire::{Batch, Wire};

/// At most this many inputs are stepped between two looks at the disk and the network.
const BATCH_INPUTS: usize = 256;
/// No more inputs of a batch are stepped once it has this many bytes to write.
const BATCH_BYTES: usize = 1 << 20;

/// What the machine must do, in this order.
#[derive(Debug)]
pub enum Action<P: Protocol> {
    /// Put a message on the network. `to` is never this node.
    Send {
        /// The receiver.
        to: NodeId,
        /// What it says.
        message: P::Message,
    },
    /// Hand an answer to whoever asked.
    Output(P::Output),
    /// Append to the log and sync, then report `synced(batch.end())`. At most one is under way.
    Write(Batch),
    /// The log may drop everything before this position.
    Release(Position),
}

enum Held<P: Protocol> {
    Send(NodeId, P::Message),
    Output(P::Output),
    Release(Position),
}

/// Runs one core.
pub struct Host<P: Protocol> {
    me: NodeId,
    core: P,
    effects: Effects<P>,
    inputs: VecDeque<Input<P>>,
    capacity: usize,
    /// Stamped effects in order of emission; stamps never decrease.
    held: VecDeque<(Position, Held<P>)>,
    staged: Batch,
    /// A batch whose write is over: the next one takes its memory.
    spare: Option<Batch>,
    /// The end of the write under way.
    writing: Option<Position>,
    durable: Position,
    stopped: bool,
    planted: Planted,
    stale_now: Option<Now>,
}

impl<P: Protocol> Host<P> {
    /// A host for `core`, whose log is durable up to `durable`. Queues at most `capacity` inputs.
    pub fn new(
        me: NodeId,
        core: P,
        durable: Position,
        capacity: usize,
        planted: Planted,
    ) -> Host<P> {
        Host {
            me,
            core,
            effects: Effects::new(durable),
            inputs: VecDeque::new(),
            capacity,
            held: VecDeque::new(),
            staged: Batch::new(durable),
            spare: None,
            writing: None,
            durable,
            stopped: false,
            planted,
            stale_now: None,
        }
    }

    /// The core, to look at.
    pub fn core(&self) -> &P {
        &self.core
    }

    /// The core, for another host.
    pub fn into_core(self) -> P {
        self.core
    }

    /// The position up to which the log is durable.
    pub fn durable(&self) -> Position {
        self.durable
    }

    /// Whether a failed sync has stopped this node for good.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Whether a turn would step anything now.
    pub fn ready(&self) -> bool {
        !self.stopped && !self.inputs.is_empty()
    }

    /// How many more inputs fit.
    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.inputs.len())
    }

    /// When [`Host::turn`] must next be called even without inputs.
    pub fn deadline(&self) -> Option<Instant> {
        if self.stopped { None } else { self.core.deadline() }
    }

    /// Queues a message from the network. Dropped if the queue is full (a network may lose messages) or if the
    /// sender claims to be this node (self-sends never touch the network). True if it was queued.
    pub fn receive(&mut self, from: NodeId, message: P::Message) -> bool {
        if from == self.me || self.room() == 0 || self.stopped {
            return false;
        }
        self.inputs.push_back(Input::Message { from, message });
        true
    }

    /// Queues a request; gives it back if the queue is full or the node has stopped.
    pub fn request(&mut self, request: P::Request) -> Result<(), P::Request> {
        if self.room() == 0 || self.stopped {
            return Err(request);
        }
        self.inputs.push_back(Input::Request(request));
        Ok(())
    }

    /// The write that ended at `position` is durable.
    pub fn synced(&mut self, position: Position, actions: &mut VecDeque<Action<P>>) {
        if self.stopped {
            return;
        }
        assert_eq!(self.writing, Some(position), "a sync that was not asked for");
        self.writing = None;
        self.durable = position;
        self.let_go(actions);
        self.start_write(actions);
    }

    /// Gives back a batch whose write is over. Large ones are not kept: an idle node holds little.
    pub fn reuse(&mut self, written: Batch) {
        if written.bytes_len() <= BATCH_BYTES {
            self.spare = Some(written);
        }
    }

    /// The write under way failed: the node stops and nothing it holds ever leaves. Never retried, since
    /// after a failed fsync the kernel may have dropped the dirty pages and answer the next one with success.
    pub fn sync_failed(&mut self) {
        self.stopped = true;
        self.inputs.clear();
        self.held.clear();
    }

    /// Steps one batch. `clock` is called after the last input of the batch was taken, never before: else a
    /// pause in between lets a read pass a check with the time from before it.
    pub fn turn(&mut self, clock: &mut dyn FnMut() -> Now, actions: &mut VecDeque<Action<P>>) {
        if self.stopped {
            return;
        }
        let batch = self.inputs.len().min(BATCH_INPUTS);
        let mut now = clock();
        if self.planted.is(Mutant::NowBeforeBatch) {
            now = self.stale_now.replace(now).unwrap_or(now);
        }
        for _ in 0..batch {
            let input = self.inputs.pop_front().expect("counted above");
            self.step(now, input);
            if self.staged.bytes_len() >= BATCH_BYTES {
                break;
            }
        }
        if self.core.deadline().is_some_and(|at| at <= now.mono) {
            self.step(now, Input::Deadline);
        }
        self.hand_out(actions);
        self.start_write(actions);
        self.let_go(actions);
    }

    fn step(&mut self, now: Now, input: Input<P>) {
        self.core.step(now, input, &mut self.effects);
        self.core.check();
        for record in self.effects.records.drain(..) {
            self.staged.push(record.group(), |out| record.encode(out));
        }
        assert_eq!(self.staged.end(), self.effects.reached, "a record lost its position");
    }

    /// Early effects leave; stamped ones join the queue in order of emission.
    fn hand_out(&mut self, actions: &mut VecDeque<Action<P>>) {
        for (to, message) in self.effects.early_sends.drain(..) {
            if to == self.me {
                self.inputs.push_back(Input::Message { from: to, message });
            } else {
                actions.push_back(Action::Send { to, message });
            }
        }
        actions.extend(self.effects.early_outputs.drain(..).map(Action::Output));
        // Planted: a batch that wrote nothing does not wait for the sync of the batch before it.
        let overtaking = self.planted.is(Mutant::OvertakeSync) && self.staged.is_empty();
        let sends = self.effects.sends.drain(..).map(|(at, to, m)| (at, Held::Send(to, m)));
        let outputs = self.effects.outputs.drain(..).map(|(at, o)| (at, Held::Output(o)));
        let release = self.effects.release.take().map(|(at, before)| (at, Held::Release(before)));
        for (stamp, held) in sends.chain(outputs).chain(release) {
            if overtaking {
                Self::leave(self.me, held, &mut self.inputs, actions);
            } else {
                self.held.push_back((stamp, held));
            }
        }
        // Sends, outputs and the release were collected apart; stamps put them back in order (stable).
        self.held.make_contiguous().sort_by_key(|(stamp, _)| *stamp);
    }

    fn leave(
        me: NodeId,
        held: Held<P>,
        inputs: &mut VecDeque<Input<P>>,
        actions: &mut VecDeque<Action<P>>,
    ) {
        match held {
            Held::Send(to, message) if to == me => {
                inputs.push_back(Input::Message { from: to, message });
            }
            Held::Send(to, message) => actions.push_back(Action::Send { to, message }),
            Held::Output(output) => actions.push_back(Action::Output(output)),
            Held::Release(before) => actions.push_back(Action::Release(before)),
        }
    }

    fn let_go(&mut self, actions: &mut VecDeque<Action<P>>) {
        while self.held.front().is_some_and(|(stamp, _)| *stamp <= self.durable) {
            let (_, held) = self.held.pop_front().expect("looked at it");
            Self::leave(self.me, held, &mut self.inputs, actions);
        }
    }

    fn start_write(&mut self, actions: &mut VecDeque<Action<P>>) {
        if self.writing.is_none() && !self.staged.is_empty() {
            let end = self.staged.end();
            self.writing = Some(end);
            let next = self.spare.take().map_or_else(|| Batch::new(end), |old| old.emptied(end));
            actions.push_back(Action::Write(core::mem::replace(&mut self.staged, next)));
        }
    }
}

impl<P: Protocol> Clone for Held<P>
where
    P::Output: Clone,
{
    fn clone(&self) -> Held<P> {
        match self {
            Held::Send(to, message) => Held::Send(*to, message.clone()),
            Held::Output(output) => Held::Output(output.clone()),
            Held::Release(before) => Held::Release(*before),
        }
    }
}

/// For the explorer, which goes on from one state in many ways.
impl<P: Protocol> Clone for Host<P>
where
    P::Request: Clone,
    P::Output: Clone,
{
    fn clone(&self) -> Host<P> {
        assert!(self.effects.is_empty(), "a copy in the middle of a turn");
        Host {
            me: self.me,
            core: self.core.clone(),
            effects: Effects::new(self.effects.reached),
            inputs: self.inputs.clone(),
            capacity: self.capacity,
            held: self.held.clone(),
            staged: self.staged.clone(),
            spare: None,
            writing: self.writing,
            durable: self.durable,
            stopped: self.stopped,
            planted: self.planted,
            stale_now: self.stale_now,
        }
    }
}

impl<P: Protocol> Host<P> {
    /// For the explorer, between turns and with no input queued: the core's digest, and what is held back or
    /// waits to be written. Positions count from the durable one, so that an older log is no other state;
    /// outputs have no encoding and are told apart by their text.
    pub fn digest(&self, names: &Renaming, into: &mut Digest)
    where
        P::Output: core::fmt::Debug,
    {
        assert!(self.inputs.is_empty() && self.effects.is_empty(), "a digest of a busy host");
        self.core.digest(names, into);
        let ahead = |at: Position| at.0.saturating_sub(self.durable.0);
        (self.core.deadline().is_some(), self.stopped, self.held.len()).hash(into);
        for (stamp, held) in &self.held {
            ahead(*stamp).hash(into);
            match held {
                Held::Send(to, message) => {
                    (0u8, names.of(*to)).hash(into);
                    into.write(&wire::encode(message));
                }
                Held::Output(output) => {
                    1u8.hash(into);
                    into.write(format!("{output:?}").as_bytes());
                }
                Held::Release(before) => (2u8, before.0.wrapping_sub(self.durable.0)).hash(into),
            }
        }
        self.writing.map(ahead).hash(into);
        for (at, group, bytes) in self.staged.records() {
            (ahead(at), group).hash(into);
            into.write(bytes);
        }
    }
}

impl<P: Protocol> core::fmt::Debug for Host<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Host")
            .field("me", &self.me)
            .field("inputs", &self.inputs.len())
            .field("held", &self.held.len())
            .field("durable", &self.durable)
            .field("stopped", &self.stopped)
            .finish()
    }
}
