//! Deadlines are state, not events: a name has at most one, and the host asks for the earliest.

use crate::Instant;
use alloc::collections::{BTreeMap, BTreeSet};

/// One optional deadline per name, and the earliest of all.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    by_name: BTreeMap<T, Instant>,
    by_time: BTreeSet<(Instant, T)>,
}

impl<T: Ord + Copy> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { by_name: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<T: Ord + Copy> Timers<T> {
    /// Sets, moves or (with `None`) removes the deadline of `name`.
    pub fn set(&mut self, name: T, deadline: Option<Instant>) {
        let before = match deadline {
            Some(at) => self.by_name.insert(name, at),
            None => self.by_name.remove(&name),
        };
        if before == deadline {
            return;
        }
        if let Some(at) = before {
            self.by_time.remove(&(at, name));
        }
        if let Some(at) = deadline {
            self.by_time.insert((at, name));
        }
    }

    /// The deadline of `name`.
    pub fn get(&self, name: T) -> Option<Instant> {
        self.by_name.get(&name).copied()
    }

    /// The earliest deadline of all.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Removes and names one deadline that has passed by `now`, the earliest first.
    pub fn expired(&mut self, now: Instant) -> Option<T> {
        let (at, name) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.remove(&(at, name));
        self.by_name.remove(&name);
        Some(name)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}
