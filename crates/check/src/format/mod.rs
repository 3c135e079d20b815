//! Histories as files have them, into [`Transactions`].
//!
//! | file | what |
//! | --- | --- |
//! | `detect` | which format a file has, by its content |
//! | `tape`, `json`, `edn` | text into forms, without recursion |
//! | `atoll`, `write` | Atoll's own JSON lines |
//! | `event`, `survey`, `jepsen` | invocations and completions: Jepsen, Elle, Porcupine |
//! | `plume` | `r(key,value,session,transaction)` |
//! | `book` | a history in the making |
//!
//! Invariants: what cannot be read is an error with its place, never part of a history; a process of a history that
//! is returned has one operation at a time, but for those whose outcome is unknown; a key is one kind of object.

mod atoll;
mod book;
mod detect;
mod edn;
mod event;
mod jepsen;
mod json;
mod plume;
mod survey;
mod tape;
mod write;

#[cfg(test)]
mod tests;

use crate::text::TextError;
use crate::txn::Transactions;
use book::{Book, Shape};
use event::Notation;
use jepsen::Source;
use tape::Fault;

pub use detect::detect;
pub use write::write;

/// A form of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON lines, one operation or transaction each: [`crate::text`], [`write()`].
    Atoll,
    /// Jepsen's `history.edn`.
    JepsenEdn,
    /// Jepsen's `history.txt` and logs.
    JepsenText,
    /// Porcupine's logs of an etcd register.
    PorcupineEtcd,
    /// Porcupine's logs of strings that are appended to.
    PorcupineKv,
    /// Transactions over lists or registers, as Elle takes them.
    ElleEdn,
    /// The same in JSON, as elle-cli takes them.
    ElleJson,
    /// `r(key,value,session,transaction)` of Plume, PolySI and AWDIT.
    Plume,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 8] = [
        Format::Atoll,
        Format::JepsenEdn,
        Format::JepsenText,
        Format::PorcupineEtcd,
        Format::PorcupineKv,
        Format::ElleEdn,
        Format::ElleJson,
        Format::Plume,
    ];

    /// What one writes to ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Atoll => "atoll",
            Format::JepsenEdn => "jepsen-edn",
            Format::JepsenText => "jepsen-text",
            Format::PorcupineEtcd => "porcupine-etcd",
            Format::PorcupineKv => "porcupine-kv",
            Format::ElleEdn => "elle-edn",
            Format::ElleJson => "elle-json",
            Format::Plume => "plume",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What it means that a read succeeded and answered nil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NilRead {
    /// There was nothing.
    Absent,
    /// Nobody knows what there was.
    Unknown,
}

/// What it means that a compare-and-set failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedCas {
    /// It had no effect; nothing is said of what was there.
    NoEffect,
    /// It found a value other than the one it expected.
    Observed,
}

/// What the operations of a history of Jepsen are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// read, write, cas.
    Register,
    /// add, read: a number.
    Counter,
    /// add, read: elements.
    Set,
    /// append, read.
    List,
    /// enqueue, dequeue.
    Queue,
}

impl Object {
    /// All of them.
    pub const ALL: [Object; 5] =
        [Object::Register, Object::Counter, Object::Set, Object::List, Object::Queue];

    /// What one writes to ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Object::Register => "register",
            Object::Counter => "counter",
            Object::Set => "set",
            Object::List => "list",
            Object::Queue => "queue",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Object> {
        Object::ALL.into_iter().find(|object| object.name() == name)
    }

    fn shape(self) -> Shape {
        match self {
            Object::Register => Shape::Register,
            Object::Counter => Shape::Counter,
            Object::Set => Shape::Set,
            Object::List => Shape::List,
            Object::Queue => Shape::Queue,
        }
    }
}

/// How to read a file. By default its content tells, and things mean what they mean where it comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Its form.
    pub format: Option<Format>,
    /// The meaning of nil.
    pub nil: Option<NilRead>,
    /// The meaning of a failed compare-and-set.
    pub failed_cas: Option<FailedCas>,
    /// What a history of Jepsen is about.
    pub object: Option<Object>,
}

/// A history that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// In order of invocation.
    pub history: Transactions,
    /// The form it had.
    pub format: Format,
    /// What was left out of it, by reason, and how often.
    pub ignored: Vec<(&'static str, u64)>,
}

/// Reads a history, or says where it cannot be read and why.
pub fn read(bytes: &[u8], options: &Options) -> Result<Loaded, TextError> {
    let unknown = || {
        let names = Format::ALL.map(Format::name).join(", ");
        let reason = format!("this looks like no history; the formats are {names}");
        Fault::new(detect::first(bytes), reason).locate(bytes)
    };
    let format = options.format.or_else(|| detect(bytes)).ok_or_else(unknown)?;
    let mut book = Book::default();
    let sources = match format {
        Format::Atoll => None,
        Format::Plume => None,
        Format::JepsenEdn => Some((Source::Jepsen, Notation::Edn)),
        Format::JepsenText => Some((Source::Jepsen, Notation::Text)),
        Format::PorcupineEtcd => Some((Source::PorcupineEtcd, Notation::Text)),
        Format::PorcupineKv => Some((Source::PorcupineKv, Notation::Edn)),
        Format::ElleEdn => Some((Source::Elle, Notation::Edn)),
        Format::ElleJson => Some((Source::Elle, Notation::Json)),
    };
    let outcome = match sources {
        Some(source) => jepsen::read(bytes, source, options, &mut book),
        None if format == Format::Plume => plume::read(bytes, options, &mut book),
        None => atoll::read(bytes, options, &mut book),
    };
    outcome.map_err(|fault| fault.locate(bytes))?;
    let mut history = book.history;
    history.sort();
    if history.txns.is_empty() {
        let reason = format!("there is no operation here, read as {}", format.name());
        return Err(TextError { line: 1, column: 1, reason });
    }
    one_at_a_time(&history)?;
    Ok(Loaded { history, format, ignored: book.ignored.into_iter().collect() })
}

/// The only thing that no single line can get wrong.
fn one_at_a_time(history: &Transactions) -> Result<(), TextError> {
    let mut ends = crate::names::Table::default();
    for txn in &history.txns {
        let end = if txn.fate == crate::Fate::Unknown { txn.invoked } else { txn.returned };
        let Some((before, line)) = ends.insert(txn.process, (end, txn.line)) else { continue };
        if before > txn.invoked {
            let (line, other) = (txn.line as usize, line);
            let process = txn.process;
            let reason = format!(
                "process {process} begins this while the operation of line {other} is under way"
            );
            return Err(TextError { line, column: 1, reason });
        }
    }
    Ok(())
}
