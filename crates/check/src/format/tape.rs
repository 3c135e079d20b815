//! A parsed form, JSON or EDN, as a flat list of nodes: nothing recurses, whatever the nesting, and one list
//! serves for a whole file.

use crate::text::TextError;
use crate::txn::Value;
use std::borrow::Cow;
use std::iter;
use stdx::Bytes;

/// Nesting beyond this is no history.
pub(super) const DEEPEST: usize = 64;

/// What is wrong at which byte.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new(at: usize, reason: impl Into<String>) -> Fault {
        Fault { at, reason: reason.into() }
    }

    pub(super) fn too_deep(at: usize) -> Fault {
        Fault::new(at, format!("nested more than {DEEPEST} deep"))
    }

    /// The byte as line and column. A column is a character, as editors count.
    pub(super) fn locate(self, bytes: &[u8]) -> TextError {
        let before = &bytes[..self.at.min(bytes.len())];
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let characters = before[start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        TextError { line: 1 + newlines(before), column: 1 + characters, reason: self.reason }
    }
}

fn newlines(bytes: &[u8]) -> usize {
    // So many at a time as a byte can count: sixteen fit into a register then.
    let few = |bytes: &[u8]| bytes.iter().map(|&byte| u8::from(byte == b'\n')).sum::<u8>();
    bytes.chunks(255).map(|bytes| usize::from(few(bytes))).sum()
}

/// Lines of places that come in ascending order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    at: usize,
    passed: usize,
}

impl Lines {
    /// The line of byte `at`, from 1.
    pub(super) fn of(&mut self, bytes: &[u8], at: usize) -> u32 {
        self.passed += newlines(&bytes[self.at..at.max(self.at)]);
        self.at = at.max(self.at);
        u32::try_from(self.passed + 1).unwrap_or(u32::MAX)
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `nil`, `null`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// Any other number, as written.
    Number,
    /// A string without escapes.
    Text,
    /// A string with escapes, known to be good.
    Escaped,
    /// A keyword, without its colon.
    Keyword,
    /// A symbol.
    Symbol,
    /// A vector, list or array.
    Seq,
    /// A set.
    Set,
    /// A map or object: keys and values in turn.
    Map,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// Its first byte in the file.
    at: usize,
    /// Its content, without quotes and colons.
    content: (usize, usize),
    /// The node after it and all it holds.
    next: usize,
}

/// The nodes of one form.
#[derive(Debug, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
}

impl Tape {
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets the nodes from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
    }

    #[inline]
    pub(super) fn leaf(&mut self, kind: Kind, at: usize, content: (usize, usize)) {
        let next = self.nodes.len() + 1;
        self.nodes.push(Node { kind, at, content, next });
    }

    /// Begins a collection; answers its number for [`Tape::close`].
    pub(super) fn open(&mut self, kind: Kind, at: usize) -> usize {
        self.leaf(kind, at, (at, at));
        self.nodes.len() - 1
    }

    /// Ends a collection whose last byte is before `end`.
    pub(super) fn close(&mut self, number: usize, end: usize) {
        let next = self.nodes.len();
        let node = &mut self.nodes[number];
        node.content.1 = end;
        node.next = next;
    }

    /// The form that was parsed; there must be one.
    pub(super) fn root<'a>(&'a self, bytes: &'a [u8]) -> Item<'a> {
        self.item(bytes, 0)
    }

    pub(super) fn item<'a>(&'a self, bytes: &'a [u8], number: usize) -> Item<'a> {
        assert!(number < self.nodes.len(), "there is no node {number}");
        Item { bytes, nodes: &self.nodes, number }
    }
}

/// A node with all it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    bytes: &'a [u8],
    nodes: &'a [Node],
    number: usize,
}

impl<'a> Item<'a> {
    pub(super) fn kind(self) -> Kind {
        self.nodes[self.number].kind
    }

    /// Its first byte in the file.
    pub(super) fn at(self) -> usize {
        self.nodes[self.number].at
    }

    /// A complaint about it.
    pub(super) fn fault(self, reason: impl Into<String>) -> Fault {
        Fault::new(self.at(), reason)
    }

    pub(super) fn is_nil(self) -> bool {
        self.kind() == Kind::Nil
    }

