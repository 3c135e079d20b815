//! The bytes of a batch on disk.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | magic `ATOLLWAL` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | zero |
//! | 12 | 4 | CRC-32C of the header, this field taken as zero |
//! | 16 | 4 | CRC-32C of segment sequence, offset and content |
//! | 20 | 4 | record count |
//! | 24 | 8 | segment sequence |
//! | 32 | 8 | offset in the segment |
//! | 40 | 4 | slot: the number in the file's name |
//! | 44 | 4 | slot of the segment before this one |
//! | 48 | 8 | position of the first record |
//! | 56 | 8 | content length |
//! | 64 | 8 | durable position when this was written |
//! | 72 | 8 | oldest position still needed when this was written |
//! | 80 | 8 | groups: a mask of group tags modulo 64 |
//! | 88 | 8 | position of the first record of the batch before this one |
//! | 96 | 8 | its groups |
//! | 104 | | content: per record its group (8), length (4) and bytes; zeros up to the next sector |
//!
//! All little-endian. The slot is checked against the file's name, so that a write that went to the wrong
//! file is never taken for one that belongs there; the slot before names the file when all of it is lost; the batch
//! before is described once more, so that a lost header does not leave every group under suspicion.

use super::{GroupMask, LogError};
use stdx::Position;
use wire::Batch;

/// Batches start on these boundaries, so that a torn write of one never touches a synced one's sector.
pub(crate) const SECTOR: u64 = 512;
pub(crate) const HEADER: usize = 104;
const MAGIC: [u8; 8] = *b"ATOLLWAL";
const VERSION: u16 = 1;
const RECORD_HEAD: usize = 12;

/// What stands before each batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) content_crc: u32,
    pub(crate) count: u32,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) slot: u32,
    pub(crate) previous: u32,
    pub(crate) first: Position,
    pub(crate) content_len: u64,
    pub(crate) durable: Position,
    pub(crate) start: Position,
    pub(crate) groups: GroupMask,
    pub(crate) before: Before,
}

/// What a header says of the batch before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) first: Position,
    pub(crate) groups: GroupMask,
}

/// What the first bytes of a sector are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A header that verifies.
    Header(Header),
    /// One that verifies and that a newer version wrote: its number.
    Newer(u16),
    /// Anything else.
    Nothing,
}

impl Header {
    /// The position after the last record.
    pub(crate) fn end(&self) -> Position {
        Position(self.first.0 + u64::from(self.count))
    }

    /// Bytes from this batch to the next.
    pub(crate) fn span(&self) -> u64 {
        padded(HEADER as u64 + self.content_len)
    }

