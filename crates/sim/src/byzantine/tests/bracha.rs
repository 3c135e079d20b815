//! Reliable broadcast (Bracha, "Asynchronous Byzantine agreement protocols", 1987): of 3f + 1 nodes f may lie, if
//! links vouch for the sender.

use super::*;
use protocol::{Effects, Input, Renaming};
use std::collections::{BTreeMap, BTreeSet};
use stdx::{Digest, Instant, NodeSet, Now, Prng};

const NODES: u64 = 4;
const FAULTY: usize = 1;
const SEEDS: u64 = 40;
const SENDER: NodeId = NodeId(1);
const VALUE: u64 = 700;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Say {
    Initial(u64),
    Echo(u64),
    Ready(u64),
}

impl Wire for Say {
    fn encode(&self, out: &mut Vec<u8>) {
        let (kind, value) = match *self {
            Say::Initial(value) => (0u8, value),
            Say::Echo(value) => (1, value),
            Say::Ready(value) => (2, value),
        };
        kind.encode(out);
        value.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Say, WireError> {
        let (kind, value) = (u8::decode(from)?, u64::decode(from)?);
        match kind {
            0 => Ok(Say::Initial(value)),
            1 => Ok(Say::Echo(value)),
            2 => Ok(Say::Ready(value)),
            kind => Err(WireError::UnknownKind("Say", kind)),
        }
    }
}

/// Who said a value; of each node only its first word counts.
#[derive(Clone, Default)]
struct Words {
    heard: NodeSet,
    of: BTreeMap<u64, usize>,
}

impl Words {
    fn hear(&mut self, from: NodeId, value: u64) -> usize {
        let count = self.of.entry(value).or_default();
        *count += usize::from(self.heard.insert(from));
        *count
    }
}

/// So many nodes must have said it.
#[derive(Clone, Copy)]
struct Quorums {
    echoes: usize,
    deliver: usize,
}

const SOUND: Quorums =
    Quorums { echoes: (NODES as usize + FAULTY) / 2 + 1, deliver: 2 * FAULTY + 1 };

#[derive(Clone)]
struct Broadcast {
    me: NodeId,
    quorums: Quorums,
    echoed: bool,
    ready: bool,
    delivered: bool,
    echoes: Words,
    readies: Words,
}

impl Broadcast {
    fn say(&mut self, say: &Say, out: &mut Effects<Broadcast>) {
        for peer in (1..=NODES).map(NodeId).filter(|peer| *peer != self.me) {
            out.send(peer, say.clone());
        }
        self.hear(self.me, say, out);
    }

    fn hear(&mut self, from: NodeId, say: &Say, out: &mut Effects<Broadcast>) {
        match *say {
            Say::Initial(value) => {
                if from == SENDER && !std::mem::replace(&mut self.echoed, true) {
                    self.say(&Say::Echo(value), out);
                }
            }
            Say::Echo(value) => {
                if self.echoes.hear(from, value) >= self.quorums.echoes {
                    self.get_ready(value, out);
                }
            }
            Say::Ready(value) => {
                let count = self.readies.hear(from, value);
                if count > FAULTY {
                    self.get_ready(value, out);
                }
                let enough =
                    self.readies.of.get(&value).is_some_and(|n| *n >= self.quorums.deliver);
                if enough && !std::mem::replace(&mut self.delivered, true) {
                    out.output(value);
                }
            }
        }
    }

    fn get_ready(&mut self, value: u64, out: &mut Effects<Broadcast>) {
        if !std::mem::replace(&mut self.ready, true) {
            self.say(&Say::Ready(value), out);
        }
    }
}

impl Protocol for Broadcast {
    type Config = (NodeId, u64, Quorums);
    type Message = Say;
    type Request = u64;
    type Record = Nothing;
    type Output = u64;

    fn recover(
        (me, _, quorums): (NodeId, u64, Quorums),
        _: Now,
        _: Prng,
        _: impl Iterator<Item = (Position, Nothing)>,
    ) -> Broadcast {
        let (echoes, readies) = (Words::default(), Words::default());
        let (echoed, ready, delivered) = (false, false, false);
        Broadcast { me, quorums, echoed, ready, delivered, echoes, readies }
    }

