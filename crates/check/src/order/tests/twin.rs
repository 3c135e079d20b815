//! Tries every order of every choice of unknown transactions, by plain rules of its own.

use crate::kv::{Kv, KvOp};
use crate::txn::{Fate, Op, Transactions, Value, ValueId};
use crate::{Level, Model};
use std::collections::BTreeMap;
use stdx::Bytes;

/// What a key holds: one form for all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    text: Option<Bytes>,
    items: Vec<ValueId>,
    sum: i64,
}

type State = BTreeMap<u32, Held>;

pub(super) fn has_order(history: &Transactions, level: Level, numbers: &[usize]) -> bool {
    let may = |number: &usize| history.txns[*number].may_have_happened();
    let numbers: Vec<usize> = numbers.iter().copied().filter(may).collect();
    go(history, level, &numbers, 0, &State::new())
}

fn comes_first(history: &Transactions, level: Level, one: usize, other: usize) -> bool {
    let (a, b) = (&history.txns[one], &history.txns[other]);
    let waited = a.fate == Fate::Committed;
    let process = waited && a.process == b.process && one < other;
    match level {
        Level::StrictSerializable | Level::Linearizable => {
            process || waited && a.returned < b.invoked
        }
        Level::Sequential => process,
        _ => false,
    }
}

fn go(history: &Transactions, level: Level, numbers: &[usize], done: u32, state: &State) -> bool {
    let left = |at: &usize| done >> at & 1 == 0;
    let must = |at: &usize| history.txns[numbers[*at]].fate == Fate::Committed;
    if !(0..numbers.len()).filter(left).any(|at| must(&at)) {
        return true;
    }
    (0..numbers.len()).filter(left).any(|at| {
        let late =
            |other: usize| left(&other) && comes_first(history, level, numbers[other], numbers[at]);
        if (0..numbers.len()).any(late) {
            return false;
        }
        let mut next = state.clone();
        history.ops(numbers[at]).iter().all(|op| apply(history, &mut next, op))
            && go(history, level, numbers, done | 1 << at, &next)
    })
}

pub(super) fn text_of(value: &Value) -> Option<Bytes> {
    match value {
        Value::Nil => None,
        Value::Int(n) => Some(Bytes::from(n.to_string().into_bytes())),
        Value::Text(text) => Some(text.clone()),
    }
}

fn apply(history: &Transactions, state: &mut State, op: &Op) -> bool {
    let held = state.entry(op.key().0).or_default();
    let text = |value: ValueId| text_of(history.name_of(value));
    match *op {
        Op::Read { value, .. } => value.is_none_or(|value| held.text == text(value)),
        Op::Write { value, .. } => {
            held.text = text(value);
            true
        }
        Op::Cas { from, to, done, .. } => {
            let equal = held.text == text(from);
            if equal {
                held.text = text(to);
            }
            done.is_none_or(|done| done == equal)
        }
        Op::Append { value, .. } | Op::Enqueue { value, .. } => {
            held.items.push(value);
            true
        }
        Op::ReadList { elements, .. } => {
            elements.is_none_or(|seen| history.elements(seen) == held.items)
        }
        Op::Add { by, .. } => {
            held.sum += by;
            true
        }
        Op::Count { value, .. } => {
            value.is_none_or(|value| *history.name_of(value) == Value::Int(held.sum))
        }
        Op::Insert { value, .. } => {
            if !held.items.contains(&value) {
                held.items.push(value);
                held.items.sort_unstable();
            }
            true
        }
        Op::ReadSet { elements, .. } => elements.is_none_or(|seen| {
            let mut seen = history.elements(seen).to_vec();
            seen.sort_unstable();
            seen == held.items
        }),
        Op::Dequeue { value, .. } => {
            let head = if held.items.is_empty() { ValueId::NIL } else { held.items.remove(0) };
            value.is_none_or(|value| value == head)
        }
        Op::Redis { command, .. } => {
            let (command, reply) = &history.redis[command as usize];
            let op = KvOp { key: Bytes::from(&b"x"[..]), command: command.clone() };
            match Kv.step(&held.text, &op, reply.as_ref()) {
                Some(next) => {
                    held.text = next;
                    true
                }
                None => false,
            }
        }
    }
}
