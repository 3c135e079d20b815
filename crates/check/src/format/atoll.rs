//! Atoll's own JSON lines.
//!
//! The form of [`crate::text`], and beyond it: objects that are not those of Redis, keys and values as numbers, and
//! lines without `invoked`, in a file where none has it: only the order of the lines of a process is known then.

use super::book::{Book, Shape};
use super::json::Parser;
use super::tape::{Fault, Item, Kind, Tape};
use super::{FailedCas, NilRead, Options};
use crate::kv::{Command, Reply};
use crate::txn::{Fate, Op, Txn, Value, ValueId};
use std::borrow::Cow;
use stdx::Bytes;

/// The key of an object that has none.
const ONLY: &[u8] = b"object";

struct Reader<'b> {
    book: &'b mut Book,
    nil: Option<ValueId>,
    cas: FailedCas,
    /// Whether the lines so far have times.
    timed: Option<bool>,
    ops: Vec<Op>,
}

/// The fields of a line.
struct Line<'a> {
    process: u64,
    invoked: Option<u64>,
    returned: Option<u64>,
    op: Item<'a>,
    /// What came back, if something did.
    ok: Option<Item<'a>>,
    fate: Fate,
}

pub(super) fn read(bytes: &[u8], options: &Options, book: &mut Book) -> Result<(), Fault> {
    let nil = options.nil.unwrap_or(NilRead::Absent) == NilRead::Absent;
    let mut reader = Reader {
        book,
        nil: nil.then_some(ValueId::NIL),
        cas: options.failed_cas.unwrap_or(FailedCas::NoEffect),
        timed: None,
        ops: Vec::new(),
    };
    let (mut parser, mut tape) = (Parser::new(bytes), Tape::default());
    let mut start = 0;
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let at = start;
        start += line.len() + 1;
        if line.first() == Some(&b'#') || line.trim_ascii().is_empty() {
            continue;
        }
        parser.part(at, at + line.len());
        parser.form(&mut tape)?;
        if parser.peek().is_some() {
            return Err(Fault::new(parser.at(), "expected the end of the line"));
        }
        let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        reader.line(tape.root(bytes), number)?;
    }
    reader.book.history.timed = reader.timed.unwrap_or(true);
    Ok(())
}

