//! The specification that histories are judged by: Redis strings, several at once, expiry included.

use check::{Key, Model};
use stdx::Bytes;

/// What one key is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// GET.
    Get,
    /// SET, whatever its expiry.
    Set(Bytes),
    /// SET NX.
    SetNx(Bytes),
    /// SET with GET.
    GetSet(Bytes),
    /// GETDEL.
    GetDel,
    /// DEL.
    Del,
    /// EXISTS.
    Exists,
    /// INCRBY.
    Incr(i64),
    /// APPEND.
    Append(Bytes),
    /// What WATCH promises of the rest: it happens only if the key still holds this.
    Guard(Option<Bytes>),
    /// Not a client's: time removes the key if it still holds this.
    Expire(Bytes),
}

/// What one key answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// OK.
    Done,
    /// A value, or nothing; of SET NX: not set.
    Value(Option<Bytes>),
    /// A number.
    Int(i64),
}

/// A command and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which key.
    pub key: Key,
    /// What to do.
    pub command: Command,
}

/// What clients may see. An operation is one or more parts as one unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strings;

/// Keys and what they hold, in the order of keys: few, and copied often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State(Vec<(Key, Bytes)>);

impl State {
    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, _)| held.cmp(key))
    }

    fn get(&self, key: &Key) -> Option<&Bytes> {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    fn insert(&mut self, key: &Key, value: Bytes) {
        match self.place(key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key.clone(), value)),
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Bytes> {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }
}

fn number(value: Option<&Bytes>) -> i64 {
    let text = value.and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn run(state: &mut State, Part { key, command }: &Part) -> Answer {
    let before = state.get(key).cloned();
    let put = |state: &mut State, value: &Bytes| state.insert(key, value.clone());
    match command {
        Command::Get => Answer::Value(before),
        Command::Set(value) => {
            put(state, value);
            Answer::Done
        }
        Command::SetNx(_) if before.is_some() => Answer::Value(None),
        Command::SetNx(value) => {
            put(state, value);
            Answer::Done
        }
        Command::GetSet(value) => {
            put(state, value);
            Answer::Value(before)
        }
        Command::GetDel => Answer::Value(state.remove(key)),
        Command::Del => Answer::Int(i64::from(state.remove(key).is_some())),
        Command::Exists => Answer::Int(i64::from(before.is_some())),
        Command::Incr(by) => {
            let sum = number(before.as_ref()) + by;
            put(state, &Bytes::from(sum.to_string().into_bytes()));
            Answer::Int(sum)
        }
        Command::Append(more) => {
            let whole = [before.as_deref().unwrap_or_default(), more].concat();
            let len = i64::try_from(whole.len()).expect("short values");
            put(state, &Bytes::from(whole));
            Answer::Int(len)
        }
        Command::Guard(_) => Answer::Done,
        Command::Expire(value) => {
            if before.as_ref() == Some(value) {
                state.remove(key);
            }
            Answer::Done
        }
    }
}

impl Model for Strings {
    type Op = Vec<Part>;
    type Result = Vec<Answer>;
    type State = State;

    fn initial(&self) -> State {
        State::default()
    }

    fn step(&self, state: &State, op: &Vec<Part>, said: Option<&Vec<Answer>>) -> Option<State> {
        let mut next = state.clone();
        for (i, part) in op.iter().enumerate() {
            if let Command::Guard(value) = &part.command
                && state.get(&part.key) != value.as_ref()
            {
                // Acknowledged, it held; without an answer the transaction did nothing.
                return said.is_none().then(|| state.clone());
            }
            let answer = run(&mut next, part);
            if said.is_some_and(|said| said.get(i) != Some(&answer)) {
                return None;
            }
        }
        Some(next)
    }

    fn is_read(&self, op: &Vec<Part>) -> bool {
        op.iter()
            .all(|part| matches!(part.command, Command::Get | Command::Exists | Command::Guard(_)))
    }

    fn keys(&self, op: &Vec<Part>) -> Vec<Key> {
        op.iter().map(|part| part.key.clone()).collect()
    }
}
