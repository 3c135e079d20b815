//! The one place where a node's time and its first randomness come from.

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};
use stdx::{Duration, Instant, Now, WallClock};

/// What is assumed of an NTP-disciplined machine. No decision rests on it in this version (leases, which
/// will, come with a declared bound); it is carried so that stamps are honest about not being exact.
const WALL_ERROR: Duration = Duration::from_millis(250);

/// What time it is. The monotonic part is `CLOCK_BOOTTIME`, which counts through suspend: with
/// `CLOCK_MONOTONIC` (that is `std::time::Instant`) a laptop that slept for an hour would still believe in a
/// leader it heard "20 ms ago".
pub(crate) fn now() -> Now {
    let mono = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(mono.tv_sec).expect("boot time is not negative");
    let nanos = u64::try_from(mono.tv_nsec).expect("a kernel gives nanoseconds below one second");
    // A wall clock before 1970 counts as 1970: stamps take the highest seen, so nothing rests on it.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        mono: Instant(seconds * 1_000_000_000 + nanos),
        wall: WallClock(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)),
        wall_error: WALL_ERROR,
    }
}

/// The root seed of a node, from the kernel. Read from the file rather than through `RandomState`, whose keys
/// count up by one per thread and promise nothing; no library is needed for eight bytes once per start.
pub(crate) fn seed() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
