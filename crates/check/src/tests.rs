//! The verdict against a twin that tries every order, and the stories of the textbooks.

use crate::kv::{Command, KvOp, Reply};
use crate::register::{RegisterOp, RegisterResult};
use crate::*;
use stdx::{Bytes, Prng};

type Ops = History<RegisterOp, RegisterResult>;

/// Tries every order of every choice of unknown operations.
fn twin<M: Model>(model: &M, history: &History<M::Op, M::Result>) -> bool {
    let ops: Vec<_> =
        history.operations.iter().filter(|op| !matches!(op.outcome, Outcome::Failed)).collect();
    fn go<M: Model>(
        model: &M,
        ops: &[&Operation<M::Op, M::Result>],
        done: u32,
        state: &M::State,
    ) -> bool {
        let left = |i: &usize| done >> i & 1 == 0;
        let ok =
            |i: &usize| matches!(ops[*i].outcome, Outcome::Ok(_)) && ops[*i].returned.is_some();
        if (0..ops.len()).filter(left).all(|i| !ok(&i)) {
            return true;
        }
        (0..ops.len()).filter(left).any(|i| {
            // Someone left who returned before this one began must come first.
            let late = |j: usize| {
                left(&j) && ok(&j) && ops[j].returned.is_some_and(|end| end < ops[i].invoked)
            };
            let result = match &ops[i].outcome {
                Outcome::Ok(result) => Some(result),
                _ => None,
            };
            !(0..ops.len()).any(late)
                && model
                    .step(state, &ops[i].op, result)
                    .is_some_and(|next| go(model, ops, done | 1 << i, &next))
        })
    }
    go(model, &ops, 0, &model.initial())
}

/// Runs `count` operations of random overlap: each takes effect at a point between call and return.
fn real<M: Model>(
    prng: &mut Prng,
    model: &M,
    count: usize,
    (clients, unknown_per_mille): (u64, u64),
    mut draw: impl FnMut(&mut Prng) -> M::Op,
    answer: impl Fn(&M::State, &M::Op) -> M::Result,
) -> History<M::Op, M::Result> {
    let mut points = Vec::new();
    let mut free = vec![0; usize::try_from(clients).unwrap()];
    for _ in 0..count {
        let process = prng.index(free.len());
        let invoked = free[process] + prng.below(20);
        let point = invoked + prng.below(15);
        let returned = point + prng.below(15);
        free[process] = returned + 1;
        points.push((point, process as u64, invoked, returned));
    }
    points.sort_unstable();
    let (mut state, mut history) = (model.initial(), History::new());
    for (_, process, invoked, returned) in points {
        let op = draw(prng);
        let result = answer(&state, &op);
        let happens = prng.chance(999 - unknown_per_mille / 2, 1_000);
        let outcome = match (happens, prng.chance(unknown_per_mille, 1_000)) {
            (false, false) => Outcome::Failed,
            (true, false) => Outcome::Ok(result.clone()),
            (_, _) => Outcome::Unknown,
        };
        if happens {
            state = model.step(&state, &op, Some(&result)).expect("answered by the model");
        }
        history.operations.push(Operation {
            process,
            op,
            invoked,
            returned: Some(returned),
            outcome,
        });
    }
    history
}

fn draw(prng: &mut Prng, values: u64) -> RegisterOp {
    match prng.below(5) {
        0 | 1 => RegisterOp::Read,
        2 => RegisterOp::Cas(prng.below(values), prng.below(values)),
        _ => RegisterOp::Write(prng.below(values)),
    }
}

fn answer(state: &Option<u64>, op: &RegisterOp) -> RegisterResult {
    match op {
        RegisterOp::Read => RegisterResult::Value(*state),
        RegisterOp::Write(_) => RegisterResult::Done,
        RegisterOp::Cas(from, _) => RegisterResult::Swapped(*state == Some(*from)),
    }
}

