//! The table of commands says what the commands do.

use super::{args, at};
use crate::{Db, Run, arity_ok, command_keys, execute, introspect, lookup, read, table};
use stdx::Prng;
use wire::resp::{Args, Reply};

#[test]
fn rows_make_sense() {
    let mut names: Vec<&str> = table().map(|spec| spec.name).collect();
    assert!(names.len() >= 60, "only {} commands", names.len());
    for spec in table() {
        assert_eq!(spec.name, spec.name.to_ascii_lowercase());
        assert_eq!(lookup(spec.name.to_uppercase().as_bytes()).unwrap().name, spec.name);
        assert!(spec.summary.ends_with('.') && !spec.complexity.is_empty(), "{}", spec.name);
        match spec.run {
            Run::Read(_) => assert!(spec.has("readonly") && !spec.has("write"), "{}", spec.name),
            Run::Write(_) => assert!(spec.has("write") && !spec.has("readonly"), "{}", spec.name),
            Run::Gateway => assert!(!spec.has("write"), "{}", spec.name),
        }
        for keys in spec.keys {
            let least = spec.arity.unsigned_abs() as usize;
            assert!(keys.first < least, "{} names a key that may not be there", spec.name);
        }
    }
    for none in ["", "ge", "gett", "xget", "a command of more than sixteen bytes"] {
        assert!(lookup(none.as_bytes()).is_none());
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table().count(), "a name twice");
}

#[test]
fn keys_are_found() {
    let keys = |line: &str| {
        let command = args(line);
        let found: Vec<String> =
            command_keys(&command).map(|key| String::from_utf8(key.to_vec()).unwrap()).collect();
        found.join(" ")
    };
    assert_eq!(keys("get a"), "a");
    assert_eq!(keys("get"), "");
    assert_eq!(keys("MSET a 1 b 2"), "a b");
    assert_eq!(keys("mset a 1 b"), "a b");
    assert_eq!(keys("del a b c"), "a b c");
    assert_eq!(keys("rename a b"), "a b");
    assert_eq!(keys("copy a b replace"), "a b");
    assert_eq!(keys("rename a"), "a");
    assert_eq!(keys("watch a b"), "a b");
    assert_eq!(keys("keys a"), "");
    assert_eq!(keys("nonsense a"), "");
}

#[test]
fn any_arguments_end_in_a_reply() {
    let mut prng = Prng::new(3);
    let pool: [&[u8]; 12] = [
        b"",
        b"a",
        b"-1",
        b"0",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"\xff\xfe",
        b"nx",
        b"ex",
        b"[",
        b"*?[^-]\\",
        b"99999999999999999999",
    ];
    for spec in table().filter(|spec| !spec.is_gateway()) {
        for round in 0..400 {
            let mut command = Args::default();
            command.push(spec.name.as_bytes());
            for _ in 0..round % 7 {
                command.push(pool[prng.index(pool.len())]);
            }
            let mut db = Db::new(1 << 10);
            execute(&mut db, at(1, 1), &args("mset a 1 -1 x"));
            let before = db.digest();
            let reply = execute(&mut db, at(u64::MAX >> 1, 2), &command);
            db.check_all();
            if reply.is_error() {
                assert_eq!(db.digest(), before, "an error changed the state: {command:?}");
            }
            let wrong = format!("ERR wrong number of arguments for '{}' command", spec.name);
            if !arity_ok(spec, &command) {
                assert_eq!(reply, Reply::err(wrong));
            }
            let _ = read(&db, at(1, 1), &command);
        }
    }
}

#[test]
fn introspection_never_panics() {
    let mut prng = Prng::new(5);
    let pool = [
        "info",
        "docs",
        "list",
        "getkeys",
        "getkeysandflags",
        "count",
        "help",
        "filterby",
        "aclcat",
        "pattern",
        "module",
        "get",
        "mset",
        "rename",
        "*",
        "read",
        "",
    ];
    for _ in 0..5_000 {
        let mut command = args("command");
        for _ in 0..prng.index(6) {
            command.push(prng.pick(&pool).as_bytes());
        }
        introspect(&command);
    }
    let count = Reply::int(table().count());
    assert_eq!(introspect(&args("command count")), count);
    let Reply::Array(all) = introspect(&args("command")) else { panic!() };
    assert_eq!(Reply::int(all.len()), count);
    for entry in all {
        let Reply::Array(parts) = entry else { panic!() };
        assert_eq!(parts.len(), 10, "Redis 7 has ten");
    }
    let Reply::Map(all) = introspect(&args("command docs")) else { panic!() };
    assert_eq!(Reply::int(all.len()), count);
}

#[test]
fn gateway_commands_are_not_executed_here() {
    let mut db = Db::default();
    let text = "ERR unknown command 'PING', with args beginning with: 'a' 'b' ";
    assert_eq!(execute(&mut db, at(1, 1), &args("PING a b")), Reply::err(text));
    assert_eq!(read(&db, at(1, 1), &args("PING a b")), Ok(Reply::err(text)));
    assert!(read(&db, at(1, 1), &args("set a b")).unwrap().is_error());
}
