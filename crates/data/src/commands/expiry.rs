//! Expiry: always kept as an absolute time, decided by the group's time when the command is applied.

use super::{integer, key, rows};
use crate::entry::Entry;
use crate::spec::{Group, Run};
use crate::view::{View, Writer};
use wire::resp::{Args, Reply};

rows! { Group::Generic;
    "expire", -3, "write fast", &[key("RW update", 1, 0, 1)], "1.0.0",
        "O(1)", "Set a key's time to live in seconds.", Run::Write(expire);
    "pexpire", -3, "write fast", &[key("RW update", 1, 0, 1)], "2.6.0",
        "O(1)", "Set a key's time to live in milliseconds.", Run::Write(pexpire);
    "expireat", -3, "write fast", &[key("RW update", 1, 0, 1)], "1.2.0",
        "O(1)", "Set the expiration for a key as a UNIX timestamp.", Run::Write(expireat);
    "pexpireat", -3, "write fast",
        &[key("RW update", 1, 0, 1)], "2.6.0",
        "O(1)",
        "Set the expiration for a key as a UNIX timestamp in milliseconds.", Run::Write(pexpireat);
    "ttl", 2, "readonly fast", &[key("RO access", 1, 0, 1)], "1.0.0",
        "O(1)", "Get the time to live for a key in seconds.", Run::Read(ttl);
    "pttl", 2, "readonly fast", &[key("RO access", 1, 0, 1)], "2.6.0",
        "O(1)", "Get the time to live for a key in milliseconds.", Run::Read(pttl);
    "expiretime", 2, "readonly fast", &[key("RO access", 1, 0, 1)], "7.0.0",
        "O(1)", "Get the expiration Unix timestamp for a key.", Run::Read(expiretime);
    "pexpiretime", 2, "readonly fast",
        &[key("RO access", 1, 0, 1)], "7.0.0",
        "O(1)",
        "Get the expiration Unix timestamp for a key in milliseconds.", Run::Read(pexpiretime);
    "persist", 2, "write fast", &[key("RW update", 1, 0, 1)], "2.2.0",
        "O(1)", "Remove the expiration from a key.", Run::Write(persist);
}

fn expire(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    set_expiry(db, args, 1000, true)
}

fn pexpire(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    set_expiry(db, args, 1, true)
}

fn expireat(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    set_expiry(db, args, 1000, false)
}

fn pexpireat(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    set_expiry(db, args, 1, false)
}

/// When the new expiry counts.
#[derive(Debug, Default)]
struct When {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl When {
    fn parse(args: &Args) -> Result<When, Reply> {
        let mut when = When::default();
        for (i, option) in args.iter().enumerate().skip(3) {
            match () {
                () if args.is(i, "nx") => when.nx = true,
                () if args.is(i, "xx") => when.xx = true,
                () if args.is(i, "gt") => when.gt = true,
                () if args.is(i, "lt") => when.lt = true,
                () => {
                    let option = String::from_utf8_lossy(option);
                    return Err(Reply::err(format!("ERR Unsupported option {option}")));
                }
            }
        }
        if when.nx && (when.xx || when.gt || when.lt) {
            return Err(Reply::err(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if when.gt && when.lt {
            return Err(Reply::err("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(when)
    }

    /// No expiry counts as one that never comes.
    fn allows(&self, was: Option<u64>, at: i64) -> bool {
        let was = was.map(|was| i64::try_from(was).unwrap_or(i64::MAX));
        let refused = (self.nx && was.is_some())
            || (self.xx && was.is_none())
            || (self.gt && was.is_none_or(|was| at <= was))
            || (self.lt && was.is_some_and(|was| at >= was));
        !refused
    }
}

fn set_expiry(db: &mut Writer<'_>, args: &Args, unit: i64, relative: bool) -> Result<Reply, Reply> {
    let key = args.get(1);
    let when = When::parse(args)?;
    let now = i64::try_from(db.cx().now_ms).unwrap_or(i64::MAX);
    let at = integer(args, 2)?
        .checked_mul(unit)
        .and_then(|millis| millis.checked_add(if relative { now } else { 0 }))
        .ok_or_else(|| {
            let name = String::from_utf8_lossy(args.name()).to_ascii_lowercase();
            Reply::err(format!("ERR invalid expire time in '{name}' command"))
        })?;
    let Some(entry) = db.get(key) else { return Ok(Reply::int(0)) };
    if !when.allows(entry.expiry, at) {
        return Ok(Reply::int(0));
    }
    // A time before 1970 is as past as 1970: the key goes at once.
    let value = entry.value.clone();
    db.set(key, value, Some(u64::try_from(at).unwrap_or(0)));
    Ok(Reply::int(1))
}

fn persist(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let key = args.get(1);
    match db.get(key).filter(|entry| entry.expiry.is_some()).map(|entry| entry.value.clone()) {
        None => Ok(Reply::int(0)),
        Some(value) => {
            db.set(key, value, None);
            Ok(Reply::int(1))
        }
    }
}

/// -2 without the key, -1 without an expiry, else what `show` makes of it.
fn answer(entry: Option<&Entry>, show: impl FnOnce(u64) -> u64) -> Reply {
    match entry.map(|entry| entry.expiry) {
        None => Reply::int(-2),
        Some(None) => Reply::int(-1),
        Some(Some(at)) => Reply::int(show(at)),
    }
}

/// To the nearest second, as Redis rounds.
fn seconds(millis: u64) -> u64 {
    millis.saturating_add(500) / 1000
}

fn ttl(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(answer(db.get(args.get(1)), |at| seconds(at.saturating_sub(db.cx().now_ms))))
}

fn pttl(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(answer(db.get(args.get(1)), |at| at.saturating_sub(db.cx().now_ms)))
}

fn expiretime(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(answer(db.get(args.get(1)), seconds))
}

fn pexpiretime(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(answer(db.get(args.get(1)), |at| at))
}
