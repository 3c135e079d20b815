//! Stores that are what they are by construction, larger than the twin can go.

use super::stories::{options, row, stories};
use super::*;
use crate::format;
use crate::txn::{Elements, Fate, Op, Txn, Value, ValueId};
use stdx::{Bytes, Prng};

/// How a store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    /// One transaction at a time.
    Strict,
    /// Each reads from a snapshot; of two that overlap and write one key the second fails.
    Snapshot,
    /// Each reads what is committed at that moment, and its own writes. Writers of a key wait for each other.
    Committed,
    /// The same, and what others have not committed is read as well.
    Uncommitted,
}

/// A transaction under way.
struct Open {
    process: usize,
    invoked: u64,
    snapshot: Vec<Vec<ValueId>>,
    wanted: Vec<Option<ValueId>>,
    keys: Vec<usize>,
    ops: Vec<Op>,
    appended: Vec<(usize, ValueId)>,
    doomed: bool,
}

const KEYS: usize = 6;

/// `count` transactions of a store; each step of a random client is one operation.
fn run(store: Store, lists: bool, count: usize, seed: u64) -> Transactions {
    let mut prng = Prng::new(seed);
    let mut history = Transactions::new();
    let names: Vec<KeyId> =
        (0..KEYS).map(|key| history.key(&Bytes::from(format!("k{key}").as_bytes()))).collect();
    let mut held: Vec<Vec<ValueId>> = vec![Vec::new(); KEYS];
    let mut dirty = held.clone();
    let mut open: Vec<Open> = Vec::new();
    let (mut now, mut next, mut done) = (0, 1, 0);
    while done < count || !open.is_empty() {
        now += 1;
        let process = prng.index(if store == Store::Strict { 4 } else { 5 });
        let Some(at) = open.iter().position(|open| open.process == process) else {
            if done >= count {
                continue;
            }
            let length = 1 + prng.index(4);
            let mut keys: Vec<usize> = (0..length).map(|_| prng.index(KEYS)).collect();
            let mut wanted = Vec::new();
            for _ in 0..length {
                let write = prng.chance(1, 2);
                next += i64::from(write);
                wanted.push(write.then(|| history.value(&Value::Int(next))));
            }
            // Locks are taken in order, so that nobody waits for ever.
            if store != Store::Snapshot {
                keys.sort_unstable();
            }
            let (snapshot, ops, appended) = (held.clone(), Vec::new(), Vec::new());
            open.push(Open {
                process,
                invoked: now,
                snapshot,
                wanted,
                keys,
                ops,
                appended,
                doomed: false,
            });
            continue;
        };
        if store == Store::Strict {
            // All at once, at some moment between invocation and return.
            let all = open[at].keys.len();
            (0..all).for_each(|_| step(&mut history, &names, &mut open[at], &mut held, lists));
        } else if open[at].ops.len() < open[at].keys.len() {
            let place = open[at].ops.len();
            let key = open[at].keys[place];
            let locked = store != Store::Snapshot
                && open.iter().any(|other| {
                    other.process != process && other.appended.iter().any(|(of, _)| *of == key)
                });
            if open[at].wanted[place].is_some() && locked {
                continue;
            }
            let mut view = match store {
                Store::Snapshot => open[at].snapshot.clone(),
                Store::Uncommitted => dirty.clone(),
                _ => held.clone(),
            };
            if store != Store::Uncommitted {
                open[at].appended.iter().for_each(|(key, value)| view[*key].push(*value));
            }
            step(&mut history, &names, &mut open[at], &mut view, lists);
            if store == Store::Uncommitted {
                dirty = view;
            }
            continue;
        }
        let ended = open.remove(at);
        let failed = store == Store::Snapshot && ended.doomed;
        if !failed && store != Store::Strict {
            for (key, value) in &ended.appended {
                held[*key].push(*value);
                for other in open.iter_mut() {
                    let clash =
                        other.keys.iter().zip(&other.wanted).any(|(k, w)| k == key && w.is_some());
                    other.doomed |= clash;
                }
            }
        }
        let fate = if failed { Fate::Aborted } else { Fate::Committed };
        done += 1;
        history.push(process as u64, (ended.invoked, now), fate, done as u32, ended.ops);
    }
    history.sort();
    history
}

