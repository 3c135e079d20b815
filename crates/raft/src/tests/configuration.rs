//! Majorities in both halves, compared with their definition; what a change is refused for.

use crate::Configuration;
use protocol::{NodeId, NodeSet, Prng};
use std::vec::Vec;

fn some(prng: &mut Prng, from: u64) -> NodeSet {
    (1..=from).map(NodeId).filter(|_| prng.chance(1, 2)).collect()
}

/// More than half of `half`, counted one by one.
fn most(half: &NodeSet, acks: &NodeSet) -> bool {
    2 * half.iter().filter(|id| acks.contains(*id)).count() > half.len()
}

fn twin(members: &Configuration, acks: &NodeSet) -> bool {
    let old = members.outgoing.is_empty() || most(&members.outgoing, acks);
    old && most(&members.voters, acks)
}

#[test]
fn a_majority_is_one_of_each_half() {
    let mut reached = 0;
    for seed in 0..2000 {
        let mut prng = Prng::new(seed);
        let (voters, outgoing) = (some(&mut prng, 6), some(&mut prng, 6));
        let learners: NodeSet =
            some(&mut prng, 7).iter().filter(|id| !voters.contains(*id)).collect();
        let members = Configuration { voters, outgoing, learners };
        let acks = some(&mut prng, 8);
        assert_eq!(members.reached(&acks), twin(&members, &acks), "seed {seed}: {members:?}");
        reached += u64::from(members.reached(&acks));
        // The highest value that a majority has reached is the highest for which those that have are one.
        let values: Vec<u64> = (0..8).map(|_| prng.below(5)).collect();
        let value = |id: NodeId| values[usize::try_from(id.0).expect("small") - 1];
        let have = |least: u64| (1..=8).map(NodeId).filter(|id| value(*id) >= least).collect();
        let best = (0..5).rev().find(|least| twin(&members, &have(*least)));
        assert_eq!(members.agreed(value), best.unwrap_or(0), "seed {seed}: {members:?}");
    }
    assert!(reached > 200, "only {reached} majorities");
}

/// What makes joint consensus safe: whoever has a majority before, during and after a change shares a member with
/// whoever has one in the step before.
#[test]
fn majorities_of_successive_configurations_meet() {
    for seed in 0..2000 {
        let mut prng = Prng::new(seed);
        let before = Configuration::of(some(&mut prng, 6));
        if !before.is_valid() {
            continue;
        }
        let voters = some(&mut prng, 6);
        if voters.is_empty() {
            continue;
        }
        let learners = some(&mut prng, 7).iter().filter(|id| !voters.contains(*id)).collect();
        let joint = before.towards(voters.clone(), learners);
        assert_eq!(joint.is_joint(), voters != before.voters, "seed {seed}");
        let after = if joint.is_joint() { joint.left() } else { joint.clone() };
        assert!(joint.is_valid() && after.is_valid() && !after.is_joint(), "seed {seed}");
        let (a, b) = (some(&mut prng, 7), some(&mut prng, 7));
        for (one, other) in [(&before, &joint), (&joint, &after), (&joint, &joint)] {
            let both = one.reached(&a) && other.reached(&b);
            assert!(!both || a.overlap(&b) > 0, "seed {seed}: {a:?} in {one} and {b:?} in {other}");
        }
    }
}
