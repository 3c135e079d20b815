//! Small histories: run for real, each transaction at a point between call and return, then sometimes spoilt.

use super::twin::text_of;
use crate::Model;
use crate::kv::{Command, Kv, KvOp, Reply};
use crate::txn::{Fate, KeyId, Op, Transactions, Value, ValueId};
use std::collections::BTreeMap;
use stdx::{Bytes, Prng};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Register,
    /// No value is written twice.
    Unique,
    Cas,
    /// Compare-and-sets that mostly expect what is there, and no value is written twice.
    UniqueCas,
    List,
    Counter,
    Set,
    Queue,
    Redis,
    /// Strings that are appended to and read.
    Text,
    /// Strings that are put, appended to and read; mostly none of what they are made of begins with another.
    Tokens,
    /// Each key another kind.
    Mixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One operation each.
    Single,
    /// Transactions of up to three operations.
    Units,
}

/// Everything a key may hold.
#[derive(Clone, Debug, Default)]
struct Held {
    value: Option<Bytes>,
    items: Vec<i64>,
    sum: i64,
}

struct Maker<'p> {
    prng: &'p mut Prng,
    history: Transactions,
    state: BTreeMap<u32, Held>,
    fresh: i64,
    /// The kind of the first key.
    mix: usize,
}

pub(super) fn history(prng: &mut Prng, kind: Kind, shape: Shape) -> Transactions {
    let mix = prng.index(6);
    let mut maker =
        Maker { prng, history: Transactions::new(), state: BTreeMap::new(), fresh: 100, mix };
    let count = maker.prng.index(6) + 2;
    let keys = if shape == Shape::Single { 1 + maker.prng.index(2) } else { 2 };
    let clients = maker.prng.range(1, 4);
    let mut free = vec![0; usize::try_from(clients).unwrap()];
    let mut points = Vec::new();
    for _ in 0..count {
        let process = maker.prng.index(free.len());
        let invoked = free[process] + maker.prng.below(8);
        let point = invoked + maker.prng.below(8);
        let returned = point + maker.prng.below(8);
        // Sometimes it goes on at the very moment of its return.
        free[process] = returned + maker.prng.below(2);
        points.push((point, process as u64, invoked, returned));
    }
    // Within one process the order of points is that of its calls.
    points.sort();
    let mut lines = Vec::new();
    for (line, (_, process, invoked, returned)) in points.into_iter().enumerate() {
        let fate = match maker.prng.below(10) {
            0 => Fate::Aborted,
            1 | 2 => Fate::Unknown,
            _ => Fate::Committed,
        };
        let happens = match fate {
            Fate::Committed => true,
            Fate::Aborted => false,
            Fate::Unknown => maker.prng.chance(1, 2),
        };
        let before = maker.state.clone();
        let len = if shape == Shape::Single { 1 } else { 1 + maker.prng.index(3) };
        let mut ops: Vec<Op> = (0..len).map(|_| maker.op(kind, keys)).collect();
        if !happens {
            maker.state = before;
        }
        // Of what is unknown it is sometimes known what it saw, if it happened.
        let forgets = fate == Fate::Aborted || fate == Fate::Unknown && maker.prng.chance(2, 3);
        for op in &mut ops {
            // Lists that nobody certainly saw are not judged by.
            let list = fate == Fate::Unknown && matches!(op, Op::ReadList { .. });
            if forgets || list {
                maker.forget(op);
            }
        }
        lines.push((process, (invoked, returned), fate, line, ops));
    }
    if maker.prng.chance(1, 2) {
        maker.spoil(&mut lines);
    }
    lines.sort_by_key(|(_, (invoked, _), ..)| *invoked);
    for (process, times, fate, line, ops) in lines {
        maker.history.push(process, times, fate, u32::try_from(line).unwrap() + 1, ops);
    }
    maker.history.sort();
    maker.history
}

type Line = (u64, (u64, u64), Fate, usize, Vec<Op>);

