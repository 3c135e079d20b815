//! Clusters of whole nodes in the simulator: one seed draws configuration, faults and clients; checks that
//! know nothing of the implementation judge what happened (architecture.md section 6; docs/proof.md).
//!
//! | file | what |
//! | --- | --- |
//! | `setup` | [`Options`], and what is drawn from the seed |
//! | `pace` | [`Pace`]: what is not drawn, to measure speed by |
//! | `boot` | nodes, made as the server makes them |
//! | `plan` | [`Plan`]: a run as data, drawn from a seed |
//! | `workload` | what clients ask |
//! | `meaning` | what that means to the model |
//! | `describe` | messages between nodes in plain words |
//! | `client` | a Redis client: RESP bytes out and in, and what each reply means |
//! | `run` | [`run_seed`], [`run_plan`]: the cluster, its clients, its faults |
//! | `ask` | what clients do |
//! | `engines` | the engines of tables on disk, with answers that are late |
//! | `hear` | replies, and what nodes tell their operator |
//! | `peace` | afterwards: progress, and agreement of all replicas |
//! | `watch`, `shadow` | the onlooker: election safety, equal replicas, durable on a majority before applied |
//! | `model`, `judge` | the specification of Redis strings with expiry; the verdict on a history |
//! | `appends` | the same verdict without a search, where a value names its own order |
//! | `additions`, `sums` | the same for sums, in which every part that was seen has its place |
//! | `shrink` | [`shrink()`]: the fewest faults, requests and nodes that still fail |
//! | `explore` | every schedule of a few bare cores: what the group must keep |
//! | `story` | [`story()`]: what happened, in order, in words |
//! | `report` | [`Report`], [`Verdict`], [`Counters`] |
//!
//! Invariants: the same seed and options give the same [`Report`], digest included; a check never asks which
//! bug is planted; an operation whose outcome is unknown is never counted as done or as not done.
#![forbid(unsafe_code)]

mod additions;
mod appends;
mod ask;
mod boot;
mod client;
mod describe;
mod engines;
pub mod explore;
mod hear;
mod judge;
mod meaning;
pub mod model;
mod pace;
mod peace;
mod plan;
mod report;
mod run;
mod setup;
mod shadow;
mod shrink;
mod story;
mod sums;
mod watch;
mod workload;

pub use meaning::understand;
pub use pace::Pace;
pub use plan::{Plan, Request};
pub use report::{Counters, REQUIRED, Report, Verdict};
pub use run::{run_plan, run_plan_telling, run_seed, running};
pub use setup::{Options, Profile, Setup, Workload, leased, on_disk};
pub use shrink::{Shrunk, shrink};
pub use story::story;
