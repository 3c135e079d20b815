//! The figures as one page of Markdown.

use super::load::Sample;
use super::rows::{Better, Figures, Ratio, ratios};
use super::system::NAMES;
use std::fmt::Write as _;

/// The middle one, the least and the most.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    (at(sorted.len() / 2), at(0), at(sorted.len().saturating_sub(1)))
}

fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate < 1e3 => format!("{rate:.0}"),
        rate if rate < 1e5 => format!("{:.1}k", rate / 1e3),
        rate => format!("{:.0}k", rate / 1e3),
    }
}

fn time(us: f64) -> String {
    if us < 1e3 { format!("{us:.0} us") } else { format!("{:.2} ms", us / 1e3) }
}

/// Whether `value` is as good as `asked`; a dash where nothing is asked.
fn verdict(better: Better, value: f64, asked: Option<f64>) -> String {
    let Some(asked) = asked else { return "-".to_owned() };
    let met = if better == Better::More { value >= asked } else { value <= asked };
    let sign = if better == Better::More { "at least" } else { "at most" };
    format!("{sign} {asked}: {}", if met { "yes" } else { "**no**" })
}

fn ratio(row: &Ratio) -> String {
    let pairs = row.ours.iter().zip(&row.theirs).map(|(ours, theirs)| ours / theirs);
    let (middle, least, most) = spread(pairs);
    let (must, goal) =
        (verdict(row.better, middle, row.must), verdict(row.better, middle, row.goal));
    format!("| {} | **{middle:.2}** ({least:.2}-{most:.2}) | {must} | {goal} |", row.name)
}

fn cells(samples: &[Sample]) -> String {
    let of = |get: fn(&Sample) -> f64| spread(samples.iter().map(get));
    let (middle, least, most) = of(|s| s.per_second);
    let (p50, p99) = (of(|s| s.p50).0, of(|s| s.p99).0);
    let (servers, client) = (of(|s| s.servers).0, of(|s| s.client).0);
    let client = if client.is_nan() { "-".to_owned() } else { format!("{client:.1}") };
    format!(
        "{} ({}-{}) | {} / {} | {servers:.1} | {client}",
        rate(middle),
        rate(least),
        rate(most),
        time(p50),
        time(p99)
    )
}

/// All of it.
pub(crate) fn markdown(head: &str, figures: &Figures, reps: usize) -> String {
    let (sync, _, _) = spread(figures.limits.iter().map(|l| l.sync));
    let (trip, _, _) = spread(figures.limits.iter().map(|l| l.round_trip));
    let mut out = format!(
        "{head}\nMedians of {reps} repeats, in which the systems took turns. Values of 256 bytes. F (three processes, \
         each syncing 4 KiB of its own file of zeros) {sync:.0} us, R (loopback round trip) {trip:.0} us; F + R {:.0} us.\n\n\
         ## Ratios\n\nMedians of the quotients within a repeat (least and most).\n\n\
         | what | ratio | must | goal |\n| --- | --- | --- | --- |\n",
        sync + trip
    );
    for (name, reason) in &figures.failed {
        let reason = reason.lines().next().unwrap_or("");
        out = format!("**{name} failed in a repeat: {reason}**\n\n{out}");
    }
    for row in ratios(figures) {
        writeln!(out, "{}", ratio(&row)).expect("a string");
    }
    out.push_str(
        "\n## Figures\n\nPer second (least and most); p50 / p99; processor time of all servers and of the client for \
         one operation, in us. `-P` rows: redis-benchmark with 50 connections; the others: kvload.\n\n\
         | system | load | per second | p50 / p99 | servers | client |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for name in NAMES {
        for (load, samples) in figures.all(name) {
            writeln!(out, "| {name} | {load} | {} |", cells(samples)).expect("a string");
        }
    }
    out
}
