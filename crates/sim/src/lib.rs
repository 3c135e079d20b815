//! The deterministic world: a network, disks, clocks and crashes around any [`protocol::Protocol`], from one
//! seed. It drives [`protocol::Host`] exactly as the server does; nothing in a node is mocked.
//!
//! | file | what |
//! | --- | --- |
//! | `config` | what a world is like: delays, losses, disks, clocks |
//! | `world` | [`World`]: the public verbs; [`Boot`], which makes a node from a disk |
//! | `drive` | turns, actions, syncs, deliveries: the machine's side of the one loop |
//! | `life` | crash, restart, pause: where a crash may fall |
//! | `net` | directed links: delay, loss, duplication, reordering, cuts, clogs |
//! | `clock` | a node's monotonic clock with drift, its wall clock with skew, jumps and corrections |
//! | `queue` | the agenda: a heap keyed by (time, order of insertion) |
//! | `byzantine` | nodes that lie, and what a lie can be |
//! | `model` | the failure models by their names |
//! | `fault`, `harm` | faults as data, and how a world carries them out |
//! | `nemesis` | the generator of their schedules |
//! | `spread` | how long things take: distributions |
//! | `report` | counters of a run |
//! | `trace` | its moments, for stories and diagrams |
//! | `disk` | the simulated disk: unsynced sectors are lost, kept or torn by a crash |
//! | `explore` | every schedule of a small world, for any core |
//! | `script` | the script language of `testdata/*.txt` |
//!
//! Invariants: the same seed, configuration and calls give the same run, byte for byte (compare
//! [`World::digest`]); no record reported durable is ever missing after a restart; self-sends never touch the
//! network and die with their life; a message arrives as the bytes that were sent
//! or not at all.
#![forbid(unsafe_code)]

mod byzantine;
mod clock;
mod config;
pub mod disk;
mod drive;
pub mod explore;
mod fault;
mod harm;
mod life;
mod model;
mod nemesis;
mod net;
mod queue;
mod report;
pub mod script;
mod spread;
mod trace;
mod world;

#[cfg(test)]
mod tests;

pub use byzantine::{Byzantine, Lie};
pub use config::{ClockConfig, DiskConfig, NetConfig, Ntp, WorldConfig};
pub use disk::SimDisk;
pub use fault::Fault;
pub use model::Model;
pub use nemesis::{Nemesis, NemesisConfig};
pub use report::Counters;
pub use spread::{Shape, Spread};
pub use trace::{Loss, Moment, Trace, What};
pub use world::{Boot, BootFailed, Booted, Event, Start, Why, World};
