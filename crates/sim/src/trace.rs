//! What happened, moment by moment: what stories are told from and space-time diagrams are drawn from. Kept only
//! when asked for ([`World::trace_on`]); nothing here changes a run or its digest.

use crate::{Boot, Lie, Why, World};
use std::collections::VecDeque;
use std::fmt;
use stdx::{Duration, Instant, NodeId, Position};

/// Something that happened, where and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// True time.
    pub at: Instant,
    /// Where; nowhere in particular for what befalls the whole network.
    pub node: Option<NodeId>,
    /// What.
    pub what: What,
}

/// The sorts of moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A message left. Every other moment of this message has the same `id`.
    Sent {
        /// The receiver.
        to: NodeId,
        /// Unique in a run.
        id: u64,
        /// [`Boot::kind`] of the message.
        kind: String,
        /// [`Boot::describe`] of the message.
        text: String,
        /// Its length as encoded.
        bytes: usize,
    },
    /// What left as this message, or beside it, is a lie of the node's; it does not know it.
    Lied {
        /// The receiver.
        to: NodeId,
        /// Which message it was made of.
        id: u64,
        /// In what way.
        lie: Lie,
        /// [`Boot::describe`] of what is told, or kept silent about.
        text: String,
    },
    /// A message reached this node's queue. One that was duplicated may do so twice.
    Delivered {
        /// The sender.
        from: NodeId,
        /// Which.
        id: u64,
    },
    /// The network made a second copy of a message that this node sent.
    Duplicated {
        /// Which.
        id: u64,
    },
    /// A cut or clogged link holds a message back on its way to this node.
    Held {
        /// Which.
        id: u64,
    },
    /// A copy of a message will never arrive: seen by the sender if it never left, else by the receiver.
    Dropped {
        /// Which.
        id: u64,
        /// Why.
        why: Loss,
    },
    /// The node's deadline had passed when it took its turn.
    Timer,
    /// What the node holds after a turn, if [`Boot::state`] says anything new.
    State(String),
    /// Records went to the disk; not durable yet.
    Write {
        /// Where the next record goes.
        upto: Position,
        /// How many.
        records: usize,
    },
    /// The log is durable up to here.
    Synced {
        /// The position before which nothing can be lost.
        upto: Position,
    },
    /// The node stopped; all it held in memory is gone.
    Down(Why),
    /// The node started.
    Up {
        /// How many times it was started before.
        starts: u64,
    },
    /// The node takes no turn for a while.
    Paused(Duration),
    /// It takes turns again.
    Resumed,
    /// A fault was applied.
    Fault {
        /// [`crate::Fault::name`].
        name: &'static str,
        /// All of it.
        text: String,
    },
    /// A client's request reached the node.
    Request {
        /// Whose.
        client: u64,
        /// The user's number for it, if it has one.
        number: Option<usize>,
        /// What.
        text: String,
    },
    /// The node's answer reached the client.
    Reply {
        /// Whose.
        client: u64,
        /// The number of the request it answers, if that has one.
        number: Option<usize>,
        /// What.
        text: String,
    },
    /// A line of the user's own.
    Note(String),
}

impl What {
    /// Whether it is of a node's inner life, which a story leaves out.
    pub fn is_inner(&self) -> bool {
        matches!(self, What::Timer | What::State(_) | What::Write { .. })
    }
}

