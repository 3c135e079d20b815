//! Atoll's own JSON lines, for any history.

use crate::txn::{Elements, Fate, KeyId, Op, Transactions, Value, ValueId};
use serde_json::json;
use stdx::Bytes;

use crate::text::Notation;

/// A history as JSON lines that [`super::read`] takes: each transaction in the order of its invocation.
///
/// What was seen by a transaction that failed is not written: nothing is judged by it.
pub fn write(history: &Transactions) -> String {
    let mut text = String::new();
    for number in 0..history.txns.len() {
        let line = line(history, number);
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

fn line(history: &Transactions, number: usize) -> serde_json::Value {
    let txn = &history.txns[number];
    let ops = history.ops(number);
    let asked = ops.iter().map(|op| asked(history, op));
    let answers: Vec<_> = ops.iter().map(|op| answer(history, op)).collect();
    let sees = ops.iter().zip(&answers).any(|(op, answer)| !effect(op) && !answer.is_null());
    let mut line = serde_json::Map::new();
    line.insert("process".into(), json!(txn.process));
    if history.timed {
        line.insert("invoked".into(), json!(txn.invoked));
        if txn.fate != Fate::Unknown {
            line.insert("returned".into(), json!(txn.returned));
        }
    }
    let single = ops.len() == 1;
    let all: serde_json::Value = asked.collect();
    line.insert("op".into(), if single { all[0].clone() } else { all });
    match txn.fate {
        Fate::Aborted => line.insert("failed".into(), json!(true)),
        Fate::Unknown if !sees || !history.timed => line.insert("unknown".into(), json!(true)),
        _ if single => line.insert("ok".into(), answers[0].clone()),
        _ => line.insert("ok".into(), json!(answers)),
    };
    serde_json::Value::Object(line)
}

/// Whether the answer of an operation says no more than that it happened.
fn effect(op: &Op) -> bool {
    matches!(
        op,
        Op::Write { .. }
            | Op::Append { .. }
            | Op::Add { .. }
            | Op::Insert { .. }
            | Op::Enqueue { .. }
    )
}

fn asked(history: &Transactions, op: &Op) -> serde_json::Value {
    let name = |key: KeyId| history.keys.get(key.0).write();
    let value = |value: ValueId| value_of(history, value);
    match *op {
        Op::Read { key, .. } => json!(["get", name(key)]),
        Op::Write { key, value: to } => json!(["set", name(key), value(to)]),
        Op::Cas { key, from, to, .. } => json!(["cas", name(key), value(from), value(to)]),
        Op::Append { key, value: to } => json!(["push", name(key), value(to)]),
        Op::ReadList { key, .. } => json!(["list", name(key)]),
        Op::Add { key, by } => json!(["add", name(key), by]),
        Op::Count { key, .. } => json!(["count", name(key)]),
        Op::Insert { key, value: to } => json!(["insert", name(key), value(to)]),
        Op::ReadSet { key, .. } => json!(["members", name(key)]),
        Op::Enqueue { key, value: to } => json!(["enqueue", name(key), value(to)]),
        Op::Dequeue { key, .. } => json!(["dequeue", name(key)]),
        Op::Redis { key, command } => {
            let (command, _) = &history.redis[command as usize];
            let key = history.keys.get(key.0).clone();
            crate::kv::KvOp { key, command: command.clone() }.write()
        }
    }
}

fn answer(history: &Transactions, op: &Op) -> serde_json::Value {
    let one = |value: Option<ValueId>| value.map(|value| json!([value_of(history, value)]));
    let many = |elements: Option<Elements>| {
        let all = elements.map(|elements| history.elements(elements).iter());
        all.map(|all| all.map(|value| value_of(history, *value)).collect())
    };
    let answer = match *op {
        Op::Read { value, .. } | Op::Dequeue { value, .. } => one(value),
        Op::Cas { done, .. } => done.map(|done| json!(done)),
        Op::ReadList { elements, .. } | Op::ReadSet { elements, .. } => many(elements),
        Op::Count { value, .. } => value.map(|value| match history.name_of(value) {
            Value::Int(n) => json!(n),
            other => unreachable!("a counter that counts {other:?}"),
        }),
        Op::Redis { command, .. } => {
            let (_, reply) = &history.redis[command as usize];
            reply.as_ref().map(Notation::write)
        }
        Op::Write { .. }
        | Op::Append { .. }
        | Op::Add { .. }
        | Op::Insert { .. }
        | Op::Enqueue { .. } => Some(json!("done")),
    };
    answer.unwrap_or_default()
}

/// Numbers are strings too, as the values of Redis are.
fn value_of(history: &Transactions, value: ValueId) -> serde_json::Value {
    match history.name_of(value) {
        Value::Nil => serde_json::Value::Null,
        Value::Int(n) => Bytes::from(n.to_string().as_bytes()).write(),
        Value::Text(text) => text.write(),
    }
}
