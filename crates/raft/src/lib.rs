//! Raft as a sans-IO core: Diego Ongaro, *Consensus: Bridging Theory and Practice*, Stanford 2014 ("the
//! thesis"; section numbers everywhere are its own).
//!
//! | section | what | file |
//! | --- | --- | --- |
//! | figure 3.1 | the arrows, requests, outputs, records | `message` |
//! | figure 3.1 | the state, its roles, its invariants | `state` |
//! | 3.3 | terms: what every message passes first; the table of all that can happen | `step` |
//! | 3.4, 3.6.1, 4.2.3, 9.6 | elections, pre-vote, disruptive servers | `election` |
//! | 3.5, 10.2 | replication, the leader: probing, pipelining, batching, parallel write | `replicate` |
//! | 3.5 | replication, the follower: the consistency check | `follow` |
//! | 3.6.2 | the commit rule | `commit` |
//! | 6.2, 6.4 | check-quorum, reads without the log | `read` |
//! | 6.4 | reads at followers | `follower_read` |
//! | 6.4.1 | leases: reads that ask nobody | `lease` |
//! | | groups without anything to do | `quiet` |
//! | 5 | compaction and snapshots in chunks | `snapshot` |
//! | 3.8 | what is on disk, and coming back from it | `recover` |
//! | | the entries in memory | `log` |
//! | | state digests for the explorer | `digest` |
//!
//! Invariants of one replica (asserted after each step, `state`): `mark <= commit <= last`; terms never fall along
//! the log nor exceed the current one; hard state in memory is what was persisted; a leader voted for itself and
//! its log ends with its own term; `matched < next <= last + 1` for each follower. Nothing at or below the commit
//! index is ever truncated. Of the group (asserted in `tests`): election safety, log matching, leader
//! completeness, state machine safety (figure 3.2).
//!
//! Promises (votes, pre-votes, acknowledgements) leave by `send`, after what they rest on is durable. What a
//! leader says (AppendEntries, heartbeats, chunks) leaves early: forgetting it contradicts nobody. All outputs
//! leave early: commits are counted from durable acknowledgements, reads are confirmed by a quorum, the rest are
//! hints.
//!
//! Not here yet, and where it will go: membership change and learners (chapter 4: an entry kind, voters as a pair
//! in [`Mark`], `quorum` over both), leadership transfer (3.10: a message and a request in `election`).
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod commit;
mod digest;
mod election;
mod follow;
mod follower_read;
mod lease;
mod log;
mod message;
mod quiet;
mod read;
mod recover;
mod replicate;
mod snapshot;
mod state;
mod step;

#[cfg(test)]
mod tests;

pub use lease::Drift;
pub use message::{Config, Entry, Inflight, Kind, LogId, Mark, Message, Output, Record, Request};
pub use state::{Ignored, Raft};
