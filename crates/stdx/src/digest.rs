//! A fixed 64-bit digest of values, for comparing states and runs. Not for untrusted input.

use core::hash::Hasher;

/// Mixes whatever is written into 64 bits, the same on every machine and in every run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0x6a09_e667_f3bc_c908)
    }
}

impl Digest {
    fn mix(&mut self, word: u64) {
        let mut z = (self.0 ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
        z ^= z >> 35;
        self.0 = z.wrapping_mul(0x9fb2_1c65_1e98_df25) ^ (z >> 28);
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.mix(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.mix(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }
}
