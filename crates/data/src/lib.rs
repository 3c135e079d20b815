//! Values and Redis commands: a deterministic state machine with no clock and no chance of its own.
//!
//! What Redis 7.2 documents is the specification (<https://redis.io/commands>); what differs is said where it
//! differs: decimals in `number`, COPY's DB in `commands/generic`, RANDOMKEY in `commands/scan`.
//!
//! | file | what |
//! | --- | --- |
//! | `entry` | [`Entry`], [`Value`]: what a key holds, and its bytes |
//! | `db` | [`Db`]: entries and the index of expiries |
//! | `store` | where entries are: in memory, or on disk |
//! | `needs` | what a command could look at, so that it can be loaded first; [`outline`] |
//! | `view` | what a command may do: [`View`] reads, [`Writer`] writes |
//! | `snapshot` | a [`Db`] in chunks, and back |
//! | `sum` | a digest that is kept, not computed |
//! | `spec` | [`Spec`]: one row per command; [`lookup`], [`keys`] |
//! | `commands/` | one file per family: its rows and its functions |
//! | `introspect` | the answers of COMMAND, from the table |
//! | `glob` | patterns of KEYS and SCAN |
//! | `number` | integers and floats as Redis reads and writes them |
//!
//! Invariants
//! - The state after [`execute`] depends on the state before, the [`Context`] and the arguments alone: replicas
//!   that apply the same log hold the same bytes ([`Db::digest`]).
//! - An entry has an expiry if and only if the index holds it ([`Db::check`]).
//! - A key that is due at `now_ms` is absent for every command, whether or not it is still stored. A read that
//!   meets one ends in [`Unready::Due`], so that absence is committed before it is shown: a later reader whose clock is
//!   behind must not see the key again.
//! - Execution never misses: [`Db::prepare`] has made every key a command names resident.
#![forbid(unsafe_code)]
extern crate alloc;

mod commands;
mod db;
mod entry;
mod glob;
mod introspect;
mod needs;
mod number;
mod snapshot;
mod spec;
mod store;
mod sum;
#[cfg(test)]
mod tests;
mod view;

pub use db::Db;
pub use entry::{Entry, Value};
pub use glob::glob;
pub use introspect::introspect;
pub use needs::outline;
pub use snapshot::entries;
pub use spec::{
    Group, Keys, ReadFn, Run, Spec, WriteFn, arity_ok, command_keys, keys, lookup, table, unknown,
    wrong_arity,
};
pub use view::{View, Writer};

use wire::resp::{Args, Reply};

/// What a command may know besides the state and its arguments. The leader chose it and the log carries it, so
/// that every replica uses the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// In a write the group's time, in a read the leader's if that is later: milliseconds since 1970.
    pub now_ms: u64,
    /// The group's time: what is due by it is absent already, committed. Not after `now_ms`; in a write the
    /// same.
    pub committed_ms: u64,
    /// The log index being applied (of the last applied entry, in a read).
    pub index: u64,
    /// For commands that choose.
    pub seed: u64,
}

/// Why a read is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It met a key whose expiry has come but is not committed yet: commit [`Db::expire_due`] at the time of
    /// the read, then read again.
    Due,
    /// It met the end of what was loaded of a table on disk, since keys were removed meanwhile: prepare again
    /// ([`Db::look_again`]).
    Short,
}

/// Executes one command of the table that is not the gateway's, and says what its client hears. Reads work as
/// well, as MULTI needs. Errors change nothing.
pub fn execute(db: &mut Db, cx: Context, args: &Args) -> Reply {
    let spec = match checked(args) {
        Ok(spec) => spec,
        Err(error) => return error,
    };
    match spec.run {
        Run::Read(run) => {
            let view = View::new(db, cx);
            let reply = run(&view, args).unwrap_or_else(|error| error);
            assert!(!view.fell_short(), "prepared for less than it looked at");
            reply
        }
        Run::Write(run) => {
            let mut writer = Writer::new(db, cx);
            for key in keys(spec, args) {
                writer.purge(args.get(key));
            }
            run(&mut writer, args).unwrap_or_else(|error| error)
        }
        Run::Gateway => unknown(args),
    }
}

/// Answers a read-only command without changing anything.
pub fn read(db: &Db, cx: Context, args: &Args) -> Result<Reply, Unready> {
    let spec = match checked(args) {
        Ok(spec) => spec,
        Err(error) => return Ok(error),
    };
    match spec.run {
        Run::Read(run) => {
            let view = View::new(db, cx);
            let reply = run(&view, args).unwrap_or_else(|error| error);
            if view.fell_short() {
                return Err(Unready::Short);
            }
            if view.met_due() { Err(Unready::Due) } else { Ok(reply) }
        }
        Run::Write(_) | Run::Gateway => Ok(unknown(args)),
    }
}

fn checked(args: &Args) -> Result<&'static Spec, Reply> {
    let spec = lookup(args.name()).ok_or_else(|| unknown(args))?;
    if arity_ok(spec, args) { Ok(spec) } else { Err(wrong_arity(spec)) }
}