/// Why a message was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// By chance.
    Chance,
    /// There is no such node.
    Nowhere,
    /// The link is cut.
    Cut,
    /// A link that holds messages back holds too many.
    HeldTooMany,
    /// Its sender crashed while it was under way.
    SenderGone,
    /// Its receiver is down.
    ReceiverDown,
    /// Its receiver has been started again since.
    EarlierLife,
    /// The receiver's queue is full.
    QueueFull,
    /// Its sender omitted to send it.
    SendOmission,
    /// Its receiver omitted to receive it.
    ReceiveOmission,
    /// Its sender is silent towards the receiver, on purpose.
    Silence,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::Chance => "by chance",
            Loss::Nowhere => "there is no such node",
            Loss::Cut => "the link is cut",
            Loss::HeldTooMany => "the link holds too many already",
            Loss::SenderGone => "its sender crashed meanwhile",
            Loss::ReceiverDown => "the receiver is down",
            Loss::EarlierLife => "it was for an earlier life of the receiver",
            Loss::QueueFull => "the receiver's queue is full",
            Loss::SendOmission => "the sender omits to send it",
            Loss::ReceiveOmission => "the receiver omits to receive it",
            Loss::Silence => "the sender is silent towards the receiver",
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Sent { to, id, text, .. } => write!(f, "-> {to:?} #{id} {text}"),
            What::Lied { to, id, lie, text } => write!(f, "{lie} to {to:?} #{id}: {text}"),
            What::Delivered { from, id } => write!(f, "<- {from:?} #{id}"),
            What::Duplicated { id } => write!(f, "#{id} is on its way twice"),
            What::Held { id } => write!(f, "#{id} is held back"),
            What::Dropped { id, why } => write!(f, "#{id} is lost: {why}"),
            What::Timer => f.write_str("deadline"),
            What::State(state) => write!(f, "is {state}"),
            What::Write { upto, records } => write!(f, "writes {records} up to {}", upto.0),
            What::Synced { upto } => write!(f, "durable up to {}", upto.0),
            What::Down(why) => write!(f, "down: {why:?}"),
            What::Up { starts: 0 } => f.write_str("up"),
            What::Up { starts } => write!(f, "up, start {}", starts + 1),
            What::Paused(span) => write!(f, "pauses for {span:?}"),
            What::Resumed => f.write_str("goes on"),
            What::Fault { text, .. } => write!(f, "fault: {text}"),
            What::Request { client, number, text } => {
                write!(f, "<- client {client}: {text}")?;
                number.map_or(Ok(()), |number| write!(f, " (operation {number})"))
            }
            What::Reply { client, number, text } => {
                write!(f, "-> client {client}: {text}")?;
                number.map_or(Ok(()), |number| write!(f, " (operation {number})"))
            }
            What::Note(line) => f.write_str(line),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some(node) => write!(f, "{:?} {node:?} {}", self.at, self.what),
            None => write!(f, "{:?} {}", self.at, self.what),
        }
    }
}

/// The last moments of a run.
#[derive(Clone, Debug)]
pub struct Trace {
    moments: VecDeque<Moment>,
    most: usize,
    dropped: u64,
}

impl Trace {
    fn new(most: usize) -> Trace {
        Trace { moments: VecDeque::new(), most: most.max(1), dropped: 0 }
    }

    fn push(&mut self, moment: Moment) {
        if self.moments.len() == self.most {
            self.moments.pop_front();
            self.dropped += 1;
        }
        self.moments.push_back(moment);
    }

    /// The moments kept, oldest first.
    pub fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.moments.iter()
    }

    /// A line for each, but those of a node's inner life.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.moments.iter().filter(|moment| !moment.what.is_inner()).map(Moment::to_string)
    }

    /// How many older moments were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl<B: Boot> World<B> {
    /// Keeps the last `most` moments from now on.
    pub fn trace_on(&mut self, most: usize) {
        self.trace = Some(Trace::new(most));
    }

    /// The moments, if they are kept.
    pub fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// Adds a moment of the user's own, if they are kept: a client's request or its answer, say.
    pub fn record(&mut self, node: Option<NodeId>, what: impl FnOnce() -> What) {
        let at = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(Moment { at, node, what: what() });
        }
    }

    /// Adds a line of the user's own, if moments are kept.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        self.record(None, || What::Note(line()));
    }

    pub(crate) fn record_at(&mut self, index: usize, what: impl FnOnce() -> What) {
        if self.trace.is_some() {
            let node = self.nodes[index].id;
            self.record(Some(node), what);
        }
    }

    /// What a node holds, if moments are kept and it is not what it held before.
    pub(crate) fn record_state(&mut self, index: usize) {
        let Some(trace) = &mut self.trace else { return };
        let node = &mut self.nodes[index];
        let Some(up) = &node.up else { return };
        let state = self.boot.state(up.host.core());
        if state != node.state {
            node.state.clone_from(&state);
            trace.push(Moment { at: self.now, node: Some(node.id), what: What::State(state) });
        }
    }
}

#[cfg(test)]
mod tests;
