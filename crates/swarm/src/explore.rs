//! Small worlds of bare cores for [`sim::explore`], with what a group of them must keep in every state.

mod raft;

pub use raft::{RaftWorld, explore_raft};
