//! Scripts (`testdata/*.txt`), replicas under random commands, the table, and the small parts.

mod disk;
mod parts;
mod replicas;
mod script;
mod sum;
mod table;

use crate::{Context, Db, execute};
use stdx::Prng;
use wire::resp::{Args, Reply};

fn args(line: &str) -> Args {
    line.split(' ').collect()
}

fn at(now_ms: u64, index: u64) -> Context {
    Context { now_ms, committed_ms: 0, index, seed: index }
}

/// Executes a line whose arguments hold no blanks.
fn run(db: &mut Db, cx: Context, line: &str) -> Reply {
    let reply = execute(db, cx, &args(line));
    db.check_all();
    reply
}

const KEYS: [&str; 6] = ["a", "b", "c", "account:1", "account:2", "{t}x"];
const VALUES: [&str; 12] =
    ["1", "-5", "abc", "", "3.5", "9223372036854775807", "0", "1e3", "01", "\0\r\n", "inf", "7"];
const WORDS: [&str; 24] = [
    "EX", "px", "EXAT", "PXAT", "NX", "XX", "GET", "KEEPTTL", "PERSIST", "REPLACE", "GT", "LT",
    "COUNT", "MATCH", "TYPE", "SYNC", "ASYNC", "*", "a*", "0", "100", "-1", "DB", "string",
];

/// A command of this crate with arguments that are often right.
fn random_command(prng: &mut Prng) -> Args {
    let specs: Vec<_> = crate::table().filter(|spec| !spec.is_gateway()).collect();
    let spec = prng.pick(&specs);
    let least = spec.arity.unsigned_abs() as usize;
    let more = if spec.arity < 0 { prng.index(4) } else { 0 };
    let len = if prng.chance(1, 20) { 1 + prng.index(6) } else { least + more };
    let mut all = Args::default();
    all.push(spec.name.as_bytes());
    for i in 1..len {
        let is_key = spec.keys.iter().any(|keys| i == keys.first || keys.last < 0);
        let number = prng.range(0, 3_000).to_string();
        let word = match prng.below(8) {
            _ if is_key && !prng.chance(1, 10) => *prng.pick(&KEYS),
            0 | 1 => number.as_str(),
            2..=4 => *prng.pick(&VALUES),
            _ => *prng.pick(&WORDS),
        };
        all.push(word.as_bytes());
    }
    // Emptying everything is rare, so that there is something to compare.
    if all.name().starts_with(b"flush") && !prng.chance(1, 20) { args("dbsize") } else { all }
}
