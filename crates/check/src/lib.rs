//! Judges recorded histories: is there an order of all operations, each between its invocation and its return,
//! that a tiny executable specification allows?
//!
//! Linearizability: Herlihy and Wing, TOPLAS 1990 (locality: judge each set of keys that share no operation by
//! itself). The search: Wing and Gong 1993 with the memo and the just-in-time rule of Lowe, "Testing for
//! linearizability", 2017.
//!
//! | file | what |
//! | --- | --- |
//! | `txn`, `names` | [`Transactions`]: the one form in which a history of any source is judged; interned names |
//! | `level` | [`Level`]: what a store may promise; [`Judgement`], [`Witness`] |
//! | `describe` | transactions in words |
//! | `history` | [`History`]: who called what when, and what came back |
//! | `text` | histories as JSON lines, errors with line and column |
//! | `format` | histories of any source, told apart by content, into [`Transactions`] |
//! | `generate` | histories whose verdict is known by construction, from a seed |
//! | `model` | [`Model`]: a specification; `register`, `counter` and `kv` are some |
//! | `linear` | [`linearizable`]: the verdict within a budget |
//! | `meter` | what a judgement costs, counted: when to ask whether time is up |
//! | `map` | the consistency map of a history: every level at once |
//! | `order` | strict serializable, linearizable, sequential, serializable: one order of everything |
//! | `isolation` | what Adya and Elle name, by cycles of dependencies, over lists and registers |
//! | `planted` | bugs that tests plant in `order` and `search` |
//! | `search` | the search for an order of items on objects of any kind |
//! | `shrink` | from a violation to the smallest part of the history that still is one |
//! | `simple` | checks that need no search |
//!
//! Invariants: `Ok` comes with an order that was found; `Violation` means that every order was tried, or
//! is dominated by one that was; a history shrinks only by steps that cannot make a good history bad; no
//! clock: budgets are counts, handed in by the caller.
#![forbid(unsafe_code)]

pub mod causal;
pub mod convergence;
mod describe;
pub mod format;
pub mod generate;
mod history;
pub mod isolation;
pub mod kv;
mod level;
mod linear;
pub mod map;
mod meter;
mod model;
mod names;
pub mod order;
mod planted;
pub mod register;
mod search;
pub mod session;
mod shrink;
pub mod simple;
pub mod staleness;
pub mod text;
pub mod txn;
pub mod weak;

#[cfg(test)]
mod tests;

pub use history::{History, Operation, Outcome};
pub use kv::{Kv, KvMap};
pub use level::{Edge, EdgeKind, Judgement, Level, Witness};
pub use linear::{Budget, Verdict, Violation, linearizable};
pub use model::{Key, Model};
pub use names::Names;
pub use register::{Counter, Register};
pub use txn::{Fate, KeyId, Op, Transactions, Txn, Value, ValueId};
