//! The situations from which no order was found.
//!
//! A situation is what has its place, and the state that this led to. Both together are kept as a fingerprint of
//! 128 bits (a collision would hide a good order; among a million situations its chance is below 10^-26), and beside it
//! how many of each class of unknown operations had been used up, as far as more of them might have helped:
//! whoever comes with as many used or more fails as well.

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

    /// The classes that an earlier failure was short of ([`short`]); `None`: nothing failed from here.
    pub(super) fn failed_short_of(&self, situation: u128, used: &[u32]) -> Option<u64> {
        if self.failed.contains_key(&situation) {
            return Some(0);
        }
        if used.is_empty() {
            return None;
        }
        let failed = self.used.get(&situation)?.iter().find(|less| covers(less, used))?;
        let classes = failed.iter().enumerate().filter(|(_, used)| **used > 0);
        Some(classes.fold(0, |all, (class, _)| all | short(class)))
    }

    /// Nothing was found, with `used` of each class, and it was only short of the classes in `short_of`.
    pub(super) fn note(&mut self, situation: u128, used: &[u32], short_of: u64) {
        if short_of == 0 {
            self.failed.insert(situation, ());
            self.remembered += 1;
            return;
        }
        let matters = |class: usize| short(class) & short_of != 0;
        let least = used.iter().enumerate().map(|(class, n)| if matters(class) { *n } else { 0 });
        let least: Box<[u32]> = least.collect();
        let failed = self.used.entry(situation).or_default();
        let before = failed.len();
        failed.retain(|more| !covers(&least, more));
        failed.push(least);
        self.remembered = self.remembered + failed.len() - before;
    }
}

/// A class as a bit. Beyond 64 classes some share one: then more is taken to be short than is.
pub(super) fn short(class: usize) -> u64 {
    1 << (class % 64)
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
