//! EDN (github.com/edn-format/edn) onto a [`Tape`]. Tags are read and dropped, discarded forms leave nothing.

use super::tape::{DEEPEST, Fault, Kind, Tape, digits, integer, string};

/// Reads forms one after the other.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    open: Vec<Frame>,
}

/// What waits for its end.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// A collection, for this byte.
    Collection { number: usize, at: usize, close: u8 },
    /// `#_`, for the form that it discards.
    Discard { at: usize, len: usize },
    /// `#tag`, for the form that it describes.
    Tag { at: usize },
}

const fn blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b',' || byte == 0x0b
}

/// Whether `byte` ends a symbol, keyword or number.
fn delimits(byte: u8) -> bool {
    DELIMITS[byte as usize]
}

/// Looked up for nearly every byte of a file.
const DELIMITS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let other = matches!(byte as u8, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';');
        table[byte] = blank(byte as u8) || other;
        byte += 1;
    }
    table
};

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Parser<'a> {
        Parser { bytes, at: 0, end: bytes.len(), open: Vec::new() }
    }

    /// Goes to another place.
    pub(super) fn part(&mut self, at: usize, end: usize) {
        self.at = at;
        self.end = end;
    }

    /// Steps over blanks and comments; the next byte.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes[..self.end].get(self.at) {
            if byte == b';' {
                let rest = &self.bytes[self.at..self.end];
                let line = rest.iter().position(|&byte| byte == b'\n');
                self.at += line.unwrap_or(rest.len());
            } else if blank(byte) {
                self.at += 1;
            } else {
                return Some(byte);
            }
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

    /// The next form, from an empty tape; false if there is none before the end or before `]` or `)`.
    pub(super) fn form(&mut self, tape: &mut Tape) -> Result<bool, Fault> {
        tape.clear();
        self.open.clear();
        loop {
            let Some(byte) = self.peek() else {
                return match self.open.last() {
                    None => Ok(false),
                    Some(frame) => Err(unfinished(*frame)),
                };
            };
            if self.open.is_empty() && matches!(byte, b']' | b')') {
                return Ok(false);
            }
            if self.step(byte, tape)? && self.complete(tape) {
                return Ok(true);
            }
        }
    }

    /// One token; whether it ends a form.
    fn step(&mut self, byte: u8, tape: &mut Tape) -> Result<bool, Fault> {
        if self.open.len() >= DEEPEST {
            return Err(Fault::too_deep(self.at));
        }
        match byte {
            b'[' => self.collection(tape, Kind::Seq, b']', 1),
            b'(' => self.collection(tape, Kind::Seq, b')', 1),
            b'{' => self.collection(tape, Kind::Map, b'}', 1),
            b'#' => return self.dispatch(tape),
            b']' | b')' | b'}' => {
                self.close(byte, tape)?;
                return Ok(true);
            }
            b'"' => {
                self.at = string(self.bytes, self.at, self.end, tape)?;
                return Ok(true);
            }
            b'0'..=b'9' if matches!(self.open.last(), Some(Frame::Collection { .. })) => {
                if !self.numbers(tape) {
                    self.atom(tape)?;
                }
                return Ok(true);
            }
            b':' => {
                self.keyword(tape)?;
                return Ok(true);
            }
            _ => {
                self.atom(tape)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline]
    fn keyword(&mut self, tape: &mut Tape) -> Result<(), Fault> {
        let start = self.at;
        self.at += self.token();
        if self.at == start + 1 {
            return Err(Fault::new(start, "a keyword without a name"));
        }
        tape.leaf(Kind::Keyword, start, (start + 1, self.at));
        Ok(())
    }

    /// Plain numbers within a collection, blanks between them: most of what long lists hold. False if not even the
    /// first is one; what comes after the last is for others.
    fn numbers(&mut self, tape: &mut Tape) -> bool {
        let bytes = &self.bytes[..self.end];
        let (mut at, start) = (self.at, self.at);
        loop {
            let (number, len) = digits(&bytes[at..]);
            let Some(next) = bytes.get(at + len).filter(|byte| len > 0 && delimits(**byte)) else {
                break;
            };
            tape.leaf(Kind::Int(number), at, (at, at + len));
            at += len;
            self.at = at;
            if *next != b' ' {
                break;
            }
            at += 1;
        }
        self.at > start
    }

    fn collection(&mut self, tape: &mut Tape, kind: Kind, close: u8, len: usize) {
        let number = tape.open(kind, self.at);
        self.open.push(Frame::Collection { number, at: self.at, close });
        self.at += len;
    }

    fn close(&mut self, byte: u8, tape: &mut Tape) -> Result<(), Fault> {
        match self.open.pop() {
            Some(Frame::Collection { number, at, close }) if close == byte => {
                self.at += 1;
                tape.close(number, self.at);
                let map = tape.item(self.bytes, number);
                if map.kind() == Kind::Map && map.items().count() % 2 == 1 {
                    return Err(Fault::new(at, "a map with a key that has no value"));
                }
                Ok(())
            }
            Some(Frame::Collection { close, .. }) => {
                let (found, expected) = (char::from(byte), char::from(close));
                Err(Fault::new(self.at, format!("`{found}` where `{expected}` is due")))
            }
            Some(frame) => Err(unfinished(frame)),
            None => Err(Fault::new(self.at, format!("`{}` closes nothing", char::from(byte)))),
        }
    }

    /// What begins with `#`.
    fn dispatch(&mut self, tape: &mut Tape) -> Result<bool, Fault> {
        let at = self.at;
        match self.bytes[..self.end].get(at + 1) {
            Some(b'{') => self.collection(tape, Kind::Set, b'}', 2),
            Some(b'_') => {
                self.open.push(Frame::Discard { at, len: tape.len() });
                self.at += 2;
            }
            Some(b'#') => {
                self.at += 2;
                self.at += self.token();
                tape.leaf(Kind::Symbol, at, (at, self.at));
                return Ok(true);
            }
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b':' => {
                self.at += 1;
                self.at += self.token();
                self.open.push(Frame::Tag { at });
            }
            _ => return Err(Fault::new(at, "expected a set, a tag or `_` after `#`")),
        }
        Ok(false)
    }

    /// A form has ended: what waited for it is over. Whether it is the whole of a top-level form.
    fn complete(&mut self, tape: &mut Tape) -> bool {
        while let Some(Frame::Tag { .. }) = self.open.last() {
            self.open.pop();
        }
        if let Some(&Frame::Discard { len, .. }) = self.open.last() {
            tape.truncate(len);
            self.open.pop();
            return false;
        }
        self.open.is_empty()
    }

    /// How long the token is that begins here.
    #[inline]
    fn token(&self) -> usize {
        let rest = &self.bytes[self.at..self.end];
        rest.iter().position(|&byte| delimits(byte)).unwrap_or(rest.len())
    }

    fn atom(&mut self, tape: &mut Tape) -> Result<(), Fault> {
        let (number, len) = digits(&self.bytes[self.at..self.end]);
        let ends = self.bytes[..self.end].get(self.at + len).is_none_or(|byte| delimits(*byte));
        if len > 0 && ends {
            tape.leaf(Kind::Int(number), self.at, (self.at, self.at + len));
            self.at += len;
            return Ok(());
        }
        // A character literal may be a delimiter itself.
        let character = self.bytes[self.at] == b'\\' && self.at + 1 < self.end;
        let start = self.at;
        self.at += if character { 2 } else { 0 };
        self.at += self.token();
        let word = &self.bytes[start..self.at];
        let mut content = (start, self.at);
        let kind = match word {
            b"nil" => Kind::Nil,
            b"true" => Kind::Bool(true),
            b"false" => Kind::Bool(false),
            [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..] => {
                let number = word.strip_suffix(b"N").unwrap_or(word);
                content.1 = start + number.len();
                let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eEM/".contains(byte);
                match integer(number) {
                    Some(n) => Kind::Int(n),
                    None if number.iter().all(part) => Kind::Number,
                    None => return Err(Fault::new(start, "not a number")),
                }
            }
            _ => Kind::Symbol,
        };
        tape.leaf(kind, start, content);
        Ok(())
    }
}

fn unfinished(frame: Frame) -> Fault {
    match frame {
        Frame::Collection { at, close, .. } => {
            Fault::new(at, format!("opened here, never closed with `{}`", char::from(close)))
        }
        Frame::Discard { at, .. } => Fault::new(at, "`#_` with nothing to discard"),
        Frame::Tag { at } => Fault::new(at, "a tag with nothing after it"),
    }
}
