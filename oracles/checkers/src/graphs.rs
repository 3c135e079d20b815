//! Isolation by cycles: adya, an independent Rust form of Elle.

use crate::Verdict;
use adya::{History, Opts, Valid, Workload};
use check::isolation::{self, Options};
use check::{Budget, Fate, Judgement, Level, Op, Transactions, Txn, Value, ValueId};
use std::fmt::Write as _;

fn judge(history: &Transactions, level: Level) -> Verdict {
    let all = isolation::judge(history, &Options::default(), &mut Budget::default());
    all.iter().find(|(of, _)| *of == level).and_then(|(_, judgement)| match judgement {
        Judgement::Holds => Some(true),
        Judgement::Fails(_) => Some(false),
        Judgement::Unknown(_) | Judgement::NotApplicable(_) => None,
    })
}

pub fn strict(history: &Transactions) -> Verdict {
    judge(history, Level::StrictSerializable)
}

pub fn serializable(history: &Transactions) -> Verdict {
    judge(history, Level::Serializable)
}

pub fn snapshot(history: &Transactions) -> Verdict {
    judge(history, Level::SnapshotIsolation)
}

/// One event as a line of JSON; `seen`: with what was read.
fn event(history: &Transactions, number: usize, kind: &str, seen: bool) -> String {
    let txn = &history.txns[number];
    let mut line = format!("{{\"type\":\"{kind}\",\"process\":{},\"value\":[", txn.process);
    let int = |value: ValueId| match history.name_of(value) {
        Value::Int(n) => n.to_string(),
        _ => "null".to_owned(),
    };
    for (place, op) in history.ops(number).iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let key = op.key().0;
        let (name, value) = match *op {
            Op::Append { value, .. } => ("append", int(value)),
            Op::Write { value, .. } => ("w", int(value)),
            Op::Read { value: Some(value), .. } if seen => ("r", int(value)),
            Op::ReadList { elements: Some(all), .. } if seen => {
                let all: Vec<_> = history.elements(all).iter().map(|value| int(*value)).collect();
                ("r", format!("[{}]", all.join(",")))
            }
            _ => ("r", "null".to_owned()),
        };
        let _ = write!(line, "{comma}[\"{name}\",{key},{value}]");
    }
    line.push_str("]}\n");
    line
}

/// The history in Elle's form, as JSON lines.
fn lines(history: &Transactions) -> String {
    let mut events = Vec::new();
    for (number, txn) in history.txns.iter().enumerate() {
        events.push((txn.invoked, number, false));
        let returned = if txn.returned == Txn::NEVER { u64::MAX } else { txn.returned };
        events.push((returned, number, true));
    }
    events.sort_unstable();
    let events = events.into_iter().map(|(_, number, returns)| {
        let kind = match history.txns[number].fate {
            _ if !returns => "invoke",
            Fate::Committed => "ok",
            Fate::Aborted => "fail",
            Fate::Unknown => "info",
        };
        event(history, number, kind, kind == "ok")
    });
    events.collect()
}

fn adya(history: &Transactions, model: &str) -> Box<dyn FnOnce() -> Verdict> {
    let lists = |op: &Op| matches!(op, Op::Append { .. } | Op::ReadList { .. });
    let workload = match history.all_ops().iter().any(lists) {
        true => Workload::ListAppend,
        false => Workload::RwRegister,
    };
    let parsed = History::from_json(&lines(history)).expect("it is in Elle's form");
    let opts = Opts { models: vec![model.to_owned()], ..Opts::default() };
    Box::new(move || match adya::check(&parsed, workload, &opts).valid {
        Valid::True => Some(true),
        Valid::False => Some(false),
        Valid::Unknown => None,
    })
}

pub fn adya_strict(history: &Transactions) -> Box<dyn FnOnce() -> Verdict> {
    adya(history, "strict-serializable")
}

pub fn adya_serializable(history: &Transactions) -> Box<dyn FnOnce() -> Verdict> {
    adya(history, "serializable")
}

pub fn adya_snapshot(history: &Transactions) -> Box<dyn FnOnce() -> Verdict> {
    adya(history, "snapshot-isolation")
}