/// The next operation of a transaction on what it sees.
fn step(
    history: &mut Transactions,
    names: &[KeyId],
    open: &mut Open,
    view: &mut [Vec<ValueId>],
    lists: bool,
) {
    let place = open.ops.len();
    let (at, wanted) = (open.keys[place], open.wanted[place]);
    let key = names[at];
    let op = match wanted {
        Some(value) => {
            view[at].push(value);
            open.appended.push((at, value));
            if lists { Op::Append { key, value } } else { Op::Write { key, value } }
        }
        None if lists => {
            let elements: Elements = history.list(view[at].iter().copied());
            Op::ReadList { key, elements: Some(elements) }
        }
        None => {
            let value = view[at].last().copied().unwrap_or(ValueId::NIL);
            Op::Read { key, value: Some(value) }
        }
    };
    open.ops.push(op);
}

fn holds(found: &BTreeMap<Level, Judgement>, level: Level) -> bool {
    found.get(&level) == Some(&Judgement::Holds)
}

fn broken(found: &BTreeMap<Level, Judgement>, level: Level) -> Option<&'static str> {
    match found.get(&level) {
        Some(Judgement::Fails(witness)) => Some(witness.anomaly),
        _ => None,
    }
}

#[test]
fn a_strict_store_is_strict() {
    for seed in 0..200 {
        for lists in [true, false] {
            let history = run(Store::Strict, lists, 150, seed);
            let found = verdicts(&history, &Options::default());
            let open = found[&Level::StrictSerializable] == Judgement::Holds;
            assert!(open || !lists, "seed {seed}: {found:#?}");
            assert!(found.values().all(|judgement| !matches!(judgement, Judgement::Fails(_))));
        }
    }
}

#[test]
fn a_snapshot_store_is_snapshot_isolated_and_sometimes_no_more() {
    let mut skews = 0;
    for seed in 0..200 {
        let history = run(Store::Snapshot, true, 100, seed);
        let found = verdicts(&history, &Options::default());
        assert!(holds(&found, Level::SnapshotIsolation), "seed {seed}: {found:#?}");
        assert!(holds(&found, Level::ReadUncommitted), "seed {seed}: {found:#?}");
        assert_eq!(broken(&found, Level::ReadCommitted), None, "seed {seed}: {found:#?}");
        if let Some(anomaly) = broken(&found, Level::Serializable) {
            assert_eq!(anomaly, "G2-item", "seed {seed}: {found:#?}");
            skews += 1;
        }
    }
    assert!(skews > 100, "write skew in {skews} of 200");
}

#[test]
fn a_store_that_reads_what_is_committed_is_read_committed() {
    let mut names = std::collections::BTreeSet::new();
    for seed in 0..200 {
        for lists in [true, false] {
            let history = run(Store::Committed, lists, 60, seed);
            let found = verdicts(&history, &Options::default());
            assert!(holds(&found, Level::ReadUncommitted), "seed {seed}: {found:#?}");
            assert_eq!(broken(&found, Level::ReadCommitted), None, "seed {seed}: {found:#?}");
            names.extend(broken(&found, Level::SnapshotIsolation));
        }
    }
    assert!(names.contains("internal") && names.contains("lost-update"), "{names:?}");
}

#[test]
fn a_store_that_reads_what_is_not_committed_is_read_uncommitted() {
    let mut names = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let history = run(Store::Uncommitted, true, 60, seed);
        let found = verdicts(&history, &Options::default());
        assert!(holds(&found, Level::ReadUncommitted), "seed {seed}: {found:#?}");
        names.extend(broken(&found, Level::ReadCommitted));
    }
    assert!(names.contains("G1b") && names.contains("G1c"), "{names:?}");
}

/// Adds what another history has, under other names of keys and processes, at a moment of its own.
fn hide(into: &mut Transactions, story: &Transactions, at: u64) {
    for (number, txn) in story.txns.iter().enumerate() {
        let ops: Vec<Op> = story.ops(number).iter().map(|op| renamed(into, story, op)).collect();
        let Txn { process, invoked, returned, fate, line, .. } = *txn;
        let times = (at + invoked, returned.saturating_add(at));
        into.push(1_000 + process, times, fate, line, ops);
    }
    into.timed = story.timed;
    into.sort();
}

