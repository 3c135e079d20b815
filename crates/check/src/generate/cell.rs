//! What one key holds, and what an operation does to it and sees.

use crate::kv::{Command, Reply};
use crate::txn::{Op, Transactions, Value, ValueId};
use std::collections::VecDeque;
use stdx::Bytes;

#[derive(Clone, Debug, Default)]
pub(super) enum Cell {
    #[default]
    Empty,
    Register(ValueId),
    Number(i64),
    /// A list, or a set in order of insertion.
    Elements(Vec<ValueId>),
    Queue(VecDeque<ValueId>),
    Text(Vec<u8>),
}

impl Cell {
    fn register(&self) -> ValueId {
        if let Cell::Register(value) = self { *value } else { ValueId::NIL }
    }

    fn elements(&self) -> &[ValueId] {
        if let Cell::Elements(elements) = self { elements } else { &[] }
    }

    /// Carries out `op`, and answers it with what it saw.
    pub(super) fn apply(&mut self, op: Op, history: &mut Transactions) -> Op {
        match op {
            Op::Read { key, .. } => return Op::Read { key, value: Some(self.register()) },
            Op::Cas { key, from, to, .. } => {
                let done = self.register() == from;
                if done {
                    *self = Cell::Register(to);
                }
                return Op::Cas { key, from, to, done: Some(done) };
            }
            Op::ReadList { key, .. } => {
                let elements = Some(history.list(self.elements().iter().copied()));
                return Op::ReadList { key, elements };
            }
            Op::ReadSet { key, .. } => {
                let elements = Some(history.list(self.elements().iter().copied()));
                return Op::ReadSet { key, elements };
            }
            Op::Count { key, .. } => {
                let sum = if let Cell::Number(sum) = self { *sum } else { 0 };
                return Op::Count { key, value: Some(history.value(&Value::Int(sum))) };
            }
            Op::Dequeue { key, .. } => {
                let head = if let Cell::Queue(queue) = self { queue.pop_front() } else { None };
                return Op::Dequeue { key, value: Some(head.unwrap_or(ValueId::NIL)) };
            }
            Op::Redis { command, .. } => self.command(command, history),
            Op::Write { value, .. } => *self = Cell::Register(value),
            Op::Append { value, .. } | Op::Insert { value, .. } => match self {
                Cell::Elements(elements) => elements.push(value),
                _ => *self = Cell::Elements(vec![value]),
            },
            Op::Add { by, .. } => match self {
                Cell::Number(sum) => *sum += by,
                _ => *self = Cell::Number(by),
            },
            Op::Enqueue { value, .. } => match self {
                Cell::Queue(queue) => queue.push_back(value),
                _ => *self = Cell::Queue(VecDeque::from([value])),
            },
        }
        op
    }

    /// APPEND, SET and GET are all that is drawn.
    fn command(&mut self, number: u32, history: &mut Transactions) {
        let (command, reply) = &mut history.redis[number as usize];
        match command {
            Command::Append(more) => match self {
                Cell::Text(text) => text.extend_from_slice(more),
                _ => *self = Cell::Text(more.to_vec()),
            },
            Command::Set(text) => {
                *self = Cell::Text(text.to_vec());
                *reply = Some(Reply::Done);
            }
            Command::Get => {
                let text = if let Cell::Text(text) = self { Some(text.as_slice()) } else { None };
                *reply = Some(Reply::Value(text.map(Bytes::from)));
            }
            other => unreachable!("{other:?} is never drawn"),
        }
    }
}

/// Whether `op` changes nothing.
pub(super) fn is_read(op: &Op, history: &Transactions) -> bool {
    match *op {
        Op::Read { .. } | Op::ReadList { .. } | Op::ReadSet { .. } | Op::Count { .. } => true,
        Op::Redis { command, .. } => history.redis[command as usize].0 == Command::Get,
        _ => false,
    }
}
