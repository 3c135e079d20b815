//! A violation in words.

use super::impossible::Impossible;
use super::shrink::{Core, precedes};
use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};
use crate::{Level, Witness};

/// Process, line and what was done.
fn told(history: &Transactions, number: usize) -> String {
    let txn = &history.txns[number];
    format!("process {} (line {}) {}", txn.process, txn.line, history.describe(number))
}

/// Whether an operation brings `value` to `key`.
fn brings(op: &Op, key: KeyId, value: ValueId) -> bool {
    let brought = match *op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Insert { value, .. }
        | Op::Enqueue { value, .. } => value,
        Op::Cas { to, done, .. } if done != Some(false) => to,
        _ => return false,
    };
    op.key() == key && brought == value
}

/// What no order can explain.
pub(super) fn impossible(history: &Transactions, found: Impossible) -> Witness {
    let both = |numbers: [usize; 2], key, (what, of): (&str, &str)| {
        let [one, other] = numbers.map(|number| told(history, number));
        format!("{one} and {other} saw {what}{}{of}", history.key_name(key))
    };
    let (anomaly, reason, txns, stuck) = match found {
        Impossible::Nowhere { number, key, value } => {
            let brings =
                |other: &usize| history.ops(*other).iter().any(|op| brings(op, key, value));
            let makers: Vec<usize> = (0..history.txns.len()).filter(brings).collect();
            let happened = |other: &usize| history.txns[*other].fate != Fate::Aborted;
            let seen = format!("{} saw {}", told(history, number), history.shown(value));
            let name = history.key_name(key);
            let mut txns = vec![number];
            let (anomaly, why) = match (makers.first(), makers.iter().any(happened)) {
                (None, _) => ("ThinAirRead", format!("which nobody ever brought to {name}")),
                (Some(failed), false) => {
                    txns.push(*failed);
                    (
                        "G1a",
                        format!("which only {} brought, and that failed", told(history, *failed)),
                    )
                }
                (Some(_), true) => {
                    txns.extend(makers);
                    let others = seen_too(history, key, value, number);
                    txns.extend(others);
                    ("duplicate", format!("more often than it was ever brought to {name}"))
                }
            };
            (anomaly, format!("{seen}, {why}"), txns, number)
        }
        Impossible::Text { number, numbers: [one, other], key } if one == other => {
            let name = history.key_name(key);
            let told = told(history, number);
            let reason = format!(
                "{told} saw what no order of all that {name} was set to and extended by can make"
            );
            ("ThinAirRead", reason, vec![number], number)
        }
        Impossible::Text { number, numbers: [one, other], key } => {
            let saw = ("the same append to ", " after different values");
            ("incompatible-order", both([one, other], key, saw), vec![one, other], number)
        }
        Impossible::Incompatible { numbers: [one, other], key } => {
            let saw = ("lists of ", " of which neither begins with the other");
            ("incompatible-order", both([one, other], key, saw), vec![one, other], other)
        }
    };
    let mut txns = txns;
    txns.sort_unstable();
    txns.dedup();
    let order = txns.iter().filter(|number| **number != stuck).copied().collect();
    Witness { anomaly, reason, txns, stuck: Some(stuck), order, cycle: Vec::new() }
}

/// Who else took this value from a queue.
fn seen_too(history: &Transactions, key: KeyId, value: ValueId, but: usize) -> Vec<usize> {
    let took = |number: &usize| {
        let dequeued = Op::Dequeue { key, value: Some(value) };
        history.txns[*number].fate == Fate::Committed && history.ops(*number).contains(&dequeued)
    };
    (0..history.txns.len()).filter(|number| *number != but).filter(took).collect()
}

/// What has no order.
pub(super) fn no_order(history: &Transactions, level: Level, core: Core) -> Witness {
    let (anomaly, respects) = match level {
        Level::StrictSerializable => ("not-strict-serializable", " that respects real time"),
        Level::Linearizable => ("not-linearizable", " that respects real time"),
        Level::Sequential => ("not-sequential", " that respects the order of each process"),
        _ => ("not-serializable", ""),
    };
    let Core { numbers, stuck, order } = core;
    if let Some(reason) = stale(history, level, &numbers, stuck) {
        let anomaly = "stale-read";
        return Witness {
            anomaly,
            reason,
            txns: numbers,
            stuck: Some(stuck),
            order,
            cycle: Vec::new(),
        };
    }
    let others: Vec<String> = numbers
        .iter()
        .filter(|number| **number != stuck)
        .take(4)
        .map(|number| told(history, *number))
        .collect();
    let more = (numbers.len() - 1).saturating_sub(others.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let over = |number: &&usize| precedes(&history.txns[**number], &history.txns[stuck]);
    let before = match level {
        Level::StrictSerializable | Level::Linearizable => {
            format!(" ({} of them were over before it began)", numbers.iter().filter(over).count())
        }
        _ => String::new(),
    };
    let reason = format!(
        "{} has no place in any order{respects} together with {}{more}{before}",
        told(history, stuck),
        others.join("; "),
    );
    Witness { anomaly, reason, txns: numbers, stuck: Some(stuck), order, cycle: Vec::new() }
}

/// One read of what had been overwritten, if that is all.
fn stale(history: &Transactions, level: Level, all: &[usize], stuck: usize) -> Option<String> {
    let [Op::Read { key, value: Some(seen) }] = *history.ops(stuck) else { return None };
    let wrote = |number: &&usize| match *history.ops(**number) {
        [Op::Write { key: of, value }] if of == key => Some((**number, value)),
        _ => None,
    };
    let writes: Vec<(usize, ValueId)> = all
        .iter()
        .filter(|number| **number != stuck)
        .map(|number| wrote(&number))
        .collect::<Option<_>>()?;
    let txns = &history.txns;
    let first = |one: usize, other: usize| match level {
        Level::StrictSerializable | Level::Linearizable => precedes(&txns[one], &txns[other]),
        Level::Sequential => {
            one < other
                && txns[one].process == txns[other].process
                && txns[one].fate == Fate::Committed
        }
        _ => false,
    };
    let (from, by) = match writes[..] {
        [(by, _)] if seen == ValueId::NIL => (String::from("which was there at first"), by),
        [one, other] => {
            let (of, by) = if one.1 == seen { (one.0, other.0) } else { (other.0, one.0) };
            if !first(of, by) {
                return None;
            }
            let txn = &txns[of];
            (format!("which process {} wrote (line {})", txn.process, txn.line), by)
        }
        _ => return None,
    };
    if !first(by, stuck) {
        return None;
    }
    let (reader, writer) = (&txns[stuck], &txns[by]);
    Some(format!(
        "process {} (line {}) read {} = {}, {from}, although process {} (line {}) had overwritten it with {} before",
        reader.process,
        reader.line,
        history.key_name(key),
        history.shown(seen),
        writer.process,
        writer.line,
        match history.ops(by) {
            [Op::Write { value, .. }] => history.shown(*value),
            _ => String::new(),
        },
    ))
}
