//! A blocking RESP client that tells what certainly was not sent from what may have arrived.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use wire::resp::{Args, Incoming, Reply, ReplyParser};

/// Far beyond every deadline the nodes are given: who waits so long waits for nobody.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to one node.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    replies: ReplyParser,
}

/// Bytes of a command.
pub(crate) fn command<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut args = Args::default();
    words.iter().for_each(|word| args.push(word.as_ref()));
    let mut bytes = Vec::new();
    args.encode_resp(&mut bytes);
    bytes
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Client> {
        Client::over(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    pub(crate) fn over(stream: TcpStream) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, replies: ReplyParser::new() })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next reply; pushes are skipped.
    pub(crate) fn receive(&mut self) -> io::Result<Reply> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.replies.next().map_err(io::Error::other)? {
                Some(Incoming::Reply(reply)) => return Ok(reply),
                Some(Incoming::Push(_)) => continue,
                None => {}
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.replies.feed(&buffer[..n]),
                // The machine was stopped and continued: a read with a timeout does not go on by itself.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// One command, one reply. After an error here the command may have arrived.
    pub(crate) fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> io::Result<Reply> {
        self.send(&command(words))?;
        self.receive()
    }

    /// As [`Client::call`], where nothing may go wrong.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> Reply {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = self.call(&words);
        reply.unwrap_or_else(|e| panic!("`{line}`: the connection failed: {e}"))
    }

    /// The text of a reply to `line`, errors included.
    #[track_caller]
    pub(crate) fn text(&mut self, line: &str) -> String {
        text(&self.ask(line))
    }
}

/// A reply as a person would read it.
pub(crate) fn text(reply: &Reply) -> String {
    match reply {
        Reply::Simple(text) => text.to_string(),
        Reply::Error(text) | Reply::Verbatim(text) | Reply::Double(text) => text.clone(),
        Reply::Int(number) => number.to_string(),
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Null | Reply::NullArray => "(nil)".to_owned(),
        Reply::Bool(value) => value.to_string(),
        Reply::Array(items) | Reply::Set(items) => {
            items.iter().map(text).collect::<Vec<_>>().join(" ")
        }
        Reply::Map(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| format!("{}={}", text(k), text(v)));
            pairs.collect::<Vec<_>>().join(" ")
        }
    }
}

/// One row of KEYSPACE SHOW, in RESP2 (a flat array).
pub(crate) fn row(shown: &Reply, name: &str) -> Option<String> {
    let Reply::Array(items) = shown else { return None };
    let mut pairs = items.chunks(2);
    let pair = pairs.find(|pair| pair.len() == 2 && text(&pair[0]) == name)?;
    (pair[1] != Reply::Null).then(|| text(&pair[1]))
}
