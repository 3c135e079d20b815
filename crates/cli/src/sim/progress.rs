//! How far a campaign has come, on stderr: a bar for a person, a line now and then for a log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Progress {
    total: u64,
    done: u64,
    failed: u64,
    began: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress { total, done: 0, failed: 0, began: Instant::now(), shown: None, terminal }
    }

    /// One more is done.
    pub(crate) fn tick(&mut self, failed: bool) {
        self.done += 1;
        self.failed += u64::from(failed);
        let pause = Duration::from_millis(if self.terminal { 100 } else { 10_000 });
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= pause);
        if due || self.done == self.total {
            self.shown = Some(Instant::now());
            let line = line(self.done, self.total, self.failed, self.began.elapsed());
            let mut to = std::io::stderr().lock();
            let end = if self.terminal && self.done < self.total { "" } else { "\n" };
            let start = if self.terminal { "\r\x1b[K" } else { "" };
            let _ = write!(to, "{start}{line}{end}").and_then(|()| to.flush());
        }
    }
}

/// How far the search for a smaller failure is, at most `runs` long.
pub(crate) fn shrinking(done: usize, runs: usize) {
    let mut to = std::io::stderr().lock();
    if to.is_terminal() && done.is_multiple_of(10) {
        let _ =
            write!(to, "\r\x1b[Kshrinking: run {done} of at most {runs}").and_then(|()| to.flush());
    }
}

/// The line of [`shrinking`] is over.
pub(crate) fn shrunk() {
    let mut to = std::io::stderr().lock();
    if to.is_terminal() {
        let _ = write!(to, "\r\x1b[K").and_then(|()| to.flush());
    }
}

/// One line: a bar, rates, and when it will be over.
pub(crate) fn line(done: u64, total: u64, failed: u64, elapsed: Duration) -> String {
    const WIDTH: u64 = 30;
    let full = done * WIDTH / total.max(1);
    let bar: String = (0..WIDTH).map(|i| if i < full { '#' } else { '.' }).collect();
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = ((total - done) as f64 / rate.max(1e-9)).ceil();
    format!("[{bar}] {done}/{total} seeds  {rate:.1}/s  {failed} failed  ETA {left:.0} s")
}
