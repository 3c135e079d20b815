//! The guarantees against a twin that tries every order of versions, with twins that have one rule wrong; stories.

use super::*;
use crate::txn::{Fate, KeyId, Op, Value, ValueId};
use stdx::{Bytes, Prng};

const LEVELS: [Level; 4] = [
    Level::ReadYourWrites,
    Level::MonotonicReads,
    Level::MonotonicWrites,
    Level::WritesFollowReads,
];

/// A rule of the definition that a twin leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    OwnWritesInOrder,
    WriterKnewWhatItRead,
    UnknownIsNotDemanded,
    SeenBeforeCounts,
    OnlyEarlierWrites,
    ListsShowTheirOrder,
    AndSoOn,
    NothingIsSmaller,
}

const SLIPS: [Slip; 8] = [
    Slip::OwnWritesInOrder,
    Slip::WriterKnewWhatItRead,
    Slip::UnknownIsNotDemanded,
    Slip::SeenBeforeCounts,
    Slip::OnlyEarlierWrites,
    Slip::ListsShowTheirOrder,
    Slip::AndSoOn,
    Slip::NothingIsSmaller,
];

#[derive(Clone, Debug)]
struct TwinEvent {
    process: u64,
    key: KeyId,
    /// Of a write: whether it was acknowledged.
    sure: bool,
    value: Option<ValueId>,
    /// Of a read: the events that wrote what it shows.
    seen: Vec<usize>,
}

struct Twin {
    level: Level,
    slip: Option<Slip>,
    /// 0 register, 1 list, 2 set.
    shapes: Vec<u8>,
    events: Vec<TwinEvent>,
}

impl Twin {
    fn of(history: &Transactions, level: Level, slip: Option<Slip>) -> Twin {
        let mut events: Vec<TwinEvent> = Vec::new();
        let mut shapes = vec![0; history.keys.len()];
        let happened = |n: &usize| history.txns[*n].fate != Fate::Aborted;
        let all: Vec<(u64, bool, Op)> = (0..history.txns.len())
            .filter(happened)
            .flat_map(|n| history.ops(n).iter().map(move |op| (n, *op)))
            .map(|(n, op)| (history.txns[n].process, history.txns[n].fate == Fate::Committed, op))
            .collect();
        for (process, sure, op) in &all {
            let (key, value, shape) = match *op {
                Op::Write { key, value } => (key, Some(value), 0),
                Op::Append { key, value } => (key, Some(value), 1),
                Op::Insert { key, value } => (key, Some(value), 2),
                _ => (op.key(), None, shapes[op.key().0 as usize]),
            };
            shapes[key.0 as usize] = shape;
            let (process, sure) = (*process, *sure);
            events.push(TwinEvent { process, key, sure, value, seen: Vec::new() });
        }
        for (at, (_, _, op)) in all.iter().enumerate() {
            let values = match *op {
                Op::Read { value: Some(ValueId::NIL), .. } => vec![],
                Op::Read { value: Some(value), .. } => vec![value],
                Op::ReadList { elements: Some(all), .. }
                | Op::ReadSet { elements: Some(all), .. } => history.elements(all).to_vec(),
                _ => continue,
            };
            let wrote = |value| {
                let same = |e: &TwinEvent| e.value == Some(value) && e.key == op.key();
                events.iter().position(same).expect("every value was written")
            };
            events[at].seen = values.into_iter().map(wrote).collect();
        }
        Twin { level, slip, shapes, events }
    }

    fn slips(&self, slip: Slip) -> bool {
        self.slip == Some(slip)
    }

    fn before(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        (0..at).filter(move |other| self.events[*other].process == self.events[at].process)
    }

    /// What the process had seen before this write, and so on.
    fn past(&self, write: usize, into: &mut Vec<usize>) {
        for read in self.before(write) {
            for seen in &self.events[read].seen {
                if !into.contains(seen) {
                    into.push(*seen);
                    if !self.slips(Slip::AndSoOn) {
                        self.past(*seen, into);
                    }
                }
            }
        }
    }

