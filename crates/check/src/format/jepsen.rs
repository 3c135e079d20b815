//! What events mean: pairs of invocation and completion become transactions.
//!
//! A process has one operation under way. `:ok` happened, `:fail` did not, `:info` may have or may still; so may
//! what never completes. The order of events is the clock.

use super::book::{Book, Call, Shape};
use super::event::{self, Event, Notation, Phase, Step, Who};
use super::survey::{Survey, is_txn};
use super::tape::{Fault, Item, Kind};
use super::{FailedCas, NilRead, Object, Options};
use crate::kv;
use crate::txn::{Elements, Fate, Op, Value, ValueId};
use stdx::Bytes;

/// Whose meaning events have by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Jepsen and Knossos: an ok read of nil says nothing, what failed had no effect.
    Jepsen,
    /// Elle: an ok read of nil found nothing.
    Elle,
    /// Porcupine: an ok read of nil found nothing, a compare-and-set that failed saw another value, any other
    /// operation that failed may have happened.
    PorcupineEtcd,
    /// Strings that are put, got and appended to, empty at first; the key stands beside the value.
    PorcupineKv,
}

/// The key of an object that has none.
const ONLY: &[u8] = b"object";

struct Reader<'b> {
    book: &'b mut Book,
    source: Source,
    nil: Option<NilRead>,
    cas: FailedCas,
    survey: Survey,
    /// There are only completions; whether they name their processes.
    lone: Option<bool>,
    begun: bool,
}

pub(super) fn read(
    bytes: &[u8],
    (source, notation): (Source, Notation),
    options: &Options,
    book: &mut Book,
) -> Result<(), Fault> {
    let usual = match source {
        Source::PorcupineEtcd => FailedCas::Observed,
        _ => FailedCas::NoEffect,
    };
    let mut reader = Reader {
        book,
        source,
        nil: options.nil,
        cas: options.failed_cas.unwrap_or(usual),
        survey: Survey::of(bytes, notation, options.object),
        lone: None,
        begun: false,
    };
    event::each(bytes, notation, &mut |event| match event {
        Some(event) => reader.event(event).map(|()| Step::Next),
        None => {
            reader.book.ignore("lines of a log that are no operations");
            Ok(Step::Next)
        }
    })?;
    book.close();
    Ok(())
}

