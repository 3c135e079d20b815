//! SET and what grew out of it.

use super::{integer, key, rows, syntax};
use crate::entry::Value;
use crate::spec::{Group, Run};
use crate::view::{View, Writer};
use stdx::Bytes;
use wire::resp::{Args, Reply};

rows! { Group::String;
    "set", -3, "write denyoom", &[key("RW access update variable_flags", 1, 0, 1)], "1.0.0",
        "O(1)", "Set the string value of a key.", Run::Write(set);
    "get", 2, "readonly fast", &[key("RO access", 1, 0, 1)], "1.0.0",
        "O(1)", "Get the value of a key.", Run::Read(get);
    "getex", -2, "write fast", &[key("RW access update", 1, 0, 1)], "6.2.0",
        "O(1)", "Get the value of a key and optionally set its expiration.", Run::Write(getex);
    "getdel", 2, "write fast", &[key("RW access delete", 1, 0, 1)], "6.2.0",
        "O(1)", "Get the value of a key and delete the key.", Run::Write(getdel);
    "getset", 3, "write denyoom fast", &[key("RW access update", 1, 0, 1)], "1.0.0",
        "O(1)", "Set the string value of a key and return its old value.", Run::Write(getset);
    "setex", 4, "write denyoom", &[key("OW update", 1, 0, 1)], "2.0.0",
        "O(1)", "Set the value and expiration of a key.", Run::Write(setex);
    "psetex", 4, "write denyoom", &[key("OW update", 1, 0, 1)], "2.6.0",
        "O(1)", "Set the value and expiration in milliseconds of a key.", Run::Write(psetex);
    "setnx", 3, "write denyoom fast", &[key("OW insert", 1, 0, 1)], "1.0.0",
        "O(1)", "Set the value of a key, only if the key does not exist.", Run::Write(setnx);
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Ex,
    Px,
    ExAt,
    PxAt,
}

/// What follows the key and value of SET, or the key of GETEX.
#[derive(Debug, Default)]
struct Options {
    nx: bool,
    xx: bool,
    get: bool,
    keep: bool,
    persist: bool,
    /// The unit, and the index of the number.
    expiry: Option<(Unit, usize)>,
}

impl Options {
    /// From argument `from` on. As in Redis, the same unit twice is taken (the last counts), two units are not.
    fn parse(args: &Args, from: usize, is_set: bool) -> Result<Options, Reply> {
        let mut options = Options::default();
        let mut i = from;
        while i < args.len() {
            let is = |word| args.is(i, word);
            let unit =
                [("ex", Unit::Ex), ("px", Unit::Px), ("exat", Unit::ExAt), ("pxat", Unit::PxAt)];
            if let Some((_, unit)) = unit.into_iter().find(|(word, _)| is(word)) {
                let other = options.expiry.is_some_and(|(was, _)| was != unit);
                if other || options.keep || options.persist || i + 1 >= args.len() {
                    return Err(syntax());
                }
                options.expiry = Some((unit, i + 1));
                i += 2;
                continue;
            }
            match () {
                () if is_set && is("nx") && !options.xx => options.nx = true,
                () if is_set && is("xx") && !options.nx => options.xx = true,
                () if is_set && is("get") => options.get = true,
                () if is_set && is("keepttl") && options.expiry.is_none() => options.keep = true,
                () if !is_set && is("persist") && options.expiry.is_none() => {
                    options.persist = true;
                }
                () => return Err(syntax()),
            }
            i += 1;
        }
        Ok(options)
    }

    /// When the key is to expire, in milliseconds since 1970.
    fn at(&self, args: &Args, now_ms: u64) -> Result<Option<u64>, Reply> {
        self.expiry.map(|(unit, index)| absolute(args, index, unit, now_ms)).transpose()
    }
}

/// The time in argument `index`; it must be positive and fit after conversion.
fn absolute(args: &Args, index: usize, unit: Unit, now_ms: u64) -> Result<u64, Reply> {
    let given = integer(args, index)?;
    let millis = match unit {
        Unit::Ex | Unit::ExAt => given.checked_mul(1000),
        Unit::Px | Unit::PxAt => Some(given),
    };
    let base = match unit {
        Unit::Ex | Unit::Px => i64::try_from(now_ms).unwrap_or(i64::MAX),
        Unit::ExAt | Unit::PxAt => 0,
    };
    millis
        .filter(|millis| *millis > 0)
        .and_then(|millis| millis.checked_add(base))
        .and_then(|at| u64::try_from(at).ok())
        .ok_or_else(|| invalid_expire(args))
}

fn invalid_expire(args: &Args) -> Reply {
    let name = String::from_utf8_lossy(args.name()).to_ascii_lowercase();
    Reply::err(format!("ERR invalid expire time in '{name}' command"))
}

/// The value of argument `i`.
fn value(args: &Args, i: usize) -> Value {
    Value::String(Bytes::from(args.get(i)))
}

fn current(db: &Writer<'_>, key: &[u8]) -> Reply {
    Reply::bulk_or_null(db.get(key).map(|entry| entry.string().clone()))
}

fn get(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(Reply::bulk_or_null(db.get(args.get(1)).map(|entry| entry.string().clone())))
}

fn set(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let key = args.get(1);
    let options = Options::parse(args, 3, true)?;
    let mut expiry = options.at(args, db.cx().now_ms)?;
    let old = db.get(key);
    if options.keep {
        expiry = old.and_then(|entry| entry.expiry);
    }
    let refused = if old.is_some() { options.nx } else { options.xx };
    let before = options.get.then(|| current(db, key));
    if !refused {
        db.set(key, value(args, 2), expiry);
    }
    Ok(before.unwrap_or_else(|| if refused { Reply::Null } else { Reply::ok() }))
}

fn setex(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    set_for(db, args, Unit::Ex)
}

fn psetex(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    set_for(db, args, Unit::Px)
}

fn set_for(db: &mut Writer<'_>, args: &Args, unit: Unit) -> Result<Reply, Reply> {
    let expiry = absolute(args, 2, unit, db.cx().now_ms)?;
    db.set(args.get(1), value(args, 3), Some(expiry));
    Ok(Reply::ok())
}

fn setnx(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let key = args.get(1);
    if db.get(key).is_some() {
        return Ok(Reply::int(0));
    }
    db.set(key, value(args, 2), None);
    Ok(Reply::int(1))
}

fn getset(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let key = args.get(1);
    let before = current(db, key);
    db.set(key, value(args, 2), None);
    Ok(before)
}

fn getdel(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let removed = db.remove(args.get(1));
    Ok(Reply::bulk_or_null(removed.map(|entry| entry.string().clone())))
}

fn getex(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let key = args.get(1);
    let options = Options::parse(args, 2, false)?;
    let Some(entry) = db.get(key) else { return Ok(Reply::Null) };
    let (bytes, was) = (entry.string().clone(), entry.expiry);
    let expiry = if options.persist { None } else { options.at(args, db.cx().now_ms)?.or(was) };
    // Without a change the key was only read, and no WATCH of it breaks.
    if expiry != was {
        db.set(key, Value::String(bytes.clone()), expiry);
    }
    Ok(Reply::Bulk(bytes))
}
