//! How a recorded history went: what was answered over time, for how long nothing was, and what was done meanwhile.

use super::load::answer::{Error, Errors};
use super::load::report::span;
use super::nemesis::Done;
use check::kv::{KvOp, Reply};
use check::{History, Outcome};
use draw::{Axis, Band, Chart, Series, Sheet, Table, sheet};
use std::fmt::Write as _;

/// The grain of the picture.
const GRAIN: u64 = 200_000_000;
/// Shorter gaps between two answers are no downtime: a slow sync, a busy machine.
const GAP: u64 = 100_000_000;

/// Times are nanoseconds from the start of the history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Course {
    operations: usize,
    answered: usize,
    errors: Errors,
    /// When no operation at all was answered, from one answer to the next.
    gaps: Vec<(u64, u64)>,
    /// Answers of each grain of time.
    answers: Vec<u64>,
    /// Errors of each grain of time.
    failures: Vec<Errors>,
    done: Vec<Done>,
    length: u64,
}

impl Course {
    pub(crate) fn of(
        history: &History<KvOp, Reply>,
        errors: &[(Error, u64)],
        done: &[Done],
    ) -> Course {
        let ok = |outcome: &Outcome<Reply>| matches!(outcome, Outcome::Ok(_));
        let operations = &history.operations;
        let mut times: Vec<u64> =
            operations.iter().filter(|op| ok(&op.outcome)).filter_map(|op| op.returned).collect();
        times.sort_unstable();
        let length = times
            .last()
            .copied()
            .unwrap_or(0)
            .max(errors.iter().map(|(_, at)| *at).max().unwrap_or(0));
        let grains = usize::try_from(length / GRAIN + 1).unwrap_or(usize::MAX);
        let grain = |at: u64| usize::try_from(at / GRAIN).unwrap_or(usize::MAX);
        let (mut answers, mut failures) = (vec![0; grains], vec![Errors::default(); grains]);
        times.iter().for_each(|at| answers[grain(*at)] += 1);
        let mut all = Errors::default();
        for (error, at) in errors {
            all.add(*error);
            failures[grain(*at)].add(*error);
        }
        let pairs = times.iter().zip(times.iter().skip(1));
        let gaps = pairs.filter(|(a, b)| *b - *a > GAP).map(|(a, b)| (*a, *b)).collect();
        let (operations, answered) = (operations.len(), times.len());
        Course {
            operations,
            answered,
            errors: all,
            gaps,
            answers,
            failures,
            done: done.to_vec(),
            length,
        }
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let gap = |(a, b): &(u64, u64)| b - a;
        let down: u64 = self.gaps.iter().map(gap).sum();
        let longest = self.gaps.iter().map(gap).max().unwrap_or(0);
        let rate = self.answered as f64 / (self.length as f64 / 1e9).max(1e-9);
        let mut figures = vec![
            ("operations", self.operations.to_string()),
            ("answered", format!("{} ({rate:.0} a second)", self.answered)),
        ];
        figures.extend(Error::ALL.map(|error| (error.name(), self.errors.of(error).to_string())));
        figures.push(("faults", self.done.len().to_string()));
        figures.push(("without any answer", format!("{} in {} gaps", span(down), self.gaps.len())));
        figures.push(("longest gap", span(longest)));
        figures
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.figures() {
            let _ = writeln!(text, "{name:<20} {value}");
        }
        text
    }

    pub(crate) fn page(&self) -> String {
        let seconds = |at: u64| at as f64 / 1e9;
        let middle = |at: usize| seconds(at as u64 * GRAIN + GRAIN / 2);
        let a_second = |count: u64| Some(count as f64 / seconds(GRAIN));
        // The last grain is not whole.
        let whole = self.answers.len().saturating_sub(1);
        let answers = self.answers[..whole].iter().enumerate();
        let mut series = vec![Series {
            name: "answered".into(),
            points: answers.map(|(at, count)| (middle(at), a_second(*count))).collect(),
        }];
        for error in Error::ALL.into_iter().filter(|error| self.errors.of(*error) > 0) {
            let failures = self.failures[..whole].iter().enumerate();
            let points =
                failures.map(|(at, errors)| (middle(at), a_second(errors.of(error)))).collect();
            series.push(Series { name: error.name().into(), points });
        }
        let band = |done: &Done| Band {
            from: seconds(done.from),
            to: seconds(done.to),
            label: done.what.clone(),
        };
        let row = |(name, value): (&str, String)| vec![name.to_owned(), value];
        sheet(&Sheet {
            title: "atoll bench --history: answers over time".into(),
            about: format!("{} operations; `atoll check` judges them", self.operations),
            notes: vec![format!(
                "a gap is more than {} between two answers to any client",
                span(GAP)
            )],
            tables: vec![Table {
                title: String::new(),
                head: vec!["figure".into(), "value".into()],
                rows: self.figures().into_iter().map(row).collect(),
            }],
            charts: vec![Chart {
                title: "A second, in steps of 200 ms".into(),
                x: Axis { label: "seconds".into(), ..Axis::default() },
                y: Axis::default(),
                series,
                bands: self.done.iter().map(band).collect(),
            }],
        })
    }
}

#[cfg(test)]
mod tests;
