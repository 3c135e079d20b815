//! An answer to a command, and its encoding between nodes.

use crate::{Reader, Wire, WireError};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use stdx::Bytes;

/// An answer, in RESP3's terms; the encoder lowers it for RESP2 clients.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`, without line breaks.
    Simple(Cow<'static, str>),
    /// `-ERR ...`: prefix and text, without line breaks.
    Error(String),
    /// `:7`
    Int(i64),
    /// `$3 foo`
    Bulk(Bytes),
    /// `_`; in RESP2 `$-1`.
    Null,
    /// An absent array; in RESP2 `*-1` (an EXEC that failed its WATCH), in RESP3 `_`.
    NullArray,
    /// `#t`; in RESP2 `:1`.
    Bool(bool),
    /// `,3.1`; in RESP2 a bulk. Kept as text, so that replicas agree to the digit.
    Double(String),
    /// `*2 ...`
    Array(Vec<Reply>),
    /// `%1 ...`; in RESP2 a flat array.
    Map(Vec<(Reply, Reply)>),
    /// `~2 ...`; in RESP2 an array.
    Set(Vec<Reply>),
    /// `=15 txt:...`; in RESP2 a bulk.
    Verbatim(String),
}

/// How deep replies may nest: COMMAND's go to 7, and what a peer sends must not exhaust our stack.
pub(crate) const MAX_DEPTH: usize = 16;

impl Reply {
    /// `+OK`.
    pub fn ok() -> Reply {
        Reply::Simple(Cow::Borrowed("OK"))
    }

    /// `+text`.
    pub fn simple(text: impl Into<Cow<'static, str>>) -> Reply {
        Reply::Simple(text.into())
    }

    /// `-text`, prefix included: `ERR ...`.
    pub fn err(text: impl Into<String>) -> Reply {
        Reply::Error(text.into())
    }

    /// A number; counts and indexes never come near 2^63, where this stops.
    pub fn int<N>(value: N) -> Reply
    where
        i64: TryFrom<N>,
    {
        Reply::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// A byte string.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(Bytes::from(bytes.as_ref()))
    }

    /// A byte string, or null.
    pub fn bulk_or_null(bytes: Option<Bytes>) -> Reply {
        bytes.map_or(Reply::Null, Reply::Bulk)
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }

    fn kind(&self) -> u8 {
        match self {
            Reply::Simple(_) => 1,
            Reply::Error(_) => 2,
            Reply::Int(_) => 3,
            Reply::Bulk(_) => 4,
            Reply::Null => 5,
            Reply::NullArray => 6,
            Reply::Bool(_) => 7,
            Reply::Double(_) => 8,
            Reply::Array(_) => 9,
            Reply::Map(_) => 10,
            Reply::Set(_) => 11,
            Reply::Verbatim(_) => 12,
        }
    }

    fn decode_node(from: &mut Reader<'_>, depth: usize) -> Result<Reply, WireError> {
        if depth == 0 {
            return Err(WireError::Invalid("depth of a reply"));
        }
        let kind = u8::decode(from)?;
        let version = u8::decode(from)?;
        if version != VERSION {
            return Err(WireError::UnknownVersion("Reply", version));
        }
        Ok(match kind {
            1 => Reply::Simple(simple(from)?),
            2 => Reply::Error(String::decode(from)?),
            3 => Reply::Int(i64::decode(from)?),
            4 => Reply::Bulk(Bytes::decode(from)?),
            5 => Reply::Null,
            6 => Reply::NullArray,
            7 => Reply::Bool(bool::decode(from)?),
            8 => Reply::Double(String::decode(from)?),
            9 => Reply::Array(Reply::decode_items(from, depth - 1)?),
            10 => {
                let count = from.count()?;
                let mut pairs = Vec::new();
                for _ in 0..count {
                    let key = Reply::decode_node(from, depth - 1)?;
                    pairs.push((key, Reply::decode_node(from, depth - 1)?));
                }
                Reply::Map(pairs)
            }
            11 => Reply::Set(Reply::decode_items(from, depth - 1)?),
            12 => Reply::Verbatim(String::decode(from)?),
            _ => return Err(WireError::UnknownKind("Reply", kind)),
        })
    }

    fn decode_items(from: &mut Reader<'_>, depth: usize) -> Result<Vec<Reply>, WireError> {
        let count = from.count()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(Reply::decode_node(from, depth)?);
        }
        Ok(items)
    }
}

const VERSION: u8 = 1;

/// A line; the usual one costs no memory.
fn simple(from: &mut Reader<'_>) -> Result<Cow<'static, str>, WireError> {
    let text = core::str::from_utf8(from.bytes()?).map_err(|_| WireError::Invalid("utf-8"))?;
    Ok(if text == "OK" { Cow::Borrowed("OK") } else { Cow::Owned(String::from(text)) })
}

/// Each part starts with its kind and the version byte, as `wire_enum!` writes them; by hand because the depth
/// must be bounded.
impl Wire for Reply {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind(), VERSION]);
        match self {
            Reply::Simple(text) => {
                text.len().encode(out);
                out.extend_from_slice(text.as_bytes());
            }
            Reply::Error(text) | Reply::Double(text) | Reply::Verbatim(text) => text.encode(out),
            Reply::Int(value) => value.encode(out),
            Reply::Bulk(bytes) => bytes.encode(out),
            Reply::Null | Reply::NullArray => {}
            Reply::Bool(value) => value.encode(out),
            Reply::Array(items) | Reply::Set(items) => items.encode(out),
            Reply::Map(pairs) => pairs.encode(out),
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Reply, WireError> {
        Reply::decode_node(from, MAX_DEPTH)
    }
}
