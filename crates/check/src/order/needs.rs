//! Which transactions may be left out of a history without making a good one bad.
//!
//! A read always. A write only together with all that saw it. What looks at more than one value (a failed
//! compare-and-set, a count, a Redis command) only ever with all the writes of its key there, and what nobody
//! knows to have been taken from a queue, or by whom, only with the whole queue.

use super::compile::changes_nothing;
use crate::names::Table;
use crate::planted::{self, Bug};
use crate::search::{NEVER, Precedence};
use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};

/// What one operation does that others may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    None,
    /// This value appears, or is taken.
    Value(ValueId),
    /// The whole object changes.
    Whole,
}

/// What a remaining operation must not miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// All that brought this value.
    Value(KeyId, ValueId),
    /// All that changed the key.
    Whole(KeyId),
}

/// How many of those that saw a value are looked at.
const FEW: usize = 2;

/// Of a part of a history: who did what.
pub(super) struct Needs<'h> {
    history: &'h Transactions,
    precedence: Precedence,
    /// Keys of which only the whole can be looked at.
    whole: Table<u32, ()>,
    /// Queues of which something took nobody knows what.
    blind: Table<u32, ()>,
    by_value: Table<(u32, u32), Vec<usize>>,
    by_key: Table<u32, Vec<usize>>,
    /// Who saw a value.
    seen: Table<(u32, u32), Vec<usize>>,
}

