//! Transactions in words.

use crate::kv::KvOp;
use crate::txn::{Elements, Fate, KeyId, Op, Transactions, Value, ValueId};

/// More of a list than this is not for reading.
const MOST: usize = 12;

impl Transactions {
    /// A transaction on one line: `w(x, 3) r(y) = 4`.
    pub fn describe(&self, number: usize) -> String {
        let ops: Vec<String> = self.ops(number).iter().map(|op| self.describe_op(op)).collect();
        let fate = match self.txns[number].fate {
            Fate::Committed => "",
            Fate::Aborted => " (failed)",
            Fate::Unknown => " (outcome unknown)",
        };
        format!("{}{fate}", ops.join(" "))
    }

    /// An operation: `w(x, 3)`.
    pub fn describe_op(&self, op: &Op) -> String {
        let seen = |value: Option<ValueId>| value.map_or("?".into(), |value| self.shown(value));
        let many = |elements: Option<Elements>| elements.map_or("?".into(), |all| self.all(all));
        match *op {
            Op::Read { key, value } => format!("r({}) = {}", self.key_name(key), seen(value)),
            Op::Write { key, value } => format!("w({}, {})", self.key_name(key), self.shown(value)),
            Op::Cas { key, from, to, done } => {
                let done = match done {
                    Some(true) => "",
                    Some(false) => " = not equal",
                    None => " = ?",
                };
                let (key, from, to) = (self.key_name(key), self.shown(from), self.shown(to));
                format!("cas({key}, {from} to {to}){done}")
            }
            Op::Append { key, value } => {
                format!("append({}, {})", self.key_name(key), self.shown(value))
            }
            Op::ReadList { key, elements } => {
                format!("r({}) = {}", self.key_name(key), many(elements))
            }
            Op::Add { key, by } => format!("add({}, {by})", self.key_name(key)),
            Op::Count { key, value } => format!("count({}) = {}", self.key_name(key), seen(value)),
            Op::Insert { key, value } => {
                format!("insert({}, {})", self.key_name(key), self.shown(value))
            }
            Op::ReadSet { key, elements } => {
                format!("members({}) = {}", self.key_name(key), many(elements))
            }
            Op::Enqueue { key, value } => {
                format!("enqueue({}, {})", self.key_name(key), self.shown(value))
            }
            Op::Dequeue { key, value } => {
                format!("dequeue({}) = {}", self.key_name(key), seen(value))
            }
            Op::Redis { key, command } => {
                let (command, reply) = &self.redis[command as usize];
                let op = KvOp { key: self.keys.get(key.0).clone(), command: command.clone() };
                let reply = reply.as_ref().map_or("?".into(), |reply| format!("{reply:?}"));
                format!("{op:?} = {reply}")
            }
        }
    }

    /// The name of a key, printable.
    pub fn key_name(&self, key: KeyId) -> String {
        String::from_utf8_lossy(self.keys.get(key.0)).into_owned()
    }

    /// A value, printable.
    pub fn shown(&self, value: ValueId) -> String {
        match self.name_of(value) {
            Value::Nil => "nil".into(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        }
    }

    fn all(&self, elements: Elements) -> String {
        let all = self.elements(elements);
        let some: Vec<String> = all.iter().take(MOST).map(|value| self.shown(*value)).collect();
        let more = all.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("[{}{more}]", some.join(" "))
    }
}
