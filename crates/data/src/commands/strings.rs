//! Strings: counting, cutting, and many at once.

use super::{integer, key, rows};
use crate::entry::{Entry, Value};
use crate::number;
use crate::spec::{Group, Run, lookup, wrong_arity};
use crate::view::{View, Writer};
use stdx::Bytes;
use wire::resp::{Args, Reply};

rows! { Group::String;
    "mget", -2, "readonly fast",
        &[key("RO access", 1, -1, 1)], "1.0.0",
        "O(N) where N is the number of keys to retrieve",
        "Get the values of all the given keys.", Run::Read(mget);
    "mset", -3, "write denyoom",
        &[key("OW update", 1, -1, 2)], "1.0.1",
        "O(N) where N is the number of keys to set",
        "Set multiple keys to multiple values.", Run::Write(mset);
    "msetnx", -3, "write denyoom",
        &[key("OW insert", 1, -1, 2)], "1.0.1",
        "O(N) where N is the number of keys to set",
        "Set multiple keys to multiple values, only if none of the keys exist.", Run::Write(msetnx);
    "incr", 2, "write denyoom fast", &[key("RW access update", 1, 0, 1)], "1.0.0",
        "O(1)", "Increment the integer value of a key by one.", Run::Write(incr);
    "incrby", 3, "write denyoom fast", &[key("RW access update", 1, 0, 1)], "1.0.0",
        "O(1)", "Increment the integer value of a key by the given amount.", Run::Write(incrby);
    "incrbyfloat", 3, "write denyoom fast", &[key("RW access update", 1, 0, 1)], "2.6.0",
        "O(1)", "Increment the float value of a key by the given amount.", Run::Write(incrbyfloat);
    "decr", 2, "write denyoom fast", &[key("RW access update", 1, 0, 1)], "1.0.0",
        "O(1)", "Decrement the integer value of a key by one.", Run::Write(decr);
    "decrby", 3, "write denyoom fast", &[key("RW access update", 1, 0, 1)], "1.0.0",
        "O(1)", "Decrement the integer value of a key by the given number.", Run::Write(decrby);
    "append", 3, "write denyoom fast", &[key("RW insert", 1, 0, 1)], "2.0.0",
        "O(1)", "Append a value to a key.", Run::Write(append);
    "strlen", 2, "readonly fast", &[key("RO", 1, 0, 1)], "2.2.0",
        "O(1)", "Get the length of the value stored in a key.", Run::Read(strlen);
    "getrange", 4, "readonly",
        &[key("RO access", 1, 0, 1)], "2.4.0",
        "O(N) where N is the length of the returned string",
        "Get a substring of the string stored at a key.", Run::Read(getrange);
    "substr", 4, "readonly",
        &[key("RO access", 1, 0, 1)], "1.0.0",
        "O(N) where N is the length of the returned string",
        "Get a substring of the string stored at a key.", Run::Read(getrange);
    "setrange", 4, "write denyoom",
        &[key("RW update", 1, 0, 1)], "2.2.0",
        "O(1)",
        "Overwrite part of a string at key starting at the specified offset.", Run::Write(setrange);
}

fn mget(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    let each = |key: &[u8]| Reply::bulk_or_null(db.get(key).map(|entry| entry.string().clone()));
    Ok(Reply::Array(args.iter().skip(1).map(each).collect()))
}

/// Keys and values must come in pairs, which the table's arity cannot say.
fn pairs(args: &Args) -> Result<impl Iterator<Item = (&[u8], &[u8])>, Reply> {
    if args.len().is_multiple_of(2) {
        let spec = lookup(args.name()).expect("it is this command's own row");
        return Err(wrong_arity(spec));
    }
    Ok((1..args.len()).step_by(2).map(|i| (args.get(i), args.get(i + 1))))
}

fn mset(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    for (key, value) in pairs(args)? {
        db.set(key, Value::String(Bytes::from(value)), None);
    }
    Ok(Reply::ok())
}

fn msetnx(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    if pairs(args)?.any(|(key, _)| db.get(key).is_some()) {
        return Ok(Reply::int(0));
    }
    mset(db, args)?;
    Ok(Reply::int(1))
}

