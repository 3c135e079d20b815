//! When the next operation starts.
//!
//! In a closed loop a client asks again once it was answered: a server that stalls is asked less, and what would have
//! waited is missing from the latencies (Tene's "coordinated omission"). In an open loop operations arrive at a fixed
//! rate whether or not the server keeps up, and each counts from the moment it was *meant* to start, as in wrk2.

const SECOND: u128 = 1_000_000_000;

/// The arrivals of one thread; times are nanoseconds from the start of the run.
#[derive(Clone, Debug)]
pub(crate) enum Pace {
    Closed,
    Open(Schedule),
}

/// Arrival number `n` of the whole run is meant for `n / rate`; of `threads` threads, thread `t` has the arrivals
/// `t, t + threads, ...`.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    rate: u64,
    threads: u64,
    next: u64,
    /// An arrival that waited longer for a free client is never sent.
    bound: u64,
    /// Whole backlogs thrown away: how many arrivals were never sent.
    pub(crate) dropped: u64,
    /// The longest that one waited for a free client.
    pub(crate) latest: u64,
}

impl Schedule {
    /// `rate` a second over all threads, above 0.
    pub(crate) fn new(rate: u64, thread: u64, threads: u64, bound: u64) -> Schedule {
        assert!(rate > 0 && thread < threads, "a rate of its own and a place among the threads");
        Schedule { rate, threads, next: thread, bound, dropped: 0, latest: 0 }
    }

    /// When the next arrival is meant to start.
    pub(crate) fn next(&self) -> u64 {
        meant(self.next, self.rate)
    }

    /// How many arrivals are due before `now` and not taken.
    pub(crate) fn waiting(&self, now: u64) -> u64 {
        let due = u64::try_from(u128::from(now) * u128::from(self.rate) / SECOND + 1);
        due.unwrap_or(u64::MAX).saturating_sub(self.next).div_ceil(self.threads)
    }

    /// The intended start of the oldest arrival that is due by `now` and before `end`.
    fn take(&mut self, now: u64, end: u64) -> Option<u64> {
        let oldest = now.saturating_sub(self.bound);
        while self.next() < oldest.min(end) {
            // As many as lie before the bound, at once: a pause of hours is no loop of hours.
            let behind = u128::from(oldest.min(end) - self.next()) * u128::from(self.rate);
            let steps = (behind / SECOND / u128::from(self.threads)).max(1);
            let steps = u64::try_from(steps).unwrap_or(u64::MAX);
            self.dropped += steps;
            self.next += steps * self.threads;
        }
        let start = self.next();
        if start > now || start >= end {
            return None;
        }
        self.next += self.threads;
        self.latest = self.latest.max(now - start);
        Some(start)
    }
}

fn meant(number: u64, rate: u64) -> u64 {
    u64::try_from(u128::from(number) * SECOND / u128::from(rate)).unwrap_or(u64::MAX)
}

impl Pace {
    /// The intended start of an operation that may be sent now; none if nothing is due yet, or all before `end` are.
    pub(crate) fn take(&mut self, now: u64, end: u64) -> Option<u64> {
        match self {
            Pace::Closed => (now < end).then_some(now),
            Pace::Open(schedule) => schedule.take(now, end),
        }
    }

    /// When something is due that is not yet.
    pub(crate) fn wake(&self, now: u64) -> Option<u64> {
        match self {
            Pace::Closed => None,
            Pace::Open(schedule) => Some(schedule.next()).filter(|next| *next > now),
        }
    }
}

#[cfg(test)]
mod tests;
