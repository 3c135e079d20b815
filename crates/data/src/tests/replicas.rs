//! Replicas that apply the same log are the same, whatever it holds.

use super::{KEYS, args, at, random_command, run};
use crate::{Db, Unready, execute, lookup, read};
use stdx::Prng;
use storage::Needs;
use wire::resp::{Args, Reply};

fn snapshot(db: &mut Db, prng: &mut Prng) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    while let Some(chunk) = db.chunk(1 + prng.index(200)).ready() {
        chunks.push(chunk);
    }
    chunks
}

fn load(chunks: &[Vec<u8>], removals: &[u64]) -> Db {
    let mut db = Db::default();
    db.set_removals(removals.to_vec()).unwrap();
    for chunk in chunks {
        db.load_chunk(chunk).unwrap();
    }
    db.check_all();
    db
}

#[test]
fn the_same_log_gives_the_same_state() {
    let (mut expired, mut errors, mut fine) = (0, 0, 0);
    for seed in 0..150 {
        let mut prng = Prng::new(seed);
        let (mut one, mut two, mut now) = (Db::default(), Db::default(), 1_000);
        for index in 1..200 {
            now += prng.below(300);
            let command = random_command(&mut prng);
            let cx = at(now, index);
            if prng.chance(1, 3) {
                let limit = prng.index(3);
                expired += one.expire_due(now, limit);
                two.expire_due(now, limit);
            }
            let reply = execute(&mut one, cx, &command);
            assert_eq!(reply, execute(&mut two, cx, &command), "seed {seed}: {command:?}");
            if reply.is_error() {
                errors += 1;
            } else {
                fine += 1;
            }
            one.check();
        }
        one.check_all();
        assert_eq!(one.digest(), two.digest(), "seed {seed}");
        one.freeze();
        assert_eq!(
            load(&snapshot(&mut one, &mut prng), two.removals()).digest(),
            two.digest(),
            "seed {seed}"
        );
    }
    assert!(expired > 100 && errors > 1_000 && fine > 10_000, "{expired} {errors} {fine}");
}

/// Loads whatever `command` needs; answers how often that was.
fn load_all(db: &mut Db, command: &Args) -> usize {
    for loads in 0..100 {
        let mut needs = Needs::default();
        db.needs(command, 0, &mut needs);
        match db.prepare(needs, 0, &mut Vec::new) {
            Ok(()) => return loads,
            Err(ticket) => db.loaded(ticket),
        }
    }
    panic!("{command:?} never becomes resident");
}

#[test]
fn what_is_not_in_memory_makes_no_difference() {
    let mut loads = 0;
    for seed in 0..100 {
        let mut prng = Prng::new(seed);
        let mut far = Db::missing(1 << 20, &mut Prng::new(seed), 1, 2);
        let (mut near, mut now) = (Db::new(1 << 20), 1_000);
        for index in 1..200 {
            now += prng.below(300);
            let (command, cx) = (random_command(&mut prng), at(now, index));
            loads += load_all(&mut far, &command);
            let reply = execute(&mut near, cx, &command);
            assert_eq!(execute(&mut far, cx, &command), reply, "seed {seed}: {command:?}");
            let limit = prng.index(3);
            assert_eq!(far.expire_due(now, limit), near.expire_due(now, limit));
        }
        far.check_all();
        assert_eq!(far.digest(), near.digest(), "seed {seed}");
        far.freeze();
        assert_eq!(
            load(&snapshot(&mut far, &mut prng), near.removals()).digest(),
            near.digest(),
            "seed {seed}"
        );
    }
    assert!(loads > 1_000, "only {loads} loads");
}

