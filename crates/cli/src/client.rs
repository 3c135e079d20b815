//! A blocking RESP client of a few lines: one command, one answer.

use crate::Failure;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use wire::resp::{Args, Incoming, Reply, ReplyParser};

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

    /// The answer to one command, be it an error; fails if there is none.
    pub(crate) fn answer(&mut self, words: &[&[u8]]) -> Result<Reply, Failure> {
        let address = self.address.clone();
        let failed = |e: std::io::Error| format!("lost the connection to {address}: {e}");
        let mut args = Args::default();
        words.iter().for_each(|word| args.push(word));
        let mut bytes = Vec::new();
        args.encode_resp(&mut bytes);
        self.stream.write_all(&bytes).map_err(failed)?;
        let mut buffer = [0; 4096];
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