    /// As written, without quotes and colons.
    pub(super) fn raw(self) -> &'a [u8] {
        let (from, to) = self.nodes[self.number].content;
        &self.bytes[from..to]
    }

    /// As written, cut short, for messages.
    pub(super) fn shown(self) -> String {
        let text: String = String::from_utf8_lossy(self.raw()).chars().take(40).collect();
        if self.raw().len() > text.len() { format!("{text}...") } else { text }
    }

    /// What a keyword, a symbol or a string says.
    pub(super) fn word(self) -> Option<Cow<'a, [u8]>> {
        match self.kind() {
            Kind::Keyword | Kind::Symbol | Kind::Text => Some(Cow::Borrowed(self.raw())),
            Kind::Escaped => Some(Cow::Owned(unescape(self.raw()).unwrap_or_default())),
            _ => None,
        }
    }

    /// What a collection holds; nothing if it is none.
    pub(super) fn items(self) -> impl Iterator<Item = Item<'a>> + Clone {
        let end = self.nodes[self.number].next;
        let inside = move |number: &usize| *number < end;
        let first = Some(self.number + 1).filter(inside);
        iter::successors(first, move |&number| Some(self.nodes[number].next).filter(inside))
            .map(move |number| Item { number, ..self })
    }

    /// The items of a vector, list or array.
    pub(super) fn seq(self) -> Option<impl Iterator<Item = Item<'a>> + Clone> {
        (self.kind() == Kind::Seq).then(|| self.items())
    }

    /// The items of a vector of two.
    pub(super) fn pair(self) -> Option<(Item<'a>, Item<'a>)> {
        let mut items = self.seq()?;
        let pair = (items.next()?, items.next()?);
        items.next().is_none().then_some(pair)
    }

    /// Keys and values of a map.
    pub(super) fn pairs(self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> {
        let mut items = self.items();
        iter::from_fn(move || Some((items.next()?, items.next()?)))
    }

    /// As a whole number from 0.
    pub(super) fn whole(self) -> Option<u64> {
        match self.kind() {
            Kind::Int(n) => u64::try_from(n).ok(),
            Kind::Number => str::from_utf8(self.raw()).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// As something to write into a register. What is no scalar stays text, as written.
    pub(super) fn value(self) -> Value {
        match self.kind() {
            Kind::Nil => Value::Nil,
            Kind::Int(n) => Value::Int(n),
            Kind::Text | Kind::Escaped => value_of(&self.word().unwrap_or_default()),
            _ => Value::Text(Bytes::from(self.raw())),
        }
    }

    /// As the name of a key.
    pub(super) fn name(self) -> Cow<'a, [u8]> {
        match self.kind() {
            Kind::Int(n) if number(self.raw()) != Some(n) => Cow::Owned(n.to_string().into_bytes()),
            Kind::Escaped => self.word().unwrap_or_default(),
            _ => Cow::Borrowed(self.raw()),
        }
    }
}

/// Bytes as a value: a number if they are one in the only way it is written.
pub(super) fn value_of(bytes: &[u8]) -> Value {
    number(bytes).map_or_else(|| Value::Text(Bytes::from(bytes)), Value::Int)
}

/// A number in canonical decimal: no plus, no leading zeros.
fn number(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let canonical = match digits {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then(|| integer(bytes)).flatten()
}

/// The digits that `bytes` begin with, 18 at most and so in range: their number and how many there are.
#[inline]
pub(super) fn digits(bytes: &[u8]) -> (i64, usize) {
    let (mut number, mut len) = bytes.first_chunk().map_or((0, 0), |eight| few_digits(*eight));
    if len < 8 && bytes.len() >= 8 {
        return (number, len);
    }
    while let Some(byte @ b'0'..=b'9') = bytes.get(len)
        && len < 18
    {
        number = number * 10 + i64::from(byte - b'0');
        len += 1;
    }
    (number, len)
}

/// The same of eight bytes at once (Lemire, "Quickly parsing eight digits", 2018): numbers are most of many a file.
#[inline]
fn few_digits(eight: [u8; 8]) -> (i64, usize) {
    let bytes = u64::from_le_bytes(eight) ^ 0x3030_3030_3030_3030;
    // The high bit of a byte that is none from 0 to 9; what a sum carries over only falls on those after it.
    let others = (bytes.wrapping_add(0x7676_7676_7676_7676) | bytes) & 0x8080_8080_8080_8080;
    let len = others.trailing_zeros() / 8;
    if len == 0 {
        return (0, 0);
    }
    // The first digit is in the lowest byte: others before it would be zeros.
    let digits = bytes << (64 - 8 * len);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let even = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let odd = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    let number = even.wrapping_add(odd) >> 32;
    (i64::try_from(number).expect("eight digits"), len as usize)
}

/// A decimal with an optional sign.
pub(super) fn integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i64, |n, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        let digit = if negative { -digit } else { digit };
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// What a string with escapes says; the error is the place of a bad one. EDN and JSON have the same ones.
pub(super) fn unescape(raw: &[u8]) -> Result<Vec<u8>, usize> {
    let hex = |at: usize| {
        let digits = raw.get(at..at + 4).filter(|four| four.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|four| str::from_utf8(four).ok());
        digits.and_then(|four| u32::from_str_radix(four, 16).ok())
    };
    let (mut out, mut at) = (Vec::with_capacity(raw.len()), 0);
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let plain = match raw.get(at + 1) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(&same @ (b'"' | b'\\' | b'/')) => same,
            Some(b'u') => {
                let mut code = hex(at + 2).ok_or(at)?;
                let mut len = 6;
                if (0xd800..0xdc00).contains(&code) && raw.get(at + 6..at + 8) == Some(b"\\u") {
                    let low = hex(at + 8).filter(|low| (0xdc00..0xe000).contains(low)).ok_or(at)?;
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    len = 12;
                }
                let character = char::from_u32(code).ok_or(at)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += len;
                continue;
            }
            _ => return Err(at),
        };
        out.push(plain);
        at += 2;
    }
    Ok(out)
}

/// Reads a string whose opening quote is at `at`, not beyond `end`; answers the byte after it.
pub(super) fn string(bytes: &[u8], at: usize, end: usize, tape: &mut Tape) -> Result<usize, Fault> {
    let (mut to, mut kind) = (at + 1, Kind::Text);
    loop {
        let rest = &bytes[to..end];
        let Some(stop) = rest.iter().position(|&byte| byte == b'"' || byte == b'\\') else {
            return Err(Fault::new(at, "a string that never ends"));
        };
        to += stop;
        if bytes[to] == b'"' {
            break;
        }
        kind = Kind::Escaped;
        to = (to + 2).min(end);
    }
    if kind == Kind::Escaped {
        let bad = |place| Fault::new(at + 1 + place, "no such escape in a string");
        unescape(&bytes[at + 1..to]).map_err(bad)?;
    }
    tape.leaf(kind, at, (at + 1, to));
    Ok(to + 1)
}