    fn demanded(&self, read: usize) -> Vec<usize> {
        let sure = |at: &usize| {
            let event = &self.events[*at];
            event.value.is_some() && (event.sure || self.slips(Slip::UnknownIsNotDemanded))
        };
        let earlier: Vec<usize> = self.before(read).collect();
        let mut shown = self.events[read].seen.clone();
        if !self.slips(Slip::SeenBeforeCounts) {
            shown.extend(earlier.iter().flat_map(|r| &self.events[*r].seen));
        }
        match self.level {
            Level::ReadYourWrites => earlier.into_iter().filter(sure).collect(),
            Level::MonotonicReads => {
                earlier.iter().flat_map(|r| self.events[*r].seen.clone()).collect()
            }
            Level::MonotonicWrites => shown
                .iter()
                .flat_map(|write| {
                    let upto =
                        if self.slips(Slip::OnlyEarlierWrites) { *write + 1 } else { *write };
                    let same = |e: &usize| self.events[*e].process == self.events[*write].process;
                    (0..upto).filter(same).filter(sure).collect::<Vec<_>>()
                })
                .collect(),
            _ => {
                let mut past = Vec::new();
                shown.iter().for_each(|write| self.past(*write, &mut past));
                past
            }
        }
    }

    fn holds(&self) -> bool {
        let circle = (0..self.events.len()).any(|write| {
            let mut past = Vec::new();
            self.past(write, &mut past);
            past.contains(&write)
        });
        if circle {
            assert_eq!(self.level, Level::WritesFollowReads);
            return false;
        }
        let needs: Vec<Vec<usize>> = (0..self.events.len()).map(|e| self.demanded(e)).collect();
        (0..self.shapes.len()).all(|key| {
            let of = |e: &usize| self.events[*e].key.0 as usize == key;
            let all: Vec<usize> = (0..self.events.len()).filter(of).collect();
            let writes: Vec<usize> =
                all.iter().copied().filter(|e| self.events[*e].value.is_some()).collect();
            any_order(&writes, &mut Vec::new(), &|order| {
                let place = |write: usize| order.iter().position(|other| *other == write);
                self.granted(key, order)
                    && all.iter().filter(|e| self.events[**e].value.is_none()).all(|read| {
                        let seen = &self.events[*read].seen;
                        let mut had = seen.clone();
                        had.extend(needs[*read].iter().filter(|e| of(e)));
                        had.sort_by_key(|write| place(*write));
                        had.dedup();
                        self.shows(key, &had, seen)
                    })
            })
        })
    }

    fn shows(&self, key: usize, had: &[usize], seen: &[usize]) -> bool {
        match self.shapes[key] {
            0 if seen.is_empty() && self.slips(Slip::NothingIsSmaller) => true,
            0 => had.last() == seen.first(),
            1 if !self.slips(Slip::ListsShowTheirOrder) => had == seen,
            _ => had.len() == seen.len() && had.iter().all(|write| seen.contains(write)),
        }
    }

    fn granted(&self, key: usize, order: &[usize]) -> bool {
        let place = |write: usize| order.iter().position(|other| *other == write);
        let (own, read) = match (self.shapes[key], self.level) {
            (0, _) => (true, true),
            (1, Level::MonotonicWrites) => (true, false),
            (1, Level::WritesFollowReads) => (false, true),
            _ => (false, false),
        };
        let own = own && !self.slips(Slip::OwnWritesInOrder);
        let read = read && !self.slips(Slip::WriterKnewWhatItRead);
        order.iter().all(|write| {
            self.before(*write).filter(|e| self.events[*e].key.0 as usize == key).all(|before| {
                let event = &self.events[before];
                let wrote = event.value.is_some() && event.sure && own;
                (!wrote || place(before) < place(*write))
                    && (!read || event.seen.iter().all(|seen| place(*seen) < place(*write)))
            })
        })
    }
}

fn any_order(left: &[usize], order: &mut Vec<usize>, good: &dyn Fn(&[usize]) -> bool) -> bool {
    if left.is_empty() {
        return good(order);
    }
    left.iter().any(|next| {
        let rest: Vec<usize> = left.iter().copied().filter(|other| other != next).collect();
        order.push(*next);
        let found = any_order(&rest, order, good);
        order.pop();
        found
    })
}

