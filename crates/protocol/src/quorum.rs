//! Majorities, as pure arithmetic: no messages and no time.

use stdx::NodeSet;

/// How many of `members` make a majority: more than half, so that any two majorities share one.
pub fn majority(members: usize) -> usize {
    members / 2 + 1
}

/// Whether `acks` holds a majority of `voters`. Members of `acks` that may not vote do not count.
pub fn reached(voters: &NodeSet, acks: &NodeSet) -> bool {
    !voters.is_empty() && voters.overlap(acks) >= majority(voters.len())
}

/// The highest value that a majority of voters has reached, `values` being one per voter.
pub fn committed(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    match values.len() {
        0 => 0,
        n => values[n - majority(n)],
    }
}