impl Maker<'_> {
    fn key(&mut self, at: usize) -> KeyId {
        self.history.key(&Bytes::from(format!("k{at}").into_bytes()))
    }

    fn int(&mut self, n: i64) -> ValueId {
        self.history.value(&Value::Int(n))
    }

    fn some(&mut self, unique: bool) -> i64 {
        self.fresh += 1;
        if unique { self.fresh } else { i64::try_from(self.prng.below(3)).unwrap() }
    }

    fn op(&mut self, kind: Kind, keys: usize) -> Op {
        let at = self.prng.index(keys);
        let kinds = [Kind::Unique, Kind::List, Kind::Cas, Kind::Set, Kind::Counter, Kind::Queue];
        let kind = if kind == Kind::Mixed { kinds[(at + self.mix) % 6] } else { kind };
        let key = self.key(at);
        let mut held = self.state.remove(&key.0).unwrap_or_default();
        let op = match kind {
            Kind::Register | Kind::Unique => self.register(key, &mut held, kind == Kind::Unique),
            Kind::Cas => self.cas(key, &mut held, false),
            Kind::UniqueCas => self.cas(key, &mut held, true),
            Kind::List => self.list(key, &mut held),
            Kind::Counter => self.counter(key, &mut held),
            Kind::Set => self.set(key, &mut held),
            Kind::Queue => self.queue(key, &mut held),
            Kind::Redis => self.redis(key, &mut held, false),
            Kind::Text => self.redis(key, &mut held, true),
            Kind::Tokens => self.tokens(key, &mut held),
            Kind::Mixed => unreachable!("chosen above"),
        };
        self.state.insert(key.0, held);
        op
    }

    fn held(&mut self, held: &Held) -> ValueId {
        match &held.value {
            None => ValueId::NIL,
            Some(text) => {
                let n = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
                let n = n.filter(|n| n.to_string().as_bytes() == &text[..]);
                let value = n.map_or_else(|| Value::Text(text.clone()), Value::Int);
                self.history.value(&value)
            }
        }
    }

    fn register(&mut self, key: KeyId, held: &mut Held, unique: bool) -> Op {
        if self.prng.chance(1, 2) {
            return Op::Read { key, value: Some(self.held(held)) };
        }
        let value = self.some(unique);
        let value = self.int(value);
        held.value = text_of(self.history.name_of(value));
        Op::Write { key, value }
    }

    fn cas(&mut self, key: KeyId, held: &mut Held, unique: bool) -> Op {
        if self.prng.chance(1, 2) {
            return self.register(key, held, unique);
        }
        let (from, to) = (self.some(false), self.some(unique));
        // What was written last, or before that.
        let from = if unique { self.fresh - 1 - from } else { from };
        let (from, to) = (self.int(from), self.int(to));
        let done = held.value == text_of(self.history.name_of(from));
        if done {
            held.value = text_of(self.history.name_of(to));
        }
        Op::Cas { key, from, to, done: Some(done).filter(|_| self.prng.chance(3, 4)) }
    }

    fn list(&mut self, key: KeyId, held: &mut Held) -> Op {
        if self.prng.chance(1, 2) {
            let seen: Vec<ValueId> = held.items.iter().map(|n| self.int(*n)).collect();
            return Op::ReadList { key, elements: Some(self.history.list(seen)) };
        }
        let unique = self.prng.chance(9, 10);
        let n = self.some(unique);
        held.items.push(n);
        Op::Append { key, value: self.int(n) }
    }

    fn counter(&mut self, key: KeyId, held: &mut Held) -> Op {
        if self.prng.chance(1, 2) {
            return Op::Count { key, value: Some(self.int(held.sum)) };
        }
        let by = i64::try_from(self.prng.below(4)).unwrap() - i64::from(self.prng.chance(1, 4));
        held.sum += by;
        Op::Add { key, by }
    }

    fn set(&mut self, key: KeyId, held: &mut Held) -> Op {
        if self.prng.chance(1, 2) {
            let seen: Vec<ValueId> = held.items.iter().map(|n| self.int(*n)).collect();
            return Op::ReadSet { key, elements: Some(self.history.list(seen)) };
        }
        let unique = self.prng.chance(2, 3);
        let n = self.some(unique);
        if !held.items.contains(&n) {
            held.items.push(n);
        }
        Op::Insert { key, value: self.int(n) }
    }

    fn queue(&mut self, key: KeyId, held: &mut Held) -> Op {
        if self.prng.chance(1, 2) {
            let head = if held.items.is_empty() { None } else { Some(held.items.remove(0)) };
            let head = head.map_or(ValueId::NIL, |n| self.int(n));
            return Op::Dequeue { key, value: Some(head).filter(|_| self.prng.chance(9, 10)) };
        }
        let unique = self.prng.chance(4, 5);
        let n = self.some(unique);
        held.items.push(n);
        Op::Enqueue { key, value: self.int(n) }
    }

    fn tokens(&mut self, key: KeyId, held: &mut Held) -> Op {
        if self.prng.chance(1, 2) {
            if self.prng.chance(1, 2) {
                return Op::Read { key, value: Some(self.held(held)) };
            }
            return self.command(key, Command::Get, Some(Reply::Value(held.value.clone())));
        }
        let n = self.some(true);
        let token = match self.mix {
            0 => ["1", "0", "10", "01"][self.prng.index(4)].to_string(),
            _ => format!("{n}."),
        };
        let token = Bytes::from(token.into_bytes());
        let mut next = held.value.as_ref().map_or_else(Vec::new, |text| text.to_vec());
        next.extend_from_slice(&token);
        match self.prng.below(6) {
            0 => {
                held.value = Some(token);
                Op::Write { key, value: self.held(held) }
            }
            1 => {
                held.value = Some(token.clone());
                self.command(key, Command::Set(token), Some(Reply::Done))
            }
            _ => {
                held.value = Some(Bytes::from(next));
                self.command(key, Command::Append(token), None)
            }
        }
    }

    fn command(&mut self, key: KeyId, command: Command, reply: Option<Reply>) -> Op {
        self.history.redis.push((command, reply));
        Op::Redis { key, command: u32::try_from(self.history.redis.len()).unwrap() - 1 }
    }

    fn redis(&mut self, key: KeyId, held: &mut Held, grows: bool) -> Op {
        let n = ["0", "1", "00"][self.prng.index(3)].to_string();
        let value = Bytes::from(n.into_bytes());
        let command = match self.prng.below(11) {
            0..=5 if grows => return Op::Read { key, value: Some(self.held(held)) },
            _ if grows => Command::Append(value),
            0..=2 => return self.register(key, held, false),
            3 => Command::Get,
            4 => Command::SetNx(value),
            5 => Command::SetXx(value),
            6 => Command::GetSet(value),
            7 => Command::Del,
            8 => Command::Incr(1),
            9 => Command::Append(value),
            _ => Command::Exists,
        };
        let op = KvOp { key: Bytes::from(&b"x"[..]), command: command.clone() };
        let replies = (0..400).map(Reply::Int).chain([Reply::Done, Reply::Refused]);
        let mut replies = replies.chain([Reply::Value(None), Reply::Value(held.value.clone())]);
        let number = held.value.as_ref().and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
        let next = Reply::Int(number.unwrap_or(0) + 1);
        let reply = replies.find(|reply| Kv.step(&held.value, &op, Some(reply)).is_some());
        let reply = reply.unwrap_or(next);
        held.value = Kv.step(&held.value, &op, Some(&reply)).expect("answered by the model");
        let told = if grows { 2 } else { 9 };
        let reply = Some(reply).filter(|_| self.prng.chance(told, 10));
        self.history.redis.push((command, reply));
        Op::Redis { key, command: u32::try_from(self.history.redis.len()).unwrap() - 1 }
    }

    /// Nobody learned the answer.
    fn forget(&mut self, op: &mut Op) {
        match op {
            Op::Read { value, .. } | Op::Count { value, .. } | Op::Dequeue { value, .. } => {
                *value = None;
            }
            Op::Cas { done, .. } => *done = None,
            Op::ReadList { elements, .. } | Op::ReadSet { elements, .. } => *elements = None,
            Op::Redis { command, .. } => self.history.redis[*command as usize].1 = None,
            Op::Write { .. }
            | Op::Append { .. }
            | Op::Add { .. }
            | Op::Insert { .. }
            | Op::Enqueue { .. } => {}
        }
    }

    /// Changes an answer, or when something was under way.
    fn spoil(&mut self, lines: &mut [Line]) {
        let at = self.prng.index(lines.len());
        let other = self.prng.index(lines.len());
        if self.prng.chance(1, 3) {
            let (process, times) = (lines[at].0, lines[at].1);
            (lines[at].0, lines[at].1) = (lines[other].0, lines[other].1);
            (lines[other].0, lines[other].1) = (process, times);
            return;
        }
        if lines[at].2 != Fate::Committed {
            return;
        }
        let n = self.some(false);
        let value = if self.prng.chance(1, 4) { ValueId::NIL } else { self.int(n) };
        let donor = lines[other].4.clone();
        for op in &mut lines[at].4 {
            match op {
                Op::Read { key, value: seen } => {
                    let read = donor.iter().find_map(|from| match *from {
                        Op::Read { key: of, value } if of == *key => value,
                        _ => None,
                    });
                    *seen = read.or(Some(value));
                }
                Op::Dequeue { value: seen @ Some(_), .. } => *seen = Some(value),
                Op::Count { value: seen, .. } => *seen = Some(self.int(n)),
                Op::Cas { done, .. } => *done = done.map(|done| !done),
                Op::ReadList { key, elements } | Op::ReadSet { key, elements } => {
                    for from in &donor {
                        if let Op::ReadList { key: of, elements: seen @ Some(_) }
                        | Op::ReadSet { key: of, elements: seen @ Some(_) } = from
                            && of == key
                        {
                            *elements = *seen;
                        }
                    }
                }
                Op::Redis { command, .. } => {
                    let reply = &mut self.history.redis[*command as usize].1;
                    *reply = match reply.take() {
                        // The beginning is lost.
                        Some(Reply::Value(Some(text))) if text.contains(&b'.') => {
                            let rest = text.splitn(2, |byte| *byte == b'.').last();
                            let rest = rest.filter(|rest| !rest.is_empty());
                            Some(Reply::Value(rest.map(Bytes::from)))
                        }
                        reply => reply.map(|_| Reply::Int(n)),
                    };
                }
                _ => {}
            }
        }
    }
}