    /// Appends the header with its checksum.
    fn encode(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.content_crc.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.slot.to_le_bytes());
        out.extend_from_slice(&self.previous.to_le_bytes());
        for field in [self.first.0, self.content_len, self.durable.0, self.start.0, self.groups.0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.before.first.0.to_le_bytes());
        out.extend_from_slice(&self.before.groups.0.to_le_bytes());
        assert_eq!(out.len() - at, HEADER, "the header's size is fixed");
        let crc = crc32c::crc32c(&out[at..]);
        out[at + 12..at + 16].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header from the first [`HEADER`] bytes of a sector, whatever they are.
    pub(crate) fn parse(bytes: &[u8]) -> Parsed {
        if bytes.len() < HEADER || bytes[..8] != MAGIC {
            return Parsed::Nothing;
        }
        let mut crc = crc32c::crc32c(&bytes[..12]);
        crc = crc32c::crc32c_append(crc, &[0; 4]);
        crc = crc32c::crc32c_append(crc, &bytes[16..HEADER]);
        if crc != u32_at(bytes, 12) {
            return Parsed::Nothing;
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != VERSION {
            return Parsed::Newer(version);
        }
        let header = Header::fields(bytes);
        let sane = header.start <= header.durable
            && header.durable <= header.first
            && header.first.0.checked_add(u64::from(header.count)).is_some()
            && header.content_len < u64::MAX / 2
            && header.count > 0;
        if sane { Parsed::Header(header) } else { Parsed::Nothing }
    }

    /// The fields, verified or not.
    fn fields(bytes: &[u8]) -> Header {
        Header {
            content_crc: u32_at(bytes, 16),
            count: u32_at(bytes, 20),
            segment: u64_at(bytes, 24),
            offset: u64_at(bytes, 32),
            slot: u32_at(bytes, 40),
            previous: u32_at(bytes, 44),
            first: Position(u64_at(bytes, 48)),
            content_len: u64_at(bytes, 56),
            durable: Position(u64_at(bytes, 64)),
            start: Position(u64_at(bytes, 72)),
            groups: GroupMask(u64_at(bytes, 80)),
            before: Before {
                first: Position(u64_at(bytes, 88)),
                groups: GroupMask(u64_at(bytes, 96)),
            },
        }
    }

    /// Whether a sector that does not verify looks like the remains of the header expected there. Only for
    /// the report: nothing is read from it.
    pub(crate) fn remains(bytes: &[u8], segment: u64, first: Position) -> bool {
        if bytes.len() < HEADER {
            return false;
        }
        let found = Header::fields(bytes);
        // Two of three: what a recycled segment holds from before has the magic and nothing else.
        let signs =
            [bytes[..8] == MAGIC, found.segment == segment, found.first == first && first.0 > 0];
        signs.iter().filter(|sign| **sign).count() >= 2
    }

    /// Whether `content` is what this header was written with.
    pub(crate) fn matches(&self, content: &[u8]) -> bool {
        content.len() as u64 == self.content_len
            && content_crc(self.segment, self.offset, content) == self.content_crc
            && Records::new(content).try_fold(0u32, |n, record| record.map(|_| n + 1))
                == Some(self.count)
    }
}

/// Where a batch is written and what its header says beside the records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) slot: u32,
    pub(crate) previous: u32,
    pub(crate) durable: Position,
    pub(crate) start: Position,
    pub(crate) before: Before,
}

/// Rounded up to whole sectors.
pub(crate) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(SECTOR)
}

/// How many bytes `batch` takes on disk.
pub(crate) fn size_of(batch: &Batch) -> u64 {
    padded((HEADER + batch.len() * RECORD_HEAD + batch.bytes_len()) as u64)
}

/// Writes `batch` as it stands on disk into `out`, padding included; answers what the next header says of it.
pub(crate) fn encode(batch: &Batch, place: Place, out: &mut Vec<u8>) -> Result<Before, LogError> {
    out.clear();
    out.resize(HEADER, 0);
    let mut groups = GroupMask::NONE;
    for (position, group, bytes) in batch.records() {
        let len = u32::try_from(bytes.len())
            .map_err(|_| LogError::TooLarge { position, len: bytes.len() })?;
        out.extend_from_slice(&group.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(bytes);
        groups = groups.with(group);
    }
    let count = u32::try_from(batch.len())
        .map_err(|_| LogError::TooLarge { position: batch.first(), len: batch.len() })?;
    let header = Header {
        content_crc: content_crc(place.segment, place.offset, &out[HEADER..]),
        count,
        segment: place.segment,
        offset: place.offset,
        slot: place.slot,
        previous: place.previous,
        first: batch.first(),
        content_len: (out.len() - HEADER) as u64,
        durable: place.durable,
        start: place.start,
        groups,
        before: place.before,
    };
    let mut head = Vec::with_capacity(HEADER);
    header.encode(&mut head);
    out[..HEADER].copy_from_slice(&head);
    out.resize(out.len().next_multiple_of(SECTOR as usize), 0);
    assert_eq!(out.len() as u64, size_of(batch), "the size was told before");
    Ok(Before { first: batch.first(), groups })
}

fn content_crc(segment: u64, offset: u64, content: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&segment.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &offset.to_le_bytes());
    crc32c::crc32c_append(crc, content)
}

/// Group and bytes of each record of a content; `None` once where it does not add up.
#[derive(Debug)]
pub(crate) struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    pub(crate) fn new(content: &'a [u8]) -> Records<'a> {
        Records(content)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<(u64, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = self.0.split_at_checked(RECORD_HEAD).and_then(|(head, rest)| {
            let (bytes, rest) = rest.split_at_checked(u32_at(head, 8) as usize)?;
            Some((u64_at(head, 0), bytes, rest))
        });
        let Some((group, bytes, rest)) = split else {
            self.0 = &[];
            return Some(None);
        };
        self.0 = rest;
        Some(Some((group, bytes)))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
