//! Bytes of a client to commands.

use super::args::Words;
use super::{Args, Reply, inline};
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

/// What a client may send. Redis' numbers, except that a bulk is 16 MiB at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest argument, in bytes.
    pub bulk: usize,
    /// The most arguments of a command.
    pub multibulk: usize,
    /// The longest command, all arguments together; Redis' `client-query-buffer-limit`.
    pub command: usize,
    /// Whether the client has yet to authenticate: then 10 arguments of 16 KiB at most.
    pub unauthenticated: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bulk: 16 << 20,
            multibulk: 1024 * 1024,
            command: 256 << 20,
            unauthenticated: false,
        }
    }
}

/// The longest line without its end: an inline command or a length.
const MAX_LINE: usize = 64 * 1024;
const UNAUTHENTICATED_MULTIBULK: i64 = 10;
const UNAUTHENTICATED_BULK: i64 = 16 * 1024;

/// Why a connection must be closed, after telling the client so. `Display` is Redis' text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number after `*` is none, or beyond the limit.
    InvalidMultibulkLength,
    /// The number after `$` is none, negative, or beyond the limit.
    InvalidBulkLength,
    /// Too many arguments before AUTH.
    UnauthenticatedMultibulkLength,
    /// Too long an argument before AUTH.
    UnauthenticatedBulkLength,
    /// No line end after `*` within 64 KiB.
    TooBigCount,
    /// No line end after `$` within 64 KiB.
    TooBigBulkCount,
    /// No line end of an inline command within 64 KiB.
    TooBigInline,
    /// An inline command with an open quote.
    UnbalancedQuotes,
    /// Something other than `$` where a bulk must start.
    ExpectedBulk(u8),
    /// The arguments together are beyond [`Limits::command`].
    TooBigCommand,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            ProtocolError::TooBigCount => "too big mbulk count string",
            ProtocolError::TooBigBulkCount => "too big bulk count string",
            ProtocolError::TooBigInline => "too big inline request",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::TooBigCommand => "too big command",
            ProtocolError::ExpectedBulk(got) => {
                let got = if got.is_ascii_control() { b' ' } else { *got };
                return write!(f, "expected '$', got '{}'", char::from(got));
            }
        })
    }
}

impl core::error::Error for ProtocolError {}

impl ProtocolError {
    /// The last thing the client is told.
    pub fn reply(self) -> Reply {
        Reply::Error(format!("ERR {self}"))
    }
}

/// What the next byte belongs to.
#[derive(Clone, Debug)]
enum State {
    /// The start of a command, or a line that `Parser::line` holds the start of.
    Start,
    /// A `$` line; so many arguments are still to come.
    Length { left: usize },
    /// An argument's bytes; so many are still to come, and then so many arguments.
    Bulk { bytes: usize, left: usize },
    /// The line end after an argument; so many bytes of it are still to come.
    End { bytes: usize, left: usize },
    /// Broken for good.
    Failed(ProtocolError),
}

/// Turns what a client sends, in pieces of any size, into commands. Keeps the unfinished command itself, so its
/// caller may reuse its buffer at once.
#[derive(Clone, Debug)]
pub struct Parser {
    limits: Limits,
    state: State,
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    args: Words,
}

impl Default for Parser {
    fn default() -> Parser {
        Parser::new(Limits::default())
    }
}

impl Parser {
    /// A parser at the start of a connection.
    pub fn new(limits: Limits) -> Parser {
        Parser { limits, state: State::Start, line: Vec::new(), args: Words::default() }
    }

    /// Changes the limits from the next length on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many bytes of an unfinished command are held here.
    pub fn held(&self) -> usize {
        self.line.len() + self.args.bytes_len()
    }

    /// How much memory is set aside for it.
    pub fn capacity(&self) -> usize {
        self.line.capacity() + self.args.capacity()
    }

    /// Takes all of `input` and appends the commands it completes to `out`; none is empty. After an error (the
    /// commands before it are in `out`) every later call returns it again.
    pub fn parse(&mut self, input: &[u8], out: &mut Vec<Args>) -> Result<(), ProtocolError> {
        let mut rest = input;
        while !rest.is_empty() {
            let step = match self.state {
                State::Start => self.start(&mut rest, out),
                State::Length { left } => self.length(&mut rest, left),
                State::Bulk { bytes, left } => {
                    self.bulk(&mut rest, bytes, left);
                    Ok(())
                }
                State::End { bytes, left } => {
                    let taken = bytes.min(rest.len());
                    rest = &rest[taken..];
                    self.end(bytes - taken, left, out);
                    Ok(())
                }
                State::Failed(error) => Err(error),
            };
            if let Err(error) = step {
                self.state = State::Failed(error);
                self.line = Vec::new();
                self.args = Words::default();
                return Err(error);
            }
        }
        Ok(())
    }

