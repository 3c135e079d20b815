//! Every batch header that verifies, file by file, before anyone decides what it means.

use super::layout::{HEADER, Header, Parsed, SECTOR};
use super::{LogError, slots};
use crate::{Disk, DiskError};

/// How much of a file is read at once.
const WINDOW: u64 = 1 << 20;

/// A header that verifies, in the place it names.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) header: Header,
    /// Whether its content verifies, too.
    pub(super) whole: bool,
}

/// A segment file with the batches of the newest segment in it, in order of offset.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) slot: u32,
    pub(super) len: u64,
    pub(super) found: Vec<Found>,
}

/// Header and content of the batch that `bytes` begin with, if both verify.
pub(super) fn batch_of(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let Parsed::Header(header) = Header::parse(bytes) else {
        return None;
    };
    let content = content_of(&header, bytes)?;
    Some((header, content))
}

/// The content of the batch that `bytes` begin with, whose header is known, if it verifies.
fn content_of<'a>(header: &Header, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(header.content_len).ok()?;
    let content = bytes[HEADER..].get(..len)?;
    header.matches(content).then_some(content)
}

/// A stretch of a file in memory.
struct Window<'a, D: Disk> {
    disk: &'a mut D,
    file: String,
    len: u64,
    from: u64,
    bytes: Vec<u8>,
}

impl<D: Disk> Window<'_, D> {
    /// `len` bytes at `offset`, or what the file has of them.
    fn get(&mut self, offset: u64, len: u64) -> Result<&[u8], DiskError> {
        let len = len.min(self.len - offset);
        let held = offset >= self.from && offset + len <= self.from + self.bytes.len() as u64;
        if !held {
            let read = len.max(WINDOW).min(self.len - offset);
            self.bytes.resize(usize::try_from(read).unwrap_or(usize::MAX), 0);
            self.from = offset;
            self.disk.read_at(&self.file, offset, &mut self.bytes)?;
        }
        let at = usize::try_from(offset - self.from).expect("within a window");
        Ok(&self.bytes[at..at + usize::try_from(len).expect("within a window")])
    }
}

/// Scans all segment files. Of a recycled one only the newest segment counts: what it held before was
/// released, or it would not have been recycled.
pub(super) fn files<D: Disk>(disk: &mut D) -> Result<Vec<File>, LogError> {
    let mut files = Vec::new();
    let mut bytes = Vec::new();
    for (file, len) in disk.list()? {
        let Some(slot) = slots::slot_of(&file) else {
            continue;
        };
        // Nothing of this file is held yet.
        let mut window = Window { disk: &mut *disk, file, len, from: u64::MAX, bytes };
        let mut found = scan(&mut window, slot)?;
        bytes = window.bytes;
        let newest = found.iter().map(|batch| batch.header.segment).max().unwrap_or(0);
        found.retain(|batch| batch.header.segment == newest);
        files.push(File { slot, len, found });
    }
    Ok(files)
}

fn scan<D: Disk>(window: &mut Window<'_, D>, slot: u32) -> Result<Vec<Found>, LogError> {
    let mut found = Vec::new();
    let mut offset = 0;
    while offset + (HEADER as u64) <= window.len {
        let header = match Header::parse(window.get(offset, HEADER as u64)?) {
            Parsed::Header(header) if header.slot == slot && header.offset == offset => header,
            Parsed::Newer(version) => {
                let file = window.file.clone();
                return Err(LogError::Newer { file, offset, version });
            }
            Parsed::Header(_) | Parsed::Nothing => {
                offset += SECTOR;
                continue;
            }
        };
        let fits = header.span() <= window.len - offset;
        let whole = fits && content_of(&header, window.get(offset, header.span())?).is_some();
        // A batch that is not whole may be an old one with newer ones written over its content.
        offset += if whole { header.span() } else { SECTOR };
        found.push(Found { header, whole });
    }
    Ok(found)
}
