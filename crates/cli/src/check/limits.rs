//! The budget of a verdict. Checkers ask whether it is spent and then say how far they came; should one not ask in
//! time, a watchman ends the process with the verdict `unknown`: a budget is kept.

use super::Verdict;
use crate::out;
use check::Budget;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a remembered situation takes.
const SITUATION: u64 = 300;
/// How often the watchman looks.
const ROUND: Duration = Duration::from_millis(20);
/// For how long a checker may be at work after its time, to say how far it came.
const GRACE: Duration = Duration::from_millis(1_500);
/// What the process may use beyond the memory granted, for the same reason.
const EXTRA: u64 = 32 << 20;

/// When time is up, and the most memory in bytes.
static SPENT_AT: OnceLock<(Instant, u64)> = OnceLock::new();
/// Which of the two was reached first: 1 time, 2 memory.
static REACHED: AtomicU8 = AtomicU8::new(0);
/// Whoever sets it speaks; the other is silent.
static SPOKEN: AtomicBool = AtomicBool::new(false);

pub(super) struct Limits {
    memory: u64,
}

impl Limits {
    /// From now on `seconds`, with as much memory as `mebibytes` says.
    pub(super) fn start(seconds: u64, mebibytes: u64) -> Limits {
        // A year is as good as for ever, and can be added to any time.
        let until = Instant::now() + Duration::from_secs(seconds.min(31_536_000));
        let memory = mebibytes.saturating_mul(1 << 20);
        let (until, memory) = *SPENT_AT.get_or_init(|| (until, memory));
        thread::spawn(move || watch(until, memory));
        Limits { memory }
    }

    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    pub(super) fn budget(&self) -> Budget {
        let memory = usize::try_from(self.memory / SITUATION).unwrap_or(usize::MAX);
        Budget { steps: u64::MAX, memory, expired }
    }

    /// The verdict is there: nobody else gives one any more.
    pub(super) fn finish(&self) {
        if SPOKEN.swap(true, Ordering::SeqCst) {
            // The watchman is about to end the process.
            loop {
                thread::park();
            }
        }
    }

    /// Which limit was reached, by the name of its option.
    pub(super) fn reached(&self) -> Option<&'static str> {
        match REACHED.load(Ordering::SeqCst) {
            1 => Some("time"),
            2 => Some("memory"),
            _ => None,
        }
    }

    /// Ends the process without a verdict.
    pub(super) fn give_up(&self, limit: &str, why: &str) -> ! {
        self.finish();
        unknown(limit, why)
    }
}

fn unknown(limit: &str, why: &str) -> ! {
    out::line(format_args!("unknown: {why} (--{limit})"));
    process::exit(Verdict::Unknown.code().into())
}

/// What checkers ask every now and then.
fn expired() -> bool {
    let Some((until, memory)) = SPENT_AT.get() else { return false };
    let limit = if Instant::now() >= *until {
        1
    } else if resident() > *memory {
        2
    } else {
        return false;
    };
    let _ = REACHED.compare_exchange(0, limit, Ordering::SeqCst, Ordering::SeqCst);
    true
}

fn watch(until: Instant, memory: u64) {
    loop {
        thread::sleep(ROUND);
        let Some((limit, why)) = overrun(Instant::now(), resident(), (until, memory)) else {
            if SPOKEN.load(Ordering::SeqCst) {
                return;
            }
            continue;
        };
        if !SPOKEN.swap(true, Ordering::SeqCst) {
            unknown(limit, why);
        }
        return;
    }
}

/// The limit that is not kept, by the name of its option, and what that means.
fn overrun(
    now: Instant,
    resident: u64,
    (until, memory): (Instant, u64),
) -> Option<(&'static str, &'static str)> {
    if now >= until + GRACE {
        let why = "the time was up, and what was being judged did not stop to say how far it came";
        Some(("time", why))
    } else if resident > memory.saturating_add(EXTRA) {
        Some(("memory", "the memory was used up before the verdict"))
    } else {
        None
    }
}

/// Bytes of memory in use; 0 where the machine does not say.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0).saturating_mul(4_096)
}

#[cfg(test)]
mod tests;
