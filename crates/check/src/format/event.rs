//! Files of events: invocations and completions, as Jepsen, Elle and Porcupine write them.

use super::tape::{Fault, Item, Kind, Lines, Tape};
use super::{edn, json};
use std::borrow::Cow;

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Edn,
    Json,
    /// A line each: process, type, f, value and perhaps an error.
    Text,
}

/// What an event says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Phase {
    fn of(word: &[u8]) -> Option<Phase> {
        match word.strip_prefix(b":").unwrap_or(word) {
            b"invoke" => Some(Phase::Invoke),
            b"ok" => Some(Phase::Ok),
            b"fail" => Some(Phase::Fail),
            b"info" => Some(Phase::Info),
            _ => None,
        }
    }
}

/// Whose operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Client(u64),
    /// The nemesis and its like.
    Other,
    /// It does not say.
    Nobody,
}

#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) phase: Phase,
    pub(super) who: Who,
    /// The name of the operation; empty if there is none.
    pub(super) f: Cow<'a, [u8]>,
    pub(super) value: Option<Item<'a>>,
    /// Porcupine's histories of strings have the key beside the value.
    pub(super) key: Option<Item<'a>>,
    index: Option<i64>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    Stop,
}

/// Takes what a file says: an event, or `None` for a line that is none.
pub(super) type Sink<'s> = &'s mut dyn FnMut(Option<&Event<'_>>) -> Result<Step, Fault>;

/// Hands each event of a file to `sink`.
pub(super) fn each(bytes: &[u8], notation: Notation, sink: Sink<'_>) -> Result<(), Fault> {
    match notation {
        Notation::Edn => forms(bytes, &mut Forms::Edn(edn::Parser::new(bytes)), sink),
        Notation::Json => forms(bytes, &mut Forms::Json(json::Parser::new(bytes)), sink),
        Notation::Text => lines(bytes, sink),
    }
}

/// One parser or the other.
enum Forms<'a> {
    Edn(edn::Parser<'a>),
    Json(json::Parser<'a>),
}

impl Forms<'_> {
    fn peek(&mut self) -> Option<u8> {
        match self {
            Forms::Edn(parser) => parser.peek(),
            Forms::Json(parser) => parser.peek(),
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        match self {
            Forms::Edn(parser) => parser.take(byte),
            Forms::Json(parser) => parser.take(byte),
        }
    }

    fn at(&self) -> usize {
        match self {
            Forms::Edn(parser) => parser.at(),
            Forms::Json(parser) => parser.at(),
        }
    }

    fn form(&mut self, tape: &mut Tape) -> Result<bool, Fault> {
        match self {
            Forms::Edn(parser) => parser.form(tape),
            Forms::Json(parser) => parser.form(tape),
        }
    }

    /// Between two elements of the vector around everything.
    fn separate(&mut self) -> Result<(), Fault> {
        let Forms::Json(parser) = self else { return Ok(()) };
        if parser.peek() == Some(b']') || parser.take(b',') && parser.peek() != Some(b']') {
            return Ok(());
        }
        Err(Fault::new(parser.at(), "expected `,` or `]`, and a value after `,`"))
    }
}

/// One map after the other, or all in one vector or list.
fn forms(bytes: &[u8], parser: &mut Forms<'_>, sink: Sink<'_>) -> Result<(), Fault> {
    let opened = match parser.peek() {
        Some(b'[') => Some(b']'),
        Some(b'(') => Some(b')'),
        _ => None,
    };
    let start = parser.at();
    if opened.is_some() {
        assert!(parser.take(b'[') || parser.take(b'('), "it was there");
    }
    let (mut tape, mut lines, mut last) = (Tape::default(), Lines::default(), None);
    while parser.peek() != opened {
        if !parser.form(&mut tape)? {
            break;
        }
        let root = tape.root(bytes);
        // A tag before the vector hides it from the above.
        let inner = matches!(root.kind(), Kind::Seq if opened.is_none());
        let one = (!inner).then_some(root);
        for item in one.into_iter().chain(root.items().take(if inner { usize::MAX } else { 0 })) {
            let event = of_map(item, lines.of(bytes, item.at()))?;
            ascends(&event, &mut last)?;
            if sink(Some(&event))? == Step::Stop {
                return Ok(());
            }
        }
        if opened.is_some() {
            parser.separate()?;
        }
    }
    if let Some(close) = opened
        && !parser.take(close)
    {
        let reason = format!("opened here, never closed with `{}`", char::from(close));
        return Err(Fault::new(start, reason));
    }
    match parser.peek() {
        Some(_) => Err(Fault::new(parser.at(), "expected the end of the file")),
        None => Ok(()),
    }
}

/// Events are taken in the order of the file: it has to be theirs.
fn ascends(event: &Event<'_>, last: &mut Option<i64>) -> Result<(), Fault> {
    let Some(index) = event.index else { return Ok(()) };
    if let Some(last) = last.replace(index).filter(|last| *last >= index) {
        let reason = format!("index {index} after index {last}: the file is out of order");
        return Err(Fault::new(event.at, reason));
    }
    Ok(())
}

fn of_map(map: Item<'_>, line: u32) -> Result<Event<'_>, Fault> {
    if map.kind() != Kind::Map {
        return Err(map.fault("expected a map: an operation"));
    }
    let [mut kind, mut f, mut value, mut process, mut key, mut index] = [None; 6];
    for (name, item) in map.pairs() {
        let place = match name.word().as_deref() {
            Some(b"type") => &mut kind,
            Some(b"f") => &mut f,
            Some(b"value") => &mut value,
            Some(b"process") => &mut process,
            Some(b"key") => &mut key,
            Some(b"index") => &mut index,
            _ => continue,
        };
        if place.replace(item).is_some() {
            return Err(name.fault(format!("`{}` for the second time", name.shown())));
        }
    }
    let kind: Item<'_> = kind.ok_or_else(|| map.fault("an operation without `type`"))?;
    let phase = kind.word().and_then(|word| Phase::of(&word));
    let expected = "expected the type `invoke`, `ok`, `fail` or `info`";
    let phase = phase.ok_or_else(|| kind.fault(expected))?;
    let who = match process {
        None => Who::Nobody,
        Some(item) => match item.kind() {
            Kind::Nil => Who::Nobody,
            Kind::Keyword | Kind::Symbol | Kind::Text | Kind::Escaped => Who::Other,
            _ => {
                let number = item.whole();
                Who::Client(number.ok_or_else(|| item.fault("expected the number of a process"))?)
            }
        },
    };
    let f = match f {
        None => Cow::Borrowed(&b""[..]),
        Some(item) if item.is_nil() => Cow::Borrowed(&b""[..]),
        Some(item) => item.word().ok_or_else(|| item.fault("expected the name of an operation"))?,
    };
    let index = match index.map(|item| (item, item.kind())) {
        None | Some((_, Kind::Nil)) => None,
        Some((_, Kind::Int(index))) => Some(index),
        Some((item, _)) => return Err(item.fault("expected a whole number")),
    };
    Ok(Event { at: map.at(), line, phase, who, f, value, key, index })
}

/// The logger whose lines are operations.
const LOGGER: &[u8] = b"jepsen.util";

/// Where the operation begins in a line of a log.
fn after_logger(line: &[u8]) -> Option<usize> {
    let found = line.windows(LOGGER.len()).position(|window| window == LOGGER)? + LOGGER.len();
    let rest = &line[found..];
    let skip = rest.iter().position(|byte| !(byte.is_ascii_whitespace() || *byte == b'-'));
    Some(found + skip.unwrap_or(rest.len()))
}

/// Whether lines are those of a log, where anything may stand between operations.
pub(super) fn is_log(bytes: &[u8]) -> bool {
    after_logger(bytes).is_some()
}

fn lines(bytes: &[u8], sink: Sink<'_>) -> Result<(), Fault> {
    let log = is_log(bytes);
    let (mut tape, mut parser) = (Tape::default(), edn::Parser::new(bytes));
    let mut start = 0;
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let end = start + line.len();
        let from = if log { after_logger(line) } else { Some(0) };
        let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
        let event = match from {
            _ if line.trim_ascii().is_empty() => None,
            None => None,
            Some(from) => {
                let place = Place { from: start + from, end, number, log };
                of_line(bytes, place, &mut parser, &mut tape)?
            }
        };
        if (event.is_some() || !line.trim_ascii().is_empty()) && sink(event.as_ref())? == Step::Stop
        {
            break;
        }
        start = end + 1;
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Place {
    from: usize,
    end: usize,
    number: u32,
    log: bool,
}

/// The next word from `at` on: where it begins and ends.
fn word(bytes: &[u8], at: usize, end: usize) -> (usize, usize) {
    let rest = &bytes[at..end];
    let start = rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
    let len = rest[start..].iter().position(u8::is_ascii_whitespace);
    (at + start, at + len.map_or(rest.len(), |len| start + len))
}

fn of_line<'a>(
    bytes: &'a [u8],
    place: Place,
    parser: &mut edn::Parser<'_>,
    tape: &'a mut Tape,
) -> Result<Option<Event<'a>>, Fault> {
    let process = word(bytes, place.from, place.end);
    let kind = word(bytes, process.1, place.end);
    let f = word(bytes, kind.1, place.end);
    let text = |(from, to): (usize, usize)| &bytes[from..to];
    let number = str::from_utf8(text(process)).ok().and_then(|text| text.parse().ok());
    let who = match number {
        Some(number) => Some(Who::Client(number)),
        None if text(process).starts_with(b":") => Some(Who::Other),
        None => None,
    };
    let operation = who.is_some() && text(kind).starts_with(b":");
    if place.log && !operation {
        return Ok(None);
    }
    let who = who.ok_or_else(|| Fault::new(process.0, "expected the number of a process"))?;
    let expected = "expected `:invoke`, `:ok`, `:fail` or `:info`";
    let phase = Phase::of(text(kind)).filter(|_| operation);
    let phase = phase.ok_or_else(|| Fault::new(kind.0, expected))?;
    let Some(name) = text(f).strip_prefix(b":") else {
        return Err(Fault::new(f.0, "expected the name of an operation, like `:read`"));
    };
    // What failed has an error in the place of its value, in any notation.
    let told = who != Who::Other && matches!(phase, Phase::Invoke | Phase::Ok);
    parser.part(f.1, place.end);
    let value = if told && parser.form(tape)? { Some(tape.root(bytes)) } else { None };
    let f = Cow::Borrowed(name);
    let (at, line) = (process.0, place.number);
    Ok(Some(Event { at, line, phase, who, f, value, key: None, index: None }))
}
