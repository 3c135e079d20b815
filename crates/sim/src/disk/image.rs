//! The content of a file in sectors. Copies share what neither of them has written since: what is on the platter
//! and in the cache, what a sector held before, the disk as it was before a start.

use super::SECTOR;
use std::sync::Arc;

/// What a sector holds.
pub(super) type Sector = Arc<[u8; SECTOR]>;

/// Bytes from 0 to a length. What its last sector holds beyond that is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    len: usize,
    sectors: Vec<Sector>,
}

impl Image {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Longer by zeros, or shorter.
    pub(super) fn resize(&mut self, len: usize) {
        if len < self.len && !len.is_multiple_of(SECTOR) {
            let last = &mut self.sectors[len / SECTOR];
            Arc::make_mut(last)[len % SECTOR..].fill(0);
        }
        let sectors = len.div_ceil(SECTOR);
        if sectors != self.sectors.len() {
            self.sectors.resize(sectors, Arc::new([0; SECTOR]));
        }
        self.len = len;
    }

    /// Overwrites what is there. Panics past the end.
    pub(super) fn write(&mut self, mut offset: usize, mut bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len, "a write past the end");
        while !bytes.is_empty() {
            let (sector, from) = (offset / SECTOR, offset % SECTOR);
            let (piece, rest) = bytes.split_at(bytes.len().min(SECTOR - from));
            match <&[u8; SECTOR]>::try_from(piece) {
                Ok(whole) => self.sectors[sector] = Arc::new(*whole),
                Err(_) => {
                    let held = Arc::make_mut(&mut self.sectors[sector]);
                    held[from..from + piece.len()].copy_from_slice(piece);
                }
            }
            (offset, bytes) = (offset + piece.len(), rest);
        }
    }

    /// Fills `into` from `offset` on; false if that is past the end.
    pub(super) fn read(&self, mut offset: usize, mut into: &mut [u8]) -> bool {
        if offset + into.len() > self.len {
            return false;
        }
        while !into.is_empty() {
            let (sector, from) = (offset / SECTOR, offset % SECTOR);
            let len = into.len().min(SECTOR - from);
            let (piece, rest) = into.split_at_mut(len);
            piece.copy_from_slice(&self.sectors[sector][from..from + len]);
            (offset, into) = (offset + len, rest);
        }
        true
    }

    /// The bytes from `from` to `to`, as far as they go.
    pub(super) fn bytes(&self, from: usize, to: usize) -> Vec<u8> {
        let mut bytes = vec![0; to.min(self.len).saturating_sub(from)];
        self.read(from, &mut bytes);
        bytes
    }

    pub(super) fn sector(&self, sector: usize) -> &Sector {
        &self.sectors[sector]
    }

    pub(super) fn set_sector(&mut self, sector: usize, held: Sector) {
        self.sectors[sector] = held;
    }
}
