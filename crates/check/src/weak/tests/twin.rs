//! The levels by their definitions, over every order of a tiny history.
//!
//! Read committed and read atomic: some commit order satisfies the axiom (Biswas and Enea, OOPSLA 2019, figure 2).
//! CC, CM and CCv: orders of causal pasts are run against the specification itself (POPL 2017, figure 2).

use crate::Level;
use crate::txn::{Fate, KeyId, Op, Transactions, ValueId};
use std::collections::BTreeMap;

/// One choice of what happened and who read from whom.
struct Case<'a> {
    h: &'a Transactions,
    txns: Vec<usize>,
    /// Reads from others in program order, by place in `txns`: key, source (`None`: the initial state), and
    /// whether that made the version read.
    reads: Vec<Vec<(KeyId, Option<usize>, bool)>>,
    /// Causal past, closed.
    past: Vec<u32>,
    direct: Vec<u32>,
    session: Vec<u32>,
}

/// Whether some choice is good at `level`.
pub(crate) fn twin(h: &Transactions, level: Level) -> bool {
    let unknown: Vec<usize> =
        (0..h.txns.len()).filter(|&txn| h.txns[txn].fate == Fate::Unknown).collect();
    (0..1_u32 << unknown.len()).any(|some| {
        let happened = |txn: &usize| match h.txns[*txn].fate {
            Fate::Committed => true,
            Fate::Aborted => false,
            Fate::Unknown => {
                let at = unknown.iter().position(|other| other == txn).unwrap();
                some >> at & 1 == 1
            }
        };
        choose(h, &(0..h.txns.len()).filter(happened).collect::<Vec<_>>(), level)
    })
}

/// The last value that `txn` leaves under a register.
fn left(h: &Transactions, txn: usize, key: KeyId) -> Option<ValueId> {
    h.ops(txn).iter().rev().find_map(|op| match *op {
        Op::Write { key: of, value } if of == key => Some(value),
        Op::Cas { key: of, to, done: Some(true) | None, .. } if of == key => Some(to),
        _ => None,
    })
}

fn writes(h: &Transactions, txn: usize, key: KeyId) -> bool {
    let append = |op: &Op| matches!(op, Op::Append { key: of, .. } if *of == key);
    left(h, txn, key).is_some() || h.ops(txn).iter().any(append)
}

type Sources = Vec<(usize, KeyId, Vec<Option<usize>>, bool)>;

/// Every source that each read of others may have had.
fn sources(h: &Transactions, txns: &[usize]) -> Option<Sources> {
    let mut all = Vec::new();
    for (at, &txn) in txns.iter().enumerate() {
        for (number, op) in h.ops(txn).iter().enumerate() {
            let own = |key: KeyId| {
                let before = &h.ops(txn)[..number];
                before.iter().any(|op| op.key() == key && wrote(op))
            };
            let of = |good: &dyn Fn(Option<ValueId>) -> bool, key| {
                let others = (0..txns.len()).filter(|&other| other != at);
                let left =
                    |&other: &usize| left(h, txns[other], key).is_some_and(|v| good(Some(v)));
                let mut from: Vec<_> = others.filter(left).map(Some).collect();
                from.extend(good(None).then_some(None));
                from
            };
            match *op {
                Op::Read { key, value: Some(v) }
                | Op::Cas { key, from: v, done: Some(true) | None, .. }
                    if !own(key) =>
                {
                    all.push((at, key, of(&|w| w.unwrap_or(ValueId::NIL) == v, key), true));
                }
                Op::Cas { key, from: v, done: Some(false), .. } if !own(key) => {
                    all.push((at, key, of(&|w| w.unwrap_or(ValueId::NIL) != v, key), true));
                }
                Op::ReadList { key, elements: Some(list) } => {
                    let elements = h.elements(list);
                    let before = all.len();
                    for (place, value) in elements.iter().enumerate() {
                        let appended = |other: usize| {
                            let is = |op: &Op| *op == Op::Append { key, value: *value };
                            h.ops(txns[other]).iter().any(is)
                        };
                        let who = (0..txns.len()).find(|&other| appended(other))?;
                        if who != at {
                            let rest = &elements[place + 1..];
                            let last = !rest.iter().any(|value| {
                                let is = |op: &Op| *op == Op::Append { key, value: *value };
                                !h.ops(txn).iter().any(is)
                            });
                            all.push((at, key, vec![Some(who)], last));
                        }
                    }
                    if all.len() == before {
                        all.push((at, key, vec![None], true));
                    }
                }
                _ => {}
            }
        }
    }
    Some(all)
}

