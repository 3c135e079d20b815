//! Frames between nodes: a header of six bytes, then a body of at most a length both ends agreed on.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the body, little endian |
//! | 1 | kind: what the body is; the reader's caller knows which there are |
//! | 1 | version of the frame, [`VERSION`] |
//!
//! There is no checksum: the stream below has one, and what must survive a disk has a better one in the log.

use alloc::vec::Vec;
use core::fmt;

/// How many bytes come before the body.
pub const HEADER: usize = 6;
/// The version this code writes and understands.
pub const VERSION: u8 = 1;
/// The longest body unless a reader is told otherwise.
pub const MAX_BODY: usize = 64 << 20;

/// How much read input may lie before the unread in a [`FrameReader`] until it is moved.
const SLACK: usize = 64 * 1024;

/// Appends one frame whose body is what `body` appends. Panics if that is 4 GiB or more: senders cut earlier.
pub fn put(kind: u8, body: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind, VERSION]);
    body(out);
    let len = out.len() - start - HEADER;
    let len = u32::try_from(len).expect("a frame is shorter than 4 GiB");
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

/// Why a stream is not one of frames; the connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A frame of another version.
    Version {
        /// What the header says.
        found: u8,
        /// The kind in that header.
        kind: u8,
    },
    /// A body longer than agreed.
    TooLong {
        /// What the header says.
        found: usize,
        /// What was agreed.
        max: usize,
        /// The kind in that header.
        kind: u8,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Version { found, kind } => {
                write!(f, "frame of kind {kind} has version {found}, expected {VERSION}")
            }
            FrameError::TooLong { found, max, kind } => {
                write!(f, "frame of kind {kind} has {found} bytes, expected at most {max}")
            }
        }
    }
}

impl core::error::Error for FrameError {}

/// One frame, borrowed from its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body is.
    pub kind: u8,
    /// The body.
    pub body: &'a [u8],
}

/// Cuts a stream, which comes in pieces of any size, into frames. Memory follows the bytes that came, never
/// the lengths that were declared.
#[derive(Clone, Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    /// How far `bytes` has been read.
    at: usize,
    max: usize,
    failed: Option<FrameError>,
}

impl Default for FrameReader {
    fn default() -> FrameReader {
        FrameReader::new(MAX_BODY)
    }
}

impl FrameReader {
    /// A reader that refuses bodies longer than `max`.
    pub fn new(max: usize) -> FrameReader {
        FrameReader { bytes: Vec::new(), at: 0, max, failed: None }
    }

    /// Adds what came. Take all frames with [`FrameReader::next`] before adding more, and no more than one
    /// unfinished frame is ever held.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        } else if self.at > SLACK {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` until more comes. An error stays.
    #[expect(clippy::should_implement_trait, reason = "a frame borrows the reader, an item cannot")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        assert!(self.at <= self.bytes.len(), "read past the end");
        let rest = &self.bytes[self.at..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [a, b, c, d, kind, version] = *header;
        let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if version != VERSION || len > self.max {
            let error = if version == VERSION {
                FrameError::TooLong { found: len, max: self.max, kind }
            } else {
                FrameError::Version { found: version, kind }
            };
            self.failed = Some(error);
            return Err(error);
        }
        let Some(body) = rest.get(..len) else { return Ok(None) };
        self.at += HEADER + len;
        Ok(Some(Frame { kind, body }))
    }

    /// How many bytes wait for the rest of their frame.
    pub fn held(&self) -> usize {
        self.bytes.len() - self.at
    }
}

#[cfg(test)]
mod tests;
