//! What a node believes about time.

use crate::ClockConfig;
use crate::config::MILLION;
use stdx::{Duration, Instant, Now, Prng, WallClock};

/// True time zero, in wall clock microseconds: some day in 2026.
const EPOCH: i64 = 1_790_000_000_000_000;

/// A monotonic clock with an origin and a rate of its own, and a wall clock that is off.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// What the monotonic clock showed at true time zero.
    origin: u64,
    /// Its nanoseconds per million true ones.
    rate: u64,
    /// Microseconds the wall clock is ahead.
    skew: i64,
    wall_error: Duration,
}

impl Clock {
    pub(crate) fn draw(config: &ClockConfig, prng: &mut Prng) -> Clock {
        let skew = i64::try_from(config.skew.as_micros()).unwrap_or(i64::MAX / 4);
        let drift = config.drift_ppm.min(MILLION / 2);
        Clock {
            origin: prng.below(1 << 40),
            rate: MILLION - drift + prng.range(0, 2 * drift),
            skew: prng.range(0, skew.unsigned_abs() * 2).cast_signed() - skew,
            wall_error: config.wall_error,
        }
    }

    pub(crate) fn mono(&self, at: Instant) -> Instant {
        let gone = u128::from(at.0) * u128::from(self.rate) / u128::from(MILLION);
        Instant(self.origin.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX)))
    }

    /// The first true time at which the monotonic clock shows at least `mono`.
    pub(crate) fn when(&self, mono: Instant) -> Instant {
        let gone = u128::from(mono.0.saturating_sub(self.origin));
        let at = (gone * u128::from(MILLION)).div_ceil(u128::from(self.rate));
        Instant(u64::try_from(at).unwrap_or(u64::MAX))
    }

    pub(crate) fn now(&self, at: Instant) -> Now {
        let micros = i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX / 2);
        let wall = EPOCH.saturating_add(micros).saturating_add(self.skew).max(0);
        Now {
            mono: self.mono(at),
            wall: WallClock(wall.unsigned_abs()),
            wall_error: self.wall_error,
        }
    }

    pub(crate) fn jump(&mut self, micros: i64) {
        self.skew = self.skew.saturating_add(micros);
    }
}
