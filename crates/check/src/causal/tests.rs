//! The causal levels against their definitions.

use super::*;
use crate::weak::tests::{Tally, compare};

#[test]
fn as_the_definitions_say() {
    for level in [Level::CausalConsistency, Level::CausalConvergence, Level::CausalMemory] {
        let tallies =
            compare(level, 1_500, find).unwrap_or_else(|wrong| panic!("{level}: {wrong}"));
        let both = |tally: &Tally| tally[0] > 50 && tally[1] > 50;
        assert!(tallies.iter().all(both), "{level}: too much alike: {tallies:?}");
    }
}