fn judge_against_twin<M: Model>(model: &M, history: &History<M::Op, M::Result>) -> bool {
    let verdict = linearizable(model, history, Budget::default());
    let good = twin(model, history);
    match &verdict {
        Verdict::Ok => assert!(good, "no order, but Ok: {history:#?}"),
        Verdict::Violation(found) => {
            assert!(!good, "an order, but {found:#?} in {history:#?}");
            let part = History { operations: found.operations.clone() };
            assert!(!twin(model, &part), "what was shrunk is no violation: {found:#?}");
            assert!(found.stuck < found.operations.len());
        }
        Verdict::Unknown { .. } => panic!("gave up on {history:#?}"),
    }
    good
}

#[test]
fn agrees_with_the_twin_on_random_histories() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..6_000 {
        let mut prng = Prng::new(seed);
        let mut history = Ops::new();
        for process in 0..prng.range(1, 7) {
            let op = draw(&mut prng, 3);
            let invoked = prng.below(20);
            let returned = Some(invoked + prng.below(12));
            let result = match op {
                RegisterOp::Read => {
                    RegisterResult::Value(Some(prng.below(4)).filter(|value| *value < 3))
                }
                RegisterOp::Write(_) => RegisterResult::Done,
                RegisterOp::Cas(..) => RegisterResult::Swapped(prng.chance(1, 2)),
            };
            let outcome = match prng.below(8) {
                0 => Outcome::Failed,
                1 | 2 => Outcome::Unknown,
                _ => Outcome::Ok(result),
            };
            history.operations.push(Operation { process, op, invoked, returned, outcome });
        }
        if judge_against_twin(&Register, &history) { good += 1 } else { bad += 1 }
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad");
}

#[test]
fn real_histories_are_ok_and_mutated_ones_mostly_not() {
    let mut violations = 0;
    for seed in 0..1_500 {
        let mut prng = Prng::new(seed);
        let count = prng.index(8) + 2;
        let mut history = real(&mut prng, &Register, count, (3, 200), |p| draw(p, 3), answer);
        assert!(judge_against_twin(&Register, &history), "a real history");
        let reads =
            |op: &&mut Operation<_, _>| matches!(op.outcome, Outcome::Ok(RegisterResult::Value(_)));
        if let Some(op) = history.operations.iter_mut().rfind(|op| reads(op)) {
            op.outcome = Outcome::Ok(RegisterResult::Value(Some(77)));
            violations += u64::from(!judge_against_twin(&Register, &history));
        }
    }
    assert!(violations > 500, "{violations}");
}

fn text(n: u64) -> Bytes {
    Bytes::from(n.to_string().into_bytes())
}

fn draw_kv(prng: &mut Prng, keys: u64) -> KvOp {
    let value = text(prng.below(3));
    let command = match prng.below(11) {
        0..=2 => Command::Get,
        3 => Command::Set(value),
        4 => Command::SetNx(value),
        5 => Command::SetXx(value),
        6 => Command::GetSet(value),
        7 => Command::Del,
        8 => Command::Incr(1),
        9 => Command::Append(value),
        _ => Command::Exists,
    };
    KvOp { key: text(prng.below(keys)), command }
}

fn run_kv(state: &Option<Bytes>, op: &KvOp) -> Reply {
    let replies = (0..40).map(Reply::Int).chain([Reply::Done, Reply::Value(None), Reply::Refused]);
    let mut replies = replies.chain([Reply::Value(state.clone())]);
    let number = state.as_ref().and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
    let next = Reply::Int(number.unwrap_or(0) + 1);
    replies.find(|reply| Kv.step(state, op, Some(reply)).is_some()).unwrap_or(next)
}

