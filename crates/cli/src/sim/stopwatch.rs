//! How long a thread was at work.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Counts the time that this thread has a core: what others do to the machine meanwhile changes it little.
pub(crate) struct Stopwatch(Duration);

impl Stopwatch {
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(worked())
    }

    /// Since the start. Only on the thread that started it.
    pub(crate) fn elapsed(&self) -> Duration {
        worked().saturating_sub(self.0)
    }
}

fn worked() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(now.tv_sec)) + Duration::from_nanos(part(now.tv_nsec))
}
