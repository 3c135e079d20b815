//! Searches for an order: Stateright's testers, and the Wing-Gong-Lowe search of todc-utils, which is Porcupine's.

use crate::Verdict;
use check::kv::{Command, Reply};
use check::{Budget, Fate, Judgement, Level, Op, Transactions, Txn, ValueId, order};
use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{
    ConsistencyTester, LinearizabilityTester, SequentialConsistencyTester,
};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::Action::{Call, Response};
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

fn judge(history: &Transactions, level: Level) -> Verdict {
    match order::judge(history, level, &mut Budget::default()) {
        Judgement::Holds => Some(true),
        Judgement::Fails(_) => Some(false),
        Judgement::Unknown(_) | Judgement::NotApplicable(_) => None,
    }
}

pub fn linearizable(history: &Transactions) -> Verdict {
    judge(history, Level::Linearizable)
}

pub fn sequential(history: &Transactions) -> Verdict {
    judge(history, Level::Sequential)
}

/// Invocations and returns in order of time: of which transaction, and whether it is the return.
fn events(history: &Transactions) -> Vec<(usize, bool)> {
    let mut events = Vec::new();
    for (number, txn) in history.txns.iter().enumerate() {
        if txn.fate == Fate::Aborted {
            continue;
        }
        events.push((txn.invoked, number, false));
        if txn.returned != Txn::NEVER {
            events.push((txn.returned, number, true));
        }
    }
    events.sort_unstable();
    events.into_iter().map(|(_, number, returns)| (number, returns)).collect()
}

type Cell = Register<Option<ValueId>>;

/// Feeds one register's history; what is never answered stays in flight, which may have happened or not.
fn feed<T: ConsistencyTester<u64, Cell>>(history: &Transactions, mut tester: T) -> T {
    for (number, returns) in events(history) {
        let process = history.txns[number].process;
        let (op, ret) = match history.ops(number)[0] {
            Op::Read { value, .. } => {
                let value = value.filter(|value| *value != ValueId::NIL);
                (RegisterOp::Read, RegisterRet::ReadOk(value))
            }
            Op::Write { value, .. } => (RegisterOp::Write(Some(value)), RegisterRet::WriteOk),
            other => unreachable!("{other:?}"),
        };
        let fed = if returns {
            tester.on_return(process, ret).map(drop)
        } else {
            tester.on_invoke(process, op).map(drop)
        };
        fed.expect("a process does one thing at a time");
    }
    tester
}

pub fn stateright_linearizable(history: &Transactions) -> Box<dyn FnOnce() -> Verdict> {
    let tester = feed(history, LinearizabilityTester::new(Register(None)));
    Box::new(move || Some(tester.is_consistent()))
}

pub fn stateright_sequential(history: &Transactions) -> Box<dyn FnOnce() -> Verdict> {
    let tester = feed(history, SequentialConsistencyTester::new(Register(None)));
    Box::new(move || Some(tester.is_consistent()))
}

/// What todc-utils is told of an operation; `None`: not known, so anything will do.
#[derive(Clone, Debug)]
enum Told {
    Read(usize, Option<u32>),
    Write(usize, u32),
    Cas(usize, u32, u32, Option<bool>),
    Append(usize, Vec<u8>),
    Get(usize, Option<Vec<u8>>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Held {
    Number(u32),
    Text(Vec<u8>),
}

/// Keys that hold something, by number.
struct Keys;

const NOTHING: u32 = 0;

impl Specification for Keys {
    type State = Vec<Option<Held>>;
    type Operation = Told;

    fn init() -> Self::State {
        vec![None; 10]
    }

    fn apply(op: &Told, state: &Self::State) -> (bool, Self::State) {
        let number = |key: usize| match &state[key] {
            Some(Held::Number(n)) => *n,
            _ => NOTHING,
        };
        let with = |key: usize, held: Held| {
            let mut next = state.clone();
            next[key] = Some(held);
            next
        };
        match op {
            Told::Read(key, value) => (value.is_none_or(|v| v == number(*key)), state.clone()),
            Told::Write(key, value) => (true, with(*key, Held::Number(*value))),
            Told::Cas(key, from, to, done) => {
                let found = number(*key) == *from;
                let valid = done.is_none_or(|done| done == found);
                let next =
                    if found && valid { with(*key, Held::Number(*to)) } else { state.clone() };
                (valid, next)
            }
            Told::Append(key, more) => {
                let mut text = match &state[*key] {
                    Some(Held::Text(text)) => text.clone(),
                    _ => Vec::new(),
                };
                text.extend_from_slice(more);
                (true, with(*key, Held::Text(text)))
            }
            Told::Get(key, text) => {
                let held: &[u8] = match &state[*key] {
                    Some(Held::Text(text)) => text,
                    _ => &[],
                };
                (text.as_ref().is_none_or(|text| text == held), state.clone())
            }
        }
    }
}

fn told(history: &Transactions, number: usize) -> Told {
    let key = history.ops(number)[0].key().0 as usize;
    let value = |value: ValueId| if value == ValueId::NIL { NOTHING } else { value.0.get() };
    match history.ops(number)[0] {
        Op::Read { value: seen, .. } => Told::Read(key, seen.map(value)),
        Op::Write { value: to, .. } => Told::Write(key, value(to)),
        Op::Cas { from, to, done, .. } => Told::Cas(key, value(from), value(to), done),
        Op::Redis { command, .. } => match &history.redis[command as usize] {
            (Command::Append(more), _) => Told::Append(key, more.to_vec()),
            (_, Some(Reply::Value(text))) => {
                Told::Get(key, Some(text.as_ref().map_or_else(Vec::new, |text| text.to_vec())))
            }
            _ => Told::Get(key, None),
        },
        other => unreachable!("{other:?}"),
    }
}

/// What is never answered is answered at the end, as that crate does with logs of Jepsen.
fn actions(history: &Transactions, of: Option<usize>) -> Vec<(usize, Action<Told>)> {
    let mut actions = Vec::new();
    let mut open = Vec::new();
    for (number, returns) in events(history) {
        let key = history.ops(number)[0].key().0 as usize;
        let txn = &history.txns[number];
        let op = told(history, number);
        let says_nothing =
            txn.fate == Fate::Unknown && matches!(op, Told::Read(..) | Told::Get(..));
        if of.is_some_and(|of| of != key) || says_nothing {
            continue;
        }
        let process = txn.process as usize;
        if returns {
            actions.push((process, Response(op)));
        } else {
            if txn.fate == Fate::Unknown {
                open.push((process, Response(op.clone())));
            }
            actions.push((process, Call(op)));
        }
    }
    actions.extend(open);
    actions
}

pub fn todc_whole(history: &Transactions) -> Box<dyn FnOnce() -> Verdict> {
    let actions = actions(history, None);
    Box::new(move || Some(WGLChecker::<Keys>::is_linearizable(History::from_actions(actions))))
}

pub fn todc_by_key(history: &Transactions) -> Box<dyn FnOnce() -> Verdict> {
    let keys = 0..history.keys.len();
    let parts: Vec<_> = keys.map(|key| actions(history, Some(key))).collect();
    Box::new(move || {
        let mut parts = parts.into_iter().filter(|part| !part.is_empty());
        Some(parts.all(|part| WGLChecker::<Keys>::is_linearizable(History::from_actions(part))))
    })
}
