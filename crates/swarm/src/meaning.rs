//! What commands mean to the model: from the words that are sent, and from nothing else.

use crate::model::{Command, Part};
use stdx::Bytes;
use wire::resp::Args;

/// One command on its way, and who wants its reply.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) args: Args,
    pub(crate) meaning: Meaning,
}

/// What a command's reply tells.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// Nothing the model knows (MULTI, QUEUED, SELECT, UNWATCH).
    Nothing,
    /// One operation; the expiry it set, if any.
    Operation { parts: Vec<Part>, expires_ms: Option<u64> },
    /// WATCH of a key: if it is answered OK, a transaction may follow.
    Watch,
    /// GET after WATCH: what it reads guards the transaction.
    WatchedGet { key: Bytes },
    /// EXEC: the parts of the transaction, its guard first if it has one.
    Exec { parts: Vec<Part> },
    /// KEYSPACE CREATE.
    Declare,
}

/// How far a transaction has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Watched {
    /// None is on its way.
    #[default]
    No,
    /// WATCH is answered.
    Watching,
    /// GET is answered as well: this is what the key held.
    Seen(Bytes, Option<Bytes>),
    /// One of the two was refused.
    Spoilt,
}

/// Whether a request is one that a simulated client can ask, that is, one whose replies can be judged.
///
/// # Errors
/// Which command is not, from 0, and what was expected.
pub fn understand(commands: &[Args]) -> Result<(), (usize, String)> {
    meaning(commands, 0, &Watched::No).map(|_| ())
}

/// What a request means whose connection uses database `db` and has watched what `watched` says.
pub(crate) fn meaning(
    commands: &[Args],
    db: u64,
    watched: &Watched,
) -> Result<Vec<Asked>, (usize, String)> {
    let mut all: Vec<Asked> = Vec::new();
    // The parts of a transaction since its MULTI.
    let mut queued: Option<Vec<Part>> = None;
    for (number, args) in commands.iter().enumerate() {
        let wrong = |what: &str| (number, what.to_string());
        let meaning = match (&mut queued, args) {
            (None, args) if args.is(0, "MULTI") && args.len() == 1 => {
                queued = Some(guard(watched));
                Meaning::Nothing
            }
            (Some(_), args) if args.is(0, "EXEC") && args.len() == 1 => {
                let parts = queued.take().unwrap_or_default();
                if parts.is_empty() { Meaning::Nothing } else { Meaning::Exec { parts } }
            }
            (Some(parts), args) => {
                let (more, expires) = operation(args, db).map_err(|what| (number, what))?;
                let [part] = <[Part; 1]>::try_from(more)
                    .map_err(|_| wrong("within MULTI: expected a command on one key"))?;
                if expires.is_some() {
                    return Err(wrong("within MULTI: expected a SET without PX"));
                }
                parts.push(part);
                Meaning::Nothing
            }
            (None, args) => {
                let after = number.checked_sub(1).map(|before| &commands[before]);
                alone(args, after, db).map_err(|what| (number, what))?
            }
        };
        all.push(Asked { args: args.clone(), meaning });
    }
    if queued.is_some() {
        return Err((commands.len().saturating_sub(1), "MULTI without its EXEC".into()));
    }
    if all.is_empty() { Err((0, "expected a command".into())) } else { Ok(all) }
}

fn guard(watched: &Watched) -> Vec<Part> {
    match watched {
        Watched::Seen(key, value) => {
            vec![Part { key: key.clone(), command: Command::Guard(value.clone()) }]
        }
        Watched::No | Watched::Watching | Watched::Spoilt => Vec::new(),
    }
}

/// A command outside a transaction.
fn alone(args: &Args, before: Option<&Args>, db: u64) -> Result<Meaning, String> {
    let watched = before.filter(|before| before.is(0, "WATCH"));
    match args.len() {
        2 if args.is(0, "WATCH") => Ok(Meaning::Watch),
        1 if args.is(0, "UNWATCH") => Ok(Meaning::Nothing),
        2 if args.is(0, "SELECT") => Ok(Meaning::Nothing),
        3 if args.is(0, "KEYSPACE") && args.is(1, "CREATE") => Ok(Meaning::Declare),
        2 if args.is(0, "GET") && watched.is_some_and(|watch| watch.get(1) == args.get(1)) => {
            Ok(Meaning::WatchedGet { key: known(args.get(1), db) })
        }
        _ => {
            let (parts, expires_ms) = operation(args, db)?;
            Ok(Meaning::Operation { parts, expires_ms })
        }
    }
}

/// A key as the model knows it.
fn known(name: &[u8], db: u64) -> Bytes {
    if db == 0 {
        return Bytes::from(name);
    }
    Bytes::from([db.to_string().as_bytes(), b"/", name].concat())
}

fn operation(args: &Args, db: u64) -> Result<(Vec<Part>, Option<u64>), String> {
    let arg = |i: usize| Bytes::from(args.get(i));
    let part = |i: usize, command| Part { key: known(args.get(i), db), command };
    let one = |command| Ok((vec![part(1, command)], None));
    match args.len() {
        2 if args.is(0, "GET") => one(Command::Get),
        2 if args.is(0, "GETDEL") => one(Command::GetDel),
        2 if args.is(0, "DEL") => one(Command::Del),
        2 if args.is(0, "EXISTS") => one(Command::Exists),
        3 if args.is(0, "APPEND") => one(Command::Append(arg(2))),
        3 if args.is(0, "INCRBY") => {
            let by = std::str::from_utf8(args.get(2)).ok().and_then(|text| text.parse().ok());
            one(Command::Incr(by.ok_or("INCRBY: expected a whole number")?))
        }
        3.. if args.is(0, "SET") => {
            let (command, expires) = set(args)?;
            Ok((vec![part(1, command)], expires))
        }
        3.. if args.is(0, "MGET") => {
            Ok(((1..args.len()).map(|i| part(i, Command::Get)).collect(), None))
        }
        5.. if args.is(0, "MSET") && args.len() % 2 == 1 => {
            let pairs = (1..args.len()).step_by(2);
            Ok((pairs.map(|i| part(i, Command::Set(arg(i + 1)))).collect(), None))
        }
        _ => Err(format!("{args:?}: {EXPECTED}")),
    }
}

const EXPECTED: &str = "expected GET, SET (with NX, GET or PX milliseconds), GETDEL, DEL, EXISTS, INCRBY, APPEND, \
                        MGET or MSET of two keys or more, WATCH, UNWATCH, MULTI, EXEC, SELECT or KEYSPACE CREATE, \
                        with their arguments";

fn set(args: &Args) -> Result<(Command, Option<u64>), String> {
    let value = Bytes::from(args.get(2));
    let (mut command, mut expires, mut at) = (None, None, 3);
    while at < args.len() {
        let option = if args.is(at, "NX") {
            Command::SetNx(value.clone())
        } else if args.is(at, "GET") {
            Command::GetSet(value.clone())
        } else if args.is(at, "PX") {
            at += 1;
            let millis = args.try_get(at).and_then(|arg| std::str::from_utf8(arg).ok());
            let millis = millis.and_then(|text| text.parse().ok());
            expires = Some(millis.ok_or("SET: expected milliseconds after PX")?);
            at += 1;
            continue;
        } else {
            return Err(format!("{args:?}: {EXPECTED}"));
        };
        if command.replace(option).is_some() {
            return Err("SET: expected one of NX and GET".into());
        }
        at += 1;
    }
    Ok((command.unwrap_or(Command::Set(value)), expires))
}