#[test]
fn a_frozen_view_ignores_what_follows() {
    for seed in 0..100 {
        let mut prng = Prng::new(seed);
        let mut db = Db::default();
        for index in 1..100 {
            execute(&mut db, at(1_000, index), &random_command(&mut prng));
        }
        let (frozen, removals) = (db.digest(), db.removals().to_vec());
        db.freeze();
        let mut chunks = Vec::new();
        loop {
            for index in 100..110 {
                execute(&mut db, at(1_500, index), &random_command(&mut prng));
            }
            let Some(chunk) = db.chunk(1 + prng.index(100)).ready() else { break };
            chunks.push(chunk);
        }
        assert_eq!(load(&chunks, &removals).digest(), frozen, "seed {seed}");
        db.thaw();
        assert_eq!(db.chunk(100).ready(), None);
        db.check_all();
    }
}

/// A read either rests on nothing that is due, or says so; after the expiry is committed it gives what
/// execution gave before.
#[test]
fn reads_agree_with_execution() {
    let mut due = 0;
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let (mut db, mut now) = (Db::default(), 1_000);
        for index in 1..100 {
            now += prng.below(400);
            let (command, cx) = (random_command(&mut prng), at(now, index));
            if lookup(command.name()).is_some_and(|spec| spec.is_read()) {
                let before = db.digest();
                let executed = execute(&mut db, cx, &command);
                assert_eq!(db.digest(), before, "a read changed the state: {command:?}");
                let mut later = db.clone();
                later.expire_due(now, usize::MAX);
                assert!(later.next_expiry().is_none_or(|at| at > now));
                assert_eq!(read(&later, cx, &command), Ok(executed.clone()), "{command:?}");
                match read(&db, cx, &command) {
                    Ok(reply) => assert_eq!(reply, executed, "seed {seed}: {command:?}"),
                    Err(Unready::Due) => due += 1,
                    Err(Unready::Short) => panic!("nothing is on disk"),
                }
            }
            execute(&mut db, cx, &command);
        }
    }
    assert!(due > 100, "only {due} reads met a due key");
}

/// Every kind of read that sees a key see its expiry.
#[test]
fn no_read_shows_absence_that_is_not_committed() {
    let mut db = Db::default();
    run(&mut db, at(1_000, 1), "set k v px 10");
    run(&mut db, at(1_000, 2), "set other v");
    for line in [
        "get k",
        "mget other k",
        "exists k",
        "strlen k",
        "getrange k 0 1",
        "type k",
        "ttl k",
        "pttl k",
        "expiretime k",
        "pexpiretime k",
        "touch k",
        "dbsize",
        "keys *",
        "scan 0",
        "substr k 0 1",
    ] {
        assert!(read(&db, at(1_009, 2), &args(line)).is_ok(), "{line}");
        assert_eq!(read(&db, at(1_010, 2), &args(line)), Err(Unready::Due), "{line}");
    }
    assert_eq!(read(&db, at(1_010, 2), &args("get other")), Ok(Reply::bulk("v")));
    assert_eq!(db.expire_due(1_010, 1), 1);
    assert_eq!(read(&db, at(1_010, 2), &args("dbsize")), Ok(Reply::int(1)));
}

#[test]
fn scans_visit_what_stays_exactly_once() {
    for seed in 0..50 {
        let mut prng = Prng::new(seed);
        let mut db = Db::default();
        let mut index = 0;
        let mut write = |db: &mut Db, line: String| {
            index += 1;
            execute(db, at(1, index), &args(&line));
        };
        for i in 0..300 {
            write(&mut db, format!("set stays:{i} v"));
        }
        let (mut seen, mut cursor) = (Vec::new(), String::from("0"));
        loop {
            let count = 1 + prng.index(20);
            let command: Args = ["scan", &cursor, "count", &count.to_string()].iter().collect();
            let Ok(Reply::Array(parts)) = read(&db, at(1, 1), &command) else { panic!() };
            let [Reply::Bulk(next), Reply::Array(keys)] = &parts[..] else { panic!() };
            seen.extend(keys.iter().cloned());
            cursor = String::from_utf8(next.to_vec()).unwrap();
            for _ in 0..20 {
                let verb = *prng.pick(&["set comes:X v", "del comes:X"]);
                write(&mut db, verb.replace('X', &prng.below(100).to_string()));
            }
            if cursor == "0" {
                break;
            }
        }
        for i in 0..300 {
            let key = Reply::bulk(format!("stays:{i}"));
            assert_eq!(seen.iter().filter(|one| **one == key).count(), 1, "seed {seed}: {key:?}");
        }
    }
}

