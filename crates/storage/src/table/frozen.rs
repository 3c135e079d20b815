//! A consistent view of a table that goes on changing: a position in hash order, and before-images of what
//! changed past it. What was visited needs no image, so a view that is read costs less and less.

use super::Weigh;
use super::memory::Map;
use std::collections::BTreeMap;
use stdx::Bytes;

/// The view.
#[derive(Clone, Debug)]
pub(super) struct Frozen<E> {
    /// Hashes below are visited; `None` once all are.
    next: Option<u64>,
    /// By hash: what a key held when the view began, for keys written since and not yet visited.
    images: BTreeMap<u64, Vec<(Bytes, Option<E>)>>,
    /// The table as it was when it was cleared; from then on writes do not concern the view.
    kept: Option<Map<E>>,
}

impl<E: Clone + Weigh> Frozen<E> {
    pub(super) fn new() -> Frozen<E> {
        Frozen { next: Some(0), images: BTreeMap::new(), kept: None }
    }

    /// `key` is about to be written: keeps what the view must show, unless it has one or is past it.
    pub(super) fn before_write(&mut self, map: &Map<E>, hash: u64, key: &[u8]) {
        if self.kept.is_some() || self.next.is_none_or(|next| hash < next) {
            return;
        }
        let images = self.images.entry(hash).or_default();
        if images.iter().all(|(of, _)| **of != *key) {
            images.push(match map.slot(hash, key) {
                Some(slot) => (slot.key.clone(), Some(slot.entry.clone())),
                None => (Bytes::from(key), None),
            });
        }
    }

    /// The table was cleared: this is what it held.
    pub(super) fn keep(&mut self, map: Map<E>) {
        if self.next.is_some() && self.kept.is_none() {
            self.kept = Some(map);
        }
    }

    /// Reads on; false once the view has ended.
    pub(super) fn chunk(
        &mut self,
        live: &Map<E>,
        max_bytes: usize,
        each: &mut dyn FnMut(&Bytes, &E),
    ) -> bool {
        let mut bytes = 0;
        while let Some(from) = self.next {
            let map = self.kept.as_ref().unwrap_or(live);
            let image = self.images.first_key_value().map(|(hash, _)| *hash);
            let Some(hash) = map.first_from(from).into_iter().chain(image).min() else {
                self.next = None;
                self.kept = None;
                break;
            };
            assert!(hash >= from, "an image of what was visited already");
            let images = self.images.remove(&hash).unwrap_or_default();
            let mut visit = |key: &Bytes, entry: &E| {
                bytes += key.len() + entry.weight();
                each(key, entry);
            };
            for slot in map.at(hash) {
                if images.iter().all(|(key, _)| *key != slot.key) {
                    visit(&slot.key, &slot.entry);
                }
            }
            for (key, entry) in &images {
                if let Some(entry) = entry {
                    visit(key, entry);
                }
            }
            self.next = hash.checked_add(1);
            if bytes >= max_bytes {
                break;
            }
        }
        self.next.is_some()
    }
}