impl Reader<'_> {
    fn line(&mut self, root: Item<'_>, number: u32) -> Result<(), Fault> {
        let line = fields(root)?;
        if *self.timed.get_or_insert(line.invoked.is_some()) != line.invoked.is_some() {
            let reason = "either every operation has `invoked`, or none";
            return Err(root.fault(reason));
        }
        let known = line.ok.filter(|ok| !ok.is_nil());
        self.ops.clear();
        let several = line.op.items().next().is_none_or(|first| first.kind() == Kind::Seq);
        if several {
            self.several(line.op, known)?;
        } else {
            let op = self.op(line.op, known)?;
            self.ops.push(op);
        }
        let mut fate = line.fate;
        if let ([Op::Cas { done, .. }], Fate::Aborted, FailedCas::Observed) =
            (&mut self.ops[..], fate, self.cas)
        {
            *done = Some(false);
            fate = Fate::Committed;
        }
        let times = match line.invoked {
            Some(invoked) => {
                let late = if fate == Fate::Unknown { Txn::NEVER } else { invoked };
                (invoked, line.returned.unwrap_or(late))
            }
            None => (self.book.tick(), self.book.tick()),
        };
        self.book.history.push(line.process, times, fate, number, self.ops.iter().copied());
        Ok(())
    }

    /// A transaction: a list of operations, and a list of what each answered.
    fn several(&mut self, ops: Item<'_>, ok: Option<Item<'_>>) -> Result<(), Fault> {
        let mut answers = match ok {
            None => None,
            Some(ok) => {
                let expected = || ok.fault("expected a list of answers, one for each operation");
                Some(ok.seq().filter(|seq| seq.clone().count() == ops.items().count()))
                    .flatten()
                    .ok_or_else(expected)
                    .map(Some)?
            }
        };
        for op in ops.items() {
            let answer = answers.as_mut().and_then(Iterator::next);
            let op = self.op(op, answer.filter(|answer| !answer.is_nil()))?;
            self.ops.push(op);
        }
        Ok(())
    }

    fn op(&mut self, op: Item<'_>, ok: Option<Item<'_>>) -> Result<Op, Fault> {
        let expected = || op.fault("expected `[\"name\", argument, ..]`");
        let mut all = op.seq().ok_or_else(expected)?;
        let name = all.next().and_then(Item::word).ok_or_else(expected)?;
        let mut arguments = [op; 3];
        let mut count = 0;
        for argument in all {
            *arguments.get_mut(count).ok_or_else(|| unknown(op, &name, count + 1))? = argument;
            count += 1;
        }
        let arguments = &arguments[..count];
        let made = match arguments {
            [key, ..] if ok.is_some_and(|ok| is(&ok, b"refused")) => {
                self.redis(&name, *key, &arguments[1..], ok)?
            }
            _ => self.object(&name, arguments, ok)?,
        };
        match (made, arguments) {
            (Some(op), _) => Ok(op),
            (None, [key, rest @ ..]) => {
                self.redis(&name, *key, rest, ok)?.ok_or_else(|| unknown(op, &name, count))
            }
            (None, []) => Err(unknown(op, &name, count)),
        }
    }

    /// Operations that are not of Redis alone.
    fn object(
        &mut self,
        name: &[u8],
        arguments: &[Item<'_>],
        ok: Option<Item<'_>>,
    ) -> Result<Option<Op>, Fault> {
        let book = &mut *self.book;
        Ok(Some(match (name, arguments) {
            (b"get", [key]) => {
                let key = key_of(book, *key, Shape::Register)?;
                Op::Read { key, value: self.one(ok)? }
            }
            (b"read", []) => {
                let key = book.key(ONLY, Shape::Register, 0)?;
                Op::Read { key, value: self.one(ok)? }
            }
            (b"set", [key, value]) => {
                let key = key_of(book, *key, Shape::Register)?;
                done(ok)?;
                Op::Write { key, value: value_of(book, *value)? }
            }
            (b"write", [value]) => {
                let key = book.key(ONLY, Shape::Register, value.at())?;
                let value = value_of(book, *value)?;
                done(ok)?;
                Op::Write { key, value }
            }
            (b"cas", [from, to]) => {
                let key = book.key(ONLY, Shape::Register, from.at())?;
                let (from, to) = (value_of(book, *from)?, value_of(book, *to)?);
                Op::Cas { key, from, to, done: truth(ok)? }
            }
            (b"cas", [key, from, to]) => {
                let key = key_of(book, *key, Shape::Register)?;
                let (from, to) = (value_of(book, *from)?, value_of(book, *to)?);
                Op::Cas { key, from, to, done: truth(ok)? }
            }
            _ => return self.collection(name, arguments, ok),
        }))
    }

    /// Lists, counters, sets and queues.
    fn collection(
        &mut self,
        name: &[u8],
        arguments: &[Item<'_>],
        ok: Option<Item<'_>>,
    ) -> Result<Option<Op>, Fault> {
        let book = &mut *self.book;
        let shape = match name {
            b"push" | b"list" => Shape::List,
            b"add" | b"count" => Shape::Counter,
            b"insert" | b"members" => Shape::Set,
            b"enqueue" | b"dequeue" => Shape::Queue,
            _ => return Ok(None),
        };
        let [key, rest @ ..] = arguments else { return Ok(None) };
        let key = key_of(book, *key, shape)?;
        Ok(Some(match (name, rest) {
            (b"push", [value]) => {
                done(ok)?;
                Op::Append { key, value: value_of(book, *value)? }
            }
            (b"insert", [value]) => {
                done(ok)?;
                Op::Insert { key, value: value_of(book, *value)? }
            }
            (b"enqueue", [value]) => {
                done(ok)?;
                Op::Enqueue { key, value: value_of(book, *value)? }
            }
            (b"add", [by]) => {
                done(ok)?;
                let Kind::Int(by) = by.kind() else { return Err(by.fault("expected a number")) };
                Op::Add { key, by }
            }
            (b"count", []) => match ok.map(|ok| (ok, ok.kind())) {
                None => Op::Count { key, value: None },
                Some((_, Kind::Int(n))) => {
                    Op::Count { key, value: Some(book.value(&Value::Int(n))) }
                }
                Some((ok, _)) => return Err(ok.fault("expected a whole number")),
            },
            (b"list" | b"members", []) => {
                let set = shape == Shape::Set;
                let elements = match ok {
                    Some(ok) if ok.kind() == Kind::Seq => Some(book.elements(ok, set)?),
                    Some(ok) => return Err(ok.fault("expected a list of elements")),
                    None => None,
                };
                if set { Op::ReadSet { key, elements } } else { Op::ReadList { key, elements } }
            }
            (b"dequeue", []) => Op::Dequeue { key, value: self.one(ok)? },
            _ => return Ok(None),
        }))
    }

    /// What a read answered: `[value]`.
    fn one(&mut self, ok: Option<Item<'_>>) -> Result<Option<ValueId>, Fault> {
        let Some(ok) = ok else { return Ok(None) };
        let expected = || ok.fault("expected `[value]` or `[null]`");
        let mut items = ok.seq().ok_or_else(expected)?;
        let value = items.next().filter(|_| items.next().is_none()).ok_or_else(expected)?;
        if value.is_nil() { Ok(self.nil) } else { value_of(self.book, value).map(Some) }
    }

    /// A Redis command on a string; `None` if there is no such command.
    fn redis(
        &mut self,
        name: &[u8],
        key: Item<'_>,
        rest: &[Item<'_>],
        ok: Option<Item<'_>>,
    ) -> Result<Option<Op>, Fault> {
        let command = match (name, rest) {
            (b"get", []) => Command::Get,
            (b"del", []) => Command::Del,
            (b"exists", []) => Command::Exists,
            (b"set", [value]) => Command::Set(owned(*value)?),
            (b"setnx", [value]) => Command::SetNx(owned(*value)?),
            (b"setxx", [value]) => Command::SetXx(owned(*value)?),
            (b"getset", [value]) => Command::GetSet(owned(*value)?),
            (b"append", [value]) => Command::Append(owned(*value)?),
            (b"incr", [by]) => match by.kind() {
                Kind::Int(by) => Command::Incr(by),
                _ => return Err(by.fault("expected a whole number")),
            },
            _ => return Ok(None),
        };
        let key = key_of(self.book, key, Shape::Register)?;
        let reply = ok.map(reply).transpose()?;
        Ok(Some(self.book.redis(key, command, reply)))
    }
}

fn unknown(op: Item<'_>, name: &[u8], count: usize) -> Fault {
    let name = String::from_utf8_lossy(name);
    op.fault(format!("no operation `{name}` with {count} arguments"))
}

fn is(item: &Item<'_>, word: &[u8]) -> bool {
    item.kind() == Kind::Text && item.raw() == word
}

/// An answer that says no more than that it happened.
fn done(ok: Option<Item<'_>>) -> Result<(), Fault> {
    match ok {
        Some(ok) if !is(&ok, b"done") => Err(ok.fault("expected \"done\"")),
        _ => Ok(()),
    }
}

fn truth(ok: Option<Item<'_>>) -> Result<Option<bool>, Fault> {
    match ok.map(|ok| (ok, ok.kind())) {
        None => Ok(None),
        Some((_, Kind::Bool(truth))) => Ok(Some(truth)),
        Some((ok, _)) => Err(ok.fault("expected true or false")),
    }
}

/// A string, a number, or `{"hex": ".."}`.
fn text(item: Item<'_>) -> Result<Cow<'_, [u8]>, Fault> {
    let expected = || item.fault("expected a string, a number, or {\"hex\": pairs of hex digits}");
    match item.kind() {
        Kind::Text | Kind::Escaped | Kind::Int(_) | Kind::Number => Ok(item.name()),
        Kind::Map => {
            let (name, hex) = item.pairs().next().ok_or_else(expected)?;
            let hex = hex.word().filter(|hex| hex.len().is_multiple_of(2)).ok_or_else(expected)?;
            if !is(&name, b"hex") || item.pairs().count() != 1 {
                return Err(expected());
            }
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
            let pair = |two: &[u8]| Some(digit(two[0])? << 4 | digit(two[1])?);
            let bytes: Option<Vec<u8>> = hex.chunks(2).map(pair).collect();
            Ok(Cow::Owned(bytes.ok_or_else(expected)?))
        }
        _ => Err(expected()),
    }
}

fn owned(item: Item<'_>) -> Result<Bytes, Fault> {
    text(item).map(|text| Bytes::from(&*text))
}

fn key_of(book: &mut Book, item: Item<'_>, shape: Shape) -> Result<crate::KeyId, Fault> {
    book.key(&text(item)?, shape, item.at())
}

fn value_of(book: &mut Book, item: Item<'_>) -> Result<ValueId, Fault> {
    match item.kind() {
        Kind::Nil => Ok(ValueId::NIL),
        Kind::Int(n) => Ok(book.value(&Value::Int(n))),
        _ => Ok(book.value(&super::tape::value_of(&text(item)?))),
    }
}

fn reply(ok: Item<'_>) -> Result<Reply, Fault> {
    let expected = "expected \"done\", \"refused\", a number, [null] or [value]";
    match ok.kind() {
        Kind::Text if ok.raw() == b"done" => Ok(Reply::Done),
        Kind::Text if ok.raw() == b"refused" => Ok(Reply::Refused),
        Kind::Int(n) => Ok(Reply::Int(n)),
        Kind::Seq => {
            let mut items = ok.items();
            match (items.next(), items.next()) {
                (Some(value), None) if value.is_nil() => Ok(Reply::Value(None)),
                (Some(value), None) => Ok(Reply::Value(Some(owned(value)?))),
                _ => Err(ok.fault(expected)),
            }
        }
        _ => Err(ok.fault(expected)),
    }
}

fn fields(root: Item<'_>) -> Result<Line<'_>, Fault> {
    if root.kind() != Kind::Map {
        return Err(root.fault("expected an object: an operation"));
    }
    let [mut process, mut invoked, mut returned, mut op, mut ok, mut failed, mut unknown] =
        [None; 7];
    for (name, item) in root.pairs() {
        let place = match name.raw() {
            b"process" => &mut process,
            b"invoked" => &mut invoked,
            b"returned" => &mut returned,
            b"op" => &mut op,
            b"ok" => &mut ok,
            b"failed" => &mut failed,
            b"unknown" => &mut unknown,
            _ => {
                let reason = "there are process, invoked, returned, op, ok, failed and unknown";
                return Err(name.fault(format!("unknown field `{}`; {reason}", name.shown())));
            }
        };
        if place.replace(item).is_some() {
            return Err(name.fault(format!("`{}` for the second time", name.shown())));
        }
    }
    let needed = |name| move || root.fault(format!("`{name}` is missing"));
    let time = |item: Option<Item<'_>>| match item.map(|item| (item, item.kind())) {
        None | Some((_, Kind::Nil)) => Ok(None),
        Some((_, Kind::Int(n @ 0..))) => Ok(Some(n.unsigned_abs())),
        Some((item, _)) => Err(item.fault("expected a whole number below 2^63")),
    };
    let yes = |item: Item<'_>| item.kind() == Kind::Bool(true);
    let number: Item<'_> = process.ok_or_else(needed("process"))?;
    let process = number.whole().ok_or_else(|| number.fault("expected a whole number"))?;
    let (begin, end) = (time(invoked)?, time(returned)?);
    let fate = match (ok, failed, unknown) {
        // With an answer but without a return: it may have happened or not, but if so with this answer.
        (Some(_), None, None) if begin.is_some() && end.is_none() => Fate::Unknown,
        (Some(_), None, None) => Fate::Committed,
        (None, Some(failed), None) if yes(failed) => Fate::Aborted,
        (None, None, Some(unknown)) if yes(unknown) => Fate::Unknown,
        _ => {
            let reason = "expected one of `ok`, `failed`: true and `unknown`: true";
            return Err(root.fault(reason));
        }
    };
    if let (Some(late), Some(item)) = (end, returned)
        && begin.is_none_or(|begin| begin > late)
    {
        return Err(item.fault("`returned` is before `invoked`"));
    }
    let op: Item<'_> = op.ok_or_else(needed("op"))?;
    if op.kind() != Kind::Seq {
        return Err(op.fault("expected a list"));
    }
    Ok(Line { process, invoked: begin, returned: end, op, ok, fate })
}