#[test]
fn kv_histories_one_key_and_maps_of_several() {
    let mut bad = 0;
    for seed in 0..2_000 {
        let mut prng = Prng::new(seed);
        let count = prng.index(7) + 2;
        let mut history = real(&mut prng, &Kv, count, (4, 200), |p| draw_kv(p, 1), run_kv);
        assert!(judge_against_twin(&Kv, &history));
        // The same as units of one command, and with two answers exchanged.
        if history.len() > 3 {
            let (a, b) = (prng.index(history.len()), prng.index(history.len()));
            let outcome = history.operations[a].outcome.clone();
            history.operations[a].outcome =
                std::mem::replace(&mut history.operations[b].outcome, outcome);
        }
        let good = judge_against_twin(&Kv, &history);
        bad += u64::from(!good);
        let units = History {
            operations: history
                .operations
                .into_iter()
                .map(|op| Operation {
                    process: op.process,
                    op: vec![op.op],
                    invoked: op.invoked,
                    returned: op.returned,
                    outcome: match op.outcome {
                        Outcome::Ok(reply) => Outcome::Ok(vec![reply]),
                        Outcome::Failed => Outcome::Failed,
                        Outcome::Unknown => Outcome::Unknown,
                    },
                })
                .collect(),
        };
        assert_eq!(judge_against_twin(&KvMap, &units), good);
    }
    assert!(bad > 200, "{bad}");
}

#[test]
fn half_of_an_mset_is_a_violation_only_of_the_map() {
    let set = |key: &str| KvOp::new(key, Command::Set(text(1)));
    let get = |key: &str| KvOp::new(key, Command::Get);
    let mut history = History::new();
    let at = history.invoked(1, vec![set("x"), set("y")], 0);
    history.returned(at, 100, Outcome::Ok(vec![Reply::Done, Reply::Done]));
    let at = history.invoked(2, vec![get("x"), get("y")], 10);
    history.returned(at, 20, Outcome::Ok(vec![Reply::Value(Some(text(1))), Reply::Value(None)]));
    assert!(linearizable(&KvMap, &history, Budget::default()).violation().is_some());
}

