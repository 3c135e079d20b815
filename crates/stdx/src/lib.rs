//! What `core` could hold but does not: seeded randomness, time as plain values, node ids and sets of them.
//!
//! Everything above this crate is deterministic because it can only get time and chance from here, as
//! arguments. Nothing in it reads a clock, an environment or an entropy source.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod digest;
mod mutant;
mod node;
mod position;
mod prng;
mod time;
mod timers;

pub use digest::Digest;
pub use mutant::{Mutant, Planted};
pub use node::{NodeId, NodeSet};
pub use position::Position;
pub use prng::Prng;
pub use time::{Instant, Now, WallClock};
pub use timers::Timers;

pub use core::time::Duration;

/// A reference-counted, immutable byte string: shared between log, network and table without copying.
pub type Bytes = alloc::sync::Arc<[u8]>;
