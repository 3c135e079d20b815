//! Going through all keys: in the order of their hashes, so that a cursor means the same on every node.

use super::{integer, rows, syntax};
use crate::glob::glob;
use crate::spec::{Group, Run};
use crate::view::{KEYS_LIMIT, SCAN_LIMIT, View};
use wire::resp::{Args, Reply};

rows! { Group::Generic;
    "keys", 2, "readonly dangerous",
        &[], "1.0.0",
        "O(N) with N being the number of keys in the database",
        "Find all keys matching the given pattern.", Run::Read(keys);
    "scan", -2, "readonly", &[], "2.8.0",
        "O(1) for every call", "Incrementally iterate the keys space.", Run::Read(scan);
    "randomkey", 1, "readonly", &[], "1.0.0",
        "O(1)", "Return a random key from the keyspace.", Run::Read(randomkey);
    "dbsize", 1, "readonly fast", &[], "1.0.0",
        "O(1)", "Return the number of keys in the selected database.", Run::Read(dbsize);
}

fn dbsize(db: &View<'_>, _: &Args) -> Result<Reply, Reply> {
    Ok(Reply::int(db.count()))
}

fn keys(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    let pattern = args.get(1);
    if db.is_on_disk() && db.stored() > KEYS_LIMIT {
        let text = format!("ERR KEYS of more than {KEYS_LIMIT} keys on disk: use SCAN");
        return Err(Reply::err(text));
    }
    let (mut found, mut cursor) = (Vec::new(), 0);
    loop {
        cursor = db.scan(cursor, &mut |key, _| {
            if glob(pattern, key) {
                found.push(Reply::Bulk(key.clone()));
            }
        });
        if cursor == 0 {
            return Ok(Reply::Array(found));
        }
    }
}

/// What follows SCAN's cursor.
struct Options<'a> {
    count: i64,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl Options<'_> {
    fn parse(args: &Args) -> Result<Options<'_>, Reply> {
        let mut options = Options { count: 10, pattern: None, type_name: None };
        for i in (2..args.len()).step_by(2) {
            if i + 1 >= args.len() {
                return Err(syntax());
            } else if args.is(i, "count") {
                options.count = integer(args, i + 1)?;
                if options.count < 1 {
                    return Err(syntax());
                }
            } else if args.is(i, "match") {
                options.pattern = args.try_get(i + 1);
            } else if args.is(i, "type") {
                options.type_name = args.try_get(i + 1);
            } else {
                return Err(syntax());
            }
        }
        Ok(options)
    }
}

/// COUNT counts the keys looked at, up to a limit if they are on disk; all keys of one hash are answered
/// together.
fn scan(db: &View<'_>, args: &Args) -> Result<Reply, Reply> {
    let cursor = std::str::from_utf8(args.get(1)).ok().and_then(|text| text.parse().ok());
    let mut cursor: u64 = cursor.ok_or_else(|| Reply::err("ERR invalid cursor"))?;
    let options = Options::parse(args)?;
    let at_most = if db.is_on_disk() { SCAN_LIMIT as i64 } else { i64::MAX };
    let (mut found, mut seen) = (Vec::new(), 0);
    loop {
        cursor = db.scan(cursor, &mut |key, entry| {
            seen += 1;
            let named = options.pattern.is_none_or(|pattern| glob(pattern, key));
            let typed = options
                .type_name
                .is_none_or(|name| entry.value.type_name().as_bytes().eq_ignore_ascii_case(name));
            if named && typed {
                found.push(Reply::Bulk(key.clone()));
            }
        });
        if cursor == 0 || seen >= options.count.min(at_most) {
            let cursor = Reply::bulk(cursor.to_string());
            return Ok(Reply::Array(vec![cursor, Reply::Array(found)]));
        }
    }
}

/// The first living key from a position that the seed names. Not quite uniform: a key is the likelier the
/// larger the gap before its hash, as in Redis one is in a shorter chain.
fn randomkey(db: &View<'_>, _: &Args) -> Result<Reply, Reply> {
    for start in [db.cx().seed, 0] {
        let (mut found, mut cursor) = (None, start);
        loop {
            cursor = db.scan(cursor, &mut |key, _| {
                found.get_or_insert_with(|| key.clone());
            });
            if found.is_some() || cursor == 0 {
                break;
            }
        }
        if let Some(key) = found {
            return Ok(Reply::Bulk(key));
        }
    }
    Ok(Reply::Null)
}