fn wrote(op: &Op) -> bool {
    matches!(op, Op::Write { .. } | Op::Append { .. } | Op::Cas { done: Some(true) | None, .. })
}

fn choose(h: &Transactions, txns: &[usize], level: Level) -> bool {
    let Some(sources) = sources(h, txns) else { return false };
    let total: usize = sources.iter().map(|(_, _, from, _)| from.len()).product();
    (0..total).any(|mut choice| {
        let n = txns.len();
        let mut reads = vec![Vec::new(); n];
        for (at, key, from, version) in &sources {
            reads[*at].push((*key, from[choice % from.len()], *version));
            choice /= from.len();
        }
        let mut session = vec![0_u32; n];
        for (a, b) in (0..n).flat_map(|b| (0..b).map(move |a| (a, b))) {
            let (one, two) = (&h.txns[txns[a]], &h.txns[txns[b]]);
            if one.process == two.process && one.fate == Fate::Committed {
                session[b] |= 1 << a;
            }
        }
        let mut direct = session.clone();
        for (at, read) in reads.iter().enumerate() {
            read.iter().filter_map(|(_, from, _)| *from).for_each(|from| direct[at] |= 1 << from);
        }
        let mut past = direct.clone();
        for _ in 0..n {
            for at in 0..n {
                past[at] |= bits(past[at]).map(|from| past[from]).fold(0, |all, one| all | one);
            }
        }
        let case = Case { h, txns: txns.to_vec(), reads, past, direct, session };
        (0..n).all(|at| case.past[at] >> at & 1 == 0) && case.judge(level)
    })
}

fn bits(set: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |at| set >> at & 1 == 1)
}