#[test]
fn histories_and_watches() {
    let mut db = Db::default();
    let absent = db.modified(b"k", 1);
    run(&mut db, at(1, 4), "set k v");
    run(&mut db, at(1, 4), "del k");
    assert_ne!(db.modified(b"k", 1), absent, "it was there in between");
    let absent = db.modified(b"k", 1);
    run(&mut db, at(1, 5), "set k v");
    run(&mut db, at(1, 7), "append k w");
    let entry = db.get(b"k").unwrap().clone();
    assert_eq!((entry.created, entry.modified, entry.version), (5, 7, 2));
    // What does not write does not count as a write.
    for line in ["getex k", "set k v nx", "setnx k v", "getrange k 0 1", "persist k", "rename k k"]
    {
        run(&mut db, at(1, 8), line);
        assert_eq!(db.modified(b"k", 1), 7, "{line}");
    }
    run(&mut db, at(1, 9), "expire k 10");
    assert_eq!((db.modified(b"k", 1), db.modified(b"k", 10_001)), (9, absent));
    run(&mut db, at(10_001, 10), "set k v");
    let entry = db.get(b"k").unwrap();
    assert_eq!((entry.created, entry.version), (10, 1), "a new life after the expiry");
}

#[test]
fn expiry_is_in_order_and_bounded() {
    let mut db = Db::default();
    for (i, key) in ["d", "a", "c", "b"].into_iter().enumerate() {
        run(&mut db, at(1, 1 + i as u64), &format!("set {key} v pxat {}", 10 + i / 2));
    }
    assert_eq!(db.next_expiry(), Some(10));
    assert_eq!(db.expire_due(9, 100), 0);
    assert_eq!(db.expire_due(11, 3), 3);
    assert_eq!((db.len(), db.get(b"c").is_some()), (1, true));
    assert_eq!((db.due(11), db.expire_due(11, 0), db.expire_due(11, 9)), (1, 0, 1));
    assert_eq!((db.next_expiry(), db.is_empty()), (None, true));
}

#[test]
fn prefixes_are_counted_in_steps() {
    let mut db = Db::default();
    for i in 0..100 {
        run(&mut db, at(1, 1 + i), &format!("set {}{i} v", if i < 30 { "x:" } else { "y:" }));
    }
    let (mut cursor, mut total, mut steps) = (0, 0, 0);
    loop {
        let (count, next) = db.count_prefix(b"x:", cursor, 7).unwrap();
        (cursor, total, steps) = (next, total + count, steps + 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!((total, steps), (30, 15));
}

#[test]
fn long_strings_are_refused() {
    let mut db = Db::new(8);
    let long = Reply::err("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    assert_eq!(run(&mut db, at(1, 1), "append k 12345678"), Reply::int(8));
    assert_eq!(run(&mut db, at(1, 2), "append k 9"), long);
    assert_eq!(run(&mut db, at(1, 3), "setrange k 8 9"), long);
    assert_eq!(run(&mut db, at(1, 4), "setrange k 7 9"), Reply::int(8));
    assert_eq!(run(&mut db, at(1, 5), "setrange k 9223372036854775807 9"), long);
}

#[test]
fn random_keys_are_there() {
    let mut db = Db::default();
    for (i, key) in KEYS.iter().enumerate() {
        run(&mut db, at(1, 1 + i as u64), &format!("set {key} v"));
    }
    let mut prng = Prng::new(1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let cx = crate::Context { now_ms: 1, committed_ms: 0, index: 9, seed: prng.next_u64() };
        let Ok(Reply::Bulk(key)) = read(&db, cx, &args("randomkey")) else { panic!() };
        seen.insert(key);
    }
    assert!(seen.len() >= 4, "{seen:?}");
    assert!(seen.iter().all(|key| db.get(key).is_some()));
}
