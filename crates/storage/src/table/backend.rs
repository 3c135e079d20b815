//! redb's six verbs over a [`Disk`], and a checksum of every block.
//!
//! redb checks its pages when it repairs a file, not when it reads one, and a damaged branch would hide keys
//! that are there. The checksums live in memory, beside the file that nobody reads in another life: 4 bytes
//! for 4 KiB.

use super::shared::Shared;
use crate::{Disk, DiskError};
use redb::StorageBackend;
use std::io;

/// What is read, written and checked as one: redb's page.
const BLOCK: usize = 4096;
const BLOCK_BYTES: u64 = BLOCK as u64;

/// One file of a disk that several engines share.
pub(super) struct File<D> {
    disk: Shared<D>,
    name: String,
    blocks: Shared<Blocks>,
}

/// What is known of a file.
struct Blocks {
    /// As redb set it.
    len: u64,
    /// CRC-32C of each block; `None` reads as zeros, whatever the file holds there.
    sums: Vec<Option<u32>>,
}

impl<D> std::fmt::Debug for File<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("name", &self.name).finish_non_exhaustive()
    }
}

fn failed(error: DiskError) -> io::Error {
    io::Error::other(error)
}

fn index(block: u64) -> usize {
    usize::try_from(block).expect("as many blocks as there are checksums in memory")
}

impl<D: Disk> File<D> {
    /// A new, empty file.
    pub(super) fn new(disk: Shared<D>, name: String) -> File<D> {
        File { disk, name, blocks: Shared::new(Blocks { len: 0, sums: Vec::new() }) }
    }

    /// Fills `into` with whole blocks from `first` on, if they are what was written.
    fn read_blocks(&self, sums: &[Option<u32>], first: u64, into: &mut [u8]) -> io::Result<()> {
        self.disk.lock().read_at(&self.name, first * BLOCK_BYTES, into).map_err(failed)?;
        for (at, block) in (first..).zip(into.chunks_exact_mut(BLOCK)) {
            match sums[index(at)] {
                None => block.fill(0),
                Some(sum) if sum == crc32c::crc32c(block) => {}
                Some(_) => {
                    let offset = at * BLOCK_BYTES;
                    let text = format!("{}: offset {offset} is not what was written", self.name);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
        Ok(())
    }
}

/// The blocks that hold `len` bytes from `offset` on, and where in them those begin.
fn around(offset: u64, len: usize) -> (u64, usize, usize) {
    let first = offset / BLOCK_BYTES;
    let skip = usize::try_from(offset % BLOCK_BYTES).expect("below a block");
    (first, skip, (skip + len).div_ceil(BLOCK))
}

impl<D: Disk + Send + 'static> StorageBackend for File<D> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.blocks.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let held = self.blocks.lock();
        if offset + out.len() as u64 > held.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (first, skip, count) = around(offset, out.len());
        if skip == 0 && out.len() == count * BLOCK {
            return self.read_blocks(&held.sums, first, out);
        }
        let mut whole = vec![0; count * BLOCK];
        self.read_blocks(&held.sums, first, &mut whole)?;
        out.copy_from_slice(&whole[skip..skip + out.len()]);
        Ok(())
    }

    /// A [`Disk`] has no verb to cut a file: what was cut reads as zeros when it grows again.
    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut held = self.blocks.lock();
        assert!(len.is_multiple_of(BLOCK_BYTES), "redb's files are whole pages");
        let blocks = index(len / BLOCK_BYTES);
        if blocks > held.sums.len() {
            self.disk.lock().write_at(&self.name, len - 1, &[0]).map_err(failed)?;
        }
        held.sums.resize(blocks, None);
        held.len = len;
        Ok(())
    }

    /// Nothing: the file is never read by another life (`engine`).
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut held = self.blocks.lock();
        let (first, skip, count) = around(offset, data.len());
        let mut whole = Vec::new();
        let mut blocks = data;
        if skip != 0 || data.len() != count * BLOCK {
            whole.resize(count * BLOCK, 0);
            self.read_blocks(&held.sums, first, &mut whole)?;
            whole[skip..skip + data.len()].copy_from_slice(data);
            blocks = &whole;
        }
        let at = first * BLOCK_BYTES;
        self.disk.lock().write_at(&self.name, at, blocks).map_err(failed)?;
        for (at, block) in (index(first)..).zip(blocks.chunks_exact(BLOCK)) {
            held.sums[at] = Some(crc32c::crc32c(block));
        }
        Ok(())
    }
}
