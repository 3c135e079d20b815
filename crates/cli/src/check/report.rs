//! The map and its witnesses, for people: families of levels with what was found of each, then each violation once.

use super::{Findings, Verdict};
use crate::out;
use check::map::Place;
use check::{Judgement, Level, Transactions, Txn, Witness};
use std::fmt::Write as _;

/// The families of the map, as they are shown: strongest level first.
const FAMILIES: [(&str, &[Level]); 5] = [
    ("order", &[Level::StrictSerializable, Level::Linearizable, Level::Sequential]),
    (
        "isolation",
        &[
            Level::Serializable,
            Level::SnapshotIsolation,
            Level::RepeatableRead,
            Level::ReadAtomic,
            Level::ReadCommitted,
            Level::ReadUncommitted,
        ],
    ),
    ("causality", &[Level::CausalConvergence, Level::CausalMemory, Level::CausalConsistency]),
    (
        "sessions",
        &[
            Level::ReadYourWrites,
            Level::MonotonicReads,
            Level::MonotonicWrites,
            Level::WritesFollowReads,
        ],
    ),
    ("replicas", &[Level::BoundedStaleness, Level::Convergence]),
];
/// Columns of text, if it can be had.
const WIDTH: usize = 110;
/// A remark longer than this is not said twice in a row.
const SHORT: usize = 40;
/// How many transactions of a witness are shown.
const MOST: usize = 40;

/// Everything that was found.
pub(super) fn print(findings: &Findings<'_>, limit: Option<&str>) {
    out::line(format_args!("{}", text(findings, limit)));
}

pub(super) fn text(findings: &Findings<'_>, limit: Option<&str>) -> String {
    let mut text = head(findings);
    let violations = findings.violations();
    match findings.model {
        Some(level) => {
            let place = &findings.levels[0].1;
            let verdict = findings.verdict();
            let _ = match &place.judgement {
                Judgement::Unknown(why) => write!(text, "unknown: {level}: {why}"),
                Judgement::NotApplicable(why) => {
                    write!(text, "unknown: {level} says nothing of this history: {why}")
                }
                Judgement::Holds | Judgement::Fails(_) => {
                    write!(text, "{}: {level}", verdict.name())
                }
            };
        }
        None => map(&mut text, findings, &violations),
    }
    if let Some(limit) = limit {
        let _ = write!(text, "\nThe budget was spent: --{limit} gives more.");
    }
    for (number, (witness, levels)) in violations.iter().enumerate() {
        let which =
            if findings.model.is_none() { format!("[{}] ", number + 1) } else { String::new() };
        let levels: Vec<&str> = levels.iter().map(|level| level.name()).collect();
        let anomaly = if levels == [witness.anomaly] {
            String::new()
        } else {
            format!(": {}", witness.anomaly)
        };
        let title = format!("{which}not {}{anomaly}", levels.join(", "));
        let _ = write!(text, "\n\n{title}\n{}", wrapped(&witness.reason, "    "));
        operations(&mut text, findings.history(), witness);
    }
    text
}

fn head(findings: &Findings<'_>) -> String {
    let history = findings.history();
    let (txns, ops, keys) = (history.txns.len(), history.all_ops().len(), history.keys.len());
    let operations = counted(ops, "operation");
    let what = if txns == ops {
        operations
    } else {
        format!("{} of {operations} in all", counted(txns, "transaction"))
    };
    let format = findings.loaded.format.name();
    let mut text = format!("{} ({format}): {what}, {}\n", findings.file, counted(keys, "key"));
    for (reason, times) in &findings.loaded.ignored {
        let _ = writeln!(text, "left out: {times} of {reason}");
    }
    text
}

pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A line for each level, in families.
fn map(text: &mut String, findings: &Findings<'_>, violations: &[(&Witness, Vec<Level>)]) {
    for (family, levels) in FAMILIES {
        let (mut name, mut before) = (family, String::new());
        let _ = writeln!(text);
        for level in levels {
            let Some((_, place)) = findings.levels.iter().find(|(of, _)| of == level) else {
                continue;
            };
            let (mark, word) = mark(&place.judgement);
            let line = format!("{name:<11}{mark} {:<21}{word:<9}", level.name());
            let remark = remark(place, violations);
            let same = remark.len() > SHORT && remark == before;
            let told = if same { "as above" } else { &remark };
            let _ = writeln!(text, "{}", hung(&line, told));
            (name, before) = ("", remark);
        }
    }
    let strongest: Vec<&str> = findings.strongest.iter().map(|level| level.name()).collect();
    let strongest = if strongest.is_empty() { "none".into() } else { strongest.join(", ") };
    let _ = write!(text, "\nstrongest that hold: {strongest}\nverdict: ");
    let _ = match findings.verdict() {
        Verdict::Ok => write!(text, "ok, everything that can be said of this history holds"),
        Verdict::Violation => {
            let fails =
                |(_, place): &&(Level, Place)| matches!(place.judgement, Judgement::Fails(_));
            let count = findings.levels.iter().filter(fails).count();
            write!(text, "violation of {}", counted(count, "level"))
        }
        Verdict::Unknown => write!(text, "unknown, nothing fails but not everything was decided"),
    };
}

fn mark(judgement: &Judgement) -> (&'static str, &'static str) {
    match judgement {
        Judgement::Holds => ("✓", "holds"),
        Judgement::Fails(_) => ("✗", "fails"),
        Judgement::Unknown(_) => ("?", "unknown"),
        Judgement::NotApplicable(_) => ("·", "-"),
    }
}

fn remark(place: &Place, violations: &[(&Witness, Vec<Level>)]) -> String {
    match (&place.judgement, place.from) {
        (Judgement::Holds, None) => String::new(),
        (Judgement::Holds, Some(from)) => format!("because {from} holds"),
        (Judgement::Fails(_), Some(from)) => format!("because {from} fails"),
        (Judgement::Fails(witness), None) => {
            let known = violations.iter().position(|(other, _)| **other == **witness);
            let number = known.map_or(0, |at| at + 1);
            format!("{} [{number}]", witness.anomaly)
        }
        (Judgement::Unknown(why) | Judgement::NotApplicable(why), _) => why.clone(),
    }
}

/// The transactions of a witness, in columns.
fn operations(text: &mut String, history: &Transactions, witness: &Witness) {
    let place = |number: usize| {
        let txn = &history.txns[number];
        let until = if txn.returned == Txn::NEVER { "?".into() } else { txn.returned.to_string() };
        let times = if history.timed { format!("{}..{until}", txn.invoked) } else { String::new() };
        [format!("line {}", txn.line), format!("process {}", txn.process), times]
    };
    let shown: Vec<usize> = witness.txns.iter().copied().take(MOST).collect();
    let width =
        |column: usize| shown.iter().map(|number| place(*number)[column].len()).max().unwrap_or(0);
    let widths = [0, 1, 2].map(width);
    for number in &shown {
        let columns = place(*number);
        let mut line = String::from("   ");
        for (column, width) in columns.iter().zip(widths).filter(|(_, width)| *width > 0) {
            let _ = write!(line, " {column:<width$} ");
        }
        let mark = if witness.stuck == Some(*number) { "   <- this one" } else { "" };
        let _ = write!(text, "\n{line} {}{mark}", history.describe(*number));
    }
    if witness.txns.len() > MOST {
        let _ = write!(text, "\n    and {} more (--html shows all)", witness.txns.len() - MOST);
    }
}

/// A line and a remark to its right, which goes on below itself.
fn hung(line: &str, remark: &str) -> String {
    let indent = " ".repeat(line.chars().count());
    let body = wrapped(remark, &indent);
    format!("{line}{}", body.trim_start()).trim_end().to_string()
}

/// Words in lines of at most `WIDTH` columns, each after `indent`.
fn wrapped(words: &str, indent: &str) -> String {
    let mut text = String::new();
    let mut column = usize::MAX;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column.saturating_add(1 + length) > WIDTH {
            let _ = write!(text, "{}{indent}{word}", if text.is_empty() { "" } else { "\n" });
            column = indent.chars().count() + length;
        } else {
            let _ = write!(text, " {word}");
            column += 1 + length;
        }
    }
    text
}
