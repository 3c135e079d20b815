//! The loop around the host: what tasks and the log thread bring goes in, actions come out in order.

use crate::client::READ_BYTES;
use crate::clock;
use crate::conn::Conn;
use crate::handle::Progress;
use crate::journal::{Job, LogThread};
use crate::outbound::Outbound;
use crate::tables::TableThread;
use node::{ConnId, Event, Output, Request, Status};
use protocol::{Action, Host, Protocol};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use stdx::{Duration, NodeId, Now, Position};
use storage::Answer;
use tokio::sync::Notify;
use wire::Batch;

/// A core that this machine can serve: [`node::Node`], or a small one in tests.
pub(crate) trait Served: Protocol<Request = Request, Output = Output> + 'static {
    /// What `/readyz` and `/metrics` show.
    fn status(&self, now: Now) -> Status;
}

impl Served for node::Node {
    fn status(&self, now: Now) -> Status {
        node::Node::status(self, now)
    }
}

/// Everything the tasks of one node share. All of them run on one thread: no locks, and no borrow is held
/// across an await.
pub(crate) struct Shard<P: Protocol> {
    pub(crate) host: RefCell<Host<P>>,
    /// Wakes the loop: there is input.
    pub(crate) wake: Notify,
    /// Every round of the loop: there may be room for input again.
    pub(crate) turned: Notify,
    pub(crate) clients: RefCell<BTreeMap<ConnId, Rc<Conn>>>,
    pub(crate) peers: BTreeMap<NodeId, Rc<Outbound>>,
    pub(crate) next_conn: Cell<u64>,
    pub(crate) max_clients: usize,
    pub(crate) max_value: usize,
    /// Clients turned away at `max_clients`.
    pub(crate) refused: Cell<u64>,
    pub(crate) draining: Cell<bool>,
    pub(crate) drained: Notify,
    pub(crate) scratch: RefCell<Box<[u8]>>,
}

/// What a shard is made of.
pub(crate) struct Parts<P: Protocol> {
    pub(crate) host: Host<P>,
    pub(crate) peers: BTreeMap<NodeId, Rc<Outbound>>,
    pub(crate) max_clients: usize,
    pub(crate) max_value: usize,
}

impl<P: Served> Shard<P> {
    pub(crate) fn new(parts: Parts<P>) -> Shard<P> {
        Shard {
            host: RefCell::new(parts.host),
            wake: Notify::new(),
            turned: Notify::new(),
            clients: RefCell::default(),
            peers: parts.peers,
            next_conn: Cell::new(1),
            max_clients: parts.max_clients,
            max_value: parts.max_value,
            refused: Cell::new(0),
            draining: Cell::new(false),
            drained: Notify::new(),
            scratch: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
        }
    }

    /// Queues a request, waiting for room: whoever asks stops reading its socket meanwhile.
    pub(crate) async fn ask(&self, mut request: Request) {
        loop {
            let turned = self.turned.notified();
            let queued = self.host.borrow_mut().request(request);
            match queued {
                Ok(()) => return self.wake.notify_one(),
                // The process is about to end.
                Err(_) if self.host.borrow().stopped() => return,
                Err(back) => request = back,
            }
            turned.await;
        }
    }

    /// Queues a message of a peer, waiting for room.
    pub(crate) async fn hear(&self, from: NodeId, message: P::Message) {
        while self.host.borrow().room() == 0 && !self.host.borrow().stopped() {
            self.turned.notified().await;
        }
        if self.host.borrow_mut().receive(from, message) {
            self.wake.notify_one();
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.host.borrow().core().status(clock::now())
    }

    /// Whether every client has all it asked for.
    fn quiet(&self) -> bool {
        self.clients.borrow().values().all(|c| c.over() || (c.answered() && c.unwritten() == 0))
    }
}

/// The loop, and what only it touches.
pub(crate) struct Turns<P: Protocol> {
    shard: Rc<Shard<P>>,
    log: LogThread,
    tables: TableThread,
    /// What the engine has answered and the host had no room for.
    unheard: Option<Answer>,
    actions: VecDeque<Action<P>>,
    /// To be flushed once this turn's actions are done: one system call per socket and turn.
    written: Vec<Rc<Conn>>,
    spoken: Vec<Rc<Outbound>>,
    /// The newest release, until the next write takes it along.
    release: Option<Position>,
    progress: Progress,
    told_ready: bool,
}

impl<P: Served> Turns<P> {
    pub(crate) fn new(
        shard: Rc<Shard<P>>,
        (log, tables): (LogThread, TableThread),
        progress: Progress,
    ) -> Turns<P> {
        Turns {
            shard,
            log,
            tables,
            unheard: None,
            actions: VecDeque::new(),
            written: Vec::new(),
            spoken: Vec::new(),
            release: None,
            progress,
            told_ready: false,
        }
    }

