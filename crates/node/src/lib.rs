//! A whole node as one sans-IO machine: `Node` implements [`protocol::Protocol`], and what the server runs is
//! what the simulator runs, RESP commands to log records.
//!
//! | file | what |
//! | --- | --- |
//! | `api` | [`Request`], [`Output`], [`Config`], [`Status`]: the machine's side |
//! | `open` | [`open`]: reads the log, durably raises the life, recovers the core |
//! | `recover` | from records to replicas; replicas that the catalog creates |
//! | `message` | [`Packet`] between nodes, [`Record`] in the log |
//! | `state`, `step` | [`Node`] and all that can happen to it |
//! | `peers` | who is alive, for groups without anything to do |
//! | `group`, `groups` | a replica: consensus core, state machine, reads; how they are driven |
//! | `expiry` | a leader commits the time when a key is due |
//! | `seal`, `damage` | checksums from end to end, and what becomes of a replica whose own do not hold |
//! | `snapshot` | written, sent, received; which records may go |
//! | `compare` | whether replicas hold the same; one that does not is rebuilt |
//! | `throttle` | how fast snapshots leave this node |
//! | `machine` | the replicated state of a group; as a snapshot |
//! | `backup`, `restore`, `replay` | a keyspace given away in chunks and entries; filled from them; a state from them |
//! | `proposal`, `session` | what is replicated; exactly once |
//! | `catalog`, `contract` | which keyspaces there are and what they promise |
//! | `gateway` | client connections and their requests |
//!
//! Invariants
//! - A write is answered when it is applied, and applied when a majority holds it durably. A read is answered
//!   from a state that has applied everything committed when the read arrived.
//! - A request that might have been appended anywhere is never answered `CLUSTERDOWN`, only `UNKNOWN`.
//! - A replica exists only by a record; a peer is heard only in the newest life known of it, on the disk known.
//! - A gateway's session (node, life) and a request's number in it are never reused, so that a retry is
//!   executed once.
#![forbid(unsafe_code)]
extern crate alloc;

mod api;
mod backup;
mod catalog;
mod compare;
pub mod contract;
mod damage;
mod expiry;
mod gateway;
mod group;
mod groups;
mod machine;
mod message;
mod open;
mod peers;
mod proposal;
mod recover;
mod replay;
mod restore;
mod seal;
mod session;
mod snapshot;
mod state;
mod step;
mod tables;
#[cfg(test)]
mod tests;
mod throttle;

pub use api::{
    Config, ConnId, Event, Member, Output, ReplicaStatus, Request, Status, TablesConfig,
};
pub use backup::{Export, Place};
pub use catalog::{CATALOG_GROUP, Catalog, DEFAULT_GROUP, Keyspace};
pub use group::Group;
pub use machine::Machine;
pub use message::{Content, GroupId, Identity, Packet, Record, Replica};
pub use open::{OpenError, Opened, open, start};
pub use proposal::{Body, Item, Operation, Outcome, Proposal, Session};
pub use recover::Start;
pub use replay::{Replay, ReplayError, keys_in};
pub use restore::{Load, Loading};
pub use state::Node;

/// The tag under which the log keeps records of the node itself.
pub const NODE_RECORDS: u64 = 63;
