//! What waits to be sent to one peer.

use crate::conn::Outbox;
use crate::greeting::MESSAGE;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use stdx::NodeId;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use wire::Wire;

/// Beyond so many bytes new messages to a peer are dropped: it is slower than this node for longer than
/// memory should pay for, and the protocols stand loss.
const MAX_WAITING: usize = 64 << 20;

/// Memory for what one turn says is kept: a node has few peers, and says the next as soon.
const KEEP: usize = 1 << 20;

/// The sending side of the link to one peer. While it is down, messages are dropped: by the time it is up
/// again the protocol has said what still matters anew.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) node: NodeId,
    /// Wakes the link's task: bytes wait that the socket did not take, or the link broke.
    pub(crate) changed: Notify,
    socket: RefCell<Option<Rc<OwnedWriteHalf>>>,
    outbox: RefCell<Outbox>,
    dirty: Cell<bool>,
    broken: Cell<bool>,
    dropped: Cell<u64>,
    sent: Cell<u64>,
}

impl Outbound {
    pub(crate) fn new(node: NodeId) -> Outbound {
        Outbound {
            node,
            changed: Notify::new(),
            socket: RefCell::default(),
            outbox: RefCell::new(Outbox::keeping(KEEP)),
            dirty: Cell::new(false),
            broken: Cell::new(false),
            dropped: Cell::new(0),
            sent: Cell::new(0),
        }
    }

    /// The peer welcomed us on `socket`.
    pub(crate) fn connected(&self, socket: Rc<OwnedWriteHalf>) {
        self.outbox.borrow_mut().clear();
        self.broken.set(false);
        *self.socket.borrow_mut() = Some(socket);
    }

    /// The link is gone, and with it what waited: a frame half-sent cannot be continued on another link.
    pub(crate) fn disconnected(&self) {
        *self.socket.borrow_mut() = None;
        self.outbox.borrow_mut().clear();
    }

    /// Queues a message, or drops and counts it. True if there was nothing to flush for this peer before.
    pub(crate) fn push<M: Wire>(&self, message: &M) -> bool {
        let mut outbox = self.outbox.borrow_mut();
        if !self.up() || outbox.len() >= MAX_WAITING {
            self.dropped.set(self.dropped.get() + 1);
            return false;
        }
        let before = outbox.len();
        outbox.encode(|out| wire::frame::put(MESSAGE, |body| message.encode(body), out));
        self.sent.set(self.sent.get() + (outbox.len() - before) as u64);
        !self.dirty.replace(true)
    }

    /// One write for all messages of a turn.
    pub(crate) fn flush(&self) {
        self.dirty.set(false);
        let socket = self.socket.borrow().clone();
        let Some(socket) = socket else { return };
        match self.outbox.borrow_mut().flush(&socket) {
            Ok(true) => {}
            Ok(false) => self.changed.notify_one(),
            Err(_) => {
                self.broken.set(true);
                self.changed.notify_one();
            }
        }
    }

    pub(crate) fn up(&self) -> bool {
        self.socket.borrow().is_some() && !self.broken.get()
    }

    pub(crate) fn broken(&self) -> bool {
        self.broken.get()
    }

    pub(crate) fn waiting(&self) -> bool {
        self.outbox.borrow().len() > 0
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }
}
