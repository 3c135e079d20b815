//! Clients: accepting them, and reading what they ask. Writing is the shard's, once per turn.

use crate::conn::Conn;
use crate::shard::{Served, Shard};
use node::{ConnId, Request};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use stdx::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use wire::resp::{Args, Limits, Parser, ProtocolError};

/// One read takes at most so much: a turn serves everybody before the next.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// After an accept that failed (no file descriptors left), time for some to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts clients until the node drains.
pub(crate) async fn accept<P: Served>(listener: TcpListener, shard: Rc<Shard<P>>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shard.drained.notified() => return,
        };
        match accepted {
            Ok((stream, address)) => admit(stream, address.to_string(), &shard),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit<P: Served>(stream: TcpStream, address: String, shard: &Rc<Shard<P>>) {
    if shard.clients.borrow().len() >= shard.max_clients {
        // A fresh socket takes these few bytes or is gone already.
        let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
        shard.refused.set(shard.refused.get() + 1);
        return;
    }
    // Replies leave in one write per turn: waiting for more to send would only add to them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(client = address, %error, "client gone before it was served");
        return;
    }
    // A client that is gone without a word must not hold its place for ever.
    if let Err(error) = socket2::SockRef::from(&stream).set_keepalive(true) {
        tracing::debug!(client = address, %error, "no keepalive");
    }
    let id = ConnId(shard.next_conn.get());
    shard.next_conn.set(id.0 + 1);
    let (reading, writing) = stream.into_split();
    let conn = Rc::new(Conn::new(id, address, writing, shard.max_value));
    shard.clients.borrow_mut().insert(id, Rc::clone(&conn));
    let command = shard.max_value.saturating_add(COMMAND_ROOM);
    let limits = Limits { bulk: shard.max_value, command, ..Limits::default() };
    let reader = Reader { reading, parser: Parser::new(limits), conn, open: true };
    tokio::task::spawn_local(reader.serve(Rc::clone(shard)));
}

/// A command may have this many bytes more than the longest value, all arguments together: it must fit a frame
/// between nodes.
const COMMAND_ROOM: usize = 32 << 20;

/// The reading half of a connection.
struct Reader {
    reading: OwnedReadHalf,
    parser: Parser,
    conn: Rc<Conn>,
    /// False once nothing more will be read: the client closed its half, or broke the protocol.
    open: bool,
}

/// What one read brought.
struct Arrived {
    commands: Vec<Args>,
    bytes: usize,
    error: Option<ProtocolError>,
}

impl Reader {
    async fn serve<P: Served>(mut self, shard: Rc<Shard<P>>) {
        let conn = Rc::clone(&self.conn);
        let address = conn.address.clone();
        shard.ask(Request::Open { conn: conn.id, address }).await;
        let mut last_words = None;
        while !conn.over() {
            if !self.open && conn.answered() {
                if let Some(error) = last_words.take() {
                    conn.say(format!("-ERR {error}\r\n").into_bytes());
                }
                conn.close();
                conn.flush();
                if conn.over() {
                    break;
                }
            }
            if conn.take_report() {
                shard.ask(Request::Written { conn: conn.id }).await;
            }
            let read = self.open && conn.may_read() && !shard.draining.get();
            conn.reading.set(read);
            tokio::select! {
                arrived = self.read(&shard), if read => match arrived {
                    Ok(arrived) => last_words = self.take(&shard, arrived).await,
                    Err(_) => conn.cut(),
                },
                _ = conn.socket.writable(), if conn.unwritten() > 0 => conn.flush(),
                () = conn.changed.notified() => {}
            }
        }
        conn.reading.set(false);
        shard.clients.borrow_mut().remove(&conn.id);
        shard.ask(Request::Closed { conn: conn.id }).await;
    }

    /// Hands what arrived to the node in one piece; the protocol error in it, if any.
    async fn take<P: Served>(
        &mut self,
        shard: &Rc<Shard<P>>,
        arrived: Arrived,
    ) -> Option<ProtocolError> {
        if arrived.bytes == 0 || arrived.error.is_some() {
            self.open = false;
        }
        if !arrived.commands.is_empty() {
            self.conn.asked(arrived.commands.len(), arrived.bytes);
            shard.ask(Request::Commands { conn: self.conn.id, commands: arrived.commands }).await;
        }
        if let Some(error) = arrived.error {
            tracing::info!(client = %self.conn.address, %error, "closing a client");
        }
        arrived.error
    }

    /// One read into the buffer that all connections of the node share, parsed on the spot: an idle connection
    /// holds no buffer, and one with half a command holds just that half.
    async fn read<P: Served>(&mut self, shard: &Shard<P>) -> io::Result<Arrived> {
        poll_fn(|context| self.poll(context, shard)).await
    }

    fn poll<P: Served>(
        &mut self,
        context: &mut Context<'_>,
        shard: &Shard<P>,
    ) -> Poll<io::Result<Arrived>> {
        let mut shared = shard.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut shared);
        match Pin::new(&mut self.reading).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Ready(Ok(())) => {
                let mut commands = Vec::new();
                let error = self.parser.parse(buffer.filled(), &mut commands).err();
                let bytes = buffer.filled().len().max(commands.iter().map(Args::bytes_len).sum());
                Poll::Ready(Ok(Arrived { commands, bytes, error }))
            }
        }
    }
}
