//! RESP2 and RESP3. (`Args` and `Reply` are settled; parser and encoder are being written.)

use alloc::string::String;
use alloc::vec::Vec;
use stdx::Bytes;

/// One command as a client sent it: the name and its arguments, in one allocation. Never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// An answer, in RESP3's terms; the encoder lowers it for RESP2 clients.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`, without line breaks.
    Simple(String),
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

/// Which protocol a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The default until HELLO.
    #[default]
    Resp2,
    /// After HELLO 3.
    Resp3,
}
