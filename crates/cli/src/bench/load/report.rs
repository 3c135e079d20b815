//! A run in words: what the terminal shows.

use super::answer::Error;
use super::record::{KindOf, Run};
use super::tally::Latencies;
use std::fmt::Write as _;

/// Of these a report speaks, with their names.
pub(crate) const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];
/// Beyond this share of a core the client may be what limits the figures.
const BUSY: f64 = 0.9;

/// Nanoseconds to three digits.
pub(crate) fn span(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// The settings in one sentence.
pub(crate) fn settings(run: &Run) -> String {
    let of = |name: &str| run.settings.get(name).map_or("?", String::as_str);
    format!(
        "{} ({}), {} keys ({}), values of {} bytes, {} clients, pipeline {}, {} thread(s), {} loop, {} after {} of \
         warm-up",
        of("workload"),
        of("mix"),
        of("keys"),
        of("keys by"),
        of("value bytes"),
        of("clients"),
        of("pipeline"),
        of("threads"),
        of("loop"),
        of("length"),
        of("warm-up"),
    )
}

/// Rows for a table: name, successes, a second, percentiles.
pub(crate) fn rows(run: &Run) -> Vec<Vec<String>> {
    let seconds = run.length as f64 / 1e9;
    let row = |name: &str, all: &Latencies| {
        let rate = format!("{:.0}", all.len() as f64 / seconds);
        let at = |(_, quantile): &(&str, f64)| match all.len() {
            0 => "-".to_owned(),
            _ => span(all.value_at_quantile(*quantile)),
        };
        let head = [name.to_owned(), all.len().to_string(), rate];
        head.into_iter().chain(QUANTILES.iter().map(at)).collect::<Vec<_>>()
    };
    let mut rows = Vec::new();
    for kind in &run.kinds {
        rows.push(row(&kind.kind, &kind.latency.latencies()));
        if let Some(service) = &kind.service {
            rows.push(row(&format!("{}, service", kind.kind), &service.latencies()));
        }
    }
    if run.kinds.len() > 1 {
        rows.push(row("all", &run.latency()));
        if run.is_open() {
            rows.push(row("all, service", &run.service()));
        }
    }
    rows
}

pub(crate) fn columns() -> Vec<String> {
    let head = ["operation", "succeeded", "per second"];
    head.into_iter().chain(QUANTILES.map(|(name, _)| name)).map(str::to_owned).collect()
}

/// What the figures alone do not say; one sentence each.
pub(crate) fn notes(run: &Run) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((keys, took)) = run.loaded {
        let rate = keys as f64 / (took as f64 / 1e9).max(1e-9);
        notes.push(format!("{keys} keys were set before, in {}: {rate:.0} a second", span(took)));
    }
    notes.push(match run.is_open() {
        true => "latency counts from when an operation was meant to start, service time from when it was sent".into(),
        false => "closed loop: latency counts from when an operation was sent; while a server stalls, clients ask \
                  less, and what would have waited is missing here (--rate measures it)"
            .into(),
    });
    notes.extend(run.kinds.iter().filter(|kind| kind.nothing > 0).map(nothing));
    let errors = run.errors();
    for error in Error::ALL.into_iter().filter(|error| errors.of(*error) > 0) {
        let (count, name) = (errors.of(error), error.name());
        let first =
            run.texts.get(name).map_or(String::new(), |text| format!("; the first: {text}"));
        notes.push(format!("{name}: {count}, not among the successes{first}"));
    }
    let late = &run.late;
    if late.longest_wait > 1_000_000 {
        notes.push(format!(
            "behind schedule: an operation was sent up to {} after it was meant to be, for want of a free client or \
             of a core for this process; its latency includes that",
            span(late.longest_wait)
        ));
    }
    if late.dropped + late.left_at_the_end > 0 {
        notes.push(format!(
            "the schedule was not kept: {} operations were given up and {} were waiting at the end; they were never \
             sent and are in no percentile, so the upper ones are too low",
            late.dropped, late.left_at_the_end
        ));
    }
    if run.connections_lost > 0 {
        notes.push(format!("{} connections were lost", run.connections_lost));
    }
    if run.client_busy > BUSY {
        notes.push(format!(
            "the client itself had a core {:.0} % of the time: it may be what limits these figures (--threads)",
            run.client_busy * 100.0
        ));
    }
    notes
}

fn nothing(kind: &KindOf) -> String {
    let (nothing, all, name) = (kind.nothing, kind.succeeded(), &kind.kind);
    format!("{nothing} of {all} {name} found nothing: the key was not there (--load sets all keys)")
}

/// The whole report.
pub(crate) fn text(run: &Run) -> String {
    let mut text = format!("{}\n\n{:.0} operations a second", settings(run), run.throughput());
    let errors = run.errors().sum();
    let _ = match errors {
        0 => writeln!(text, ", no errors\n"),
        errors => writeln!(text, "; {errors} operations failed\n"),
    };
    text.push_str(&table(&columns(), &rows(run)));
    text.push('\n');
    for note in notes(run) {
        let _ = writeln!(text, "- {note}");
    }
    text
}

/// Columns as wide as they must be, the first to the left, numbers to the right.
pub(crate) fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(head).chain(rows.iter().map(Vec::as_slice));
    let width = |at: usize| all().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in all() {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match at {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