    fn step(&mut self, _: Now, input: Input<Broadcast>, out: &mut Effects<Broadcast>) {
        match input {
            Input::Request(value) => self.say(&Say::Initial(value), out),
            Input::Message { from, message } => self.hear(from, &message, out),
            Input::Deadline => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn check(&self) {}
    fn digest(&self, _: &Renaming, _: &mut Digest) {}
}

/// What is broken at nodes that do not lie, and how often the liar lied.
fn broadcast(
    seed: u64,
    quorums: Quorums,
    liar: Option<(NodeId, Byzantine)>,
) -> (BTreeSet<&'static str>, Counters) {
    let mut world = world::<Broadcast, Quorums>(seed, NODES, quorums);
    let of = liar.as_ref().map(|(node, _)| *node);
    if let Some((node, how)) = liar {
        world.apply(&Fault::Byzantine(node, how));
    }
    assert!(world.request(SENDER, VALUE).is_ok(), "it is up");
    let mut delivered = Vec::new();
    while let Some(event) = world.step() {
        if let Event::Output { node, output } = event {
            delivered.push((node, output));
        }
    }
    assert!(world.liars().iter().all(|id| Some(id) == of), "seed {seed}");
    // Also one that could have lied and did not need to.
    let honest: Vec<_> = world.ids().filter(|id| Some(*id) != of).collect();
    delivered.retain(|(node, _)| honest.contains(node));
    let mut broken = BTreeSet::new();
    if delivered.iter().any(|(_, value)| *value != delivered[0].1) {
        broken.insert("agreement");
    }
    if !delivered.is_empty() && delivered.len() != honest.len() {
        broken.insert("totality");
    }
    if of != Some(SENDER) {
        if delivered.len() < honest.len() {
            broken.insert("validity");
        }
        if delivered.iter().any(|(_, value)| *value != VALUE) {
            broken.insert("integrity");
        }
    }
    (broken, *world.counters())
}

#[test]
fn one_liar_of_four_breaks_nothing() {
    for seed in 0..SEEDS {
        assert!(broadcast(seed, SOUND, None).0.is_empty(), "seed {seed}");
    }
    let all = |liar| {
        let mut all = Byzantine { equivocate_ppm: MILLION / 2, ..Byzantine::default() };
        (all.forge_ppm, all.replay_ppm) = (MILLION / 3, MILLION / 2);
        all.silent_to =
            [if liar == NodeId(4) { NodeId(3) } else { NodeId(4) }].into_iter().collect();
        ("all", all)
    };
    for liar in [SENDER, NodeId(2), NodeId(4)] {
        for (way, how) in ways(liar).into_iter().take(4).chain([all(liar)]) {
            let mut count = 0;
            for seed in 0..SEEDS {
                let (broken, counters) = broadcast(seed, SOUND, Some((liar, how.clone())));
                assert!(broken.is_empty(), "seed {seed}: {liar:?} with {way} broke {broken:?}");
                count += if way == "all" { counters.silences } else { lies(way, &counters) };
            }
            assert!(count > SEEDS / 2, "{liar:?} with {way} lied {count} times");
        }
    }
}

fn broken_by(way: &str, quorums: Quorums, liar: NodeId) -> BTreeSet<&'static str> {
    let (_, how) = ways(liar).into_iter().find(|(name, _)| *name == way).expect("a way");
    (0..SEEDS).flat_map(|seed| broadcast(seed, quorums, Some((liar, how.clone()))).0).collect()
}

#[test]
fn quorums_that_are_too_small_are_found() {
    let echoes = Quorums { echoes: 2, ..SOUND };
    let deliver = Quorums { deliver: 1, ..SOUND };
    for small in [echoes, deliver] {
        assert!((0..SEEDS).all(|seed| broadcast(seed, small, None).0.is_empty()), "without a liar");
        assert!(!broken_by("equivocate", small, SENDER).is_empty());
    }
}

/// The premise of the paper: take it away, and one liar speaks for a quorum.
#[test]
fn links_that_do_not_vouch_for_the_sender_break_it() {
    let liar = NodeId(3);
    let how = Byzantine { forge_ppm: MILLION, impersonate_ppm: MILLION, ..Byzantine::default() };
    let broken: BTreeSet<_> =
        (0..SEEDS).flat_map(|seed| broadcast(seed, SOUND, Some((liar, how.clone()))).0).collect();
    assert!(!broken.is_empty());
}
