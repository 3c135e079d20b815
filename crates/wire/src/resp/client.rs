//! Replies as a client reads them: for tests, the CLI and load generators.

use super::Reply;
use super::reply::MAX_DEPTH;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use stdx::Bytes;

/// The longest bulk and the most items of one reply that is believed.
const MAX_COUNT: usize = 512 << 20;
const MAX_LINE: usize = 64 * 1024;

/// Something a server sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// The answer to the oldest command without one.
    Reply(Reply),
    /// `>`: nobody asked (RESP3).
    Push(Vec<Reply>),
}

/// What a server sent that is no reply: where the reader stood and what it expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// What was expected.
    pub expected: &'static str,
    /// The start of what stood there.
    pub found: String,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad reply: expected {}, found '{}'", self.expected, self.found)
    }
}

impl core::error::Error for ReplyError {}

/// An aggregate that waits for so many more parts.
#[derive(Clone, Debug)]
struct Open {
    kind: u8,
    left: usize,
    parts: Vec<Reply>,
}

/// Reads replies from pieces of any size. Attributes (`|`) are skipped.
#[derive(Clone, Debug, Default)]
pub struct ReplyParser {
    bytes: Vec<u8>,
    /// How far `bytes` has been read.
    at: usize,
    open: Vec<Open>,
}

impl ReplyParser {
    /// A reader at the start of a connection.
    pub fn new() -> ReplyParser {
        ReplyParser::default()
    }

    /// Adds what came from the server.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        } else if self.at > MAX_LINE && self.at > self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete reply, if it has come.
    #[expect(
        clippy::should_implement_trait,
        reason = "the end of the input is not the end of replies"
    )]
    pub fn next(&mut self) -> Result<Option<Incoming>, ReplyError> {
        while let Some(part) = self.part()? {
            if let Some(done) = self.place(part)? {
                return Ok(Some(done));
            }
        }
        Ok(None)
    }

    fn bad(&self, expected: &'static str) -> ReplyError {
        let rest = &self.bytes[self.at..];
        let found = rest[..rest.len().min(32)].escape_ascii();
        ReplyError { expected, found: alloc::format!("{found}") }
    }

    /// A whole scalar, or an aggregate just opened.
    fn part(&mut self) -> Result<Option<Part>, ReplyError> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.windows(2).take(MAX_LINE).position(|two| two == b"\r\n") else {
            return if rest.len() > MAX_LINE { Err(self.bad("a line")) } else { Ok(None) };
        };
        let [kind, line @ ..] = &rest[..end] else { return Err(self.bad("a kind of reply")) };
        let text = || String::from_utf8_lossy(line).into_owned();
        let mut taken = end + 2;
        let reply = match kind {
            b'+' => Reply::Simple(text().into()),
            b'-' => Reply::Error(text()),
            b',' => Reply::Double(text()),
            b'(' => Reply::bulk(line),
            b'_' => Reply::Null,
            b'#' if line == b"t" => Reply::Bool(true),
            b'#' if line == b"f" => Reply::Bool(false),
            b':' => Reply::Int(text().parse().map_err(|_| self.bad("a number"))?),
            b'$' if line == b"-1" => Reply::Null,
            b'*' if line == b"-1" => Reply::NullArray,
            b'$' | b'=' | b'!' => {
                let len = count(line).ok_or_else(|| self.bad("a length"))?;
                let Some(body) = rest.get(taken..taken + len + 2) else { return Ok(None) };
                taken += len + 2;
                let body = body.strip_suffix(b"\r\n").ok_or_else(|| self.bad("a line end"))?;
                match kind {
                    b'$' => Reply::Bulk(Bytes::from(body)),
                    b'!' => Reply::Error(String::from_utf8_lossy(body).into_owned()),
                    _ => {
                        let text = body.get(4..).ok_or_else(|| self.bad("a format"))?;
                        Reply::Verbatim(String::from_utf8_lossy(text).into_owned())
                    }
                }
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let count = count(line).ok_or_else(|| self.bad("a count"))?;
                if self.open.len() >= MAX_DEPTH {
                    return Err(self.bad("fewer levels"));
                }
                let left = if matches!(kind, b'%' | b'|') { count * 2 } else { count };
                let open = Open { kind: *kind, left, parts: Vec::new() };
                self.at += taken;
                return Ok(Some(Part::Open(open)));
            }
            _ => return Err(self.bad("a kind of reply")),
        };
        self.at += taken;
        Ok(Some(Part::Whole(reply)))
    }

    /// Puts a part where it belongs; yields what is complete at the top.
    fn place(&mut self, part: Part) -> Result<Option<Incoming>, ReplyError> {
        let mut whole = match part {
            Part::Whole(reply) => reply,
            Part::Open(open) if open.left > 0 => {
                self.open.push(open);
                return Ok(None);
            }
            Part::Open(open) => match self.close(open)? {
                Closed::Reply(reply) => reply,
                Closed::Push(push) => return Ok(Some(Incoming::Push(push))),
                Closed::Nothing => return Ok(None),
            },
        };
        loop {
            let Some(top) = self.open.last_mut() else { return Ok(Some(Incoming::Reply(whole))) };
            top.parts.push(whole);
            top.left -= 1;
            if top.left > 0 {
                return Ok(None);
            }
            let full = self.open.pop().expect("the top was just seen");
            whole = match self.close(full)? {
                Closed::Reply(reply) => reply,
                Closed::Push(push) => return Ok(Some(Incoming::Push(push))),
                Closed::Nothing => return Ok(None),
            };
        }
    }

    fn close(&self, open: Open) -> Result<Closed, ReplyError> {
        assert_eq!(open.left, 0, "closed before its last part");
        Ok(match open.kind {
            b'*' => Closed::Reply(Reply::Array(open.parts)),
            b'~' => Closed::Reply(Reply::Set(open.parts)),
            b'|' => Closed::Nothing,
            b'>' if self.open.is_empty() => Closed::Push(open.parts),
            b'>' => return Err(self.bad("no push inside a reply")),
            _ => {
                let mut parts = open.parts.into_iter();
                let mut pairs = Vec::with_capacity(parts.len() / 2);
                while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                    pairs.push((key, value));
                }
                Closed::Reply(Reply::Map(pairs))
            }
        })
    }
}

enum Part {
    Whole(Reply),
    Open(Open),
}

enum Closed {
    Reply(Reply),
    Push(Vec<Reply>),
    Nothing,
}

fn count(line: &[u8]) -> Option<usize> {
    let count: usize = core::str::from_utf8(line).ok()?.parse().ok()?;
    (count <= MAX_COUNT).then_some(count)
}