fn renamed(into: &mut Transactions, story: &Transactions, op: &Op) -> Op {
    let key = into.key(&Bytes::from(format!("story {}", story.key_name(op.key())).as_bytes()));
    let mut value = |value: ValueId| into.value(story.name_of(value));
    match *op {
        Op::Append { value: of, .. } => Op::Append { key, value: value(of) },
        Op::Write { value: of, .. } => Op::Write { key, value: value(of) },
        Op::Read { value: of, .. } => Op::Read { key, value: of.map(value) },
        Op::ReadList { elements: None, .. } => Op::ReadList { key, elements: None },
        Op::ReadList { elements: Some(all), .. } => {
            let all: Vec<ValueId> = story.elements(all).iter().map(|of| value(*of)).collect();
            Op::ReadList { key, elements: Some(into.list(all)) }
        }
        other => panic!("no story has {other:?}"),
    }
}

/// Every anomaly is found among three hundred transactions that are fine.
#[test]
fn stories_are_found_in_a_crowd() {
    for (number, (title, text, expected)) in (0..).zip(stories()) {
        let loaded = format::read(text.as_bytes(), &format::Options::default());
        let story = loaded.expect("readable").history;
        let mut crowd = run(Store::Strict, true, 300, number);
        let middle = crowd.txns[150].invoked;
        hide(&mut crowd, &story, middle);
        let found = verdicts(&crowd, &options(title));
        assert_eq!(row(&found), expected, "{title}: {found:#?}");
    }
}

/// Ten read a list or register before anything is in it, ten write it; `update` of them do both, and the last reader
/// sees what the first writer left elsewhere, if `cycle`.
fn crowded(lists: bool, updates: usize, cycle: bool) -> Transactions {
    let mut history = Transactions::new();
    let [x, y] = [b"x", b"y"].map(|name| history.key(&Bytes::from(&name[..])));
    let nothing = history.list([]);
    let one = history.value(&Value::Int(1));
    let ones = history.list([one]);
    let read = |key, seen: bool| match (lists, seen) {
        (true, true) => Op::ReadList { key, elements: Some(ones) },
        (true, false) => Op::ReadList { key, elements: Some(nothing) },
        (false, seen) => Op::Read { key, value: Some(if seen { one } else { ValueId::NIL }) },
    };
    let write = |key, value| {
        if lists { Op::Append { key, value } } else { Op::Write { key, value } }
    };
    for number in 0..20 {
        let value = history.value(&Value::Int(1 + number as i64));
        let mut ops = Vec::new();
        if number < 10 || number - 10 < updates {
            ops.push(read(x, false));
        }
        if number >= 10 {
            ops.push(write(x, value));
        }
        if number == 19 {
            ops.push(write(y, one));
        }
        if number == 9 && cycle {
            ops.push(read(y, true));
        }
        let times = (number as u64, 100 + number as u64);
        history.push(number as u64, times, Fate::Committed, number as u32 + 1, ops);
    }
    history
}

/// Many readers of a version and many writers after it are joined through one node of the graph.
#[test]
fn many_readers_and_many_writers_of_a_version() {
    for lists in [true, false] {
        for (updates, cycle, anomaly) in [
            (0, false, None),
            (1, false, None),
            (2, false, Some("lost-update")),
            (0, true, Some("G-single")),
            (1, true, Some("G-single")),
        ] {
            let found = verdicts(&crowded(lists, updates, cycle), &Options::default());
            let case = format!("{lists} {updates} {cycle}: {found:#?}");
            for level in [Level::SnapshotIsolation, Level::Serializable, Level::StrictSerializable]
            {
                assert_eq!(broken(&found, level), anomaly, "{case}");
                assert_eq!(holds(&found, level), anomaly.is_none(), "{case}");
            }
        }
    }
}

/// The order of versions is known in part only, and yet one is found: these are serial by construction.
#[test]
fn a_serial_history_of_registers_has_an_order() {
    use crate::generate::{Kind, Shape, World, history};
    for seed in 0..20 {
        let shape = Shape::new(Kind::Register, 1_000).of(World::Serial);
        let history = history(&Shape { clients: 20, keys: 20, ..shape }, seed);
        let judged = judge(&history, &Options::default(), &mut Budget::default());
        let strict = judged.iter().find(|(level, _)| *level == Level::StrictSerializable);
        assert_eq!(strict.map(|(_, judgement)| judgement), Some(&Judgement::Holds), "seed {seed}");
    }
}
