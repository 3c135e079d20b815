//! `testdata/isolation.txt`: each anomaly in its smallest form.

use super::*;
use crate::format;

const STORIES: &str = include_str!("../../../testdata/isolation.txt");

const ROW: [(&str, Level); 8] = [
    ("ru", Level::ReadUncommitted),
    ("rc", Level::ReadCommitted),
    ("ra", Level::ReadAtomic),
    ("si", Level::SnapshotIsolation),
    ("rr", Level::RepeatableRead),
    ("ser", Level::Serializable),
    ("seq", Level::Sequential),
    ("strict", Level::StrictSerializable),
];

pub(super) fn row(found: &BTreeMap<Level, Judgement>) -> String {
    let cell = |(name, level): &(&str, Level)| {
        let verdict = match found.get(level) {
            None => "-",
            Some(Judgement::Holds) => "ok",
            Some(Judgement::Fails(witness)) => witness.anomaly,
            Some(Judgement::Unknown(_)) => "?",
            Some(Judgement::NotApplicable(_)) => "n/a",
        };
        format!("{name} {verdict}")
    };
    ROW.iter().map(cell).collect::<Vec<_>>().join(", ")
}

/// Title, history and the row of each story.
pub(super) fn stories() -> Vec<(&'static str, &'static str, &'static str)> {
    let each = STORIES.split("\n== ").skip(1).map(|story| {
        let (title, rest) = story.split_once('\n').expect("a title");
        let (history, row) = rest.split_once("\n-> ").expect("a row of verdicts");
        (title, history, row.trim())
    });
    each.collect()
}

pub(super) fn options(title: &str) -> Options {
    let (name, _) = title.split_once(':').unwrap_or((title, ""));
    Options {
        linearizable_keys: name.contains("linearizable-keys"),
        sequential_keys: name.contains("sequential-keys"),
    }
}

#[test]
fn stories_are_judged_as_told() {
    let mut wrong = Vec::new();
    for (title, text, expected) in stories() {
        let loaded = format::read(text.as_bytes(), &format::Options::default());
        let history = loaded.unwrap_or_else(|error| panic!("{title}: {error}")).history;
        let found = verdicts(&history, &options(title));
        let name = title.split([':', ' ']).next().expect("a name");
        let good = matches!(name, "ok" | "no" | "unknown");
        let named = found.values().any(
            |judgement| matches!(judgement, Judgement::Fails(witness) if witness.anomaly == name),
        );
        let found_row = row(&found);
        if found_row != expected || named == good {
            wrong.push(format!("{title}\n-> {found_row}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Why the story whose title begins so is not at `level`.
fn reason(begin: &str, level: Level) -> String {
    let found = stories().into_iter().find(|(title, ..)| title.starts_with(begin));
    let (title, text, _) = found.expect("a story");
    let loaded = format::read(text.as_bytes(), &format::Options::default()).expect("readable");
    match &verdicts(&loaded.history, &options(title))[&level] {
        Judgement::Fails(witness) => witness.reason.clone(),
        other => panic!("{title}: {other:?}"),
    }
}

#[test]
fn a_reason_reads_like_this() {
    assert_eq!(
        reason("G-single (read skew)", Level::Serializable),
        "T1 = append(x, 1) append(y, 1) of process 0, line 1; T2 = r(x) = [] r(y) = [1] of process 1, line 2. \
         T1 < T2, because T2 saw 1 in y, which T1 appended. \
         However, T2 < T1, because T2 did not see 1 in x, which T1 appended: a contradiction."
    );
    assert_eq!(
        reason("G2-item-realtime", Level::StrictSerializable),
        "T1 = append(x, 1) r(y) = [] of process 1, line 1; T2 = append(y, 1) of process 2, line 2; \
         T3 = r(x) = [] of process 0, line 4. T1 < T2, because T1 did not see 1 in y, which T2 appended; \
         T2 < T3, because T2 had returned before T3 was invoked. \
         However, T3 < T1, because T3 did not see 1 in x, which T1 appended: a contradiction."
    );
    assert_eq!(
        reason("G1b", Level::ReadCommitted),
        "T1 = r(x) = [1] of process 1, line 2; T2 = append(x, 1) append(x, 2) of process 0, line 1: \
         T1 saw x end with 1, after which T2 appended more to it."
    );
}
