//! The commands, one file per family: its rows, then its functions.

mod expiry;
mod gateway;
mod generic;
mod scan;
mod set;
mod strings;

use crate::number;
use crate::spec::{Keys, Spec};
use wire::resp::{Args, Reply};

/// Every family's rows.
pub(crate) static FAMILIES: [&[Spec]; 9] = [
    set::ROWS,
    strings::ROWS,
    generic::ROWS,
    expiry::ROWS,
    gateway::connection::ROWS,
    gateway::transactions::ROWS,
    gateway::server::ROWS,
    scan::ROWS,
    gateway::cluster::ROWS,
];

/// Writes a family's rows, each on a few lines.
macro_rules! rows {
    ($group:expr; $($name:literal, $arity:literal, $flags:literal, $keys:expr, $since:literal,
        $complexity:literal, $summary:literal, $run:expr;)*) => {
        pub(in crate::commands) const ROWS: &[crate::spec::Spec] = &[$(crate::spec::Spec {
            name: $name,
            arity: $arity,
            flags: $flags,
            keys: $keys,
            group: $group,
            since: $since,
            complexity: $complexity,
            summary: $summary,
            run: $run,
        }),*];
    };
}
use rows;

/// Keys from `first`, as [`Keys`] describes them.
const fn key(flags: &'static str, first: usize, last: i32, step: usize) -> Keys {
    assert!(first > 0 && step > 0, "the name is no key, and steps go on");
    Keys { flags, first, last, step }
}

fn syntax() -> Reply {
    Reply::err("ERR syntax error")
}

/// Argument `i` as an integer.
fn integer(args: &Args, i: usize) -> Result<i64, Reply> {
    args.try_get(i)
        .and_then(number::integer)
        .ok_or_else(|| Reply::err("ERR value is not an integer or out of range"))
}