    /// Turns until `stop`, then drains for at most `patience` and ends the log.
    pub(crate) async fn run(mut self, stop: Arc<Notify>, patience: Duration) {
        let stopping = stop.notified();
        tokio::pin!(stopping);
        loop {
            self.round();
            tokio::select! {
                biased;
                () = &mut stopping => break,
                () = self.wait() => {}
            }
        }
        self.drain(patience).await;
        self.log.join();
        self.tables.join();
    }

    async fn drain(&mut self, patience: Duration) {
        let shard = Rc::clone(&self.shard);
        shard.draining.set(true);
        shard.drained.notify_waiters();
        let until = clock::now().mono + patience;
        loop {
            self.round();
            let left = until.since(clock::now().mono);
            if shard.quiet() && !shard.host.borrow().ready() {
                break;
            }
            if left.is_zero() {
                tracing::warn!("closing clients that still wait for answers");
                break;
            }
            let _ = tokio::time::timeout(left.min(Duration::from_millis(20)), self.wait()).await;
        }
        for conn in shard.clients.borrow().values() {
            conn.cut();
        }
    }

    /// One look at everything: what became durable, what came in, what is due.
    fn round(&mut self) {
        while let Ok(answer) = self.log.answers.try_recv() {
            self.synced(answer);
        }
        self.hear_tables();
        let mut host = self.shard.host.borrow_mut();
        let due = host.deadline().is_some_and(|at| at <= clock::now().mono);
        if due || host.ready() {
            host.turn(&mut clock::now, &mut self.actions);
        }
        drop(host);
        self.carry_out();
        self.shard.turned.notify_waiters();
        if !self.told_ready && self.shard.status().ready {
            self.told_ready = true;
            self.progress.ready();
        }
    }

    /// Until there is something to do. Yields in any case, so that sockets are served between two turns.
    async fn wait(&mut self) {
        tokio::task::yield_now().await;
        if self.shard.host.borrow().ready() {
            return;
        }
        let deadline = self.shard.host.borrow().deadline();
        let left = deadline.map(|at| at.since(clock::now().mono));
        tokio::select! {
            biased;
            answer = self.log.answers.recv() => match answer {
                Some(answer) => self.synced(answer),
                None => fatal("the log thread is gone"),
            },
            answer = self.tables.answers.recv(), if self.unheard.is_none() => match answer {
                Some(answer) => self.unheard = Some(heard(answer)),
                None => fatal("the thread of the tables is gone"),
            },
            () = self.shard.wake.notified() => {}
            () = tokio::time::sleep(left.unwrap_or_default()), if left.is_some() => {}
        }
    }

    /// Hands over what the engine has answered, in order, as far as there is room.
    fn hear_tables(&mut self) {
        let mut host = self.shard.host.borrow_mut();
        loop {
            let next = || self.tables.answers.try_recv().ok().map(heard);
            let Some(answer) = self.unheard.take().or_else(next) else { return };
            if let Err(back) = host.request(Request::Table(answer)) {
                if let Request::Table(back) = back {
                    self.unheard = Some(back);
                }
                return;
            }
        }
    }

