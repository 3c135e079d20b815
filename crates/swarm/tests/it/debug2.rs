use swarm::{Options, run_seed};
use stdx::{Mutant, Planted};
#[test]
fn now_story() {
    let r = run_seed(438, Options { story: 1_000_000, planted: Planted::one(Mutant::NowBeforeBatch), witness: false, ..Options::default() });
    r.story.iter().for_each(|l| println!("{l}"));
}
