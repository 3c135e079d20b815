//! How long things take: distributions of delays, in integers alone, so that a seed means the same on every
//! machine (the logarithms of a C library do not agree to the last bit).

use crate::config::MILLION;
use std::fmt;
use stdx::{Duration, Prng};

/// A span around `min..=max`, and now and then from there up to `slow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The shortest.
    pub min: Duration,
    /// The longest that is usual.
    pub max: Duration,
    /// The longest at all.
    pub slow: Duration,
    /// How often a slow one is drawn, in parts of a million.
    pub slow_ppm: u64,
    /// What the usual ones look like.
    pub shape: Shape,
}

/// A distribution. All have the same mean, the middle of `min` and `max`; their tails differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Always the mean.
    Constant,
    /// Evenly from `min` to `max`.
    #[default]
    Uniform,
    /// `min` and an exponential excess: a queue in the way.
    Exponential,
    /// `min` and a log-normal excess with sigma 1: what round trips over the internet look like.
    LogNormal,
    /// `min` and a Pareto (Lomax) excess with alpha 1.5, whose variance is infinite: the heavy tail.
    Pareto,
}

impl Shape {
    /// All.
    pub const ALL: [Shape; 5] =
        [Shape::Constant, Shape::Uniform, Shape::Exponential, Shape::LogNormal, Shape::Pareto];
}

/// Fractions below have so many bits.
const BITS: u32 = 24;
const ONE: u64 = 1 << BITS;
/// ln 2 and log2 e, and e^(1/2), the mean of a log-normal with sigma 1 over its median.
const LN_2: u64 = 11_629_080;
const LOG2_E: u64 = 24_204_406;
const ROOT_E: u64 = 27_660_953;

/// In words.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1?} to {:.1?}", self.min, self.max)
    }
}

impl Spread {
    /// From microseconds, with a slow one in a thousand.
    pub const fn micros(min: u64, max: u64, slow: u64) -> Spread {
        Spread {
            min: Duration::from_micros(min),
            max: Duration::from_micros(max),
            slow: Duration::from_micros(slow),
            slow_ppm: 1_000,
            shape: Shape::Uniform,
        }
    }

    pub(crate) fn draw(&self, prng: &mut Prng) -> Duration {
        let max = self.max.max(self.min);
        if self.slow_ppm > 0 && prng.chance(self.slow_ppm, MILLION) {
            return prng.span(max, self.slow.max(max));
        }
        let mean = nanos((max - self.min) / 2);
        let excess = match self.shape {
            Shape::Uniform => return prng.span(self.min, max),
            Shape::Constant => mean,
            Shape::Exponential => times(times(mean, LN_2), surprise(prng)),
            Shape::LogNormal => {
                let (sign, power) = normal(prng);
                let power = exp2(times(power, LOG2_E));
                let median = divided(mean, ROOT_E);
                if sign { divided(median, power) } else { times(median, power) }
            }
            // The mean of a Lomax distribution is its scale over alpha - 1.
            Shape::Pareto => {
                let power = exp2(surprise(prng) * 2 / 3);
                times(mean / 2, power.saturating_sub(ONE))
            }
        };
        let most = nanos(self.slow.max(max) - self.min);
        self.min + Duration::from_nanos(excess.min(most))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// `value` times a fraction.
fn times(value: u64, fraction: u64) -> u64 {
    let product = (u128::from(value) * u128::from(fraction)) >> BITS;
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// `value` over a fraction.
fn divided(value: u64, fraction: u64) -> u64 {
    let quotient = (u128::from(value) << BITS) / u128::from(fraction.max(1));
    u64::try_from(quotient).unwrap_or(u64::MAX)
}

/// -log2 of a number drawn evenly between 0 and 1, bit by bit: squaring doubles a logarithm.
fn surprise(prng: &mut Prng) -> u64 {
    let drawn = prng.next_u64().max(1);
    let whole = u64::from(drawn.leading_zeros());
    // Between 1 and 2, in 1/2^63.
    let mut mantissa = u128::from(drawn << drawn.leading_zeros());
    let mut fraction = 0;
    for _ in 0..BITS {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (whole + 1) * ONE - fraction
}

/// 2^x by its series, good to one in 5,000.
fn exp2(x: u64) -> u64 {
    const SERIES: [u64; 5] = [22_370, 161_365, 931_204, 4_030_332, 11_629_080];
    let (whole, part) = (x >> BITS, x & (ONE - 1));
    let sum = SERIES.iter().fold(0, |sum, factor| times(sum, part) + factor);
    let value = u128::from(ONE + times(sum, part)) << whole.min(64);
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Sign and size of a normally distributed number: the sum of twelve even ones, less six.
fn normal(prng: &mut Prng) -> (bool, u64) {
    let mut sum = 0;
    for _ in 0..6 {
        let drawn = prng.next_u64();
        sum += (drawn >> 32) + (drawn & 0xffff_ffff);
    }
    let middle = 6 << 32;
    (sum < middle, sum.abs_diff(middle) >> (32 - BITS))
}

#[cfg(test)]
mod tests;
