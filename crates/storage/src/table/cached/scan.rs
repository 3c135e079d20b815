//! Keys by position: what was loaded of a stretch, under what is in memory.

use super::{CachedTable, decoded};
use crate::table::ask::{Stretch, Window};
use crate::table::{Weigh, hash_of};
use stdx::Bytes;
use wire::Wire;

/// How a step of a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// The next step is from here.
    Next(u64),
    /// There is no further key.
    End,
    /// What follows was not loaded: ask for more ([`super::CachedTable::want`]).
    Unknown,
}

/// A stretch that was loaded. Good for one step: what changes within it is in memory, and goes before it.
#[derive(Clone, Debug)]
pub(super) struct Seen<E> {
    asked: Stretch,
    to: Option<u64>,
    keys: Vec<(u64, Bytes, E)>,
}

impl<E: Wire> Seen<E> {
    pub(super) fn of(window: Window) -> Seen<E> {
        let Window { asked, to, keys } = window;
        let keys = keys.into_iter().map(|(key, outline)| (hash_of(&key), key, decoded(&outline)));
        Seen { asked, to, keys: keys.collect() }
    }
}

impl<E> Seen<E> {
    fn from(&self, hash: u64) -> &[(u64, Bytes, E)] {
        &self.keys[self.keys.partition_point(|(at, ..)| *at < hash)..]
    }

    fn covers(&self, hash: u64) -> bool {
        self.asked.from <= hash && self.to.is_none_or(|to| hash < to)
    }
}

impl<E: Clone + Weigh + Wire> CachedTable<E> {
    pub(super) fn has_seen(&self, stretch: Stretch) -> bool {
        self.seen.iter().any(|seen| {
            seen.asked.from == stretch.from
                && (seen.asked.count >= stretch.count || seen.to.is_none())
        })
    }

    /// Visits every key of the lowest hash that is at least `from`. Entries may be outlines.
    pub fn scan(&self, from: u64, each: &mut dyn FnMut(&Bytes, &E)) -> Scanned {
        let seen = self.seen.iter().filter(|seen| seen.covers(from)).max_by_key(|s| s.asked.count);
        if seen.is_none() && !self.pristine {
            return Scanned::Unknown;
        }
        let edge = seen.and_then(|seen| seen.to).map_or(Scanned::End, Scanned::Next);
        let Some(hash) = self.first_visible(from, seen) else {
            // All of it is gone by now: what lies behind is unknown, unless there is nothing.
            return if edge == Scanned::End { Scanned::End } else { Scanned::Unknown };
        };
        self.visit(hash, seen, each);
        let next = hash.checked_add(1).and_then(|after| self.first_visible(after, seen));
        next.map_or(edge, Scanned::Next)
    }

    /// The lowest hash from `from` on under which a key stands.
    fn first_visible(&self, from: u64, seen: Option<&Seen<E>>) -> Option<u64> {
        let mut at = from;
        loop {
            let stored = seen.and_then(|seen| seen.from(at).first()).map(|(hash, ..)| *hash);
            let hash = self.slots.first_from(at).into_iter().chain(stored).min()?;
            if seen.and_then(|seen| seen.to).is_some_and(|to| hash >= to) {
                return None;
            }
            let mut any = false;
            self.visit(hash, seen, &mut |_, _| any = true);
            if any {
                return Some(hash);
            }
            at = hash.checked_add(1)?;
        }
    }

    fn visit(&self, hash: u64, seen: Option<&Seen<E>>, each: &mut dyn FnMut(&Bytes, &E)) {
        let resident = self.slots.at(hash);
        let stored = seen.map_or(&[][..], |seen| seen.from(hash));
        for (_, key, outline) in stored.iter().take_while(|(at, ..)| *at == hash) {
            if resident.iter().all(|slot| slot.key != *key) {
                each(key, outline);
            }
        }
        for slot in resident {
            if let Some(entry) = &slot.entry.entry {
                each(&slot.key, entry);
            }
        }
    }
}