fn incr(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    add(db, args, 1)
}

fn decr(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    add(db, args, -1)
}

fn incrby(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    add(db, args, integer(args, 2)?)
}

fn decrby(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let by = integer(args, 2)?.checked_neg();
    add(db, args, by.ok_or_else(|| Reply::err("ERR decrement would overflow"))?)
}

fn add(db: &mut Writer<'_>, args: &Args, by: i64) -> Result<Reply, Reply> {
    let key = args.get(1);
    let (was, expiry) = match db.get(key) {
        Some(entry) => {
            let was = number::integer(entry.string());
            let not = || Reply::err("ERR value is not an integer or out of range");
            (was.ok_or_else(not)?, entry.expiry)
        }
        None => (0, None),
    };
    let sum = was.checked_add(by);
    let sum = sum.ok_or_else(|| Reply::err("ERR increment or decrement would overflow"))?;
    db.set(key, Value::String(Bytes::from(sum.to_string().as_bytes())), expiry);
    Ok(Reply::int(sum))
}

fn incrbyfloat(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let key = args.get(1);
    let (was, expiry) = match db.get(key) {
        Some(entry) => (entry.string().clone(), entry.expiry),
        None => (Bytes::from(&b"0"[..]), None),
    };
    for text in [&was[..], args.get(2)] {
        number::float(text).ok_or_else(|| Reply::err("ERR value is not a valid float"))?;
    }
    let sum = number::add_floats(&was, args.get(2))
        .ok_or_else(|| Reply::err("ERR increment would produce NaN or Infinity"))?;
    let sum = Bytes::from(sum.as_bytes());
    db.set(key, Value::String(sum.clone()), expiry);
    Ok(Reply::Bulk(sum))
}

/// Refuses to make a string of `len` bytes if that is too long.
fn fits(db: &Writer<'_>, len: Option<usize>) -> Result<usize, Reply> {
    len.filter(|len| *len <= db.max_value())
        .ok_or_else(|| Reply::err("ERR string exceeds maximum allowed size (proto-max-bulk-len)"))
}

fn append(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let (key, tail) = (args.get(1), args.get(2));
    let (was, expiry) = match db.get(key) {
        Some(entry) => (&entry.string()[..], entry.expiry),
        None => (&[][..], None),
    };
    let len =
        if was.is_empty() { tail.len() } else { fits(db, was.len().checked_add(tail.len()))? };
    let value = Value::String(Bytes::from([was, tail].concat()));
    db.set(key, value, expiry);
    Ok(Reply::int(len))
}

fn strlen(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(Reply::int(db.get(args.get(1)).map_or(0, |entry| entry.string().len())))
}

fn getrange(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    let (from, to) = (integer(args, 2)?, integer(args, 3)?);
    let bytes = db.get(args.get(1)).map_or(&[][..], |entry| &entry.string()[..]);
    let len = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    if len == 0 || (from < 0 && to < 0 && from > to) {
        return Ok(Reply::bulk(b""));
    }
    let place = |i: i64| if i < 0 { i.saturating_add(len).max(0) } else { i };
    let (from, to) = (place(from), place(to).min(len - 1));
    let index = |i: i64| usize::try_from(i).unwrap_or(usize::MAX);
    Ok(Reply::bulk(bytes.get(index(from)..=index(to)).unwrap_or_default()))
}

fn setrange(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let (key, part) = (args.get(1), args.get(3));
    let offset =
        usize::try_from(integer(args, 2)?).map_err(|_| Reply::err("ERR offset is out of range"))?;
    let entry = db.get(key);
    let was = entry.map(Entry::string).map_or(&[][..], |bytes| &bytes[..]);
    if part.is_empty() {
        return Ok(Reply::int(was.len()));
    }
    let end = fits(db, offset.checked_add(part.len()))?;
    let mut bytes = was.to_vec();
    bytes.resize(bytes.len().max(end), 0);
    bytes[offset..end].copy_from_slice(part);
    let (len, expiry) = (bytes.len(), entry.and_then(|entry| entry.expiry));
    db.set(key, Value::String(Bytes::from(bytes)), expiry);
    Ok(Reply::int(len))
}