    fn synced(&mut self, answer: Result<Batch, String>) {
        let mut host = self.shard.host.borrow_mut();
        match answer {
            Ok(batch) => {
                host.synced(batch.end(), &mut self.actions);
                host.reuse(batch);
            }
            Err(reason) => {
                host.sync_failed();
                fatal(&reason);
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.actions.pop_front() {
            match action {
                Action::Send { to, message } => self.send(to, &message),
                Action::Output(output) => self.output(output),
                Action::Write(batch) => {
                    self.log.write(Job { batch, release: self.release.take() });
                }
                Action::Release(before) => self.release = Some(before),
            }
        }
        for conn in self.written.drain(..) {
            conn.flush();
        }
        for peer in self.spoken.drain(..) {
            peer.flush();
        }
    }

    fn send(&mut self, to: NodeId, message: &P::Message) {
        // A core may know nodes that this configuration does not: to the protocol that is loss.
        let Some(peer) = self.shard.peers.get(&to) else { return };
        if peer.push(message) {
            self.spoken.push(Rc::clone(peer));
        }
    }

    fn output(&mut self, output: Output) {
        let of = |id| self.shard.clients.borrow().get(&id).cloned();
        match output {
            Output::Reply { conn, bytes, answered, report } => {
                // A client that left before its answer came needs none.
                let Some(conn) = of(conn) else { return };
                if report {
                    conn.want_report();
                }
                if conn.reply(bytes, answered) {
                    self.written.push(conn);
                }
            }
            Output::Close { conn, flush } => {
                let Some(conn) = of(conn) else { return };
                if !flush {
                    conn.cut();
                    return;
                }
                if conn.close() {
                    self.written.push(conn);
                }
            }
            Output::Table(ask) => self.tables.ask(ask),
            Output::Event(event) => report(event),
        }
    }
}

/// The node cannot go on: what it promised may not be on its disk. The whole process ends, and with it every
/// node of a `dev` cluster, since a half-alive process helps nobody find the cause.
fn fatal(reason: &str) -> ! {
    tracing::error!(reason, "the log failed: stopping at once; nothing unsynced was acknowledged");
    std::process::abort()
}

/// What an engine answered. Without it the state cannot be read: the node stops, and its next start fills the
/// tables anew from the log.
fn heard(answer: Result<Answer, String>) -> Answer {
    answer.unwrap_or_else(|reason| {
        tracing::error!(reason, "a table on disk failed: stopping; the log has all that it held");
        std::process::abort()
    })
}

/// Says what happened to whoever reads the log.
pub(crate) fn report(event: Event) {
    match event {
        Event::Leader { keyspace, term, leader: Some(leader) } => {
            tracing::info!(keyspace, term, %leader, "leader");
        }
        Event::Leader { keyspace, term, leader: None } => {
            tracing::info!(keyspace, term, "no leader known");
        }
        Event::ReplicaCreated { keyspace } => tracing::info!(keyspace, "replica created"),
        Event::Snapshot { keyspace, index, bytes, received } => {
            tracing::info!(keyspace, index, bytes, received, "snapshot");
        }
        Event::PeerRefused { peer, reason } => tracing::error!(%peer, reason, "peer refused"),
        Event::MessageDamaged { peer, keyspace, reason } => {
            tracing::error!(%peer, keyspace, reason, "damaged on its way: dropped");
        }
        Event::TornTail { place } => {
            tracing::warn!(
                place,
                "cut off a write that a crash interrupted; it was never acknowledged"
            );
        }
        Event::Diverged { keyspace, index } => {
            tracing::error!(
                keyspace,
                index,
                "this replica differs from a majority: not served, being rebuilt"
            );
        }
        Event::Rebuilt { keyspace, index } => {
            tracing::warn!(
                keyspace,
                index,
                "a replica that had diverged is rebuilt from the leader"
            );
        }
        Event::NoMajority { keyspace, index } => {
            tracing::error!(
                keyspace,
                index,
                "replicas differ and no majority agrees: restore or rebuild by hand"
            );
        }
        Event::SumWrong { keyspace } => {
            tracing::error!(
                keyspace,
                "the digest of a table was not that of its entries; made anew"
            );
        }
        Event::Damaged { keyspace, place } => {
            tracing::error!(keyspace, place, "damaged: replica not served");
        }
    }
}
