//! What a [`super::CachedTable`] asks of its [`super::Engine`], and what it hears: plain values, carried by
//! the machine between the two, so that no step waits for a disk.

use super::Ticket;
use stdx::Bytes;

/// Names a table for as long as its node lives; an engine holds many, and none of an earlier life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// Whose state it is.
    pub group: u64,
    /// Tells the tables of one group apart: the one served, and one being received.
    pub serial: u64,
}

/// Keys in hash order, to be shown without their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The lowest hash.
    pub from: u64,
    /// About how many keys; all of one hash are taken together.
    pub count: usize,
}

/// What one operation touches: everything it could look at when it is executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Keys by name, each at least once.
    pub keys: Vec<Bytes>,
    /// Keys by position.
    pub stretches: Vec<Stretch>,
}

impl Needs {
    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.stretches.is_empty()
    }
}

/// To the engine. Carried out in the order asked, answered in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Answered by [`Answer::Loaded`].
    Load {
        /// Whose.
        table: TableId,
        /// Names the answer.
        ticket: Ticket,
        /// What to look up.
        needs: Needs,
    },
    /// Puts entries and removes keys, all or nothing. Answered by [`Answer::Written`].
    Write {
        /// Whose.
        table: TableId,
        /// Names the answer.
        batch: u64,
        /// Encoded entries; `None` removes.
        entries: Vec<(Bytes, Option<Bytes>)>,
    },
    /// Removes everything; a view stays as it is.
    Clear {
        /// Whose.
        table: TableId,
    },
    /// Begins a view of what the table holds now. One at a time: an older one ends.
    Freeze {
        /// Whose.
        table: TableId,
        /// Names the answers.
        view: u64,
    },
    /// Reads on in the view. Answered by [`Answer::Chunk`].
    Chunk {
        /// Whose.
        table: TableId,
        /// Keys and entries of at least this many bytes, if there are as many.
        max_bytes: usize,
    },
    /// Ends the view.
    Thaw {
        /// Whose.
        table: TableId,
    },
    /// The table is needed no more.
    Drop {
        /// Which.
        table: TableId,
    },
}

/// A stretch as it was found: every key whose hash is at least `from` and below `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What was asked for.
    pub asked: Stretch,
    /// Hashes from here on were not looked at; `None` if there are none.
    pub to: Option<u64>,
    /// Keys and encoded outlines, in order of hash and key.
    pub keys: Vec<(Bytes, Bytes)>,
}

/// From the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for is here.
    Loaded {
        /// Whose.
        table: TableId,
        /// As asked.
        ticket: Ticket,
        /// What stands under each key, encoded.
        entries: Vec<(Bytes, Option<Bytes>)>,
        /// Each stretch.
        windows: Vec<Window>,
    },
    /// A batch is written.
    Written {
        /// Whose.
        table: TableId,
        /// As asked.
        batch: u64,
    },
    /// More of the view, in order of hash and key; nothing once it has ended.
    Chunk {
        /// Whose.
        table: TableId,
        /// As named when frozen.
        view: u64,
        /// Keys and encoded entries.
        entries: Vec<(Bytes, Bytes)>,
    },
}

impl Ask {
    /// Which table.
    pub fn table(&self) -> TableId {
        match self {
            Ask::Load { table, .. }
            | Ask::Write { table, .. }
            | Ask::Clear { table }
            | Ask::Freeze { table, .. }
            | Ask::Chunk { table, .. }
            | Ask::Thaw { table }
            | Ask::Drop { table } => *table,
        }
    }
}

impl Answer {
    /// Which table.
    pub fn table(&self) -> TableId {
        match self {
            Answer::Loaded { table, .. }
            | Answer::Written { table, .. }
            | Answer::Chunk { table, .. } => *table,
        }
    }
}
