//! Checksums from end to end: made where an entry or a snapshot is made, verified where it is taken in and where
//! it is used, so that what memory, a link, the log or a codec does to it in between is found and never applied
//! (Saltzer, Reed and Clark, *End-to-End Arguments in System Design*, TOCS 1984).
//!
//! A command is sealed without a field of its own, since release 0.1 must go on reading what is written here:
//! the low half of the proposal's seed, which only needs to be some number, is the CRC-32C of the group and of
//! every other bit of the proposal. A sealed proposal is told from one of release 0.1 by the width of its limit:
//! ten bytes, padded with zeros that mean nothing, where 0.1 writes as few as it can.
//!
//! A chunk of a snapshot is wrapped, under a kind of its own that release 0.1 refuses: it says the chunk's place,
//! its checksum (bound to group and index) and, in the last one, the checksum over those of all chunks, so that
//! a chunk that is missing, exchanged or doubled is found as well as one that is damaged.

use crate::message::GroupId;
use crate::proposal::Proposal;
use core::fmt;
use crc32c::{crc32c, crc32c_append};
use raft::{Kind, Message};
use stdx::{Bytes, Mutant, Planted, WallClock};
use wire::{Reader, Wire, WireError};

/// The bytes of the longest number, and of every number in a sealed head.
const WIDE: usize = 10;
/// Begins a sealed chunk. Far, in bits, from those of [`PLAIN`].
const SEALED: u8 = 0xa5;
const VERSION: u8 = 1;
/// The kinds of chunks that release 0.1 wrote.
const PLAIN: [u8; 2] = [1, 2];

/// Why something is not what it was when it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It is not even readable.
    Unreadable(WireError),
    /// It is readable, and another: what the seal says, and what the bytes say.
    Checksum(u32, u32),
    /// A chunk in another's place: expected and found.
    Place(u64, u64),
    /// Sealed chunks and unsealed ones in one snapshot, or chunks after the last.
    Mixed,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Unreadable(error) => write!(f, "unreadable: {error}"),
            Broken::Checksum(sealed, found) => {
                write!(f, "sealed with checksum {sealed:08x}, found {found:08x}")
            }
            Broken::Place(expected, found) => write!(f, "chunk {found} in the place of {expected}"),
            Broken::Mixed => f.write_str("sealed and unsealed chunks in one snapshot"),
        }
    }
}

impl From<WireError> for Broken {
    fn from(error: WireError) -> Broken {
        Broken::Unreadable(error)
    }
}

/// A number in ten bytes: what [`u64::encode`] writes, continued by zeros.
fn wide(value: u64) -> [u8; WIDE] {
    core::array::from_fn(|at| {
        let more = if at + 1 < WIDE { 0x80 } else { 0 };
        (value.checked_shr(7 * at as u32).unwrap_or(0) & 0x7f) as u8 | more
    })
}

fn compare(sealed: u32, found: u32, planted: Planted) -> Result<(), Broken> {
    if sealed == found || planted.is(Mutant::TrustSeals) {
        Ok(())
    } else {
        Err(Broken::Checksum(sealed, found))
    }
}

/// The encoding of `proposal`, of about `size` bytes, sealed for `group`. The low half of its seed is replaced.
pub(crate) fn command(group: GroupId, proposal: &Proposal, size: usize) -> Bytes {
    let chance = proposal.seed & !u64::from(u32::MAX);
    let mut out = Vec::with_capacity(size + 3 * WIDE);
    proposal.stamp.encode(&mut out);
    let at = out.len();
    out.extend_from_slice(&wide(chance));
    out.extend_from_slice(&wide(proposal.limit as u64));
    proposal.body.encode(&mut out);
    let sum = crc32c_append(crc32c(&group.to_le_bytes()), &out);
    out[at..at + WIDE].copy_from_slice(&wide(chance | u64::from(sum)));
    Bytes::from(out)
}

/// Whether a command is what was sealed for `group`; commands of release 0.1 are not, and taken as they are.
pub(crate) fn intact(group: GroupId, payload: &[u8], planted: Planted) -> Result<(), Broken> {
    let mut from = Reader::new(payload);
    WallClock::decode(&mut from)?;
    let at = payload.len() - from.remaining();
    let seed = u64::decode(&mut from)?;
    let before_limit = from.remaining();
    let limit = u64::decode(&mut from)?;
    let width = before_limit - from.remaining();
    if width < WIDE {
        // Release 0.1 has no checksum, but wastes no bytes either: a seal that lost a bit is not taken for it.
        let least = wire::encode(&limit).len();
        let plain: Result<Proposal, WireError> = wire::decode_all(payload);
        return match plain {
            Ok(_) if width == least => Ok(()),
            Ok(_) => Err(WireError::Invalid("limit of a proposal").into()),
            Err(error) => Err(error.into()),
        };
    }
    if payload.len() - before_limit != at + WIDE {
        return Err(Broken::Unreadable(WireError::Invalid("seed of a sealed proposal")));
    }
    let mut sum = crc32c_append(crc32c(&group.to_le_bytes()), &payload[..at]);
    sum = crc32c_append(sum, &wide(seed & !u64::from(u32::MAX)));
    sum = crc32c_append(sum, &payload[at + WIDE..]);
    compare(seed as u32, sum, planted)
}

