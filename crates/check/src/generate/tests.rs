//! Generated histories are what their shape says, and are judged as they were made.

mod verdicts;

use super::*;
use crate::kv::{Command, Kv, KvOp};
use crate::register::{Register, RegisterOp, RegisterResult};
use crate::txn::{Fate, Op, Transactions, Value, ValueId};
use crate::{Budget, History, Operation, Outcome, Verdict, format, linearizable};
use stdx::Prng;

const SEEDS: u64 = 20;

fn shapes() -> impl Iterator<Item = Shape> {
    let pairs = World::ALL.into_iter().flat_map(|world| Kind::ALL.map(|kind| (world, kind)));
    pairs.filter(|(world, kind)| world.knows(*kind)).map(|(world, kind)| {
        let shape = Shape::new(kind, 300);
        if world == World::Serial { shape } else { shape.of(world) }
    })
}

/// All that is recorded, values by name.
fn written(history: &Transactions) -> String {
    format::write(history)
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_seed_another() {
    for shape in shapes() {
        let one = written(&history(&shape, 7));
        assert_eq!(one, written(&history(&shape, 7)), "{shape:?}");
        assert_ne!(one, written(&history(&shape, 8)), "{shape:?}");
    }
}

#[test]
fn a_history_is_what_its_shape_says() {
    for mut shape in shapes() {
        (shape.unknown, shape.failed, shape.txns) = (100, 100, 2_000);
        let history = history(&shape, 1);
        let last = if shape.world == World::Eventual { 18 } else { 0 };
        assert_eq!(history.txns.len(), 2_000 + last, "{shape:?}");
        let share = |fate| history.txns.iter().filter(|txn| txn.fate == fate).count();
        assert!((120..280).contains(&share(Fate::Unknown)), "{shape:?}");
        assert!(share(Fate::Aborted) > 120, "{shape:?}");
        assert!(share(Fate::Committed) > 1_000, "{shape:?}");
        let mut under_way = 0;
        let mut most = 0;
        let known = history.txns.iter().filter(|txn| txn.fate != Fate::Unknown);
        let mut ends: Vec<_> = known.flat_map(|t| [(t.invoked, 1), (t.returned, -1)]).collect();
        ends.sort_unstable();
        assert!(ends.is_sorted_by(|(a, _), (b, _)| a < b), "each event has its own time");
        for (_, change) in ends {
            under_way += change;
            most = most.max(under_way);
        }
        assert_eq!(most, 5, "{shape:?}");
    }
}

#[test]
fn what_is_generated_can_be_written_and_read() {
    for shape in shapes() {
        let history = history(&shape, 3);
        let text = written(&history);
        let again = format::read(text.as_bytes(), &format::Options::default());
        let again = again.unwrap_or_else(|error| panic!("{shape:?}: {error}")).history;
        assert_eq!(text, written(&again), "{shape:?}");
    }
}

/// One operation as the register of the textbooks has it; what failed is left out.
fn register(
    history: &Transactions,
    number: usize,
) -> Option<Operation<RegisterOp, RegisterResult>> {
    let int = |value: ValueId| match history.name_of(value) {
        Value::Int(n) => u64::try_from(*n).ok(),
        _ => None,
    };
    let txn = &history.txns[number];
    let (op, result) = match history.ops(number)[0] {
        Op::Read { value, .. } => {
            (RegisterOp::Read, value.map(|value| RegisterResult::Value(int(value))))
        }
        Op::Write { value, .. } => (RegisterOp::Write(int(value)?), Some(RegisterResult::Done)),
        Op::Cas { from, to, done, .. } => {
            // Numbers are written from 1 on: nothing is 0 here.
            let op = RegisterOp::Cas(int(from).unwrap_or(u64::MAX), int(to)?);
            (op, done.map(RegisterResult::Swapped))
        }
        other => unreachable!("{other:?}"),
    };
    operation(txn, op, result)
}

fn operation<O, R>(txn: &crate::Txn, op: O, result: Option<R>) -> Option<Operation<O, R>> {
    let (process, invoked) = (txn.process, txn.invoked);
    let (returned, outcome) = match txn.fate {
        Fate::Committed => (Some(txn.returned), Outcome::Ok(result?)),
        Fate::Aborted => return None,
        Fate::Unknown => (None, Outcome::Unknown),
    };
    Some(Operation { process, op, invoked, returned, outcome })
}

fn verdict_on_register(history: &Transactions) -> Verdict<RegisterOp, RegisterResult> {
    let operations = (0..history.txns.len()).filter_map(|number| register(history, number));
    linearizable(&Register, &History { operations: operations.collect() }, Budget::default())
}

#[test]
fn serial_registers_are_linearizable_until_they_are_spoilt() {
    for seed in 0..SEEDS {
        let mut shape = Shape::new(Kind::Register, 200);
        shape.keys = 1;
        let good = history(&shape, seed);
        assert!(verdict_on_register(&good).is_ok(), "seed {seed}");
        for flaw in [Flaw::FromNowhere, Flaw::StaleRead] {
            let mut bad = good.clone();
            let at = plant(&mut bad, flaw, &mut Prng::new(seed)).expect("a place for it");
            let verdict = verdict_on_register(&bad);
            assert!(verdict.violation().is_some(), "seed {seed}: {flaw:?} at {at} is {verdict:?}");
        }
    }
}

#[test]
fn texts_are_linearizable_as_redis_keys() {
    for seed in 0..3 {
        let history = history(&Shape::new(Kind::Text, 200), seed);
        let mut reads = 0;
        let operations = (0..history.txns.len()).filter_map(|number| {
            let Op::Redis { key, command } = history.ops(number)[0] else { return None };
            let (command, reply) = history.redis[command as usize].clone();
            reads += usize::from(reply.is_some());
            let op = KvOp { key: history.keys.get(key.0).clone(), command };
            if matches!(op.command, Command::Append(_)) {
                // Its answer is not recorded: all that is known is that it happened, so it is unknown to `Kv`.
                let mut txn = history.txns[number];
                txn.fate = if txn.may_have_happened() { Fate::Unknown } else { Fate::Aborted };
                return operation(&txn, op, None);
            }
            operation(&history.txns[number], op, reply)
        });
        let history = History { operations: operations.collect() };
        assert!(linearizable(&Kv, &history, Budget::default()).is_ok(), "seed {seed}");
        assert!(reads > 50, "seed {seed}");
    }
}

#[test]
fn each_flaw_has_places() {
    let shapes = [
        Shape::new(Kind::Register, 400).of(World::Serial),
        Shape::new(Kind::List, 400).of(World::Serial),
        Shape::new(Kind::Queue, 400),
        Shape::new(Kind::Set, 400),
        Shape::new(Kind::Counter, 400),
        Shape::new(Kind::CasRegister, 400),
        Shape::new(Kind::Text, 400),
    ];
    for flaw in Flaw::ALL {
        let mut found = Vec::new();
        for shape in &shapes {
            let good = history(shape, 5);
            let mut bad = good.clone();
            let planted = plant(&mut bad, flaw, &mut Prng::new(5));
            if planted.is_some() {
                found.push(shape.kind);
                assert_ne!(written(&good), written(&bad), "{flaw:?} changes {:?}", shape.kind);
            }
        }
        let on = |kind| found.contains(&kind);
        let register = !matches!(flaw, Flaw::LostWrite | Flaw::Duplicate);
        assert_eq!(on(Kind::Register), register, "{flaw:?}: {found:?}");
        assert!(on(Kind::List), "{flaw:?}: {found:?}");
    }
}
