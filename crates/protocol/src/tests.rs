//! A two-verb core shows what the loop promises.
extern crate std;

use crate::*;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

#[derive(Clone, Default)]
struct Core {
    heard: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Number(u64);
impl Wire for Number {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(from: &mut wire::Reader<'_>) -> Result<Self, wire::WireError> {
        u64::decode(from).map(Number)
    }
}
impl Record for Number {}

#[derive(Clone)]
enum Ask {
    Persist(u64),
    Say(u64),
    SayEarly(u64),
}

const ME: NodeId = NodeId(1);
const PEER: NodeId = NodeId(2);

impl Protocol for Core {
    type Config = ();
    type Message = Number;
    type Request = Ask;
    type Record = Number;
    type Output = u64;

    fn recover((): (), _: Now, _: Prng, records: impl Iterator<Item = (Position, Number)>) -> Core {
        Core { heard: records.map(|(_, n)| n.0).collect() }
    }
    fn step(&mut self, _: Now, input: Input<Core>, out: &mut Effects<Core>) {
        match input {
            Input::Message { message, .. } => self.heard.push(message.0),
            Input::Request(Ask::Persist(n)) => {
                out.persist(Number(n));
                out.send(ME, Number(n));
            }
            Input::Request(Ask::Say(n)) => {
                out.send(PEER, Number(n));
                out.output(n);
            }
            Input::Request(Ask::SayEarly(n)) => out.send_early(PEER, Number(n)),
            Input::Deadline => {}
        }
    }
    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn check(&self) {}
    fn digest(&self, _: &Renaming, _: &mut Digest) {}
}

fn kinds(actions: &mut VecDeque<Action<Core>>) -> Vec<std::string::String> {
    actions
        .drain(..)
        .map(|a| match a {
            Action::Send { message, .. } => std::format!("send {}", message.0),
            Action::Output(n) => std::format!("output {n}"),
            Action::Write(b) => std::format!("write to {}", b.end().0),
            Action::Release(p) => std::format!("release {}", p.0),
        })
        .collect()
}

fn host() -> Host<Core> {
    Host::new(ME, Core::default(), Position(0), 64, Planted::NONE)
}

#[test]
fn a_recordless_batch_does_not_overtake_the_sync_before_it() {
    let (mut host, mut actions) = (host(), VecDeque::new());
    let clock = &mut Now::default;
    host.request(Ask::Persist(7)).ok().unwrap();
    host.turn(clock, &mut actions);
    assert_eq!(kinds(&mut actions), ["write to 1"]);
    host.request(Ask::Say(8)).ok().unwrap();
    host.request(Ask::SayEarly(9)).ok().unwrap();
    host.turn(clock, &mut actions);
    assert_eq!(kinds(&mut actions), ["send 9"]);
    host.synced(Position(1), &mut actions);
    assert_eq!(kinds(&mut actions), ["send 8", "output 8"]);
    host.turn(clock, &mut actions);
    assert_eq!(host.core().heard, [7], "it heard of its own durability");
}

#[test]
fn one_write_at_a_time_and_the_next_takes_all_that_gathered() {
    let (mut host, mut actions) = (host(), VecDeque::new());
    for n in 0..3 {
        host.request(Ask::Persist(n)).ok().unwrap();
        host.turn(&mut Now::default, &mut actions);
    }
    assert_eq!(kinds(&mut actions), ["write to 1"]);
    host.synced(Position(1), &mut actions);
    assert_eq!(kinds(&mut actions), ["write to 3"]);
}

#[test]
fn a_failed_sync_stops_the_node() {
    let (mut host, mut actions) = (host(), VecDeque::new());
    host.request(Ask::Persist(1)).ok().unwrap();
    host.request(Ask::Say(2)).ok().unwrap();
    host.turn(&mut Now::default, &mut actions);
    actions.clear();
    host.sync_failed();
    assert!(host.request(Ask::SayEarly(3)).is_err());
    host.turn(&mut Now::default, &mut actions);
    assert!(actions.is_empty());
}

#[test]
fn a_message_that_claims_to_come_from_oneself_is_dropped() {
    let mut host = host();
    assert!(!host.receive(ME, Number(1)));
    assert!(host.receive(PEER, Number(1)));
}

fn digest(host: &Host<Core>) -> u64 {
    let mut digest = Digest::default();
    host.digest(&Renaming::default(), &mut digest);
    core::hash::Hasher::finish(&digest)
}

#[test]
fn a_copy_goes_on_as_the_original_does() {
    let (mut host, mut actions) = (host(), VecDeque::new());
    host.request(Ask::Persist(7)).ok().unwrap();
    host.request(Ask::Say(8)).ok().unwrap();
    host.turn(&mut Now::default, &mut actions);
    let mut copy = host.clone();
    assert_eq!(digest(&copy), digest(&host));
    let go_on = |host: &mut Host<Core>| {
        let mut actions = VecDeque::new();
        host.synced(Position(1), &mut actions);
        host.turn(&mut Now::default, &mut actions);
        kinds(&mut actions)
    };
    assert_eq!(go_on(&mut copy), ["send 8", "output 8"]);
    assert_ne!(digest(&copy), digest(&host), "what was held back is gone");
    assert_eq!(go_on(&mut host), ["send 8", "output 8"]);
    assert_eq!(digest(&copy), digest(&host));
}

#[test]
fn a_digest_tells_what_is_held_back_but_not_how_long_the_log_is() {
    let asked = |durable: u64, asks: &[Ask]| {
        let mut host = Host::new(ME, Core::default(), Position(durable), 64, Planted::NONE);
        for ask in asks {
            host.request(ask.clone()).ok().unwrap();
            host.turn(&mut Now::default, &mut VecDeque::new());
        }
        digest(&host)
    };
    let (write, say) = (Ask::Persist(1), Ask::Say(2));
    let held = [write.clone(), say];
    assert_eq!(asked(0, &held), asked(5, &held));
    let all = [
        asked(0, &[]),
        asked(0, core::slice::from_ref(&write)),
        asked(0, &held),
        asked(0, &[write.clone(), Ask::Say(3)]),
        asked(0, &[write.clone(), write.clone()]),
        asked(0, &[write.clone(), Ask::Persist(2)]),
    ];
    let different = all.iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(different.len(), all.len(), "{all:?}");
}

#[test]
fn majorities() {
    assert_eq!([1, 2, 3, 4, 5].map(quorum::majority), [1, 2, 2, 3, 3]);
    assert_eq!(quorum::committed(&mut [5, 9, 7]), 7);
    assert_eq!(quorum::committed(&mut [5, 9, 7, 1]), 5);
}