/// The command that was sealed for `group`.
pub(crate) fn open(group: GroupId, payload: &[u8], planted: Planted) -> Result<Proposal, Broken> {
    intact(group, payload, planted)?;
    Ok(wire::decode_all(payload)?)
}

/// Whether what a message of consensus brings is what was sealed for `group`: commands, and a chunk.
pub(crate) fn message(group: GroupId, message: &Message, planted: Planted) -> Result<(), Broken> {
    if planted.is(Mutant::TrustMessages) {
        return Ok(());
    }
    match message {
        Message::Append { entries, .. } => entries.iter().try_for_each(|entry| match &entry.kind {
            Kind::Command(payload) => intact(group, payload, planted),
            Kind::Noop | Kind::Config(_) => Ok(()),
        }),
        Message::Chunk { mark, bytes, .. } if bytes.first() == Some(&SEALED) => {
            Chunk::read(group, mark.index, bytes, planted).map(|_| ())
        }
        Message::Chunk { bytes, .. } => match bytes.first() {
            Some(kind) if PLAIN.contains(kind) => Ok(()),
            kind => Err(WireError::UnknownKind("chunk", kind.copied().unwrap_or(0)).into()),
        },
        _ => Ok(()),
    }
}

/// A sealed chunk, taken apart.
struct Chunk<'a> {
    seq: u64,
    sum: u32,
    /// Over the checksums of all chunks; in the last one.
    whole: Option<u32>,
    content: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn read(
        group: GroupId,
        index: u64,
        bytes: &'a [u8],
        planted: Planted,
    ) -> Result<Chunk<'a>, Broken> {
        let mut from = Reader::new(bytes);
        match (u8::decode(&mut from)?, u8::decode(&mut from)?) {
            (SEALED, VERSION) => {}
            (SEALED, version) => return Err(WireError::UnknownVersion("chunk", version).into()),
            (kind, _) => return Err(WireError::UnknownKind("chunk", kind).into()),
        }
        let (seq, sum) = <(u64, u32)>::decode(&mut from)?;
        let whole = Option::<u32>::decode(&mut from)?;
        let content = from.take(from.remaining())?;
        compare(sum, place_sum(group, index, seq, whole, content), planted)?;
        Ok(Chunk { seq, sum, whole, content })
    }
}

fn place_sum(group: GroupId, index: u64, seq: u64, whole: Option<u32>, content: &[u8]) -> u32 {
    let mut place = Vec::with_capacity(40);
    for number in [group, index, seq] {
        place.extend_from_slice(&number.to_le_bytes());
    }
    whole.encode(&mut place);
    crc32c_append(crc32c(&place), content)
}

/// The chunks of one snapshot so far: seals them as they are made, opens them as they come.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    group: GroupId,
    index: u64,
    /// The number of the next chunk.
    next: u64,
    /// Over the checksums of those before it.
    sums: u32,
    form: Form,
    planted: Planted,
}

/// What the first chunk was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Unknown,
    /// As release 0.1 wrote it: no checksum, and nothing that says which chunk is the last.
    Plain,
    Sealed,
    /// The last one was seen.
    Over,
}

impl Chunks {
    /// Before the first chunk of the snapshot of `group` up to `index`.
    pub(crate) fn new(group: GroupId, index: u64, planted: Planted) -> Chunks {
        Chunks { group, index, next: 0, sums: 0, form: Form::Unknown, planted }
    }

    /// Seals the next chunk.
    pub(crate) fn seal(&mut self, content: &[u8], last: bool) -> Bytes {
        let (group, index, seq) = (self.group, self.index, self.next);
        self.next += 1;
        // Of the last chunk it covers everything but the word that says so.
        let inner = place_sum(group, index, seq, None, content);
        let sums = crc32c_append(self.sums, &inner.to_le_bytes());
        let whole = last.then_some(sums);
        self.sums = sums;
        let sum = place_sum(group, index, seq, whole, content);
        let mut out = Vec::with_capacity(content.len() + 32);
        out.extend_from_slice(&[SEALED, VERSION]);
        (seq, sum).encode(&mut out);
        whole.encode(&mut out);
        out.extend_from_slice(content);
        Bytes::from(out)
    }

    /// The content of the next chunk.
    pub(crate) fn open<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Broken> {
        if bytes.first() != Some(&SEALED) {
            if !matches!(self.form, Form::Unknown | Form::Plain) {
                return Err(Broken::Mixed);
            }
            self.form = Form::Plain;
            self.next += 1;
            return Ok(bytes);
        }
        if !matches!(self.form, Form::Unknown | Form::Sealed) {
            return Err(Broken::Mixed);
        }
        let Chunk { seq, sum, whole, content } =
            Chunk::read(self.group, self.index, bytes, self.planted)?;
        if seq != self.next {
            return Err(Broken::Place(self.next, seq));
        }
        let inner = match whole {
            None => sum,
            Some(_) => place_sum(self.group, self.index, seq, None, content),
        };
        self.next += 1;
        self.sums = crc32c_append(self.sums, &inner.to_le_bytes());
        self.form = Form::Sealed;
        if let Some(whole) = whole {
            compare(whole, self.sums, self.planted)?;
            self.form = Form::Over;
        }
        Ok(content)
    }

    /// Whether all chunks were opened, as far as they say.
    pub(crate) fn complete(&self) -> bool {
        matches!(self.form, Form::Plain | Form::Over)
    }

    /// The number of the next chunk.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests;
