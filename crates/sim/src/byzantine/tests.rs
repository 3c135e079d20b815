//! Each way to lie breaks a protocol that bears crashes, and none breaks one that bears liars.

mod bracha;
mod vote;

use crate::config::MILLION;
use crate::*;
use protocol::{Protocol, Record};
use stdx::{NodeId, Position};
use storage::{Log, LogConfig};
use wire::{Reader, Wire, WireError};

/// Nothing is persisted by the protocols here.
#[derive(Clone, Debug)]
pub(super) struct Nothing;

impl Wire for Nothing {
    fn encode(&self, _: &mut Vec<u8>) {}
    fn decode(_: &mut Reader<'_>) -> Result<Nothing, WireError> {
        Ok(Nothing)
    }
}

impl Record for Nothing {}

/// Nodes that know themselves, how many there are, and one thing more.
pub(super) struct Plain<P, C>(pub(super) u64, pub(super) C, pub(super) std::marker::PhantomData<P>);

impl<P, C> Boot for Plain<P, C>
where
    P: Protocol<Config = (NodeId, u64, C), Record = Nothing>,
    P::Message: std::fmt::Debug,
    C: Copy,
{
    type Core = P;
    fn boot(&mut self, start: Start) -> Result<Booted<P>, BootFailed> {
        let config = LogConfig { segment_bytes: 1 << 16, ..LogConfig::default() };
        let (log, recovery) = Log::open(start.disk, config)
            .map_err(|why| BootFailed { reason: format!("{why}"), disk: None })?;
        let config = (start.node, self.0, self.1);
        let core = P::recover(config, start.now, start.rng, std::iter::empty());
        let at: Position = recovery.next;
        Ok(Booted { core, log, recovered: at, durable: at })
    }
    fn describe(&self, message: &P::Message) -> String {
        format!("{message:?}")
    }
}

pub(super) fn world<P, C>(seed: u64, nodes: u64, more: C) -> World<Plain<P, C>>
where
    P: Protocol<Config = (NodeId, u64, C), Record = Nothing>,
    P::Message: std::fmt::Debug,
    C: Copy,
{
    let config = WorldConfig { nodes, ..WorldConfig::default() };
    World::new(seed, config, Plain(nodes, more, std::marker::PhantomData))
}

/// The ways to lie, one by one; silence towards node 2 or, of that one, node 3.
pub(super) fn ways(liar: NodeId) -> [(&'static str, Byzantine); 5] {
    let honest = Byzantine::default();
    let victim = if liar == NodeId(2) { NodeId(3) } else { NodeId(2) };
    [
        ("equivocate", Byzantine { equivocate_ppm: MILLION, ..honest.clone() }),
        ("forge", Byzantine { forge_ppm: MILLION, ..honest.clone() }),
        ("replay", Byzantine { replay_ppm: MILLION / 2, ..honest.clone() }),
        ("silent", Byzantine { silent_to: [victim].into_iter().collect(), ..honest.clone() }),
        ("impersonate", Byzantine { impersonate_ppm: MILLION, ..honest }),
    ]
}

/// How often it lied in that way.
pub(super) fn lies(way: &str, counters: &Counters) -> u64 {
    match way {
        "equivocate" => counters.equivocations,
        "forge" => counters.forgeries,
        "replay" => counters.replays,
        "silent" => counters.silences,
        _ => counters.impersonations,
    }
}

#[test]
fn a_forged_message_is_another_one_that_decodes() {
    let mut prng = stdx::Prng::new(1);
    for n in 0..200_u64 {
        let bytes = wire::encode(&bracha::Say::Echo(n));
        let other =
            super::alter::<bracha::Say>(&bytes, &mut prng).expect("a number has neighbours");
        let message = wire::decode_all::<bracha::Say>(&other).expect("one that decodes");
        assert_ne!(message, bracha::Say::Echo(n));
    }
    assert_eq!(super::alter::<Nothing>(&[], &mut prng), None, "of nothing there is no other");
}
