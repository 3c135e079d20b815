//! The real machine around a node: sockets, threads, disk, clocks and HTTP.
//!
//! A node is one OS thread with a single-threaded runtime: its sockets, its parser and its shard of the
//! cluster all live there, so nothing on the way of a command takes a lock or changes core. Beside it stand
//! one plain thread for the log and one for tables on disk, because only those block; a write costs one wake of
//! the log's and one back. tokio
//! lives in this crate and nowhere below.
//!
//! | file | what |
//! | --- | --- |
//! | `options` | [`NodeOptions`]: what a node is started with; [`StartError`] |
//! | `handle` | [`Listeners`], [`start`], [`NodeHandle`]: the threads of a node, from outside |
//! | `shard` | the loop around [`protocol::Host`]: inputs in, actions out, in order |
//! | `journal` | the log thread |
//! | `tables` | the thread of the tables on disk |
//! | `client` | accepting clients, reading commands; `conn`: a connection's queues and limits |
//! | `peer` | links to and from the other nodes; `greeting`: how they begin; `outbound`: what waits to be sent |
//! | `http`, `metrics` | `/metrics`, `/livez`, `/readyz` |
//! | `disk` | [`FileDisk`], the real [`storage::Disk`]; `brake`: one that is slow on demand |
//! | `clock` | time, and the first seed |
//!
//! Invariants
//! - Actions are carried out in the order the host gave them; a reply is in a socket only after its action.
//! - A failed write or sync ends the process: nothing that waited for it ever leaves ([`protocol::Host::sync_failed`]).
//! - Every queue is bounded: commands and bytes per connection, replies per connection, bytes per peer, inputs of
//!   the host. A client that asks too much is not read; one that reads too little is closed; a message to a peer
//!   that cannot take it is dropped and counted, which the protocols stand.
#![forbid(unsafe_code)]

extern crate alloc;

mod brake;
mod client;
mod clock;
mod conn;
mod disk;
mod greeting;
mod handle;
mod http;
mod journal;
mod metrics;
mod options;
mod outbound;
mod peer;
mod shard;
mod tables;
#[cfg(test)]
mod tests;

pub use disk::{FileDisk, FolderError};
pub use handle::{Listeners, NodeHandle, start};
pub use options::{Addresses, NodeOptions, Peer, StartError};