impl<'h> Needs<'h> {
    pub(super) fn new(
        history: &'h Transactions,
        numbers: &[usize],
        precedence: Precedence,
    ) -> Needs<'h> {
        let mut needs = Needs {
            history,
            precedence,
            whole: Table::default(),
            blind: Table::default(),
            by_value: Table::default(),
            by_key: Table::default(),
            seen: Table::default(),
        };
        for number in numbers {
            for op in history.ops(*number) {
                match op {
                    Op::Redis { .. } => needs.whole.insert(op.key().0, ()),
                    Op::Dequeue { value: None, .. } => needs.blind.insert(op.key().0, ()),
                    _ => None,
                };
            }
        }
        for number in numbers {
            for op in history.ops(*number) {
                let key = op.key().0;
                if let Op::Read { value: Some(value), .. }
                | Op::Cas { from: value, done: Some(true), .. } = *op
                {
                    needs.seen.entry((key, value.0.get())).or_default().push(*number);
                }
                match needs.effect(op) {
                    Effect::None => continue,
                    Effect::Value(value) => {
                        needs.by_value.entry((key, value.0.get())).or_default().push(*number);
                    }
                    Effect::Whole => {}
                }
                needs.by_key.entry(key).or_default().push(*number);
            }
        }
        needs
    }

    /// What transaction `number` must not miss.
    pub(super) fn of(&self, number: usize) -> Vec<Need> {
        let history = self.history;
        let fate = history.txns[number].fate;
        let mut all = Vec::new();
        for op in history.ops(number) {
            let key = op.key();
            if self.whole.contains_key(&key.0) {
                let blind = matches!(op, Op::Write { .. });
                all.extend((!blind).then_some(Need::Whole(key)));
                continue;
            }
            let taken = |value: ValueId| !self.blind.contains_key(&key.0) || self.left(key, value);
            match *op {
                Op::Dequeue { value: None, .. } => all.push(Need::Whole(key)),
                Op::Enqueue { value, .. } if !taken(value) => all.push(Need::Whole(key)),
                Op::Read { value: Some(value), .. }
                | Op::Dequeue { value: Some(value), .. }
                | Op::Enqueue { value, .. }
                    if value != ValueId::NIL || matches!(op, Op::Read { .. }) =>
                {
                    all.push(Need::Value(key, value));
                }
                Op::Cas { from, done, .. } => {
                    let value = done == Some(true) || fate == Fate::Unknown && done.is_none();
                    all.push(if value { Need::Value(key, from) } else { Need::Whole(key) });
                }
                Op::ReadList { elements: Some(seen), .. }
                | Op::ReadSet { elements: Some(seen), .. } => {
                    let seen = history.elements(seen).iter();
                    all.extend(seen.map(|value| Need::Value(key, *value)));
                }
                Op::Count { value: Some(_), .. } => all.push(Need::Whole(key)),
                _ => {}
            }
        }
        all
    }

    /// Whether it is known who took an element that was enqueued once: then nobody else did.
    fn left(&self, key: KeyId, value: ValueId) -> bool {
        let mut makers = self.makers(Need::Value(key, value)).to_vec();
        makers.dedup();
        let (mut came, mut left, mut unknown) = (0, 0, 0);
        for (number, op) in makers
            .iter()
            .flat_map(|number| self.history.ops(*number).iter().map(|op| (*number, op)))
        {
            let certain = self.history.txns[number].fate == Fate::Committed;
            match *op {
                Op::Enqueue { key: of, value: it } if (of, it) == (key, value) => came += 1,
                Op::Dequeue { key: of, value: Some(it) } if (of, it) == (key, value) => {
                    *(if certain { &mut left } else { &mut unknown }) += 1;
                }
                _ => {}
            }
        }
        (came, left, unknown) == (1, 1, 0) || planted::is(Bug::BlindTakesNone)
    }

    /// Whether transaction `number` changes anything.
    pub(super) fn changes(&self, number: usize) -> bool {
        self.history.ops(number).iter().any(|op| self.effect(op) != Effect::None)
    }

    /// Who did what `need` speaks of.
    pub(super) fn makers(&self, need: Need) -> &[usize] {
        let found = match need {
            Need::Value(key, value) => self.by_value.get(&(key.0, value.0.get())),
            Need::Whole(key) => self.by_key.get(&key.0),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Who saw what transaction `number` wrote: the first and the last few.
    pub(super) fn witnesses(&self, number: usize) -> Vec<usize> {
        let mut all = Vec::new();
        for op in self.history.ops(number) {
            let Effect::Value(value) = effect(op) else { continue };
            let seen = self.seen.get(&(op.key().0, value.0.get()));
            let seen = seen.map_or(&[][..], Vec::as_slice);
            all.extend(seen.iter().take(FEW));
            all.extend(seen.iter().rev().take(FEW));
        }
        all
    }

    /// What may stay of `kept` (ascending) if all else is left out.
    pub(super) fn closed(&self, mut kept: Vec<usize>) -> Vec<usize> {
        let mut needs: Vec<(usize, Vec<Need>)> =
            kept.iter().map(|number| (*number, self.of(*number))).collect();
        loop {
            let mut gone: Table<Need, u64> = Table::default();
            let before = kept.len();
            needs.retain(|(number, needs)| {
                needs.iter().all(|need| {
                    let first = || self.first_gone(*need, &kept);
                    self.met(*number, *gone.entry(*need).or_insert_with(first))
                })
            });
            kept = needs.iter().map(|(number, _)| *number).collect();
            if kept.len() == before {
                return kept;
            }
        }
    }

    /// The earliest invocation of what was left out and `need` speaks of; `NEVER`: nothing was.
    fn first_gone(&self, need: Need, kept: &[usize]) -> u64 {
        let gone = |maker: &&usize| kept.binary_search(maker).is_err();
        let invoked = |maker: &usize| self.history.txns[*maker].invoked;
        self.makers(need).iter().filter(gone).map(invoked).min().unwrap_or(NEVER)
    }

    fn met(&self, number: usize, first_gone: u64) -> bool {
        // What began after a look was over cannot have been seen; but what follows an element in a queue matters.
        let enqueues = |op: &Op| matches!(op, Op::Enqueue { .. });
        first_gone == NEVER
            || planted::is(Bug::ShrinkAnything)
            || self.precedence == Precedence::RealTime
                && first_gone > self.history.txns[number].returned
                && !self.history.ops(number).iter().any(enqueues)
    }

    fn effect(&self, op: &Op) -> Effect {
        if let Op::Redis { command, .. } = op {
            let (command, reply) = &self.history.redis[*command as usize];
            return match changes_nothing(command, reply.as_ref()) {
                true => Effect::None,
                false => Effect::Whole,
            };
        }
        effect(op)
    }
}

fn effect(op: &Op) -> Effect {
    match *op {
        Op::Write { value, .. }
        | Op::Cas { to: value, .. }
        | Op::Append { value, .. }
        | Op::Insert { value, .. }
        | Op::Enqueue { value, .. } => Effect::Value(value),
        Op::Dequeue { value: Some(value), .. } if value != ValueId::NIL => Effect::Value(value),
        Op::Dequeue { value: None, .. } | Op::Add { .. } | Op::Redis { .. } => Effect::Whole,
        Op::Read { .. }
        | Op::ReadList { .. }
        | Op::Count { .. }
        | Op::ReadSet { .. }
        | Op::Dequeue { .. } => Effect::None,
    }
}
