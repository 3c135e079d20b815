//! Time comes in as an argument, in our own types, so that it can be built from a number.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on a monotonic clock that counts through suspend, in nanoseconds from an arbitrary origin.
/// Instants of different nodes cannot be compared.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

/// A physical clock reading in microseconds since the Unix epoch. It orders nothing by itself.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallClock(pub u64);

/// What time it is, as the host says: read after the last input of a batch was taken, never before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for deadlines.
    pub mono: Instant,
    /// Physical time, for stamps and expiry.
    pub wall: WallClock,
    /// How far `wall` may be from true time, as far as the host knows.
    pub wall_error: Duration,
}

impl Instant {
    /// The span from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, span: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, span: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl WallClock {
    /// Milliseconds since the Unix epoch, rounded down: the unit of Redis.
    pub fn millis(self) -> u64 {
        self.0 / 1_000
    }

    /// From milliseconds since the Unix epoch.
    pub fn from_millis(millis: u64) -> WallClock {
        WallClock(millis.saturating_mul(1_000))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}ms", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}us", self.0)
    }
}
