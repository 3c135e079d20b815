//! A reply as bytes for a client.

use super::{Reply, Version};
use alloc::string::String;
use alloc::vec::Vec;

/// `value` in decimal, without going through `core::fmt` (a third of the cost of a small reply).
fn decimal(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// `<kind><count>\r\n`
pub(super) fn header(kind: u8, count: usize, out: &mut Vec<u8>) {
    out.push(kind);
    decimal(count as u64, out);
    out.extend_from_slice(b"\r\n");
}

/// `$<length>\r\n<bytes>\r\n`
pub(super) fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 16);
    header(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// A command as a client sends it: an array of bulk strings.
pub fn command(words: &[&[u8]], out: &mut Vec<u8>) {
    header(b'*', words.len(), out);
    words.iter().for_each(|word| bulk(word, out));
}

/// `<kind><text>\r\n`; a line break inside would let a value forge replies, so it becomes a space.
fn line(kind: u8, text: &str, out: &mut Vec<u8>) {
    out.push(kind);
    if text.bytes().any(|b| b == b'\r' || b == b'\n') {
        let clean: String = text.replace(['\r', '\n'], " ");
        out.extend_from_slice(clean.as_bytes());
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

impl Reply {
    /// Appends the reply as a client of `version` reads it.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let three = version == Version::Resp3;
        match self {
            Reply::Simple(text) => line(b'+', text, out),
            Reply::Error(text) => line(b'-', text, out),
            Reply::Int(value) => int(*value, out),
            Reply::Bulk(bytes) => bulk(bytes, out),
            Reply::Null | Reply::NullArray if three => out.extend_from_slice(b"_\r\n"),
            Reply::Null => out.extend_from_slice(b"$-1\r\n"),
            Reply::NullArray => out.extend_from_slice(b"*-1\r\n"),
            Reply::Bool(value) if three => {
                out.extend_from_slice(if *value { b"#t\r\n" } else { b"#f\r\n" });
            }
            Reply::Bool(value) => int(i64::from(*value), out),
            Reply::Double(text) if three => line(b',', text, out),
            Reply::Double(text) => bulk(text.as_bytes(), out),
            Reply::Array(items) => all(b'*', items, version, out),
            Reply::Set(items) => all(if three { b'~' } else { b'*' }, items, version, out),
            Reply::Map(pairs) => {
                let (kind, each) = if three { (b'%', 1) } else { (b'*', 2) };
                header(kind, pairs.len() * each, out);
                for (key, value) in pairs {
                    key.encode(version, out);
                    value.encode(version, out);
                }
            }
            Reply::Verbatim(text) if three => {
                header(b'=', text.len() + 4, out);
                out.extend_from_slice(b"txt:");
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Reply::Verbatim(text) => bulk(text.as_bytes(), out),
        }
    }
}

fn int(value: i64, out: &mut Vec<u8>) {
    out.push(b':');
    if value < 0 {
        out.push(b'-');
    }
    decimal(value.unsigned_abs(), out);
    out.extend_from_slice(b"\r\n");
}

fn all(kind: u8, items: &[Reply], version: Version, out: &mut Vec<u8>) {
    header(kind, items.len(), out);
    for item in items {
        item.encode(version, out);
    }
}
