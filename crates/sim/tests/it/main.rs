//! The explorer, judged by small protocols whose states are known.

extern crate alloc;

mod counts;
mod two_phase;
