//! Which key comes next.
//!
//! Gray, Sundaresan, Englert, Baclawski, Weinberger, "Quickly generating billion-record synthetic databases"
//! (SIGMOD 1994), figure 2: Zipf's law by one draw and one power. Cooper et al., "Benchmarking cloud serving systems
//! with YCSB" (SoCC 2010), section 5.2: the popular keys scattered by a hash (`scrambled`), or those inserted last
//! (`latest`).

use stdx::Prng;

/// YCSB's skew.
pub(crate) const THETA: f64 = 0.99;
/// YCSB draws ranks out of so many before it scatters them, whatever the number of keys, and so knows their zeta
/// beforehand.
const SCATTERED: u64 = 10_000_000_000;
const ZETA_SCATTERED: f64 = 26.469_028_201_783_02;

/// How a key is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Distribution {
    /// Every key alike
    Uniform,
    /// YCSB's scrambled zipfian (theta 0.99): few keys are asked for often, scattered over all
    Zipfian,
    /// The keys inserted last are asked for most often (theta 0.99)
    Latest,
}

impl Distribution {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Distribution::Uniform => "uniform",
            Distribution::Zipfian => "zipfian",
            Distribution::Latest => "latest",
        }
    }
}

/// Zipf's law over the ranks `0..count`: rank r comes with a probability proportional to `1 / (r + 1)^theta`.
#[derive(Clone, Debug)]
pub(crate) struct Zipfian {
    count: u64,
    zeta: f64,
    eta: f64,
}

impl Zipfian {
    /// Takes as many steps as there are ranks.
    pub(crate) fn new(count: u64) -> Zipfian {
        let mut zipfian = Zipfian { count: 0, zeta: 0.0, eta: 0.0 };
        zipfian.grow(count);
        zipfian
    }

    fn with_zeta(count: u64, zeta: f64) -> Zipfian {
        let zeta_of_two = 1.0 + 0.5_f64.powf(THETA);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - THETA)) / (1.0 - zeta_of_two / zeta);
        Zipfian { count, zeta, eta }
    }

    /// More ranks, at a step each.
    pub(crate) fn grow(&mut self, count: u64) {
        if count <= self.count {
            return;
        }
        let more = (self.count + 1..=count).map(|rank| (rank as f64).powf(-THETA)).sum::<f64>();
        *self = Zipfian::with_zeta(count, self.zeta + more);
    }

    pub(crate) fn draw(&self, prng: &mut Prng) -> u64 {
        let unit = (prng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let scaled = unit * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(THETA) {
            return 1.min(self.count - 1);
        }
        let share = (self.eta * unit - self.eta + 1.0).powf(1.0 / (1.0 - THETA));
        // Rounding may reach the end.
        ((self.count as f64 * share) as u64).min(self.count - 1)
    }
}

/// FNV-1a, 64 bits: what YCSB scatters by.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Chooses numbers of keys.
#[derive(Clone, Debug)]
pub(crate) enum Chooser {
    Uniform,
    /// Ranks out of [`SCATTERED`], scattered over this many keys.
    Scrambled(Zipfian, u64),
    /// How far back from the newest.
    Latest(Zipfian),
}

impl Chooser {
    /// Over `keys` keys that are there from the start.
    pub(crate) fn new(distribution: Distribution, keys: u64) -> Chooser {
        assert!(keys > 0, "there is nothing to choose from");
        match distribution {
            Distribution::Uniform => Chooser::Uniform,
            Distribution::Zipfian => {
                Chooser::Scrambled(Zipfian::with_zeta(SCATTERED, ZETA_SCATTERED), keys)
            }
            Distribution::Latest => Chooser::Latest(Zipfian::new(keys)),
        }
    }

    /// The number of a key, `existing` of which are there by now.
    pub(crate) fn draw(&mut self, prng: &mut Prng, existing: u64) -> u64 {
        match self {
            Chooser::Uniform => prng.below(existing),
            Chooser::Scrambled(zipfian, keys) => {
                let hash = fnv1a(&zipfian.draw(prng).to_le_bytes()).cast_signed().unsigned_abs();
                hash % *keys
            }
            Chooser::Latest(zipfian) => {
                zipfian.grow(existing);
                existing - 1 - zipfian.draw(prng).min(existing - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests;
