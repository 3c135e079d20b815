//! Redis string keys: one command on one key ([`Kv`]), or several as one unit ([`KvMap`]).

use crate::text::Notation;
use crate::{Key, Model};
use std::collections::BTreeMap;
use std::fmt;
use stdx::Bytes;

/// What a string key is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// GET.
    Get,
    /// SET.
    Set(Bytes),
    /// SET NX: only if there is nothing.
    SetNx(Bytes),
    /// SET XX: only if there is something.
    SetXx(Bytes),
    /// SET with GET, or GETSET.
    GetSet(Bytes),
    /// DEL.
    Del,
    /// EXISTS.
    Exists,
    /// INCRBY, INCR, DECR.
    Incr(i64),
    /// APPEND.
    Append(Bytes),
}

/// What a string key answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// OK.
    Done,
    /// What is there (GET, GETSET); of SET NX and XX: not set.
    Value(Option<Bytes>),
    /// A number: how many were deleted or exist, the value after INCR, the length after APPEND.
    Int(i64),
    /// An error that says the command did nothing (INCR of what is not a number).
    Refused,
}

// Both are shown as they are written: lists of bytes are not for reading.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.write())
    }
}

impl fmt::Debug for KvOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.write())
    }
}

/// What `command` does to a key.
pub(crate) fn run(state: Option<&Bytes>, command: &Command) -> (Reply, Option<Bytes>) {
    let same = || state.cloned();
    match command {
        Command::Get => (Reply::Value(same()), same()),
        Command::Set(value) => (Reply::Done, Some(value.clone())),
        Command::SetNx(value) if state.is_none() => (Reply::Done, Some(value.clone())),
        Command::SetXx(value) if state.is_some() => (Reply::Done, Some(value.clone())),
        Command::SetNx(_) | Command::SetXx(_) => (Reply::Value(None), same()),
        Command::GetSet(value) => (Reply::Value(same()), Some(value.clone())),
        Command::Del => (Reply::Int(i64::from(state.is_some())), None),
        Command::Exists => (Reply::Int(i64::from(state.is_some())), same()),
        Command::Incr(by) => match number(state).and_then(|n| n.checked_add(*by)) {
            Some(n) => (Reply::Int(n), Some(Bytes::from(n.to_string().into_bytes()))),
            None => (Reply::Refused, same()),
        },
        Command::Append(more) => {
            let mut value = state.map_or_else(Vec::new, |value| value.to_vec());
            value.extend_from_slice(more);
            let len = i64::try_from(value.len()).unwrap_or(i64::MAX);
            (Reply::Int(len), Some(Bytes::from(value)))
        }
    }
}

/// Redis takes only the one way of writing a number that it would use itself.
fn number(state: Option<&Bytes>) -> Option<i64> {
    let Some(bytes) = state else { return Some(0) };
    let text = std::str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn is_read(command: &Command) -> bool {
    matches!(command, Command::Get | Command::Exists)
}

/// See [`Model::cannot_tell`].
fn cannot_tell(writer: &Command, command: &Command, reply: Option<&Reply>) -> bool {
    let Command::Set(value) = writer else { return false };
    match (command, reply) {
        (Command::Set(_), _) => true,
        (Command::Get, Some(Reply::Value(Some(got)))) => got != value,
        (Command::Get, _) => true,
        _ => false,
    }
}

/// One command on one key. Commands on several keys need [`KvMap`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Kv;

/// A command and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct KvOp {
    /// Which key.
    pub key: Key,
    /// What to do.
    pub command: Command,
}

impl KvOp {
    /// `command` on `key`.
    pub fn new(key: impl AsRef<[u8]>, command: Command) -> KvOp {
        KvOp { key: Key::from(key.as_ref()), command }
    }
}

impl Model for Kv {
    type Op = KvOp;
    type Result = Reply;
    type State = Option<Bytes>;

    fn initial(&self) -> Option<Bytes> {
        None
    }

    fn step(
        &self,
        state: &Option<Bytes>,
        op: &KvOp,
        result: Option<&Reply>,
    ) -> Option<Option<Bytes>> {
        let (reply, next) = run(state.as_ref(), &op.command);
        result.is_none_or(|said| *said == reply).then_some(next)
    }

    fn is_read(&self, op: &KvOp) -> bool {
        is_read(&op.command)
    }

    fn keys(&self, op: &KvOp) -> Vec<Key> {
        vec![op.key.clone()]
    }

    fn cannot_tell(&self, writer: &KvOp, op: &KvOp, result: Option<&Reply>) -> bool {
        cannot_tell(&writer.command, &op.command, result)
    }
}

/// Commands that happen as a unit: MSET, MGET, MULTI. An aborted EXEC is [`crate::Outcome::Failed`].
#[derive(Clone, Copy, Debug, Default)]
pub struct KvMap;

impl Model for KvMap {
    type Op = Vec<KvOp>;
    type Result = Vec<Reply>;
    type State = BTreeMap<Key, Bytes>;

    fn initial(&self) -> BTreeMap<Key, Bytes> {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &BTreeMap<Key, Bytes>,
        op: &Vec<KvOp>,
        result: Option<&Vec<Reply>>,
    ) -> Option<BTreeMap<Key, Bytes>> {
        if result.is_some_and(|replies| replies.len() != op.len()) {
            return None;
        }
        let mut next = state.clone();
        for (i, KvOp { key, command }) in op.iter().enumerate() {
            let (reply, value) = run(next.get(key), command);
            if result.is_some_and(|replies| replies[i] != reply) {
                return None;
            }
            match value {
                Some(value) => next.insert(key.clone(), value),
                None => next.remove(key),
            };
        }
        Some(next)
    }

    fn is_read(&self, op: &Vec<KvOp>) -> bool {
        op.iter().all(|part| is_read(&part.command))
    }

    fn keys(&self, op: &Vec<KvOp>) -> Vec<Key> {
        op.iter().map(|part| part.key.clone()).collect()
    }
}
