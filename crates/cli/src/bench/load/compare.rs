//! Two runs beside each other, and whether they differ by more than each of them varies.
//!
//! How that is judged: by batch means (Law, "Simulation Modeling and Analysis", section 9.5.3). The whole seconds of a
//! run are joined into blocks of about the square root of their number, since neighbouring seconds resemble each other;
//! the means of the blocks are taken as independent, and the ratio of the two runs' means gets a 95 % interval by
//! Welch's t (its degrees of freedom too) and the delta method. A ratio of 1 inside the interval is noise. What differs
//! between one run and the next (another hour, another layout of memory) no single pair of runs can show.

use super::record::{Run, SecondOf};
use super::report::{self, QUANTILES, span};
use std::fmt::Write as _;

/// Fewer blocks tell nothing about how much they vary.
const LEAST_BLOCKS: usize = 3;
/// Fewer seconds make fewer blocks than that.
const LEAST_SECONDS: usize = 6;

/// What two runs' own seconds say about a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// The 95 % interval of the ratio contains 1.
    Noise(f64, f64),
    /// It does not.
    Differs(f64, f64),
    /// Too few seconds, or seconds without any success.
    Unknown,
}

impl Judgement {
    pub(crate) fn text(&self) -> String {
        match self {
            Judgement::Noise(low, high) => format!("within the noise ({low:.2} to {high:.2})"),
            Judgement::Differs(low, high) => format!("differs ({low:.2} to {high:.2})"),
            Judgement::Unknown => "cannot be judged".into(),
        }
    }
}

/// The quantile of Student's t that leaves 2.5 % above it.
fn t_quantile(freedom: f64) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    // Rounded down: the wider interval.
    let whole = freedom.floor().max(1.0) as usize;
    TABLE.get(whole - 1).copied().unwrap_or(1.96 + 2.4 / freedom)
}

/// Mean, the square of its standard error, and how many blocks it is from.
fn blocks(values: &[f64]) -> Option<(f64, f64, f64)> {
    if values.len() < LEAST_SECONDS {
        return None;
    }
    let size = (values.len() as f64).sqrt().floor() as usize;
    let means: Vec<f64> =
        values.chunks_exact(size).map(|block| block.iter().sum::<f64>() / size as f64).collect();
    assert!(means.len() >= LEAST_BLOCKS, "the least seconds make the least blocks");
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let spread = means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Some((mean, spread / count, count))
}

/// Of `b` to `a`, one value a second each.
pub(crate) fn judge(a: &[f64], b: &[f64]) -> Judgement {
    let (Some(a), Some(b)) = (blocks(a), blocks(b)) else { return Judgement::Unknown };
    if a.0 <= 0.0 || b.0 <= 0.0 {
        return Judgement::Unknown;
    }
    // Relative variances of the means add up to that of their ratio.
    let relative = |(mean, square, _): (f64, f64, f64)| square / (mean * mean);
    let (of_a, of_b) = (relative(a), relative(b));
    let sum = of_a + of_b;
    let ratio = b.0 / a.0;
    if sum == 0.0 {
        return if ratio == 1.0 {
            Judgement::Noise(1.0, 1.0)
        } else {
            Judgement::Differs(ratio, ratio)
        };
    }
    let freedom = sum * sum / (of_a * of_a / (a.2 - 1.0) + of_b * of_b / (b.2 - 1.0));
    let half = t_quantile(freedom) * ratio * sum.sqrt();
    let (low, high) = (ratio - half, ratio + half);
    if low <= 1.0 && 1.0 <= high {
        Judgement::Noise(low, high)
    } else {
        Judgement::Differs(low, high)
    }
}

/// One line of a comparison: name, both values, the ratio of the second to the first, the judgement.
pub(crate) type Line = [String; 5];

fn of_seconds(run: &Run, value: impl Fn(&SecondOf) -> Option<u64>) -> Vec<f64> {
    run.whole_seconds().iter().filter_map(|second| Some(value(second)? as f64)).collect()
}

pub(crate) fn lines(a: &Run, b: &Run) -> Vec<Line> {
    let ratio = |a: f64, b: f64| if a > 0.0 { format!("{:.3}", b / a) } else { "-".into() };
    let (first, second) = (a.throughput(), b.throughput());
    let rates = |run: &Run| of_seconds(run, |second| Some(second.succeeded));
    let mut lines = vec![[
        "operations a second".to_owned(),
        format!("{first:.0}"),
        format!("{second:.0}"),
        ratio(first, second),
        judge(&rates(a), &rates(b)).text(),
    ]];
    let (of_a, of_b) = (a.latency(), b.latency());
    for (name, quantile) in QUANTILES {
        let value: fn(&SecondOf) -> Option<u64> = match name {
            "p50" => |second| second.p50,
            "p99" => |second| second.p99,
            "p99.9" => |second| second.p999,
            _ => |_| None,
        };
        let judged = judge(&of_seconds(a, value), &of_seconds(b, value)).text();
        let (first, second) = (of_a.value_at_quantile(quantile), of_b.value_at_quantile(quantile));
        let judged = if matches!(name, "p50" | "p99" | "p99.9") { judged } else { String::new() };
        let ratio = ratio(first as f64, second as f64);
        lines.push([format!("latency {name}"), span(first), span(second), ratio, judged]);
    }
    let errors = |run: &Run| run.errors().sum();
    lines.push([
        "failed operations".into(),
        errors(a).to_string(),
        errors(b).to_string(),
        ratio(errors(a) as f64, errors(b) as f64),
        String::new(),
    ]);
    lines
}

/// Settings in which the runs differ, one sentence each.
pub(crate) fn differences(a: &Run, b: &Run) -> Vec<String> {
    let names =
        a.settings.keys().chain(b.settings.keys().filter(|name| !a.settings.contains_key(*name)));
    let of =
        |run: &Run, name: &String| run.settings.get(name).cloned().unwrap_or_else(|| "-".into());
    names
        .filter(|name| of(a, name) != of(b, name))
        .map(|name| format!("{name}: {} and {}", of(a, name), of(b, name)))
        .collect()
}

/// How "within the noise" was found, for whoever reads the comparison.
pub(crate) const JUDGED: &str = "Judged by each run's own whole seconds: they are joined into blocks of about the \
    square root of their number, and the ratio of the blocks' means gets a 95 % interval (batch means, Welch's t). \
    Percentiles are judged by those of the single seconds. What changes from one run to the next cannot be seen in two \
    runs: repeat them.";

pub(crate) fn columns(names: [&str; 2]) -> Vec<String> {
    ["", names[0], names[1], "ratio", "95 % interval of the ratio"].map(str::to_owned).to_vec()
}

pub(crate) fn text(a: &Run, b: &Run, names: [&str; 2]) -> String {
    let rows: Vec<Vec<String>> = lines(a, b).into_iter().map(Vec::from).collect();
    let mut text = format!(
        "1: {}\n   {}\n2: {}\n   {}\n\n",
        names[0],
        report::settings(a),
        names[1],
        report::settings(b)
    );
    for difference in differences(a, b) {
        let _ = writeln!(text, "the runs differ in {difference}");
    }
    let _ = write!(text, "\n{}\n{JUDGED}\n", report::table(&columns(["1", "2"]), &rows));
    text
}

#[cfg(test)]
mod tests;
