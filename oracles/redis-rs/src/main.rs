//! The crate `redis` against any node: commands.txt raw, then the library's own ways. Prints one line.

use redis::{Client, Commands, Connection, ErrorKind, RedisResult, Value};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::process::ExitCode;

#[derive(Default)]
struct Checks {
    count: usize,
    failures: Vec<String>,
}

impl Checks {
    fn check<T: PartialEq + Debug>(&mut self, what: &str, got: T, wanted: T) {
        self.count += 1;
        if got != wanted {
            self.failures.push(format!("{what}: expected {wanted:?}, got {got:?}"));
        }
    }
}

fn text(value: &Value) -> String {
    let all = |items: &[Value]| items.iter().map(text).collect::<Vec<_>>().join(" ");
    match value {
        Value::Nil => "(nil)".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Array(items) | Value::Set(items) => all(items),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Map(pairs) => pairs
            .iter()
            .map(|(k, v)| format!("{} {}", text(k), text(v)))
            .collect::<Vec<_>>()
            .join(" "),
        Value::Double(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        other => format!("{other:?}"),
    }
}

fn open(port: u16, protocol: u8) -> RedisResult<Connection> {
    let query = if protocol == 3 { "?protocol=resp3" } else { "" };
    Client::open(format!("redis://127.0.0.1:{port}/{query}"))?.get_connection()
}

fn raw(checks: &mut Checks, table: &str, connection: &mut Connection, here: &str, prefix: &str) {
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = line.replace('@', prefix);
        let (command, wanted) = line.split_once(" => ").expect("command => reply");
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            cmd.arg(word);
        });
        let reply = connection.send_packed_command(&cmd.get_packed_command());
        let got =
            match reply.and_then(|()| connection.recv_response()).and_then(Value::extract_error) {
                Ok(value) => text(&value),
                Err(error) => {
                    let code = error.code().unwrap_or("ERR").to_owned();
                    let got = format!("!{code} {}", error.detail().unwrap_or_default());
                    let known = wanted.starts_with('!') && got.starts_with(wanted);
                    if known { wanted.to_owned() } else { got }
                }
            };
        let any = wanted == "*" && !got.starts_with('!');
        checks.check(&format!("{here}: {command}"), &*got, if any { &*got } else { wanted });
    }
}

fn library(
    checks: &mut Checks,
    own: &mut Connection,
    other: &mut Connection,
    here: &str,
    prefix: &str,
) -> RedisResult<()> {
    let keys: Vec<String> = (0..500).map(|i| format!("{prefix}{i}")).collect();
    let mut pipe = redis::pipe();
    for (i, key) in keys.iter().enumerate() {
        pipe.set(key, i).ignore();
    }
    pipe.query::<()>(own)?;
    let values: Vec<usize> = other.mget(&keys)?;
    checks.check(&format!("{here}: pipeline"), values, (0..500).collect());
    let counter = format!("{prefix}n");
    let (one, two): (i64, i64) =
        redis::pipe().atomic().incr(&counter, 1).incr(&counter, 1).query(own)?;
    checks.check(&format!("{here}: MULTI"), (one, two), (1, 2));
    let mut seen = Vec::new();
    let result: i64 = redis::transaction(own, &[&counter], |connection, pipe| {
        let value: i64 = connection.get(&counter)?;
        if seen.is_empty() {
            other.set::<_, _, ()>(&counter, 40)?;
        }
        seen.push(value);
        let reply: Option<(i64,)> = pipe.incr(&counter, 1).query(connection)?;
        Ok(reply.map(|(value,)| value))
    })?;
    checks.check(&format!("{here}: WATCH"), (seen, result), (vec![2, 40], 41));
    let pattern = format!("{prefix}*");
    let found: BTreeSet<String> =
        own.scan_match::<_, String>(&pattern)?.collect::<RedisResult<_>>()?;
    checks.check(&format!("{here}: SCAN"), found.len(), 501);
    let gone = format!("{prefix}gone");
    own.pset_ex::<_, _, ()>(&gone, 1, 30)?;
    while own.exists::<_, bool>(&gone)? {}
    checks.check(&format!("{here}: expired"), other.get::<_, Option<String>>(&gone)?, None);
    let binary: Vec<u8> = (0..=255).collect();
    own.set::<_, _, ()>(format!("{prefix}bin"), &binary)?;
    checks.check(
        &format!("{here}: binary"),
        other.get::<_, Vec<u8>>(format!("{prefix}bin"))?,
        binary,
    );
    let wrong: RedisResult<i64> = own.incr(format!("{prefix}bin"), 1);
    let kind = wrong.expect_err("not a number").kind();
    let server = matches!(kind, ErrorKind::Server(_));
    checks.check(&format!("{here}: a server's error"), server, true);
    let info: redis::InfoDict = redis::cmd("INFO").query(own)?;
    let version: String = info.get("redis_version").unwrap_or_default();
    checks.check(&format!("{here}: version"), version.starts_with("7.2"), true);
    checks.check(&format!("{here}: DEL"), own.del::<_, i64>(&keys)?, 500);
    Ok(())
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let path = words.next().expect("usage: redis-rs commands.txt PORT...");
    let table = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let ports: Vec<u16> = words.map(|port| port.parse().expect("a port")).collect();
    let mut checks = Checks::default();
    for protocol in [2, 3] {
        for (at, port) in ports.iter().enumerate() {
            let here = format!("RESP{protocol} port {port}");
            let next = ports[(at + 1) % ports.len()];
            let result = open(*port, protocol).and_then(|mut own| {
                let mut other = open(next, protocol)?;
                let prefix = format!("rs{protocol}.{port}.");
                raw(&mut checks, &table, &mut own, &here, &prefix);
                library(&mut checks, &mut own, &mut other, &here, &format!("lib{prefix}"))
            });
            if let Err(error) = result {
                checks.failures.push(format!("{here}: {error}"));
            }
        }
    }
    checks.failures.iter().for_each(|failure| eprintln!("{failure}"));
    let (count, failed) = (checks.count, checks.failures.len());
    let version = env!("REDIS_RS");
    println!("redis-rs {version} (RESP2, RESP3): {count} checks, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