    fn start(&mut self, rest: &mut &[u8], out: &mut Vec<Args>) -> Result<(), ProtocolError> {
        let first = self.line.first().copied().unwrap_or(rest[0]);
        if first != b'*' {
            return self.inline(rest, out);
        }
        let limits = self.limits;
        let count = self.number(rest, ProtocolError::TooBigCount, |line| {
            let most = i64::try_from(limits.multibulk).unwrap_or(i64::MAX);
            match decimal(&line[1..]) {
                Some(n) if n > UNAUTHENTICATED_MULTIBULK && limits.unauthenticated => {
                    Err(ProtocolError::UnauthenticatedMultibulkLength)
                }
                Some(n) if n <= most => Ok(usize::try_from(n).unwrap_or(0)),
                _ => Err(ProtocolError::InvalidMultibulkLength),
            }
        })?;
        if let Some(left @ 1..) = count {
            // Each argument takes five bytes at least: what has come bounds the room made for it.
            self.args =
                Words::with_capacity(left.min(rest.len() / 5 + 1), (left * 12).min(rest.len()));
            self.state = State::Length { left };
        }
        Ok(())
    }

    fn length(&mut self, rest: &mut &[u8], left: usize) -> Result<(), ProtocolError> {
        let first = self.line.first().copied().unwrap_or(rest[0]);
        if first != b'$' {
            return Err(ProtocolError::ExpectedBulk(first));
        }
        let limits = self.limits;
        let bytes = self.number(rest, ProtocolError::TooBigBulkCount, |line| {
            let most = i64::try_from(limits.bulk).unwrap_or(i64::MAX);
            match decimal(&line[1..]) {
                Some(n) if n > UNAUTHENTICATED_BULK && limits.unauthenticated => {
                    Err(ProtocolError::UnauthenticatedBulkLength)
                }
                Some(n) if n <= most => {
                    usize::try_from(n).map_err(|_| ProtocolError::InvalidBulkLength)
                }
                _ => Err(ProtocolError::InvalidBulkLength),
            }
        })?;
        let Some(bytes) = bytes else { return Ok(()) };
        if self.args.bytes_len() + bytes > limits.command {
            return Err(ProtocolError::TooBigCommand);
        }
        self.args.reserve(bytes.min(rest.len()));
        self.state = State::Bulk { bytes, left };
        if bytes == 0 {
            self.bulk(rest, 0, left);
        }
        Ok(())
    }

    fn bulk(&mut self, rest: &mut &[u8], bytes: usize, left: usize) {
        let (part, after) = rest.split_at(bytes.min(rest.len()));
        self.args.extend(part);
        *rest = after;
        if part.len() == bytes {
            self.args.finish();
            self.state = State::End { bytes: 2, left };
        } else {
            self.state = State::Bulk { bytes: bytes - part.len(), left };
        }
    }

    /// Like Redis, takes whatever stands in the place of the line end.
    fn end(&mut self, bytes: usize, left: usize, out: &mut Vec<Args>) {
        assert!(left > 0, "an argument that was not expected");
        self.state = match (bytes, left) {
            (1.., _) => State::End { bytes, left },
            (0, 1) => {
                out.push(self.args.take());
                State::Start
            }
            (0, _) => State::Length { left: left - 1 },
        };
    }

    /// Reads a `\r\n` line through `read`; `None` if its end has not come.
    fn number(
        &mut self,
        rest: &mut &[u8],
        too_long: ProtocolError,
        read: impl FnOnce(&[u8]) -> Result<usize, ProtocolError>,
    ) -> Result<Option<usize>, ProtocolError> {
        // The line end's second byte is taken unseen, so it may be all that is missing.
        if self.line.last() == Some(&b'\r') {
            *rest = &rest[1..];
            let value = read(&self.line[..self.line.len() - 1]);
            self.line.clear();
            return value.map(Some);
        }
        let end = rest.iter().position(|&b| b == b'\r');
        let whole = end.filter(|&end| end + 1 < rest.len());
        let Some(end) = whole else {
            self.line.extend_from_slice(rest);
            *rest = &[];
            return if self.line.len() > MAX_LINE { Err(too_long) } else { Ok(None) };
        };
        let (line, after) = rest.split_at(end);
        *rest = &after[2..];
        if self.line.is_empty() {
            return read(line).map(Some);
        }
        self.line.extend_from_slice(line);
        let value = read(&self.line);
        self.line.clear();
        value.map(Some)
    }

    fn inline(&mut self, rest: &mut &[u8], out: &mut Vec<Args>) -> Result<(), ProtocolError> {
        let Some(end) = rest.iter().position(|&b| b == b'\n') else {
            self.line.extend_from_slice(rest);
            *rest = &[];
            let too_long = self.line.len() > MAX_LINE;
            return if too_long { Err(ProtocolError::TooBigInline) } else { Ok(()) };
        };
        let (line, after) = rest.split_at(end);
        *rest = &after[1..];
        self.line.extend_from_slice(line);
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let args = if line.len() > MAX_LINE {
            Err(ProtocolError::TooBigInline)
        } else {
            inline::split(line).ok_or(ProtocolError::UnbalancedQuotes)
        };
        self.line.clear();
        let args = args?;
        if !args.is_empty() {
            out.push(args);
        }
        Ok(())
    }
}

/// A decimal number as Redis' `string2ll` reads it: no sign but `-`, no leading zeros, no blanks.
fn decimal(text: &[u8]) -> Option<i64> {
    if let [digit @ b'0'..=b'9'] = text {
        return Some(i64::from(digit - b'0'));
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        value = value * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Some(if negative { -value } else { value })
}
