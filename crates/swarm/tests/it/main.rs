//! Whole clusters in the simulator: seeds that must pass, and planted bugs that must not.
#![expect(clippy::print_stdout, reason = "a story and a table are for whoever asked for them")]

mod explore;
mod mutants;
mod seeds;
mod shrinking;

use std::sync::Once;

/// A failed invariant is a verdict here: its message is in the report, and need not be printed as well.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !swarm::running() {
                loud(info);
            }
        }));
    });
}