/// A few processes on two keys; what reads show is drawn, more often what would be right.
fn draw(seed: u64) -> Transactions {
    let mut prng = Prng::new(seed);
    let mut history = Transactions::new();
    history.timed = false;
    let names = &["x", "y", "z"][..prng.range(2, 3) as usize];
    let keys: Vec<_> =
        names.iter().map(|name| history.key(&Bytes::from(name.as_bytes()))).collect();
    let shapes: Vec<u64> = keys.iter().map(|_| prng.below(4).saturating_sub(1)).collect();
    let mut written: Vec<Vec<ValueId>> = vec![Vec::new(); keys.len()];
    let (processes, count) = (prng.range(2, 4), prng.range(3, 12));
    for number in 0..count {
        let process = prng.below(processes);
        let mut ops = Vec::new();
        for _ in 0..1 + u64::from(prng.chance(1, 6)) {
            let at = prng.index(keys.len());
            let (key, all) = (keys[at], &mut written[at]);
            if prng.chance(1, 2) && all.len() < 3 {
                let value = history
                    .value(&Value::Int((count * 10 + number) as i64 * 10 + ops.len() as i64));
                all.push(value);
                ops.push(match shapes[at] {
                    0 => Op::Write { key, value },
                    1 => Op::Append { key, value },
                    _ => Op::Insert { key, value },
                });
                continue;
            }
            let some = prng.below(all.len() as u64 + 1) as usize;
            let some = if prng.chance(1, 2) { all.len() } else { some };
            let mut shown: Vec<ValueId> = all[..some].to_vec();
            if prng.chance(1, 6) && shown.len() > 1 {
                shown.swap(0, 1);
            }
            if prng.chance(1, 6) && !shown.is_empty() {
                shown.remove(0);
            }
            ops.push(match shapes[at] {
                0 => {
                    let value = Some(shown.last().copied().unwrap_or(ValueId::NIL));
                    Op::Read { key, value }
                }
                1 => Op::ReadList { key, elements: Some(history.list(shown)) },
                _ => Op::ReadSet { key, elements: Some(history.list(shown)) },
            });
        }
        let reads = ops
            .iter()
            .any(|op| matches!(op, Op::Read { .. } | Op::ReadList { .. } | Op::ReadSet { .. }));
        let unknown = !reads && prng.chance(1, 6);
        let fate = if unknown { Fate::Unknown } else { Fate::Committed };
        history.push(process, (number * 10, number * 10 + 5), fate, number as u32 + 1, ops);
    }
    shuffle_values(&mut prng, history)
}

/// Reads may come before the writes they show, as far as their place in the file goes: processes are interleaved
/// anew, each in its own order.
fn shuffle_values(prng: &mut Prng, history: Transactions) -> Transactions {
    if prng.chance(1, 2) {
        return history;
    }
    let mut queues: Vec<Vec<usize>> = vec![Vec::new(); 4];
    for number in (0..history.txns.len()).rev() {
        queues[history.txns[number].process as usize].push(number);
    }
    let mut fresh = history.clone();
    fresh.txns.clear();
    let mut time = 0;
    while queues.iter().any(|queue| !queue.is_empty()) {
        let at = prng.index(queues.len());
        if let Some(number) = queues[at].pop() {
            let mut txn = history.txns[number];
            (txn.invoked, time) = (time, time + 1);
            txn.returned = if txn.fate == Fate::Unknown { txn.returned } else { txn.invoked };
            fresh.txns.push(txn);
        }
    }
    fresh
}

fn circular(history: &Transactions) -> bool {
    let twin = Twin::of(history, Level::WritesFollowReads, None);
    (0..twin.events.len()).any(|write| {
        let mut past = Vec::new();
        twin.past(write, &mut past);
        past.contains(&write)
    })
}

