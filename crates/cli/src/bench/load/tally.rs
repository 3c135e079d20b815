//! What is counted while a run goes on.
//!
//! Latency is from the intended start to the answer; service time from the moment the command was handed to its
//! connection. In a closed loop they are one. Both are HDR histograms: every value to three digits.

use super::answer::{Answer, Error, Errors, Found};
use super::workload::Kind;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Nanoseconds, from 1 to an hour: what is longer counts as an hour.
pub(crate) type Latencies = Histogram<u64>;

const HOUR: u64 = 3_600_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn latencies() -> Latencies {
    Histogram::new_with_bounds(1, HOUR, 3).expect("1 to an hour at three digits is a valid range")
}

/// One operation that is over; times in nanoseconds from the start of what is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) kind: Kind,
    pub(crate) answer: Answer,
    pub(crate) intended: u64,
    pub(crate) sent: u64,
    pub(crate) at: u64,
}

/// The operations of one kind.
#[derive(Clone, Debug)]
pub(crate) struct OfKind {
    pub(crate) errors: Errors,
    /// Successes that found nothing.
    pub(crate) nothing: u64,
    /// Of successes alone, as is `service`.
    pub(crate) latency: Latencies,
    pub(crate) service: Latencies,
}

impl Default for OfKind {
    fn default() -> OfKind {
        let errors = Errors::default();
        OfKind { errors, nothing: 0, latency: latencies(), service: latencies() }
    }
}

impl OfKind {
    fn add(&mut self, done: &Done) {
        match done.answer {
            Ok(found) => {
                self.nothing += u64::from(found == Found::Nothing);
                self.latency.saturating_record(done.at - done.intended);
                self.service.saturating_record(done.at - done.sent);
            }
            Err(error) => self.errors.add(error),
        }
    }

    fn merge(&mut self, other: &OfKind) {
        self.errors += other.errors;
        self.nothing += other.nothing;
        self.latency.add(&other.latency).expect("the same range");
        self.service.add(&other.service).expect("the same range");
    }
}

/// What came to its end within one second.
#[derive(Clone, Debug)]
pub(crate) struct Second {
    pub(crate) errors: Errors,
    /// Arrivals that were given up, never sent.
    pub(crate) dropped: u64,
    pub(crate) latency: Latencies,
}

impl Default for Second {
    fn default() -> Second {
        Second { errors: Errors::default(), dropped: 0, latency: latencies() }
    }
}

impl Second {
    pub(crate) fn merge(&mut self, other: &Second) {
        self.errors += other.errors;
        self.dropped += other.dropped;
        self.latency.add(&other.latency).expect("the same range");
    }
}

/// What one thread counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kinds: BTreeMap<Kind, OfKind>,
    /// The first text of each kind of error.
    pub(crate) texts: BTreeMap<Error, String>,
    /// When the last operation was over.
    pub(crate) last: u64,
    /// Seconds that are over and not taken yet, by their numbers.
    over: Vec<(u64, Second)>,
    number: u64,
    second: Second,
}

impl Tally {
    pub(crate) fn add(&mut self, done: &Done) {
        assert!(
            done.intended <= done.sent && done.sent <= done.at,
            "meant, sent, over: in this order"
        );
        self.turn(done.at);
        self.last = self.last.max(done.at);
        self.kinds.entry(done.kind).or_default().add(done);
        match done.answer {
            Ok(_) => self.second.latency.saturating_record(done.at - done.intended),
            Err(error) => self.second.errors.add(error),
        }
    }

    pub(crate) fn dropped(&mut self, count: u64, at: u64) {
        self.turn(at);
        self.second.dropped += count;
    }

    pub(crate) fn text(&mut self, error: Error, text: &str) {
        self.texts.entry(error).or_insert_with(|| text.to_owned());
    }

    /// It is `at` now: earlier seconds are over.
    pub(crate) fn turn(&mut self, at: u64) {
        while self.number < at / SECOND {
            self.over.push((self.number, std::mem::take(&mut self.second)));
            self.number += 1;
        }
    }

    /// The seconds that are over; with the last one, if the run is.
    pub(crate) fn take_seconds(&mut self, last: bool) -> Vec<(u64, Second)> {
        if last {
            self.turn((self.number + 1) * SECOND);
        }
        std::mem::take(&mut self.over)
    }

    /// Of another thread; its seconds are taken one by one.
    pub(crate) fn merge(&mut self, other: &Tally) {
        for (kind, counted) in &other.kinds {
            self.kinds.entry(*kind).or_default().merge(counted);
        }
        for (error, text) in &other.texts {
            self.text(*error, text);
        }
        self.last = self.last.max(other.last);
    }
}
