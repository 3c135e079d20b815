//! JSON (RFC 8259) onto a [`Tape`].

use super::tape::{DEEPEST, Fault, Kind, Tape, digits, integer, string};

/// Reads values one after the other.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    /// The collections that are open, with what each has so far.
    open: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    number: usize,
    at: usize,
    map: bool,
    items: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Parser<'a> {
        Parser { bytes, at: 0, end: bytes.len(), open: Vec::new() }
    }

    /// Goes to another place.
    pub(super) fn part(&mut self, at: usize, end: usize) {
        self.at = at;
        self.end = end;
    }

    /// Steps over blanks; the next byte.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes[..self.end].get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Where it stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Steps over `byte`, if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// The next value, from an empty tape; false if there is none.
    pub(super) fn form(&mut self, tape: &mut Tape) -> Result<bool, Fault> {
        tape.clear();
        self.open.clear();
        if self.peek().is_none() {
            return Ok(false);
        }
        loop {
            let complete = self.step(tape)?;
            if complete && self.open.is_empty() {
                return Ok(true);
            }
        }
    }

    /// One token, with the comma or the colon before it; whether a value is complete.
    fn step(&mut self, tape: &mut Tape) -> Result<bool, Fault> {
        let Some(mut byte) = self.peek() else { return Err(self.unfinished()) };
        if let Some(frame) = self.open.last_mut() {
            if byte == if frame.map { b'}' } else { b']' } && !(frame.map && frame.items % 2 == 1) {
                let frame = self.open.pop().expect("there is a last one");
                self.at += 1;
                tape.close(frame.number, self.at);
                return Ok(true);
            }
            let separator = match (frame.map, frame.items) {
                (_, 0) => None,
                (true, odd) if odd % 2 == 1 => Some(b':'),
                _ => Some(b','),
            };
            let key = frame.map && frame.items.is_multiple_of(2);
            frame.items += 1;
            if let Some(separator) = separator {
                if byte != separator {
                    let expected = format!("expected `{}`", char::from(separator));
                    return Err(Fault::new(self.at, expected));
                }
                self.at += 1;
                byte = self.peek().ok_or_else(|| self.unfinished())?;
            }
            if key && byte != b'"' {
                return Err(Fault::new(self.at, "expected a key in quotes"));
            }
        }
        match byte {
            b'{' | b'[' if self.open.len() >= DEEPEST => return Err(Fault::too_deep(self.at)),
            b'{' | b'[' => {
                let map = byte == b'{';
                let kind = if map { Kind::Map } else { Kind::Seq };
                let number = tape.open(kind, self.at);
                self.open.push(Frame { number, at: self.at, map, items: 0 });
                self.at += 1;
                return Ok(false);
            }
            b'"' => self.at = string(self.bytes, self.at, self.end, tape)?,
            _ => self.atom(tape)?,
        }
        Ok(true)
    }

    fn unfinished(&self) -> Fault {
        match self.open.last() {
            Some(frame) if frame.map => Fault::new(frame.at, "`{` without its `}`"),
            Some(frame) => Fault::new(frame.at, "`[` without its `]`"),
            None => Fault::new(self.at, "expected a value"),
        }
    }

    fn atom(&mut self, tape: &mut Tape) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..self.end];
        let (number, len) = digits(rest);
        if len > 0 && rest.get(len).is_none_or(|byte| matches!(byte, b',' | b']' | b'}')) {
            tape.leaf(Kind::Int(number), self.at, (self.at, self.at + len));
            self.at += len;
            return Ok(());
        }
        let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let len = rest.iter().position(|byte| !part(byte)).unwrap_or(rest.len());
        let word = &rest[..len];
        let kind = match word {
            b"null" => Kind::Nil,
            b"true" => Kind::Bool(true),
            b"false" => Kind::Bool(false),
            [b'0'..=b'9', ..] | [b'-', b'0'..=b'9', ..] => match integer(word) {
                Some(n) => Kind::Int(n),
                None if str::from_utf8(word).is_ok_and(|word| word.parse::<f64>().is_ok()) => {
                    Kind::Number
                }
                None => return Err(Fault::new(self.at, "not a number")),
            },
            _ => return Err(Fault::new(self.at, "expected a JSON value")),
        };
        tape.leaf(kind, self.at, (self.at, self.at + len));
        self.at += len;
        Ok(())
    }
}
