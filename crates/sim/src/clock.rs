//! What a node believes about time.

use crate::config::MILLION;
use crate::trace::What;
use crate::world::Agenda;
use crate::{Boot, ClockConfig, Ntp, World};
use stdx::{Duration, Instant, Now, Prng, WallClock};

/// True time zero, in wall clock microseconds: some day in 2026.
const EPOCH: i64 = 1_790_000_000_000_000;
/// A clock that is further off is set, not slewed: microseconds.
const STEP: i64 = 128_000;
/// No clock is slewed faster: parts of a million.
const SLEW: i64 = 500;

/// A monotonic clock with an origin and a rate of its own, and a wall clock that is off.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// What the monotonic clock showed at true time zero.
    origin: u64,
    /// Its nanoseconds per million true ones.
    rate: u64,
    /// Microseconds the wall clock was ahead at `since`.
    skew: i64,
    since: Instant,
    /// What it gains from then on, in parts of a million.
    slope: i64,
    wall_error: Duration,
}

impl Clock {
    pub(crate) fn draw(config: &ClockConfig, prng: &mut Prng) -> Clock {
        let skew = i64::try_from(config.skew.as_micros()).unwrap_or(i64::MAX / 4);
        let drift = config.drift_ppm.min(MILLION / 2);
        let origin = prng.below(1 << 40);
        let rate = MILLION - drift + prng.range(0, 2 * drift);
        let skew = prng.range(0, skew.unsigned_abs() * 2).cast_signed() - skew;
        let (since, wall_error) = (Instant(0), config.wall_error);
        let mut clock = Clock { origin, rate, skew, since, slope: 0, wall_error };
        if config.ntp.is_some() {
            clock.slope = clock.drift();
        }
        clock
    }

    fn drift(&self) -> i64 {
        self.rate.cast_signed() - MILLION.cast_signed()
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

    /// Microseconds the wall clock is ahead.
    pub(crate) fn ahead(&self, at: Instant) -> i64 {
        let micros = i64::try_from(at.since(self.since).as_micros()).unwrap_or(i64::MAX / 4);
        let gained = i128::from(micros) * i128::from(self.slope) / i128::from(MILLION);
        self.skew.saturating_add(i64::try_from(gained).unwrap_or(0))
    }

    pub(crate) fn now(&self, at: Instant) -> Now {
        let micros = i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX / 2);
        let wall = EPOCH.saturating_add(micros).saturating_add(self.ahead(at)).max(0);
        Now {
            mono: self.mono(at),
            wall: WallClock(wall.unsigned_abs()),
            wall_error: self.wall_error,
        }
    }

    pub(crate) fn jump(&mut self, micros: i64) {
        self.skew = self.skew.saturating_add(micros);
    }

    /// One measurement and what follows from it: a step, or a slew until the next. Answers what it measured.
    pub(crate) fn correct(&mut self, at: Instant, ntp: &Ntp, prng: &mut Prng) -> i64 {
        let error = i64::try_from(ntp.error.as_micros()).unwrap_or(i64::MAX / 4);
        let off = prng.range(0, 2 * error.unsigned_abs()).cast_signed() - error;
        let measured = self.ahead(at).saturating_add(off);
        (self.skew, self.since, self.slope) = (self.ahead(at), at, self.drift());
        if measured.abs() > STEP {
            self.skew = self.skew.saturating_sub(measured);
        } else {
            let poll = i64::try_from(ntp.poll.as_micros()).unwrap_or(i64::MAX).max(1);
            let wanted = -measured * MILLION.cast_signed() / poll;
            self.slope += wanted.clamp(-SLEW, SLEW);
        }
        measured
    }
}

impl<B: Boot> World<B> {
    /// The node's wall clock is looked at after one more poll, if anything looks at clocks here.
    pub(crate) fn correct_next(&mut self, index: usize) {
        if let Some(ntp) = self.config.clock.ntp {
            self.agenda.push(self.now + ntp.poll, Agenda::Correct { node: index });
        }
    }

    pub(crate) fn correct(&mut self, index: usize) {
        let Some(ntp) = self.config.clock.ntp else { return };
        let off = self.nodes[index].clock.correct(self.now, &ntp, &mut self.clocks);
        self.counters.corrections += 1;
        self.mark(12, off.cast_unsigned());
        self.record_at(index, || What::Note(format!("corrects its clock by {} us", -off)));
        self.correct_next(index);
    }
}
