//! The explorer, judged by small protocols whose states are known.

extern crate alloc;

mod bugs;
mod counts;
mod letters;
mod paxos;
mod register;
mod twin;
mod two_phase;
