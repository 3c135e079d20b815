//! The causal levels against their definitions.

use super::*;
use crate::weak::tests::compare;

#[test]
fn as_the_definitions_say() {
    for level in [Level::CausalConsistency, Level::CausalConvergence, Level::CausalMemory] {
        let tallies =
            compare(level, 3_000, find).unwrap_or_else(|wrong| panic!("{level}: {wrong}"));
        eprintln!("{level} {tallies:?}");
    }
}