impl Reader<'_> {
    fn event(&mut self, event: &Event<'_>) -> Result<(), Fault> {
        if event.who == Who::Other {
            self.book.ignore("operations of no client, such as the nemesis");
            return Ok(());
        }
        let first = !self.begun;
        self.begun = true;
        if first && self.source == Source::Elle && event.phase != Phase::Invoke {
            self.lone = Some(event.who != Who::Nobody);
            self.book.history.timed = false;
        }
        if let Some(named) = self.lone {
            return self.alone(event, named);
        }
        let Who::Client(process) = event.who else {
            return Err(Fault::new(event.at, "an operation without `process`"));
        };
        if event.phase == Phase::Invoke {
            let ops = self.ops(event, false)?;
            return self.book.invoke(process, (event.at, event.line), ops);
        }
        let mut call = self.book.end(process, event.at)?;
        let fate = self.complete(event, &mut call)?;
        self.book.over(process, call, fate);
        Ok(())
    }

    /// Elle takes completions without invocations: then nothing is known of time.
    fn alone(&mut self, event: &Event<'_>, named: bool) -> Result<(), Fault> {
        let process = match event.who {
            Who::Client(process) if named => process,
            Who::Nobody if !named => u64::from(event.line),
            _ => return Err(Fault::new(event.at, "some operations have a `process`, some none")),
        };
        let fate = match event.phase {
            Phase::Ok => Fate::Committed,
            Phase::Fail => Fate::Aborted,
            Phase::Info => Fate::Unknown,
            Phase::Invoke => {
                let reason = "an invocation, after a completion that had none";
                return Err(Fault::new(event.at, reason));
            }
        };
        let ops = self.ops(event, fate == Fate::Committed)?;
        let call = Call { invoked: self.book.tick(), line: event.line, ops };
        self.book.over(process, call, fate);
        Ok(())
    }

    /// What became of a call; if it is known to have happened, `call` has what it saw.
    fn complete(&mut self, event: &Event<'_>, call: &mut Call) -> Result<Fate, Fault> {
        match event.phase {
            Phase::Invoke => unreachable!("an invocation completes nothing"),
            Phase::Info => return Ok(Fate::Unknown),
            Phase::Ok => {
                self.ok(event, call)?;
                return Ok(Fate::Committed);
            }
            Phase::Fail => {}
        }
        match &mut call.ops[..] {
            [Op::Cas { done, .. }] if self.cas == FailedCas::Observed => {
                *done = Some(false);
                Ok(Fate::Committed)
            }
            [Op::Read { .. }] => Ok(Fate::Aborted),
            _ if self.source == Source::PorcupineEtcd => Ok(Fate::Unknown),
            _ => Ok(Fate::Aborted),
        }
    }

    fn ok(&mut self, event: &Event<'_>, call: &mut Call) -> Result<(), Fault> {
        let told = event.value.filter(|value| !value.is_nil());
        let seen = match (told, &mut call.ops[..]) {
            _ if is_txn(event) => self.ops(event, true)?,
            (None, [one]) => {
                let nothing = if event.value.is_some() { self.nothing(false) } else { None };
                silent(one, nothing);
                return Ok(());
            }
            (Some(value), &mut [Op::Redis { key, command }]) => {
                let named = event.key.map(|key| self.book.key_of(key, Shape::Register));
                let (command, _) = &self.book.history.redis[command as usize];
                let appends = kv::Command::Append(Bytes::from(&*value.name()));
                let same = *command == appends && named.transpose()? == Some(key);
                return if same { Ok(()) } else { Err(other(event, call)) };
            }
            _ => self.ops(event, true)?,
        };
        let same = |(seen, call): (&Op, &Op)| asked(*seen) == asked(*call);
        if seen.len() != call.ops.len() || !seen.iter().zip(&call.ops).all(same) {
            return Err(other(event, call));
        }
        self.book.recycle(std::mem::replace(&mut call.ops, seen));
        Ok(())
    }

    /// What a read saw that answered nil.
    fn nothing(&self, txn: bool) -> Option<ValueId> {
        let usual = if txn || self.source == Source::PorcupineEtcd {
            NilRead::Absent
        } else {
            NilRead::Unknown
        };
        (self.nil.unwrap_or(usual) == NilRead::Absent).then_some(ValueId::NIL)
    }

    /// What a read saw that answered `value`.
    fn saw(&mut self, value: Option<Item<'_>>, txn: bool) -> Option<ValueId> {
        let value = value?;
        if value.is_nil() { self.nothing(txn) } else { Some(self.book.value_of(value)) }
    }

    /// What an event asks; with what it saw, if `seen`.
    fn ops(&mut self, event: &Event<'_>, seen: bool) -> Result<Vec<Op>, Fault> {
        if is_txn(event) {
            let value = event.value.ok_or_else(|| Fault::new(event.at, "no `value`"))?;
            let expected = || value.fault("expected a transaction: a vector of operations");
            let parts = value.seq().ok_or_else(expected)?;
            let mut ops = self.book.blank();
            for part in parts {
                ops.push(self.part(part, seen)?);
            }
            return Ok(ops);
        }
        if self.source == Source::PorcupineKv {
            return self.string(event, seen).map(|op| vec![op]);
        }
        self.plain(event, seen).map(|op| vec![op])
    }

    /// `[:r k v]`, `[:w k v]` or `[:append k v]`.
    fn part(&mut self, part: Item<'_>, seen: bool) -> Result<Op, Fault> {
        let expected = || part.fault("expected `[:r key value]`, `[:w ..]` or `[:append ..]`");
        let mut items = part.seq().ok_or_else(expected)?;
        let (name, key) = items.next().zip(items.next()).ok_or_else(expected)?;
        let value = items.next();
        if items.next().is_some() {
            return Err(expected());
        }
        let lists = self.survey.lists;
        let shape = if lists { Shape::List } else { Shape::Register };
        let key = self.book.key_of(key, shape)?;
        let written = || value.filter(|value| !value.is_nil()).ok_or_else(expected);
        match name.word().as_deref() {
            Some(b"r" | b":r") if !lists => {
                let value = if seen { self.saw(value, true) } else { None };
                Ok(Op::Read { key, value })
            }
            Some(b"r" | b":r") => {
                let value = value.filter(|_| seen);
                let elements = value.map(|value| self.list(value, false, true)).transpose()?;
                Ok(Op::ReadList { key, elements: elements.flatten() })
            }
            Some(b"w" | b":w") if !lists => {
                Ok(Op::Write { key, value: self.book.value_of(written()?) })
            }
            Some(b"append" | b":append") if lists => {
                Ok(Op::Append { key, value: self.book.value_of(written()?) })
            }
            Some(b"append" | b":append" | b"w" | b":w") => {
                Err(part.fault("a history either appends to lists or writes registers, not both"))
            }
            _ => Err(expected()),
        }
    }

    /// The elements that a read saw.
    fn list(&mut self, value: Item<'_>, set: bool, txn: bool) -> Result<Option<Elements>, Fault> {
        match value.kind() {
            Kind::Nil if self.nothing(txn).is_none() => Ok(None),
            Kind::Nil | Kind::Seq => self.book.elements(value, set).map(Some),
            Kind::Set if set => self.book.elements(value, set).map(Some),
            _ => Err(value.fault("expected what a list or a set holds")),
        }
    }

    /// An operation on one object, or with `[key value]` on one of many.
    fn plain(&mut self, event: &Event<'_>, seen: bool) -> Result<Op, Fault> {
        let object = self.survey.object;
        let shape = object.shape();
        let (key, value) = if self.survey.independent {
            let pair = event.value.and_then(Item::pair);
            let expected = "expected `[key value]`, as in the operations above";
            let (key, value) = pair.ok_or_else(|| Fault::new(event.at, expected))?;
            (self.book.key_of(key, shape)?, Some(value))
        } else {
            (self.book.key(ONLY, shape, event.at)?, event.value)
        };
        let at = value.map_or(event.at, Item::at);
        let missing = || Fault::new(at, "expected a value");
        let given = value.ok_or_else(missing);
        let told = value.filter(|_| seen);
        Ok(match (object, &*event.f) {
            (Object::Register, b"read") => Op::Read { key, value: self.saw(told, false) },
            (Object::Register, b"write") => Op::Write { key, value: self.book.value_of(given?) },
            (Object::Register, b"cas") => {
                let expected = || Fault::new(at, "expected `[from to]`");
                let (from, to) = given?.pair().ok_or_else(expected)?;
                let (from, to) = (self.book.value_of(from), self.book.value_of(to));
                Op::Cas { key, from, to, done: seen.then_some(true) }
            }
            (Object::Counter, b"add") => match given?.kind() {
                Kind::Int(by) => Op::Add { key, by },
                _ => return Err(Fault::new(at, "expected a whole number to add")),
            },
            (Object::Counter, b"read") => match told.map(Item::kind) {
                None | Some(Kind::Nil) => Op::Count { key, value: None },
                Some(Kind::Int(n)) => {
                    Op::Count { key, value: Some(self.book.value(&Value::Int(n))) }
                }
                _ => return Err(Fault::new(at, "expected the whole number of a counter")),
            },
            (Object::Set, b"add") => Op::Insert { key, value: self.book.value_of(given?) },
            (Object::List, b"append") => Op::Append { key, value: self.book.value_of(given?) },
            (Object::Queue, b"enqueue") => Op::Enqueue { key, value: self.book.value_of(given?) },
            (Object::Queue, b"dequeue") => Op::Dequeue { key, value: self.saw(told, false) },
            (Object::Set | Object::List, b"read") => {
                let set = object == Object::Set;
                let elements = told.map(|value| self.list(value, set, false)).transpose()?;
                let elements = elements.flatten();
                if set { Op::ReadSet { key, elements } } else { Op::ReadList { key, elements } }
            }
            _ => return Err(unknown(event, object)),
        })
    }

    /// Porcupine's strings. Empty is what it is at first, so that is nothing.
    fn string(&mut self, event: &Event<'_>, seen: bool) -> Result<Op, Fault> {
        let key = event.key.ok_or_else(|| Fault::new(event.at, "an operation without `key`"))?;
        let key = self.book.key_of(key, Shape::Register)?;
        let text = event.value.filter(|value| !value.is_nil());
        let value = text.map(|text| match text.value() {
            Value::Text(bytes) if bytes.is_empty() => Value::Nil,
            value => value,
        });
        let needed = || Fault::new(event.at, "expected a `value`");
        match (&*event.f, value) {
            (b"get", _) if !seen => Ok(Op::Read { key, value: None }),
            (b"get", value) => {
                Ok(Op::Read { key, value: value.map(|value| self.book.value(&value)) })
            }
            (b"put", value) => {
                let value = self.book.value(&value.ok_or_else(needed)?);
                Ok(Op::Write { key, value })
            }
            // To append nothing changes nothing.
            (b"append", Some(Value::Nil)) => Ok(Op::Read { key, value: None }),
            (b"append", _) => {
                let more = Bytes::from(&*text.ok_or_else(needed)?.name());
                Ok(self.book.redis(key, kv::Command::Append(more), None))
            }
            _ => {
                let f = String::from_utf8_lossy(&event.f);
                let reason = format!("expected `get`, `put` or `append`, found `{f}`");
                Err(Fault::new(event.at, reason))
            }
        }
    }
}

