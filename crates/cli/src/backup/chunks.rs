//! A file of a backup: chunks, each with a checksum that covers everything before it as well.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `ATOLLBAK` |
//! | 1 | kind: 1 a full state, 2 entries of a log |
//! | 1 | version: 1 |
//! | 4, 8, n | a chunk: its length and checksum, little endian, then its bytes; and so on to the end |
//!
//! A chunk's checksum is XXH3 of the checksum before (of the first ten bytes, for the first chunk), its length and
//! its bytes. So the last one is that of the file, and a chunk of another place or file is never taken for this
//! one. It finds accidents, not forgers.

use std::fmt;
use std::io::{self, Read, Write};
use stdx::{Mutant, Planted};

const MAGIC: &[u8; 8] = b"ATOLLBAK";
const VERSION: u8 = 1;
const HEADER: u64 = 10;
const PREFIX: usize = 12;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The first chunk is the head of a state, the others its keys.
    Full,
    /// Each chunk is a run of entries.
    Log,
}

impl Kind {
    fn header(self) -> [u8; HEADER as usize] {
        let mut header = [0; HEADER as usize];
        header[..8].copy_from_slice(MAGIC);
        header[8] = match self {
            Kind::Full => 1,
            Kind::Log => 2,
        };
        header[9] = VERSION;
        header
    }
}

fn chained(before: u64, chunk: &[u8]) -> u64 {
    let mut bytes = Vec::with_capacity(PREFIX + chunk.len());
    bytes.extend_from_slice(&before.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(chunk);
    storage::hash_of(&bytes)
}

/// What was written: what the manifest keeps of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    pub(crate) sum: u64,
}

/// Writes a file chunk by chunk.
pub(crate) struct Writer<W: Write> {
    to: W,
    pub(crate) written: Written,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(mut to: W, kind: Kind) -> io::Result<Writer<W>> {
        let header = kind.header();
        to.write_all(&header)?;
        let written = Written { bytes: HEADER, chunks: 0, sum: storage::hash_of(&header) };
        Ok(Writer { to, written })
    }

    pub(crate) fn put(&mut self, chunk: &[u8]) -> io::Result<()> {
        let len = u32::try_from(chunk.len()).map_err(io::Error::other)?;
        self.written.sum = chained(self.written.sum, chunk);
        self.to.write_all(&len.to_le_bytes())?;
        self.to.write_all(&self.written.sum.to_le_bytes())?;
        self.to.write_all(chunk)?;
        self.written.bytes += (PREFIX + chunk.len()) as u64;
        self.written.chunks += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<(W, Written)> {
        self.to.flush()?;
        Ok((self.to, self.written))
    }
}

/// Damage: where in the file, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}", self.offset, self.what)
    }
}

/// Reads a file of which the manifest says how long it is.
pub(crate) struct Reader<R: Read> {
    from: R,
    offset: u64,
    expected: Written,
    chunks: u64,
    sum: u64,
    planted: Planted,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(
        from: R,
        kind: Kind,
        expected: Written,
        planted: Planted,
    ) -> Result<Reader<R>, Damage> {
        let mut reader = Reader { from, offset: 0, expected, chunks: 0, sum: 0, planted };
        let mut found = [0; HEADER as usize];
        reader.fill(&mut found)?;
        let wanted = kind.header();
        if let Some(at) = (0..found.len()).find(|at| found[*at] != wanted[*at]) {
            let what = match at {
                8 => format!("kind {}, expected {}", found[8], wanted[8]),
                9 => format!("version {}, this release reads {VERSION}", found[9]),
                _ => "not a file of a backup".into(),
            };
            return Err(Damage { offset: at as u64, what });
        }
        reader.sum = storage::hash_of(&found);
        Ok(reader)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Damage> {
        let failed = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => Damage { offset: self.offset, what: "cut off".into() },
            _ => Damage { offset: self.offset, what: e.to_string() },
        };
        self.from.read_exact(bytes).map_err(failed)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// The next chunk; `None` at the end, once the whole file was as the manifest says.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, Damage> {
        let offset = self.offset;
        let bad = |what: String| Err(Damage { offset, what });
        let left = self.expected.bytes.saturating_sub(offset);
        if left == 0 {
            let mut more = [0; 1];
            if self.from.read(&mut more).is_ok_and(|n| n > 0) {
                return bad("more than the manifest says".into());
            }
            if (self.chunks, self.sum) != (self.expected.chunks, self.expected.sum) {
                return bad("not the file that the manifest names".into());
            }
            return Ok(None);
        }
        let (mut len, mut sum) = ([0; 4], [0; 8]);
        self.fill(&mut len)?;
        self.fill(&mut sum)?;
        let len = u64::from(u32::from_le_bytes(len));
        if len + PREFIX as u64 > left {
            return bad(format!("a chunk of {len} bytes where {left} are left"));
        }
        let mut chunk = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.fill(&mut chunk)?;
        self.sum = chained(self.sum, &chunk);
        if self.planted.is(Mutant::BackupUnchecked) {
            self.sum = u64::from_le_bytes(sum);
        }
        if self.sum != u64::from_le_bytes(sum) {
            return bad(format!(
                "the chunk's checksum is {:016x}, its bytes have {:016x}",
                u64::from_le_bytes(sum),
                self.sum
            ));
        }
        self.chunks += 1;
        Ok(Some(chunk))
    }
}