impl Case<'_> {
    fn judge(&self, level: Level) -> bool {
        let all = (1 << self.txns.len()) - 1;
        let n = self.txns.len();
        match level {
            Level::ReadCommitted | Level::ReadAtomic => {
                self.own() && self.orders(all, &mut |order| self.commit(order, level))
            }
            Level::CausalConvergence => self.orders(all, &mut |order| {
                (0..n).all(|at| {
                    let past =
                        order.iter().copied().filter(|&t| t == at || self.past[at] >> t & 1 == 1);
                    // A list is a register here, whose versions tell their order.
                    self.lists(order, at) && self.explains(&past.collect::<Vec<_>>(), |t| t == at)
                })
            }),
            Level::CausalConsistency => (0..n).all(|at| {
                self.orders(self.past[at] | 1 << at, &mut |order| self.explains(order, |t| t == at))
            }),
            Level::CausalMemory => (0..n).all(|at| {
                let mine = |t: usize| t == at || self.session[at] >> t & 1 == 1;
                self.orders(self.past[at] | 1 << at, &mut |order| self.explains(order, mine))
            }),
            _ => unreachable!("{level} has no twin"),
        }
    }

    /// Whether some order of `set` that respects causes is good.
    fn orders(&self, set: u32, good: &mut dyn FnMut(&[usize]) -> bool) -> bool {
        fn go(
            case: &Case<'_>,
            left: u32,
            order: &mut Vec<usize>,
            good: &mut dyn FnMut(&[usize]) -> bool,
        ) -> bool {
            if left == 0 {
                return good(order);
            }
            bits(left).filter(|&t| case.past[t] & left == 0).any(|t| {
                order.push(t);
                let found = go(case, left & !(1 << t), order, good);
                order.pop();
                found
            })
        }
        go(self, set, &mut Vec::new(), good)
    }

    /// The axiom of read committed or read atomic for one commit order, and the order that lists tell.
    fn commit(&self, order: &[usize], level: Level) -> bool {
        let place = |t: usize| order.iter().position(|&other| other == t).unwrap();
        (0..order.len()).all(|at| {
            self.reads[at].iter().enumerate().filter(|(_, read)| read.2).all(
                |(number, &(key, from, _))| {
                    let earlier = &self.reads[at][..number];
                    (0..order.len()).filter(|&t| Some(t) != from && t != at).all(|t| {
                        let known = match level {
                            Level::ReadCommitted => earlier.iter().any(|read| read.1 == Some(t)),
                            _ => self.direct[at] >> t & 1 == 1,
                        };
                        let before = from.is_some_and(|from| place(t) < place(from));
                        !(known && writes(self.h, self.txns[t], key)) || before
                    })
                },
            )
        }) && (0..order.len()).all(|at| self.lists(order, at))
    }

    /// A list is what was appended up to its last element, in commit order.
    fn lists(&self, order: &[usize], at: usize) -> bool {
        let txn = self.txns[at];
        self.h.ops(txn).iter().enumerate().all(|(number, op)| {
            let Op::ReadList { key, elements: Some(list) } = *op else { return true };
            let appends = |ops: &[Op]| -> Vec<ValueId> {
                let value = |op: &Op| match *op {
                    Op::Append { key: of, value } if of == key => Some(value),
                    _ => None,
                };
                ops.iter().filter_map(value).collect()
            };
            let own = appends(&self.h.ops(txn)[..number]);
            let elements = self.h.elements(list);
            let Some(others) = elements.strip_suffix(&own[..]) else { return false };
            let mut made = Vec::new();
            for &t in order.iter().filter(|&&t| t != at) {
                if made.len() < others.len() {
                    made.extend(appends(self.h.ops(self.txns[t])));
                }
            }
            made == others
        })
    }

    /// Whether every transaction reads its own writes.
    fn own(&self) -> bool {
        self.txns.iter().all(|&txn| {
            let mut own = BTreeMap::new();
            self.h.ops(txn).iter().all(|op| match *op {
                Op::Write { key, value } => {
                    own.insert(key, value);
                    true
                }
                Op::Read { key, value: Some(value) } => own.get(&key).is_none_or(|v| *v == value),
                Op::Cas { key, from, to, done: Some(true) | None } => {
                    own.insert(key, to).is_none_or(|v| v == from)
                }
                Op::Cas { key, from, done: Some(false), .. } => {
                    own.get(&key).is_none_or(|v| *v != from)
                }
                _ => true,
            })
        })
    }

    /// Whether `order` gives those that `said` selects the answers they had.
    fn explains(&self, order: &[usize], said: impl Fn(usize) -> bool) -> bool {
        let mut registers: BTreeMap<KeyId, ValueId> = BTreeMap::new();
        let mut lists: BTreeMap<KeyId, Vec<ValueId>> = BTreeMap::new();
        order.iter().all(|&at| {
            self.h.ops(self.txns[at]).iter().all(|op| match *op {
                Op::Write { key, value } => {
                    registers.insert(key, value);
                    true
                }
                Op::Read { key, value: Some(value) } => {
                    !said(at) || registers.get(&key).copied().unwrap_or(ValueId::NIL) == value
                }
                Op::Cas { key, from, to, done } => {
                    let held = registers.get(&key).copied().unwrap_or(ValueId::NIL) == from;
                    if done != Some(false) {
                        registers.insert(key, to);
                    }
                    !said(at) || held == (done != Some(false))
                }
                Op::Append { key, value } => {
                    lists.entry(key).or_default().push(value);
                    true
                }
                Op::ReadList { key, elements: Some(list) } => {
                    let held = lists.get(&key).map_or(&[][..], |list| list);
                    !said(at) || held == self.h.elements(list)
                }
                _ => true,
            })
        })
    }
}
