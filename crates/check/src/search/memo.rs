//! The situations from which no order was found.
//!
//! A situation is what has its place, and the state that this led to. Both together are kept as a fingerprint of
//! 128 bits (a collision would hide a good order; among a million situations its chance is below 10^-26), and beside it
//! how many of each class of unknown operations were used up: a situation is no better than one that failed with fewer.

use crate::names::Table;

#[derive(Debug, Default)]
pub(super) struct Memo {
    failed: Table<u128, ()>,
    /// With unknown operations: the uses, none of which is covered by another.
    used: Table<u128, Vec<Box<[u32]>>>,
    remembered: usize,
}

/// Whether what failed with `less` fails with `more`.
fn covers(less: &[u32], more: &[u32]) -> bool {
    less.iter().zip(more).all(|(less, more)| less <= more)
}

impl Memo {
    /// How many situations.
    pub(super) fn len(&self) -> usize {
        self.remembered
    }

    pub(super) fn has_failed(&self, situation: u128, used: &[u32]) -> bool {
        if used.is_empty() {
            return self.failed.contains_key(&situation);
        }
        let failed = self.used.get(&situation);
        failed.is_some_and(|failed| failed.iter().any(|less| covers(less, used)))
    }

    pub(super) fn note(&mut self, situation: u128, used: &[u32]) {
        if used.is_empty() {
            self.failed.insert(situation, ());
            self.remembered = self.failed.len();
            return;
        }
        let failed = self.used.entry(situation).or_default();
        let before = failed.len();
        failed.retain(|more| !covers(used, more));
        failed.push(used.into());
        self.remembered = self.remembered + failed.len() - before;
    }
}

/// 64 bits into 128 that look like chance (the finaliser of SplitMix64, twice).
pub(crate) fn scatter(word: u64) -> u128 {
    let mix = |mut z: u64| {
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let high = mix(word.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let low = mix(word.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93);
    u128::from(high) << 64 | u128::from(low)
}
