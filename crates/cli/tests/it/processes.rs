//! The real binary as real processes: killed, restarted, starved of a majority, fed garbage.
//!
//! `kill -9` loses nothing that was handed to the operating system, so none of this proves that a sync came
//! before its reply: scripts/trace-sync.sh does.

mod backup;
mod bad_input;
mod check;
mod dev;
mod kill_nine;
mod majority;
mod restart;
