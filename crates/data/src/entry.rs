//! What a key holds.

use alloc::vec::Vec;
use stdx::Bytes;
use wire::{Reader, Wire, WireError, wire_enum};

/// A value, one variant per type of Redis that is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string of bytes; numbers are strings as well.
    String(Bytes),
}

wire_enum!(Value, version 1 {
    1 => String(bytes),
});

impl Value {
    /// The name that TYPE answers and SCAN's TYPE takes.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
        }
    }

    /// How many bytes it holds.
    pub fn bytes_len(&self) -> usize {
        match self {
            Value::String(bytes) => bytes.len(),
        }
    }
}

/// A value with its history: what WATCH, expiry and (later) etcd's transactions compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// The log index at which the key came into being.
    pub created: u64,
    /// The log index of the last write to it.
    pub modified: u64,
    /// How many writes it has seen since it was created; 1 at first.
    pub version: u64,
    /// From when on it is absent, in milliseconds since 1970.
    pub expiry: Option<u64>,
}

impl Entry {
    /// Whether the key is absent at `now_ms` although it is stored.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.expiry.is_some_and(|at| at <= now_ms)
    }
}

const KIND: u8 = 1;
const VERSION: u8 = 1;

/// Kind and version byte, then the fields; by hand because `wire_struct!` writes neither.
impl Wire for Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[KIND, VERSION]);
        self.value.encode(out);
        self.created.encode(out);
        self.modified.encode(out);
        self.version.encode(out);
        self.expiry.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Entry, WireError> {
        match (u8::decode(from)?, u8::decode(from)?) {
            (KIND, VERSION) => Ok(Entry {
                value: Value::decode(from)?,
                created: u64::decode(from)?,
                modified: u64::decode(from)?,
                version: u64::decode(from)?,
                expiry: Option::decode(from)?,
            }),
            (KIND, version) => Err(WireError::UnknownVersion("Entry", version)),
            (kind, _) => Err(WireError::UnknownKind("Entry", kind)),
        }
    }
}
