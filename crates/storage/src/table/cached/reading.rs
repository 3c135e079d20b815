//! A consistent view of a table on disk: the engine holds it, and reads it piece by piece.

use super::CachedTable;
use crate::table::ask::Ask;
use crate::table::{Lookup, Ticket, Weigh};
use stdx::Bytes;
use wire::Wire;

/// A consistent view that is being read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) view: u64,
    asked: bool,
    /// What was read and not taken yet; empty at the end of the view.
    pub(super) ready: Option<Vec<(Bytes, Bytes)>>,
}

impl<E: Clone + Weigh + Wire> CachedTable<E> {
    /// Begins a consistent view of what the table holds now.
    pub fn freeze(&mut self) {
        assert!(self.reading.is_none(), "one frozen view at a time");
        self.send_all();
        let view = self.name();
        self.asks.push(Ask::Freeze { table: self.id, view });
        self.reading = Some(Reading { view, asked: false, ready: None });
    }

    /// Whether there is a frozen view.
    pub fn is_frozen(&self) -> bool {
        self.reading.is_some()
    }

    /// The next part of the frozen view, of about `max_bytes`, encoded and in order of hash; `Ready(None)` once
    /// it has ended.
    pub fn chunk(&mut self, max_bytes: usize) -> Lookup<Vec<(Bytes, Bytes)>> {
        let table = self.id;
        let reading = self.reading.as_mut().expect("a chunk of a view that was not frozen");
        match reading.ready.take() {
            Some(ended) if ended.is_empty() => {
                reading.ready = Some(ended);
                return Lookup::Ready(None);
            }
            // The next is read while this one is on its way.
            Some(entries) => {
                self.asks.push(Ask::Chunk { table, max_bytes });
                return Lookup::Ready(Some(entries));
            }
            None if !reading.asked => {
                reading.asked = true;
                self.asks.push(Ask::Chunk { table, max_bytes });
            }
            None => {}
        }
        Lookup::Missing(Ticket(reading.view))
    }

    /// Ends the frozen view, read to its end or not; nothing happens without one.
    pub fn thaw(&mut self) {
        if self.reading.take().is_some() {
            self.asks.push(Ask::Thaw { table: self.id });
        }
    }
}
