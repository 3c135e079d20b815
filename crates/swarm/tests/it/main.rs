//! Seeds and mutants.

mod seeds;
mod debug;
