//! Our own generator, integers only: a library's may change between versions and orphan every recorded seed.

use core::time::Duration;

/// xoshiro256++ 1.0 (Blackman and Vigna), seeded through SplitMix64. One root seed derives all others by
/// [`Prng::fork`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prng([u64; 4]);

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Prng {
    /// A generator from a seed; equal seeds give equal sequences for ever.
    pub fn new(seed: u64) -> Prng {
        let mut state = seed;
        Prng(core::array::from_fn(|_| split_mix(&mut state)))
    }

    /// A generator of its own for `label`, so that drawing from one never shifts another.
    pub fn fork(&self, label: u64) -> Prng {
        let mut state = self.0[0] ^ label.wrapping_mul(0xd6e8_feb8_6659_fd93);
        Prng::new(split_mix(&mut state) ^ self.0[3])
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0..bound` without bias (Lemire). Panics if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "below(0) has no answer");
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(bound);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the low half is what Lemire's test wants"
            )]
            let low = wide as u64;
            // The first test is the rarely failing one that spares a division; it implies the second.
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return u64::try_from(wide >> 64).expect("the high half of a u128 fits");
            }
        }
    }

    /// A number in `from..=to`. Panics if `from > to`.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        assert!(from <= to, "empty range {from}..={to}");
        match (to - from).checked_add(1) {
            Some(span) => from + self.below(span),
            None => self.next_u64(),
        }
    }

    /// A span in `from..=to`, in whole nanoseconds.
    pub fn span(&mut self, from: Duration, to: Duration) -> Duration {
        let nanos = |d: Duration| {
            let whole = d.as_secs().checked_mul(1_000_000_000);
            let all = whole.and_then(|whole| whole.checked_add(u64::from(d.subsec_nanos())));
            all.unwrap_or(u64::MAX)
        };
        Duration::from_nanos(self.range(nanos(from), nanos(to)))
    }

    /// True `part` times in `whole`.
    pub fn chance(&mut self, part: u64, whole: u64) -> bool {
        self.below(whole) < part
    }

    /// An index into something of length `len`. Panics if `len` is zero.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("less than a usize")
    }

    /// One element of a slice. Panics if it is empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// Puts a slice into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests;
