//! A blocking RESP client of a few lines: one command, one answer.

use crate::Failure;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use wire::resp::{Args, Incoming, Reply, ReplyParser};

/// A reply that is a map, by name.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, Reply)>);

impl Fields {
    /// Nothing, of a reply that is no map.
    pub(crate) fn of(reply: Reply) -> Fields {
        let Reply::Map(pairs) = reply else { return Fields(Vec::new()) };
        Fields(pairs.into_iter().map(|(name, value)| (text(&name), value)).collect())
    }

    fn get(&self, name: &str) -> Result<&Reply, Failure> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value).ok_or_else(|| format!("the node's answer has no `{name}`"))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, Failure> {
        self.get(name).map(text)
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64, Failure> {
        let value = self.text(name)?;
        value.parse().map_err(|_| format!("the node's `{name}` is no number: {value}"))
    }

    pub(crate) fn blob(&self, name: &str) -> Result<&[u8], Failure> {
        match self.get(name)? {
            Reply::Bulk(bytes) => Ok(bytes),
            other => Err(format!("the node's `{name}` is no string: {other:?}")),
        }
    }
}

/// A reply in words.
pub(crate) fn text(reply: &Reply) -> String {
    let all = |items: &[Reply]| items.iter().map(text).collect::<Vec<_>>().join(" ");
    match reply {
        Reply::Simple(text) => text.to_string(),
        Reply::Error(text) | Reply::Verbatim(text) | Reply::Double(text) => text.clone(),
        Reply::Int(number) => number.to_string(),
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Null | Reply::NullArray => "none".to_owned(),
        Reply::Bool(value) => value.to_string(),
        Reply::Array(items) | Reply::Set(items) => all(items),
        Reply::Map(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| format!("{}={}", text(k), text(v)));
            pairs.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Longer than any request timeout that makes sense at a keyboard.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to one node.
pub(crate) struct Client {
    address: String,
    stream: TcpStream,
    replies: ReplyParser,
}

impl Client {
    /// Connects in RESP3 and, if there is a password, authenticates.
    pub(crate) fn connect(address: &str, password: Option<&str>) -> Result<Client, Failure> {
        Client::within(address, password, PATIENCE)
    }

    /// The same; no answer is waited for longer than `patience`.
    pub(crate) fn within(
        address: &str,
        password: Option<&str>,
        patience: Duration,
    ) -> Result<Client, Failure> {
        let failed = |e| format!("cannot connect to {address}: {e}; is a node running there?");
        let stream = TcpStream::connect(address).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        let replies = ReplyParser::new();
        let mut client = Client { address: address.to_owned(), stream, replies };
        let mut hello = vec!["HELLO", "3"];
        if let Some(password) = password {
            hello.extend(["AUTH", "default", password]);
        }
        match client.ask(&hello) {
            Ok(_) => Ok(client),
            Err(text) if text.starts_with("NOAUTH") => {
                Err(format!("{address} wants a password: give it by --password"))
            }
            Err(text) => Err(text),
        }
    }

    /// The answer to one command; a node's error is a failure with its text.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Result<Reply, Failure> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        match self.answer(&words)? {
            Reply::Error(text) => Err(text),
            reply => Ok(reply),
        }
    }

    /// The map that answers one command; a node's error is a failure with its text.
    pub(crate) fn fields(&mut self, words: &[&[u8]]) -> Result<Fields, Failure> {
        match self.answer(words)? {
            Reply::Error(text) => Err(text),
            reply => Ok(Fields::of(reply)),
        }
    }

    /// The answer to one command, be it an error; fails if there is none.
    pub(crate) fn answer(&mut self, words: &[&[u8]]) -> Result<Reply, Failure> {
        let address = self.address.clone();
        let failed = |e: std::io::Error| format!("lost the connection to {address}: {e}");
        let mut args = Args::default();
        words.iter().for_each(|word| args.push(word));
        let mut bytes = Vec::new();
        args.encode_resp(&mut bytes);
        self.stream.write_all(&bytes).map_err(failed)?;
        let mut buffer = [0; 64 << 10];
        loop {
            match self.replies.next().map_err(|e| format!("{address}: {e}"))? {
                Some(Incoming::Reply(reply)) => return Ok(reply),
                Some(Incoming::Push(_)) => continue,
                None => {}
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(format!("{address} closed the connection")),
                Ok(n) => self.replies.feed(&buffer[..n]),
                // Stopped and continued: the kernel does not go on with a read that has a timeout.
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(e)),
            }
        }
    }
}
