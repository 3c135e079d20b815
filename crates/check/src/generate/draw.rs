//! Which operations a transaction has.

use super::{Kind, Shape};
use crate::kv::Command;
use crate::txn::{KeyId, Op, Transactions, Value, ValueId};
use stdx::{Bytes, Prng};

/// The keys in use, and the values not used yet.
pub(super) struct Drawer {
    kind: Kind,
    reads: u64,
    values: Option<u64>,
    puts: u64,
    retire: Option<u64>,
    pub(super) keys: Vec<InUse>,
    /// Keys so far.
    named: u64,
    next: i64,
}

pub(super) struct InUse {
    pub(super) key: KeyId,
    writes: u64,
    /// The value last asked to be written: a compare-and-set that expects it has a chance.
    last: ValueId,
}

impl Drawer {
    pub(super) fn new(shape: &Shape, history: &mut Transactions) -> Drawer {
        let Shape { kind, reads, values, puts, retire, .. } = *shape;
        assert!(values.is_none() || matches!(kind, Kind::Register | Kind::CasRegister));
        let keys = Vec::new();
        let mut drawer = Drawer { kind, reads, values, puts, retire, keys, named: 0, next: 1 };
        for _ in 0..shape.keys {
            let fresh = drawer.fresh(history);
            drawer.keys.push(fresh);
        }
        drawer
    }

    fn fresh(&mut self, history: &mut Transactions) -> InUse {
        let key = history.key(&Bytes::from(self.named.to_string().into_bytes()));
        self.named += 1;
        InUse { key, writes: 0, last: ValueId::NIL }
    }

    fn value(&mut self, prng: &mut Prng, history: &mut Transactions) -> ValueId {
        let value = match self.values {
            Some(most) => i64::try_from(prng.range(0, most)).unwrap_or(i64::MAX),
            None => {
                self.next += 1;
                self.next - 1
            }
        };
        history.value(&Value::Int(value))
    }

    /// One operation of a client, with nothing observed yet.
    pub(super) fn op(&mut self, client: u64, prng: &mut Prng, history: &mut Transactions) -> Op {
        let slot = prng.index(self.keys.len());
        let key = self.keys[slot].key;
        if prng.chance(self.reads, 1_000) {
            return self.read(key, history);
        }
        self.write(slot, client, prng, history)
    }

    /// What changes the key in use at `slot`.
    pub(super) fn write(
        &mut self,
        slot: usize,
        client: u64,
        prng: &mut Prng,
        history: &mut Transactions,
    ) -> Op {
        let key = self.keys[slot].key;
        let op = match self.kind {
            Kind::Counter => Op::Add { key, by: i64::try_from(prng.range(1, 5)).unwrap_or(1) },
            Kind::Text => {
                let text = format!("x {client} {} y", self.next);
                self.next += 1;
                let text = Bytes::from(text.into_bytes());
                let puts = self.puts > 0 && prng.chance(self.puts, 1_000);
                redis(key, if puts { Command::Set(text) } else { Command::Append(text) }, history)
            }
            kind => {
                let value = self.value(prng, history);
                let from = std::mem::replace(&mut self.keys[slot].last, value);
                match kind {
                    Kind::CasRegister if prng.chance(1, 2) => {
                        Op::Cas { key, from, to: value, done: None }
                    }
                    Kind::Set => Op::Insert { key, value },
                    Kind::List => Op::Append { key, value },
                    Kind::Queue => Op::Enqueue { key, value },
                    _ => Op::Write { key, value },
                }
            }
        };
        self.keys[slot].writes += 1;
        if self.retire.is_some_and(|most| self.keys[slot].writes >= most) {
            self.keys[slot] = self.fresh(history);
        }
        op
    }

    pub(super) fn read(&self, key: KeyId, history: &mut Transactions) -> Op {
        match self.kind {
            Kind::Register | Kind::CasRegister => Op::Read { key, value: None },
            Kind::Counter => Op::Count { key, value: None },
            Kind::Set => Op::ReadSet { key, elements: None },
            Kind::List => Op::ReadList { key, elements: None },
            Kind::Queue => Op::Dequeue { key, value: None },
            Kind::Text => redis(key, Command::Get, history),
        }
    }
}

fn redis(key: KeyId, command: Command, history: &mut Transactions) -> Op {
    let number = u32::try_from(history.redis.len()).expect("at most 2^32 commands");
    history.redis.push((command, None));
    Op::Redis { key, command: number }
}