fn other(event: &Event<'_>, call: &Call) -> Fault {
    let reason = format!("this completes something else than line {} began", call.line);
    Fault::new(event.at, reason)
}

fn unknown(event: &Event<'_>, object: Object) -> Fault {
    let (f, name) = (String::from_utf8_lossy(&event.f), object.name());
    let allowed = match object {
        Object::Register => "read, write, cas",
        Object::Counter | Object::Set => "add, read",
        Object::List => "append, read",
        Object::Queue => "enqueue, dequeue",
    };
    let reason = format!("a {name} has no operation `{f}`; it has {allowed}");
    Fault::new(event.at, reason)
}

/// The operation without what it saw.
fn asked(op: Op) -> Op {
    match op {
        Op::Read { key, .. } => Op::Read { key, value: None },
        Op::Cas { key, from, to, .. } => Op::Cas { key, from, to, done: None },
        Op::ReadList { key, .. } => Op::ReadList { key, elements: None },
        Op::Count { key, .. } => Op::Count { key, value: None },
        Op::ReadSet { key, .. } => Op::ReadSet { key, elements: None },
        Op::Dequeue { key, .. } => Op::Dequeue { key, value: None },
        Op::Write { .. }
        | Op::Append { .. }
        | Op::Add { .. }
        | Op::Insert { .. }
        | Op::Enqueue { .. }
        | Op::Redis { .. } => op,
    }
}

/// Completes an operation that answered nil.
fn silent(op: &mut Op, nothing: Option<ValueId>) {
    match op {
        Op::Read { value, .. } | Op::Dequeue { value, .. } => *value = nothing,
        Op::Cas { done, .. } => *done = Some(true),
        _ => {}
    }
}
