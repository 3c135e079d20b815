//! Keys of any type: whether they exist, what they are called.

use super::{key, rows, syntax};
use crate::spec::{Group, Run};
use crate::view::{View, Writer};
use wire::resp::{Args, Reply};

rows! { Group::Generic;
    "del", -2, "write", &[key("RM delete", 1, -1, 1)], "1.0.0",
        "O(N) where N is the number of keys that will be removed", "Delete a key.", Run::Write(del);
    "unlink", -2, "write fast",
        &[key("RM delete", 1, -1, 1)], "4.0.0",
        "O(1) for each key removed regardless of its size",
        "Delete a key; the same as DEL.", Run::Write(del);
    "exists", -2, "readonly fast",
        &[key("RO", 1, -1, 1)], "1.0.0",
        "O(N) where N is the number of keys to check",
        "Determine if a key exists.", Run::Read(exists);
    "type", 2, "readonly fast", &[key("RO", 1, 0, 1)], "1.0.0",
        "O(1)", "Determine the type stored at key.", Run::Read(type_of);
    "touch", -2, "readonly fast",
        &[key("RO", 1, -1, 1)], "3.2.1",
        "O(N) where N is the number of keys that will be touched",
        "Count how many of the keys exist; the same as EXISTS.", Run::Read(exists);
    "rename", 3, "write", &[key("RW access delete", 1, 0, 1), key("OW update", 2, 0, 1)], "1.0.0",
        "O(1)", "Rename a key.", Run::Write(rename);
    "renamenx", 3, "write fast",
        &[key("RW access delete", 1, 0, 1), key("OW insert", 2, 0, 1)], "1.0.0",
        "O(1)",
        "Rename a key, only if the new key does not exist.", Run::Write(renamenx);
    "copy", -3, "write denyoom", &[key("RO access", 1, 0, 1), key("OW update", 2, 0, 1)], "6.2.0",
        "O(N) worst case for collections", "Copy a key.", Run::Write(copy);
    "flushdb", -1, "write dangerous",
        &[], "1.0.0",
        "O(N) where N is the number of keys in the selected database",
        "Remove all keys from the current database.", Run::Write(flushdb);
    "flushall", -1, "write dangerous",
        &[], "1.0.0",
        "O(N) where N is the total number of keys in all databases",
        "Remove all keys from all databases.", Run::Write(flushdb);
}

fn del(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(Reply::int(args.iter().skip(1).filter(|key| db.remove(key).is_some()).count()))
}

fn exists(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(Reply::int(args.iter().skip(1).filter(|key| db.get(key).is_some()).count()))
}

fn type_of(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    Ok(Reply::simple(db.get(args.get(1)).map_or("none", |entry| entry.value.type_name())))
}

fn rename(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    move_to(db, args)?;
    Ok(Reply::ok())
}

fn renamenx(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    // Without its old key the command fails, whatever the new one is.
    if db.get(args.get(1)).is_some() && db.get(args.get(2)).is_some() {
        return Ok(Reply::int(0));
    }
    move_to(db, args)?;
    Ok(Reply::int(1))
}

/// Value and expiry move; what the new key held is gone. Onto itself, nothing happens.
fn move_to(db: &mut Writer<'_>, args: &Args) -> Result<(), Reply> {
    let (from, to) = (args.get(1), args.get(2));
    let entry = db.get(from).ok_or_else(|| Reply::err("ERR no such key"))?;
    if from != to {
        let (value, expiry) = (entry.value.clone(), entry.expiry);
        db.remove(from);
        db.set(to, value, expiry);
    }
    Ok(())
}

/// `DB` is refused: a keyspace may live on other nodes, under other promises.
fn copy(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    let (from, to) = (args.get(1), args.get(2));
    let mut replace = false;
    for i in 3..args.len() {
        if args.is(i, "replace") {
            replace = true;
        } else if args.is(i, "db") && i + 1 < args.len() {
            return Err(Reply::err(
                "ERR COPY cannot reach another keyspace with DB: name it in the key, as in 'name:key'",
            ));
        } else {
            return Err(syntax());
        }
    }
    if from == to {
        return Err(Reply::err("ERR source and destination objects are the same"));
    }
    let Some(entry) = db.get(from) else { return Ok(Reply::int(0)) };
    if !replace && db.get(to).is_some() {
        return Ok(Reply::int(0));
    }
    let (value, expiry) = (entry.value.clone(), entry.expiry);
    db.set(to, value, expiry);
    Ok(Reply::int(1))
}

/// SYNC and ASYNC are the same: the log applies entries one after the other.
fn flushdb(db: &mut Writer<'_>, args: &Args) -> Result<Reply, Reply> {
    if args.len() > 2 || (args.len() == 2 && !args.is(1, "sync") && !args.is(1, "async")) {
        return Err(syntax());
    }
    db.clear();
    Ok(Reply::ok())
}
