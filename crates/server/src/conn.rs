//! What a client connection holds: replies to be written, and how much it asked that is not answered yet.

use node::ConnId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

/// A client with so many commands under way is not read.
const MAX_UNANSWERED: usize = 1024;
/// Nor one whose commands under way take so many bytes.
const MAX_UNANSWERED_BYTES: usize = 4 << 20;
/// Nor one that has so many bytes of replies to take.
const MAX_UNREAD: usize = 8 << 20;
/// And with so many more than the longest value it is closed, as by Redis' `client-output-buffer-limit`. The
/// node stops serving a client well before: this is the last line.
const MAX_OUTBOX: usize = 128 << 20;
/// An emptied outbox that grew beyond this is given back, so that idle connections cost little.
const KEEP: usize = 4 << 10;

/// Bytes on their way into a socket that may take less than is offered.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    /// Once empty, no more memory than this is kept.
    keep: usize,
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox::keeping(KEEP)
    }
}

impl Outbox {
    /// An outbox that keeps at most `keep` bytes of memory once it is empty.
    pub(crate) fn keeping(keep: usize) -> Outbox {
        Outbox { bytes: Vec::new(), written: 0, keep }
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Appends a reply, without a copy where nothing waits.
    pub(crate) fn push(&mut self, bytes: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    /// Appends what `write` encodes.
    pub(crate) fn encode(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
    }

    /// Forgets everything, including half-written frames.
    pub(crate) fn clear(&mut self) {
        *self = Outbox::keeping(self.keep);
    }

    /// Offers everything to `socket` with one system call; true if nothing is left.
    pub(crate) fn flush(&mut self, socket: &OwnedWriteHalf) -> io::Result<bool> {
        if self.len() == 0 {
            return Ok(true);
        }
        match socket.try_write(&self.bytes[self.written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => self.written += taken,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
        assert!(self.written <= self.bytes.len(), "a socket took more than was offered");
        if self.written == self.bytes.len() {
            self.written = 0;
            if self.bytes.capacity() > self.keep {
                self.bytes = Vec::new();
            } else {
                self.bytes.clear();
            }
        } else if self.written > self.bytes.len() / 2 {
            // Moves at most as much as was written before, so the cost stays linear.
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        Ok(self.len() == 0)
    }
}

/// A client connection as the shard sees it; its task in `client` holds the reading half.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    pub(crate) address: String,
    pub(crate) socket: OwnedWriteHalf,
    /// Wakes the connection's task: room to read again, bytes to write, or the end.
    pub(crate) changed: Notify,
    outbox: RefCell<Outbox>,
    max_outbox: usize,
    /// Whether the node wants to hear when everything is written.
    report: Cell<bool>,
    /// Commands and bytes of each read that is not wholly answered, oldest first.
    asked: RefCell<VecDeque<(usize, usize)>>,
    unanswered: Cell<usize>,
    unanswered_bytes: Cell<usize>,
    closing: Cell<bool>,
    broken: Cell<bool>,
    dirty: Cell<bool>,
    /// Whether the task waits for the client; if so, replies that fit the socket need not wake it.
    pub(crate) reading: Cell<bool>,
}

impl Conn {
    pub(crate) fn new(
        id: ConnId,
        address: String,
        socket: OwnedWriteHalf,
        max_value: usize,
    ) -> Conn {
        Conn {
            id,
            address,
            socket,
            changed: Notify::new(),
            outbox: RefCell::default(),
            max_outbox: MAX_OUTBOX.saturating_add(max_value),
            report: Cell::new(false),
            asked: RefCell::default(),
            unanswered: Cell::new(0),
            unanswered_bytes: Cell::new(0),
            closing: Cell::new(false),
            broken: Cell::new(false),
            dirty: Cell::new(false),
            reading: Cell::new(false),
        }
    }

    /// Notes what goes to the node now.
    pub(crate) fn asked(&self, commands: usize, bytes: usize) {
        self.asked.borrow_mut().push_back((commands, bytes));
        self.unanswered.set(self.unanswered.get() + commands);
        self.unanswered_bytes.set(self.unanswered_bytes.get() + bytes);
    }

    /// Takes a reply from the node. True if the connection was not yet among those to be flushed this turn.
    pub(crate) fn reply(&self, bytes: Vec<u8>, mut answered: usize) -> bool {
        let mut asked = self.asked.borrow_mut();
        assert!(answered <= self.unanswered.get(), "{:?}: more answers than questions", self.id);
        self.unanswered.set(self.unanswered.get() - answered);
        while answered > 0 {
            let (commands, size) = asked.front_mut().expect("counted by `unanswered`");
            if *commands > answered {
                *commands -= answered;
                break;
            }
            answered -= *commands;
            self.unanswered_bytes.set(self.unanswered_bytes.get() - *size);
            asked.pop_front();
        }
        if !self.closing.get() && !self.broken.get() {
            self.outbox.borrow_mut().push(bytes);
            self.limit();
        }
        !self.dirty.replace(true)
    }

    /// The connection ends once everything before this was written. True as in [`Conn::reply`].
    pub(crate) fn close(&self) -> bool {
        self.closing.set(true);
        !self.dirty.replace(true)
    }

    /// Ends the connection without another word.
    pub(crate) fn cut(&self) {
        self.broken.set(true);
        self.outbox.borrow_mut().clear();
        self.changed.notify_one();
    }

    /// Says something of the machine's own (a protocol error), after what the node said.
    pub(crate) fn say(&self, bytes: Vec<u8>) {
        self.outbox.borrow_mut().push(bytes);
    }

    /// Gives up a client that is too far behind. Looked at with each reply, not once a turn, so that a turn
    /// with many large answers does not pile them all up first.
    fn limit(&self) {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.len() > self.max_outbox && outbox.flush(&self.socket).is_err() {
            self.broken.set(true);
        }
        if outbox.len() > self.max_outbox {
            tracing::warn!(
                client = %self.address,
                waiting_bytes = outbox.len(),
                limit_bytes = self.max_outbox,
                "closing a client that does not read its replies"
            );
            self.broken.set(true);
        }
        if self.broken.get() {
            outbox.clear();
        }
    }

    /// One write for all replies of a turn; wakes the task if that changes what it waits for.
    pub(crate) fn flush(&self) {
        self.dirty.set(false);
        let mut outbox = self.outbox.borrow_mut();
        if outbox.flush(&self.socket).is_err() {
            self.broken.set(true);
            outbox.clear();
        }
        let waits = outbox.len() > 0;
        drop(outbox);
        if waits || !self.reading.get() || self.over() || self.report.get() {
            self.changed.notify_one();
        }
    }

    /// The node wants to hear when everything up to here is written.
    pub(crate) fn want_report(&self) {
        self.report.set(true);
    }

    /// Whether the node is to hear, once, that everything is written.
    pub(crate) fn take_report(&self) -> bool {
        self.unwritten() == 0 && self.report.take()
    }

    /// Whether more may be read from this client.
    pub(crate) fn may_read(&self) -> bool {
        self.unanswered.get() < MAX_UNANSWERED
            && self.unanswered_bytes.get() < MAX_UNANSWERED_BYTES
            && self.unwritten() < MAX_UNREAD
            && !self.closing.get()
    }

    /// Whether the node has answered everything.
    pub(crate) fn answered(&self) -> bool {
        self.unanswered.get() == 0
    }

    /// Bytes of replies that the socket has not taken.
    pub(crate) fn unwritten(&self) -> usize {
        self.outbox.borrow().len()
    }

    /// Whether nothing is left to do but to close the socket.
    pub(crate) fn over(&self) -> bool {
        self.broken.get() || (self.closing.get() && self.unwritten() == 0)
    }
}
