//! A vote of three, decided by the first two that agree: safe if nodes stop, at the mercy of one that lies.

use super::*;
use protocol::{Effects, Input, Renaming};
use std::collections::BTreeSet;
use stdx::{Digest, Instant, Now, Prng};

const ROUNDS: u64 = 6;
const SEEDS: u64 = 40;

#[derive(Clone)]
struct Voter {
    me: NodeId,
    nodes: u64,
    votes: Vec<Option<bool>>,
    decided: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Vote(bool);

impl Wire for Vote {
    fn encode(&self, out: &mut Vec<u8>) {
        u8::from(self.0).encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Vote, WireError> {
        match u8::decode(from)? {
            0 => Ok(Vote(false)),
            1 => Ok(Vote(true)),
            kind => Err(WireError::UnknownKind("Vote", kind)),
        }
    }
}

enum Ask {
    /// Nothing of the last round is left under way: forget it.
    Clear,
    Vote(bool),
}

impl Voter {
    fn heard(&mut self, from: NodeId, vote: bool, out: &mut Effects<Voter>) {
        let place = usize::try_from(from.0 - 1).expect("small ids");
        self.votes[place] = Some(vote);
        let agree = self.votes.iter().filter(|other| **other == Some(vote)).count();
        if agree > self.votes.len() / 2 && !std::mem::replace(&mut self.decided, true) {
            out.output(vote);
        }
    }
}

impl Protocol for Voter {
    type Config = (NodeId, u64, ());
    type Message = Vote;
    type Request = Ask;
    type Record = Nothing;
    type Output = bool;

    fn recover(
        (me, nodes, ()): (NodeId, u64, ()),
        _: Now,
        _: Prng,
        _: impl Iterator<Item = (Position, Nothing)>,
    ) -> Voter {
        Voter { me, nodes, votes: (0..nodes).map(|_| None).collect(), decided: false }
    }

    fn step(&mut self, _: Now, input: Input<Voter>, out: &mut Effects<Voter>) {
        match input {
            Input::Request(Ask::Clear) => {
                self.votes.fill(None);
                self.decided = false;
            }
            Input::Request(Ask::Vote(vote)) => {
                self.heard(self.me, vote, out);
                for peer in (1..=self.nodes).map(NodeId).filter(|peer| *peer != self.me) {
                    out.send(peer, Vote(vote));
                }
            }
            Input::Message { from, message: Vote(vote) } => self.heard(from, vote, out),
            Input::Deadline => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn check(&self) {}
    fn digest(&self, _: &Renaming, _: &mut Digest) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Broken {
    /// Two nodes decide differently.
    Agreement,
    /// What is decided is not what most have voted for.
    Integrity,
    /// A node never decides.
    Termination,
}

/// Rounds of votes drawn from the seed, while `fault` befalls; what of it is broken at nodes that do not lie.
fn rounds(seed: u64, fault: Option<Fault>) -> (BTreeSet<Broken>, World<Plain<Voter, ()>>) {
    let mut world = world::<Voter, ()>(seed, 3, ());
    world.trace_on(10_000);
    let mut prng = Prng::new(seed ^ 0xb0e);
    let mut broken = BTreeSet::new();
    let strikes = prng.below(ROUNDS * 100);
    if let Some(fault) = fault {
        let at = if matches!(fault, Fault::Byzantine(..)) { 0 } else { strikes };
        world.schedule(Instant(at * 1_000_000), fault);
    }
    let mut now = 0;
    for _ in 0..ROUNDS {
        let votes = [prng.chance(1, 2), prng.chance(1, 2), prng.chance(1, 2)];
        let most = votes.iter().filter(|vote| **vote).count() > 1;
        let mut decisions = BTreeSet::new();
        for (request, millis) in [(false, 50), (true, 50)] {
            for (node, vote) in (1..).map(NodeId).zip(votes) {
                let ask = if request { Ask::Vote(vote) } else { Ask::Clear };
                // One that is down votes no more.
                drop(world.request(node, ask));
            }
            now += millis;
            while let Some(event) = world.run_until(Instant(now * 1_000_000)) {
                if let Event::Output { node, output } = event {
                    decisions.insert((node, output));
                }
            }
        }
        let honest = |node: &NodeId| !world.liars().contains(*node);
        let honest: Vec<_> = decisions.iter().filter(|(node, _)| honest(node)).collect();
        let up = world.ids().filter(|id| world.is_up(*id) && !world.liars().contains(*id));
        let check = |good: bool, what| (!good).then_some(what);
        broken.extend(check(honest.iter().all(|(_, d)| *d == honest[0].1), Broken::Agreement));
        broken.extend(check(honest.iter().all(|(_, d)| *d == most), Broken::Integrity));
        broken.extend(check(honest.len() >= up.count(), Broken::Termination));
    }
    (broken, world)
}

#[test]
fn it_bears_nodes_that_stop() {
    for seed in 0..SEEDS {
        assert!(rounds(seed, None).0.is_empty(), "seed {seed}");
        let node = NodeId(seed % 3 + 1);
        let (mut broken, world) = rounds(seed, Some(Fault::CrashStop(node)));
        assert!(!world.is_up(node));
        // Two that differ wait for the third for ever.
        broken.remove(&Broken::Termination);
        assert!(broken.is_empty(), "seed {seed}: {broken:?}");
    }
}

#[test]
fn each_way_to_lie_breaks_it() {
    let expected = [
        ("equivocate", Broken::Agreement),
        ("forge", Broken::Integrity),
        ("replay", Broken::Integrity),
        ("silent", Broken::Termination),
        ("impersonate", Broken::Integrity),
    ];
    let liar = NodeId(1);
    for ((way, how), (_, what)) in ways(liar).into_iter().zip(expected) {
        let mut found = BTreeSet::new();
        for seed in 0..SEEDS {
            let (broken, world) = rounds(seed, Some(Fault::Byzantine(liar, how.clone())));
            found.extend(broken);
            // It is known who lied, how often, and in which messages.
            let count = lies(way, world.counters());
            let told = world.trace().expect("turned on").moments();
            let told = told.filter(|moment| matches!(moment.what, What::Lied { .. }));
            let told: Vec<_> = told.collect();
            assert!(count > 0, "seed {seed}: {way} never happened");
            assert_eq!(told.len() as u64, count, "seed {seed}: {way}");
            assert!(told.into_iter().all(|moment| moment.node == Some(liar)), "seed {seed}");
            assert_eq!(world.liars(), [liar].into_iter().collect());
        }
        assert!(found.contains(&what), "{way} broke {found:?}");
    }
}

#[test]
fn a_liar_that_is_healed_is_honest_again_and_known_for_ever() {
    let all = Byzantine { forge_ppm: MILLION, ..Byzantine::default() };
    let mut world = world::<Voter, ()>(1, 3, ());
    world.apply(&Fault::Byzantine(NodeId(1), all));
    world.request(NodeId(1), Ask::Vote(true)).ok().expect("it is up");
    while world.step().is_some() {}
    let before = *world.counters();
    assert_eq!(before.forgeries, 2);
    world.apply(&Fault::Heal);
    world.request(NodeId(1), Ask::Vote(true)).ok().expect("it is up");
    while world.step().is_some() {}
    assert_eq!(world.counters().forgeries, 2);
    assert_eq!(world.counters().delivered, before.delivered + 2);
    assert_eq!(world.liars(), [NodeId(1)].into_iter().collect());
}
