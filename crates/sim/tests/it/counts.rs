//! How many states there are: those of Stateright's runs of the same worlds (`oracles/explore`).

use crate::two_phase;
use sim::explore::{End, Limits, Network, Scope, explore};

#[test]
fn two_phase_commit_has_as_many_states_as_under_stateright() {
    let scope = Scope { network: Network::Set, idle_steps: false, ..Scope::calm() };
    for (resources, unique) in [(3, 288), (5, 8_832)] {
        let world = two_phase::World::of(resources);
        let report = explore(&world, &scope, &Limits::states(1 << 20), &mut |_| false);
        assert!(matches!(report.end, End::Exhausted), "{report}");
        assert_eq!(report.progress.unique, unique, "{report}");
        assert!(report.marks.iter().all(|mark| mark.depth.is_some()), "{report}");
    }
}