#[test]
fn agrees_with_the_twin_on_small_histories() {
    let mut tally = [[0; 3]; 4];
    for seed in 0..12_000 {
        let history = draw(seed);
        for (place, level) in LEVELS.into_iter().enumerate() {
            let judgement = judge(&history, level, &mut Budget::default());
            if level != Level::WritesFollowReads && circular(&history) {
                let fails = matches!(judgement, Judgement::Holds | Judgement::Fails(_));
                assert!(!fails, "seed {seed}: {judgement:?}");
                continue;
            }
            let holds = Twin::of(&history, level, None).holds();
            match &judgement {
                Judgement::Holds => assert!(holds, "seed {seed}, {level}: {history:#?}"),
                Judgement::Fails(witness) => {
                    assert!(!holds, "seed {seed}, {level}: {witness:?} in {history:#?}");
                    check_witness(&history, level, witness, seed);
                }
                Judgement::Unknown(why) => {
                    assert!(why.contains("no one order"), "seed {seed}: {why}");
                    assert!(!holds, "seed {seed}, {level}: {history:#?}");
                }
                Judgement::NotApplicable(_) => assert!(holds, "seed {seed}"),
            }
            let index = match judgement {
                Judgement::Holds => 0,
                Judgement::Fails(_) => 1,
                _ => 2,
            };
            tally[place][index] += 1;
        }
    }
    for [holds, fails, unknown] in tally {
        assert!(holds > 2_000 && fails > 150 && unknown < 2_000, "{tally:?}");
    }
}

/// The transactions that a witness names are enough to break the guarantee.
fn check_witness(history: &Transactions, level: Level, witness: &Witness, seed: u64) {
    assert_eq!(witness.anomaly, level.name());
    let stuck = witness.stuck.expect("a read or a write is named");
    assert!(witness.txns.contains(&stuck), "seed {seed}: {witness:?}");
    let mut part = history.clone();
    part.txns = witness.txns.iter().map(|number| history.txns[*number]).collect();
    let again = judge(&part, level, &mut Budget::default());
    let fails = matches!(again, Judgement::Fails(_));
    assert!(fails, "seed {seed}, {level}: {witness:?} of {history:#?} is {again:?}");
    let process = format!("process {}", history.txns[stuck].process);
    assert!(witness.reason.contains(&process), "{}", witness.reason);
    assert!(witness.reason.contains("(line "), "{}", witness.reason);
}

#[test]
fn each_rule_of_the_definition_counts() {
    // Chance does not find it: a chain of three processes.
    let hops: Vec<Transactions> = stories::stories()
        .into_iter()
        .filter(|story| story.head.contains("over two hops"))
        .map(|story| story.history)
        .collect();
    for slip in SLIPS {
        let wrong = |history: &Transactions| {
            LEVELS.into_iter().any(|level| {
                if circular(history) {
                    return false;
                }
                let holds = Twin::of(history, level, Some(slip)).holds();
                match judge(history, level, &mut Budget::default()) {
                    Judgement::Holds => !holds,
                    Judgement::Fails(_) => holds,
                    Judgement::Unknown(_) | Judgement::NotApplicable(_) => false,
                }
            })
        };
        let found = hops.iter().any(wrong) || (0..12_000).any(|seed| wrong(&draw(seed)));
        assert!(found, "{slip:?} makes no difference");
    }
}

/// Each unknown outcome makes a process more: vector clocks as wide as these are many would not fit.
#[test]
fn many_processes_cost_no_more_than_few() {
    use crate::generate::{Kind, Shape, history};
    let shape = Shape { unknown: 200, ..Shape::new(Kind::Register, 20_000) };
    let history = history(&shape, 1);
    let mut budget = Budget { memory: 10_000, ..Budget::default() };
    let judgement = judge(&history, Level::WritesFollowReads, &mut budget);
    assert_eq!(judgement, Judgement::Holds);
    // What processes know is counted, beside the edges that all guarantees keep.
    let whys = [500, 1_000, 2_000, 3_000, 4_000].map(|memory| {
        let mut budget = Budget { memory, ..Budget::default() };
        judge(&history, Level::WritesFollowReads, &mut budget)
    });
    let counted = |judgement: &Judgement| {
        let why = "events were left when the memory was used up";
        matches!(judgement, Judgement::Unknown(of) if of.contains(why))
    };
    assert!(whys.iter().any(counted), "{whys:?}");
}
