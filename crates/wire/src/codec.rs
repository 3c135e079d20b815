//! How a value becomes bytes and back.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use stdx::{Duration, Instant, NodeId, NodeSet, WallClock};

/// A value with one encoding. `decode(encode(x)) == x`; decoding arbitrary bytes ends in a value or a
/// [`WireError`], never in a panic, and never allocates more than the input's length allows for.
pub trait Wire: Sized {
    /// Appends the encoding of `self`.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads one value from the front.
    fn decode(from: &mut Reader<'_>) -> Result<Self, WireError>;
}

/// Why bytes are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The input ends before the value does.
    Truncated,
    /// A kind byte that this version does not know: type and byte.
    UnknownKind(&'static str, u8),
    /// A version byte newer than this version understands: type and byte.
    UnknownVersion(&'static str, u8),
    /// A field holds what its type cannot: a name for it.
    Invalid(&'static str),
    /// Bytes are left after the value.
    Trailing,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Truncated => write!(f, "input ends inside a value"),
            WireError::UnknownKind(of, byte) => write!(f, "unknown kind {byte} of {of}"),
            WireError::UnknownVersion(of, byte) => write!(f, "unknown version {byte} of {of}"),
            WireError::Invalid(what) => write!(f, "invalid {what}"),
            WireError::Trailing => write!(f, "bytes left after the value"),
        }
    }
}

impl core::error::Error for WireError {}

/// The unread rest of an input.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    /// A count of things that take at least one byte each, so it cannot exceed what is left.
    pub fn count(&mut self) -> Result<usize, WireError> {
        let count = usize::decode(self)?;
        if count > self.remaining() { Err(WireError::Truncated) } else { Ok(count) }
    }

    /// A length-prefixed byte string, borrowed.
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.count()?;
        self.take(len)
    }
}

/// The encoding of `value` in a vector of its own.
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    // Most records and messages are no longer.
    encode_sized(value, 128)
}

/// As [`encode`], for a value that takes about `bytes`: a vector that need not grow copies nothing twice.
pub fn encode_sized<T: Wire>(value: &T, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    value.encode(&mut out);
    out
}

/// A value from exactly these bytes.
pub fn decode_all<T: Wire>(bytes: &[u8]) -> Result<T, WireError> {
    let mut reader = Reader::new(bytes);
    let value = T::decode(&mut reader)?;
    if reader.remaining() == 0 { Ok(value) } else { Err(WireError::Trailing) }
}

impl Wire for u8 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
    fn decode(from: &mut Reader<'_>) -> Result<u8, WireError> {
        Ok(from.take(1)?[0])
    }
}

impl Wire for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn decode(from: &mut Reader<'_>) -> Result<bool, WireError> {
        match u8::decode(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Invalid("bool")),
        }
    }
}

/// LEB128: seven bits a byte, low first.
impl Wire for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    fn decode(from: &mut Reader<'_>) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = u8::decode(from)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireError::Invalid("u64"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Invalid("u64"))
    }
}

macro_rules! narrow {
    ($($ty:ident)*) => {$(
        impl Wire for $ty {
            fn encode(&self, out: &mut Vec<u8>) {
                (*self as u64).encode(out);
            }
            fn decode(from: &mut Reader<'_>) -> Result<$ty, WireError> {
                $ty::try_from(u64::decode(from)?).map_err(|_| WireError::Invalid(stringify!($ty)))
            }
        }
    )*};
}
narrow!(u16 u32 usize);

/// Zigzag, so that small magnitudes are short.
impl Wire for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        (((*self << 1) ^ (*self >> 63)) as u64).encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<i64, WireError> {
        let raw = u64::decode(from)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }
}

impl Wire for () {
    fn encode(&self, _: &mut Vec<u8>) {}
    fn decode(_: &mut Reader<'_>) -> Result<(), WireError> {
        Ok(())
    }
}

impl Wire for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.len().encode(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn decode(from: &mut Reader<'_>) -> Result<String, WireError> {
        let text = core::str::from_utf8(from.bytes()?).map_err(|_| WireError::Invalid("utf-8"))?;
        Ok(String::from(text))
    }
}

impl Wire for Arc<[u8]> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.len().encode(out);
        out.extend_from_slice(self);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Arc<[u8]>, WireError> {
        Ok(Arc::from(from.bytes()?))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.len().encode(out);
        for item in self {
            item.encode(out);
        }
    }
    fn decode(from: &mut Reader<'_>) -> Result<Vec<T>, WireError> {
        let count = from.count()?;
        // Room for some: how many there are is the sender's word only.
        let mut items = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            items.push(T::decode(from)?);
        }
        Ok(items)
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.len().encode(out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
    fn decode(from: &mut Reader<'_>) -> Result<BTreeMap<K, V>, WireError> {
        let count = from.count()?;
        let mut map = BTreeMap::new();
        for _ in 0..count {
            map.insert(K::decode(from)?, V::decode(from)?);
        }
        Ok(map)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
    fn decode(from: &mut Reader<'_>) -> Result<Option<T>, WireError> {
        Ok(if bool::decode(from)? { Some(T::decode(from)?) } else { None })
    }
}

impl<T: Wire> Wire for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Box<T>, WireError> {
        T::decode(from).map(Box::new)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<(A, B), WireError> {
        Ok((A::decode(from)?, B::decode(from)?))
    }
}

impl Wire for NodeId {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<NodeId, WireError> {
        u64::decode(from).map(NodeId)
    }
}

impl Wire for NodeSet {
    fn encode(&self, out: &mut Vec<u8>) {
        self.len().encode(out);
        for id in self.iter() {
            id.encode(out);
        }
    }
    fn decode(from: &mut Reader<'_>) -> Result<NodeSet, WireError> {
        Vec::<NodeId>::decode(from).map(NodeSet::from_iter)
    }
}

impl Wire for WallClock {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<WallClock, WireError> {
        u64::decode(from).map(WallClock)
    }
}

impl Wire for Instant {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Instant, WireError> {
        u64::decode(from).map(Instant)
    }
}

impl Wire for Duration {
    fn encode(&self, out: &mut Vec<u8>) {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX).encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Duration, WireError> {
        u64::decode(from).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests;
