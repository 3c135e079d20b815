//! How far a run has come: a line on stderr that overwrites itself, for a person only.

use super::plan::{Length, Plan};
use super::report::span;
use super::tally::Second;
use std::io::{IsTerminal, Write};

#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    /// Seconds of warm-up come first; they are not handed in.
    length: Option<u64>,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(what: &'static str, plan: Option<&Plan>) -> Progress {
        let length = plan.and_then(|plan| match plan.length {
            Length::Time(time) => Some(time.as_secs()),
            Length::Requests(_) => None,
        });
        Progress { what, length, terminal: std::io::stderr().is_terminal() }
    }

    /// A second is over.
    pub(crate) fn second(&mut self, number: u64, second: &Second) {
        if self.terminal {
            let line = self.line(number, second);
            let mut to = std::io::stderr().lock();
            let _ = write!(to, "\r\x1b[K{line}").and_then(|()| to.flush());
        }
    }

    pub(crate) fn line(&self, number: u64, second: &Second) -> String {
        let of = self.length.map_or(String::new(), |length| format!(" of {length}"));
        let all = &second.latency;
        let mut line =
            format!("{}: second {}{of}, {} operations", self.what, number + 1, all.len());
        if !all.is_empty() {
            let at = |quantile| span(all.value_at_quantile(quantile));
            line += &format!(", p50 {}, p99 {}, max {}", at(0.5), at(0.99), at(1.0));
        }
        for (count, what) in [(second.errors.sum(), "failed"), (second.dropped, "never sent")] {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        line
    }

    /// The line is over.
    pub(crate) fn end(&self) {
        if self.terminal {
            let mut to = std::io::stderr().lock();
            let _ = write!(to, "\r\x1b[K").and_then(|()| to.flush());
        }
    }
}
