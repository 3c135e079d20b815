//! Encoded records on their way to the log.

use alloc::vec::Vec;
use stdx::Position;

/// Records of one write, in order, each under the tag of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    first: Position,
    bytes: Vec<u8>,
    /// Group and end offset in `bytes`.
    ends: Vec<(u64, usize)>,
}

impl Batch {
    /// An empty batch whose first record will stand at `first`.
    pub fn new(first: Position) -> Batch {
        Batch { first, bytes: Vec::new(), ends: Vec::new() }
    }

    /// An empty batch that begins at `first` and uses the memory of this one.
    #[must_use]
    pub fn emptied(mut self, first: Position) -> Batch {
        self.bytes.clear();
        self.ends.clear();
        Batch { first, ..self }
    }

    /// Appends the record that `write` encodes.
    pub fn push(&mut self, group: u64, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push((group, self.bytes.len()));
    }

    /// The position of the first record.
    pub fn first(&self) -> Position {
        self.first
    }

    /// The position after the last record.
    pub fn end(&self) -> Position {
        Position(self.first.0 + self.ends.len() as u64)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes all records take.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Position, group and bytes of each record.
    pub fn records(&self) -> impl Iterator<Item = (Position, u64, &[u8])> {
        let mut from = 0;
        self.ends.iter().enumerate().map(move |(i, &(group, end))| {
            let record = &self.bytes[from..end];
            from = end;
            (Position(self.first.0 + i as u64), group, record)
        })
    }
}
