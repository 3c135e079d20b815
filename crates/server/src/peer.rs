//! Links between nodes: one TCP connection dialed to each peer, on which this node speaks, and one accepted
//! from each, on which it listens. A link that goes down loses what was under way; nothing is sent twice.

use crate::greeting::{GREETING, Greeting, Identity, MESSAGE, Refusal};
use crate::options::Peer;
use crate::outbound::Outbound;
use crate::shard::{Served, Shard};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;
use stdx::{Duration, NodeId, Prng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use wire::frame::{FrameError, FrameReader};
use wire::{Wire, WireError};

/// To connect and to greet; longer than any round trip, shorter than an operator's patience.
const GREETING_TIMEOUT: Duration = Duration::from_secs(3);
/// A peer whose kernel acknowledges nothing for so long is gone: the link is dialed anew.
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A greeting is short; a stranger may not make this node hold more.
const MAX_GREETING: usize = 4 << 10;
/// Strangers that may be greeting at one time.
const MAX_GREETERS: usize = 64;
/// Room in a frame beside the largest value: a batch of entries, or a chunk of a snapshot, around it.
const FRAME_ROOM: usize = 64 << 20;
const READ_BYTES: usize = 128 << 10;

/// Why a link ended.
#[derive(Debug)]
enum LinkError {
    Io(io::Error),
    Timeout,
    Closed,
    Frame(FrameError),
    Message(WireError),
    /// A frame of a kind that has no place here.
    Kind(u8),
    /// This node refuses the other.
    Refuses(Refusal),
    /// The other refuses this node.
    Refused(String),
    /// The other side of a dialed link spoke after its welcome.
    OutOfTurn,
    /// A newer link from the same peer took over.
    Replaced,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Io(e) => e.fmt(f),
            LinkError::Timeout => write!(f, "no answer within {GREETING_TIMEOUT:?}"),
            LinkError::Closed => f.write_str("the peer closed the link"),
            LinkError::Frame(e) => write!(f, "bad frame: {e}"),
            LinkError::Message(e) => write!(f, "bad message: {e}"),
            LinkError::Kind(kind) => write!(f, "unexpected frame of kind {kind}"),
            LinkError::Refuses(why) => write!(f, "refused: {why}"),
            LinkError::Refused(why) => write!(f, "the peer refused this node: {why}"),
            LinkError::OutOfTurn => f.write_str("the peer spoke on a link it only listens on"),
            LinkError::Replaced => f.write_str("a newer link from this peer took over"),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(e: io::Error) -> LinkError {
        LinkError::Io(e)
    }
}

/// Keeps a link to `peer` for ever: dial, greet, send; on failure wait with backoff and jitter.
pub(crate) async fn dial(peer: Peer, to: Rc<Outbound>, identity: Rc<Identity>, mut rng: Prng) {
    let mut pause = FIRST_PAUSE;
    let mut last_said = String::new();
    loop {
        let ended = match connect(&peer, &identity).await {
            Ok(stream) => {
                tracing::info!(peer = %peer.node, address = peer.address, "link up");
                let up = tokio::time::Instant::now();
                let ended = speak(stream, &to).await;
                // One that dies at once is dialed no faster than one that cannot be reached.
                if up.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                    last_said.clear();
                }
                ended
            }
            Err(error) => error,
        };
        to.disconnected();
        // A peer that is down for an hour gets one line, not one for each attempt.
        let said = ended.to_string();
        if said != last_said {
            if matches!(ended, LinkError::Refused(_)) {
                tracing::error!(peer = %peer.node, address = peer.address, reason = said, "link");
            } else {
                tracing::info!(peer = %peer.node, address = peer.address, reason = said, "no link");
            }
            last_said = said;
        }
        tokio::time::sleep(rng.span(pause / 2, pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn connect(peer: &Peer, identity: &Identity) -> Result<TcpStream, LinkError> {
    let greet = async {
        let mut stream = TcpStream::connect(&peer.address).await?;
        tune(&stream)?;
        say(&mut stream, &identity.hello(peer.node)).await?;
        match hear(&mut stream).await? {
            Greeting::Welcome => Ok(stream),
            Greeting::Refused { reason } => Err(LinkError::Refused(reason)),
            Greeting::Hello { .. } => Err(LinkError::OutOfTurn),
        }
    };
    timeout(GREETING_TIMEOUT, greet).await.unwrap_or(Err(LinkError::Timeout))
}

/// No delay for small messages, and a silent peer is noticed.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.set_keepalive(true)
}

async fn say(stream: &mut TcpStream, greeting: &Greeting) -> Result<(), LinkError> {
    let mut bytes = Vec::new();
    wire::frame::put(GREETING, |body| greeting.encode(body), &mut bytes);
    Ok(stream.write_all(&bytes).await?)
}

/// The other side's greeting. Nothing may follow it yet: both sides wait for each other here.
async fn hear(stream: &mut TcpStream) -> Result<Greeting, LinkError> {
    let mut frames = FrameReader::new(MAX_GREETING);
    let mut bytes = [0; 512];
    loop {
        match stream.read(&mut bytes).await? {
            0 => return Err(LinkError::Closed),
            n => frames.feed(&bytes[..n]),
        }
        let greeting = match frames.next().map_err(LinkError::Frame)? {
            None => continue,
            Some(frame) if frame.kind == GREETING => {
                wire::decode_all(frame.body).map_err(LinkError::Message)?
            }
            Some(frame) => return Err(LinkError::Kind(frame.kind)),
        };
        return if frames.held() == 0 { Ok(greeting) } else { Err(LinkError::OutOfTurn) };
    }
}

/// Sends what the shard could not put into the socket itself, until the link ends.
async fn speak(stream: TcpStream, to: &Outbound) -> LinkError {
    let (mut reading, writing) = stream.into_split();
    let writing = Rc::new(writing);
    to.connected(Rc::clone(&writing));
    let mut byte = [0];
    while !to.broken() {
        tokio::select! {
            read = reading.read(&mut byte) => return match read {
                Ok(0) => LinkError::Closed,
                Ok(_) => LinkError::OutOfTurn,
                Err(e) => LinkError::Io(e),
            },
            _ = writing.writable(), if to.waiting() => to.flush(),
            () = to.changed.notified() => {}
        }
    }
    LinkError::Closed
}

/// What all links that peers dialed share.
pub(crate) struct Inbound {
    identity: Rc<Identity>,
    greeters: Cell<usize>,
    /// The newest link of each peer; told when a newer one takes over.
    links: RefCell<BTreeMap<NodeId, Rc<Notify>>>,
    max_frame: usize,
}

impl Inbound {
    pub(crate) fn new(identity: Rc<Identity>, max_value: usize) -> Inbound {
        Inbound {
            identity,
            greeters: Cell::new(0),
            links: RefCell::default(),
            max_frame: max_value.saturating_add(FRAME_ROOM),
        }
    }
}

/// Accepts links until the runtime ends.
pub(crate) async fn accept<P: Served>(
    listener: TcpListener,
    inbound: Inbound,
    shard: Rc<Shard<P>>,
) {
    let inbound = Rc::new(inbound);
    loop {
        match listener.accept().await {
            Ok((_, address)) if inbound.greeters.get() >= MAX_GREETERS => {
                tracing::warn!(%address, "too many links are being set up: closed");
            }
            Ok((stream, address)) => {
                let (inbound, shard) = (Rc::clone(&inbound), Rc::clone(&shard));
                tokio::task::spawn_local(async move {
                    let (from, ended) = listen(stream, &inbound, &shard).await;
                    let from = from.map(|n| n.0);
                    match ended {
                        LinkError::Refuses(_)
                        | LinkError::Frame(_)
                        | LinkError::Message(_)
                        | LinkError::Kind(_) => {
                            tracing::error!(%address, from, reason = %ended, "link from peer");
                        }
                        _ => tracing::debug!(%address, from, reason = %ended, "link ended"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer");
                tokio::time::sleep(LONGEST_PAUSE).await;
            }
        }
    }
}

async fn listen<P: Served>(
    mut stream: TcpStream,
    inbound: &Inbound,
    shard: &Shard<P>,
) -> (Option<NodeId>, LinkError) {
    inbound.greeters.set(inbound.greeters.get() + 1);
    let member = |node| shard.peers.contains_key(&node);
    let greeted = greeted(&mut stream, &inbound.identity, member);
    let greeted = timeout(GREETING_TIMEOUT, greeted).await.unwrap_or(Err(LinkError::Timeout));
    inbound.greeters.set(inbound.greeters.get() - 1);
    let from = match greeted {
        Ok(from) => from,
        Err(error) => return (None, error),
    };
    let replaced = Rc::new(Notify::new());
    if let Some(older) = inbound.links.borrow_mut().insert(from, Rc::clone(&replaced)) {
        older.notify_one();
    }
    let frames = FrameReader::new(inbound.max_frame);
    let (reading, writing) = stream.into_split();
    let ended = tokio::select! {
        ended = receive(reading, frames, from, shard) => ended,
        () = replaced.notified() => LinkError::Replaced,
    };
    drop(writing);
    (Some(from), ended)
}

async fn greeted(
    stream: &mut TcpStream,
    identity: &Identity,
    member: impl Fn(NodeId) -> bool,
) -> Result<NodeId, LinkError> {
    tune(stream)?;
    let greeting = hear(stream).await?;
    match identity.admit(greeting, member) {
        Ok(from) => {
            say(stream, &Greeting::Welcome).await?;
            Ok(from)
        }
        Err(refusal) => {
            say(stream, &Greeting::Refused { reason: refusal.to_string() }).await?;
            Err(LinkError::Refuses(refusal))
        }
    }
}

/// Messages to the shard, until the link ends. A full host is waited for: the peer's kernel then holds back.
async fn receive<P: Served>(
    mut reading: OwnedReadHalf,
    mut frames: FrameReader,
    from: NodeId,
    shard: &Shard<P>,
) -> LinkError {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        loop {
            match frames.next() {
                Ok(Some(frame)) if frame.kind != MESSAGE => return LinkError::Kind(frame.kind),
                Ok(Some(frame)) => match wire::decode_all::<P::Message>(frame.body) {
                    Ok(message) => shard.hear(from, message).await,
                    Err(e) => return LinkError::Message(e),
                },
                Ok(None) => break,
                Err(e) => return LinkError::Frame(e),
            }
        }
        match reading.read(&mut buffer).await {
            Ok(0) => return LinkError::Closed,
            Ok(n) => frames.feed(&buffer[..n]),
            Err(e) => return LinkError::Io(e),
        }
    }
}