#[test]
fn stories() {
    let stories = include_str!("../testdata/anomalies.txt");
    let mut seen = 0;
    for story in stories.split("\n== ").skip(1) {
        let (title, lines) = story.split_once('\n').expect("a title and a history");
        let history =
            text::read::<KvOp, Reply>(lines).unwrap_or_else(|why| panic!("{title}: {why}"));
        let again = text::read(&text::write(&history)).expect("what was written can be read");
        assert_eq!(history, again);
        let verdict = linearizable(&Kv, &history, Budget::default());
        if title.starts_with("ok") {
            assert_eq!(verdict, Verdict::Ok, "{title}");
        } else {
            let left: usize = title[10..11].parse().expect("how many operations are left");
            let found = verdict.violation().unwrap_or_else(|| panic!("{title}: {verdict:?}"));
            assert_eq!(found.operations.len(), left, "{title}: {found:#?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[test]
fn errors_of_the_text_name_line_and_column() {
    let bad = [
        ("\n{\"process\":1,", 2, 13),
        ("{\"process\":1,\"invoked\":0,\"op\":[\"jump\"],\"unknown\":true}", 1, 26),
        (
            "{\"process\":1,\"invoked\":9,\"returned\":3,\"op\":[\"del\",\"x\"],\"failed\":true}",
            1,
            26,
        ),
        ("{\"process\":1,\"invoked\":9,\"op\":[\"del\",\"x\"],\"sure\":true}", 1, 43),
        ("[1]", 1, 1),
    ];
    for (text, line, column) in bad {
        let why = text::read::<KvOp, Reply>(text).expect_err(text);
        assert_eq!((why.line, why.column), (line, column), "{why}");
    }
    let op = KvOp::new([0xff, 0], Command::Append(Bytes::from(&[1, 0xfe][..])));
    assert_eq!(text::Notation::read(&text::Notation::write(&op)), Ok(op));
}

/// Counts what a clock would: steps, on 100,000 operations of ten clients.
#[test]
fn a_long_history_costs_few_steps() {
    let mut prng = Prng::new(3);
    let mut next = 0;
    let mut unique = |p: &mut Prng| match p.below(2) {
        0 => RegisterOp::Read,
        _ => {
            next += 1;
            RegisterOp::Write(next)
        }
    };
    let history = real(&mut prng, &Register, 100_000, (10, 2), &mut unique, answer);
    let budget = Budget { steps: 400_000, memory: 400_000, ..Budget::default() };
    assert_eq!(linearizable(&Register, &history, budget), Verdict::Ok);
}

#[test]
fn many_unknown_operations_do_not_blow_up() {
    let mut history = Ops::new();
    for value in 0..60 {
        history.invoked(value, RegisterOp::Write(value), value);
    }
    let done = history.invoked(99, RegisterOp::Write(1_000), 100);
    history.returned(done, 110, Outcome::Ok(RegisterResult::Done));
    for (at, value) in [(120, Some(7)), (130, Some(1_000))] {
        let read = history.invoked(100, RegisterOp::Read, at);
        history.returned(read, at + 5, Outcome::Ok(RegisterResult::Value(value)));
    }
    let budget = Budget { steps: 100_000, memory: 100_000, ..Budget::default() };
    let verdict = linearizable(&Register, &history, budget);
    let found = verdict.violation().expect("7 was gone once 1000 was read again");
    assert_eq!(found.operations.len(), 4, "{found:#?}");
}

#[test]
fn a_spent_budget_is_said() {
    let mut history = Ops::new();
    for value in 0..12 {
        let at = history.invoked(value, RegisterOp::Write(value), 0);
        history.returned(at, 100, Outcome::Ok(RegisterResult::Done));
    }
    let read = history.invoked(20, RegisterOp::Read, 200);
    history.returned(read, 210, Outcome::Ok(RegisterResult::Value(Some(50))));
    let verdict =
        linearizable(&Register, &history, Budget { steps: 50, memory: 1_000, ..Budget::default() });
    assert!(matches!(verdict, Verdict::Unknown { of: 13, .. }), "{verdict:?}");
}

#[test]
fn counters_and_reads_that_go_back() {
    let mut history = History::new();
    let mut note = |process, op: KvOp, from, to, reply| {
        let at = history.invoked(process, op, from);
        history.returned(at, to, Outcome::Ok(reply));
    };
    note(1, KvOp::new("x", Command::Incr(1)), 0, 10, Reply::Int(1));
    note(1, KvOp::new("x", Command::Incr(1)), 11, 20, Reply::Int(2));
    note(2, KvOp::new("x", Command::Get), 12, 30, Reply::Value(Some(text(1))));
    assert_eq!(simple::reads_never_go_back(&history), None);
    let at = history.invoked(2, KvOp::new("x", Command::Get), 31);
    history.returned(at, 40, Outcome::Ok(Reply::Value(Some(text(1)))));
    assert_eq!(simple::reads_never_go_back(&history), Some((1, 3)));
    assert!(!linearizable(&Kv, &history, Budget::default()).is_ok());

    let mut history = History::new();
    for (value, at) in [(2, 0), (1, 5)] {
        let number = history.invoked(at, register::CounterOp::Add(1), at);
        history.returned(number, 10, Outcome::Ok(value));
    }
    assert!(linearizable(&Counter, &history, Budget::default()).is_ok());
}

#[test]
fn a_number_is_one_value_whenever_it_is_named() {
    for seed in 0..50 {
        let prng = &mut Prng::new(seed);
        let mut h = Transactions::new();
        let mut ids = std::collections::BTreeMap::new();
        for step in 0..20_000 {
            let number = match prng.below(4) {
                0 => step,
                1 => i64::try_from(prng.below(200)).unwrap() - 100,
                2 => i64::try_from(prng.below(100_000)).unwrap(),
                _ => i64::try_from(prng.below(3 * u64::try_from(step).unwrap() + 1)).unwrap(),
            };
            let id = h.value(&Value::Int(number));
            assert_eq!(*ids.entry(number).or_insert(id), id, "seed {seed}: {number}");
            assert_eq!(*h.name_of(id), Value::Int(number), "seed {seed}");
        }
        assert_eq!(h.value_count(), ids.len() + 1, "seed {seed}: nil is one more");
    }
}
