//! What a step does to a node, computed once: nodes, messages, outcomes and what the onlooker knows, numbered.

use super::place::{Effect, Place, Rules};
use super::table::Interned;
use super::{Model, Network, Scope, Seen};
use protocol::{Digest, NodeId, Protocol, Renaming};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

type Request<M> = <<M as Model>::Core as Protocol>::Request;

/// A message on a link; nodes by their place in the order of ids.
pub(crate) struct Envelope<P: Protocol> {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) message: P::Message,
}

/// What happens to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// This envelope arrives.
    Hear(u32),
    /// After so many requests in the world, the n-th that [`Model::requests`] offers.
    Ask {
        asked: u32,
        nth: u32,
    },
    Deadline,
    Sync,
    Crash,
    Restart,
}

impl Act {
    fn code(self) -> u32 {
        const OTHERS: u32 = 1 << 31;
        match self {
            Act::Hear(envelope) => {
                assert!(envelope < OTHERS, "too many messages");
                envelope
            }
            Act::Ask { asked, nth } => {
                assert!(asked < 1 << 10 && nth < 1 << 16, "too many requests");
                OTHERS | 4 | asked << 19 | nth << 3
            }
            Act::Deadline => OTHERS,
            Act::Sync => OTHERS | 1,
            Act::Crash => OTHERS | 2,
            Act::Restart => OTHERS | 3,
        }
    }
}

/// What comes of one act at one node.
pub(crate) struct Outcome<P: Protocol> {
    /// The node and the act.
    key: u64,
    pub(crate) act: Act,
    /// The node after it.
    pub(crate) next: u32,
    /// All that others see, in order; a message by its number.
    pub(crate) effects: Vec<Told<P>>,
    /// The messages among them.
    pub(crate) sends: Box<[u32]>,
    /// The node, if it crashes before all of it has left; and how much of it must have.
    pub(crate) torn: Option<(u32, usize)>,
    /// The onlooker sees something.
    watched: bool,
    /// Nothing changed, nothing was said.
    pub(crate) idle: bool,
    /// What the node asserted, if it panicked.
    pub(crate) broke: Option<String>,
}

impl<P: Protocol> Outcome<P> {
    /// How many messages are among the first `cut` effects.
    pub(crate) fn sends_within(&self, cut: usize) -> usize {
        self.effects[..cut].iter().filter(|effect| matches!(effect, Told::Sent(_))).count()
    }
}

pub(crate) enum Told<P: Protocol> {
    Sent(u32),
    Output(P::Output),
}

struct Offer<M: Model> {
    key: u64,
    requests: Vec<Request<M>>,
}

struct Known<P: Protocol> {
    print: [u64; 2],
    place: Place<P>,
}

/// What the onlooker makes of an outcome: before, outcome, effects seen before a crash.
struct Watched {
    key: (u32, u32, u32),
    after: Result<u32, String>,
}

pub(crate) struct Steps<'a, M: Model> {
    model: &'a M,
    rules: Rules,
    torn: bool,
    /// A message stays in flight when it has arrived.
    pub(crate) keeps_messages: bool,
    pub(crate) ids: Vec<NodeId>,
    places: Interned<Known<M::Core>>,
    envelopes: Interned<Envelope<M::Core>>,
    outcomes: Interned<Outcome<M::Core>>,
    offers: Interned<Offer<M>>,
    ghosts: Interned<M::Ghost>,
    watched: Interned<Watched>,
}

/// Spreads a key over a hash.
fn spread(key: u64) -> u64 {
    key.wrapping_mul(0x9fb2_1c65_1e98_df25)
        ^ key.rotate_left(32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

pub(crate) fn salted(salt: u64) -> Digest {
    let mut digest = Digest::default();
    digest.write_u64(salt);
    digest
}

fn key(place: u32, code: u32) -> u64 {
    u64::from(place) << 32 | u64::from(code)
}

impl<'a, M: Model> Steps<'a, M> {
    pub(crate) fn new(model: &'a M, scope: &Scope) -> Steps<'a, M> {
        let rules = Rules {
            instant: !scope.slow_disk,
            crash_free: scope.crashes == Some(0),
            planted: scope.planted,
        };
        Steps {
            model,
            rules,
            torn: scope.torn_steps && scope.slow_disk && scope.crashes != Some(0),
            keeps_messages: scope.network == Network::Set,
            ids: model.nodes().iter().collect(),
            places: Interned::new(),
            envelopes: Interned::new(),
            outcomes: Interned::new(),
            offers: Interned::new(),
            ghosts: Interned::new(),
            watched: Interned::new(),
        }
    }

    pub(crate) fn place(&self, number: u32) -> &Place<M::Core> {
        &self.places.get(number).place
    }

    pub(crate) fn envelope(&self, number: u32) -> &Envelope<M::Core> {
        self.envelopes.get(number)
    }

    pub(crate) fn outcome(&self, number: u32) -> &Outcome<M::Core> {
        self.outcomes.get(number)
    }

    pub(crate) fn ghost(&self, number: u32) -> &M::Ghost {
        self.ghosts.get(number)
    }

    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.places.bytes()
            + self.envelopes.bytes()
            + self.outcomes.bytes()
            + self.offers.bytes()
            + self.ghosts.bytes()
            + self.watched.bytes()
    }

    /// The node at `at`, started from nothing.
    pub(crate) fn start(&mut self, at: usize) -> u32 {
        let id = self.ids[at];
        let mut place = Place::new(id);
        place.restart(self.model.config(id), self.rules);
        self.add_place(place)
    }

    fn add_place(&mut self, place: Place<M::Core>) -> u32 {
        let names = Renaming::default();
        let print = [1, 2].map(|salt| {
            let mut digest = salted(salt);
            place.digest(&names, &mut digest);
            digest.finish()
        });
        let found = self.places.find(print[0], |known| known.print == print);
        found.unwrap_or_else(|| self.places.add(print[0], Known { print, place }))
    }

    pub(crate) fn add_ghost(&mut self, ghost: M::Ghost) -> u32 {
        let mut digest = salted(3);
        ghost.hash(&mut digest);
        let hash = digest.finish();
        let found = self.ghosts.find(hash, |known| *known == ghost);
        found.unwrap_or_else(|| self.ghosts.add(hash, ghost))
    }

    fn add_envelope(
        &mut self,
        from: usize,
        to: NodeId,
        message: <M::Core as Protocol>::Message,
    ) -> u32 {
        let to = self.ids.binary_search(&to).expect("a message to a node of this world");
        let bytes = wire::encode(&message);
        let mut digest = salted(4);
        (from, to).hash(&mut digest);
        digest.write(&bytes);
        let same = |known: &Envelope<M::Core>| {
            (known.from, known.to) == (from, to) && known.bytes == bytes
        };
        let hash = digest.finish();
        let found = self.envelopes.find(hash, same);
        found.unwrap_or_else(|| self.envelopes.add(hash, Envelope { from, to, bytes, message }))
    }

    /// What may be asked of a node.
    pub(crate) fn offers(&mut self, at: usize, place: u32, asked: u32) -> u32 {
        let key = key(place, asked);
        let hash = spread(key);
        let found = self.offers.find(hash, |offer| offer.key == key);
        let number = found.unwrap_or_else(|| {
            let core = self.places.get(place).place.core();
            let requests =
                core.map_or_else(Vec::new, |core| self.model.requests(self.ids[at], core, asked));
            self.offers.add(hash, Offer { key, requests })
        });
        u32::try_from(self.offers.get(number).requests.len()).expect("few requests")
    }

    pub(crate) fn request(&self, place: u32, asked: u32, nth: u32) -> &Request<M> {
        let key = key(place, asked);
        let offer = self.offers.find(spread(key), |offer| offer.key == key);
        &self.offers.get(offer.expect("it was offered")).requests[nth as usize]
    }

    /// What comes of `act` at the node at `at`.
    #[inline]
    pub(crate) fn take(&mut self, at: usize, place: u32, act: Act) -> u32 {
        let key = key(place, act.code());
        let hash = spread(key);
        match self.outcomes.find(hash, |outcome| outcome.key == key) {
            Some(number) => number,
            None => {
                let outcome = self.compute(at, place, act, None);
                self.outcomes.add(hash, outcome)
            }
        }
    }

    /// Asks a node something that nobody need have offered: the node after it, and the messages it sent.
    pub(crate) fn open(
        &mut self,
        at: usize,
        place: u32,
        request: Request<M>,
        ghost: &mut M::Ghost,
    ) -> Result<(u32, Box<[u32]>), String> {
        self.model.watch(ghost, self.ids[at], &Seen::Asked(&request))?;
        let outcome = self.compute(at, place, Act::Ask { asked: 0, nth: 0 }, Some(request));
        if let Some(broke) = outcome.broke {
            return Err(broke);
        }
        let core = self.place(outcome.next).core().expect("it is up");
        for effect in &outcome.effects {
            if let Told::Output(output) = effect {
                self.model.watch(ghost, self.ids[at], &Seen::Output(output, core))?;
            }
        }
        Ok((outcome.next, outcome.sends))
    }

    fn compute(
        &mut self,
        at: usize,
        before: u32,
        act: Act,
        request: Option<Request<M>>,
    ) -> Outcome<M::Core> {
        let id = self.ids[at];
        let rules = self.rules;
        let mut place = self.places.get(before).place.clone();
        let mut torn = None;
        let ran = catch_unwind(AssertUnwindSafe(|| match act {
            Act::Hear(number) => {
                let envelope = self.envelopes.get(number);
                place.deliver(self.ids[envelope.from], envelope.message.clone());
                torn = self.torn.then(|| (place.fallen(), 1));
                place.run(rules)
            }
            Act::Ask { asked, nth } => {
                let request = request.unwrap_or_else(|| self.request(before, asked, nth).clone());
                place.request(request);
                torn = self.torn.then(|| (place.fallen(), 1));
                place.run(rules)
            }
            Act::Deadline => {
                place.wake();
                torn = self.torn.then(|| (place.fallen(), 1));
                place.run(rules)
            }
            Act::Sync => {
                let actions = place.sync(rules);
                torn = self.torn.then(|| (place.fallen(), 0));
                place.carry_out(actions, rules)
            }
            Act::Crash => {
                place.crash(rules);
                Vec::new()
            }
            Act::Restart => {
                place.restart(self.model.config(id), rules);
                Vec::new()
            }
        }));
        let (effects, broke) = match ran {
            Ok(effects) => (effects, None),
            Err(panic) => (Vec::new(), Some(words_of(&*panic))),
        };
        self.outcome_of(at, (before, act), place, effects, torn, broke)
    }

    fn outcome_of(
        &mut self,
        at: usize,
        (before, act): (u32, Act),
        place: Place<M::Core>,
        effects: Vec<Effect<M::Core>>,
        torn: Option<(Place<M::Core>, usize)>,
        broke: Option<String>,
    ) -> Outcome<M::Core> {
        let next = if broke.is_some() { before } else { self.add_place(place) };
        let mut sends = Vec::new();
        let effects: Vec<Told<M::Core>> = effects
            .into_iter()
            .map(|effect| match effect {
                Effect::Sent(to, message) => {
                    sends.push(self.add_envelope(at, to, message));
                    Told::Sent(*sends.last().expect("pushed"))
                }
                Effect::Output(output) => Told::Output(output),
            })
            .collect();
        let torn = torn.filter(|(_, from)| *from < effects.len());
        let said = effects.iter().any(|effect| matches!(effect, Told::Output(_)));
        let watched = match act {
            Act::Hear(_) | Act::Deadline | Act::Sync => said,
            Act::Ask { .. } | Act::Crash | Act::Restart => true,
        };
        Outcome {
            key: key(before, act.code()),
            act,
            next,
            idle: next == before && effects.is_empty() && broke.is_none(),
            effects,
            sends: sends.into(),
            torn: torn.map(|(place, from)| (self.add_place(place), from)),
            watched: watched && size_of::<M::Ghost>() > 0,
            broke,
        }
    }

    /// What the onlooker knows after an outcome, or after its first `cut` effects and a crash.
    #[inline]
    pub(crate) fn watch(
        &mut self,
        at: usize,
        ghost: u32,
        outcome: u32,
        cut: Option<usize>,
    ) -> Result<u32, String> {
        let seen = self.outcomes.get(outcome);
        if !seen.watched && (cut.is_none() || size_of::<M::Ghost>() == 0) {
            return Ok(ghost);
        }
        let prefix = cut.map_or(u32::MAX, |cut| u32::try_from(cut).expect("few effects"));
        let key = (ghost, outcome, prefix);
        let hash = spread(u64::from(ghost) << 32 | u64::from(outcome)) ^ spread(prefix.into());
        if let Some(number) = self.watched.find(hash, |watched| watched.key == key) {
            return self.watched.get(number).after.clone();
        }
        let mut knows = self.ghosts.get(ghost).clone();
        let judged = self.show(&mut knows, at, self.outcomes.get(outcome), cut);
        let after = judged.map(|()| self.add_ghost(knows));
        self.watched.add(hash, Watched { key, after: after.clone() });
        after
    }

    /// Shows the onlooker an outcome, or a prefix of it and a crash.
    pub(crate) fn show(
        &self,
        ghost: &mut M::Ghost,
        at: usize,
        outcome: &Outcome<M::Core>,
        cut: Option<usize>,
    ) -> Result<(), String> {
        let (id, model) = (self.ids[at], self.model);
        match outcome.act {
            Act::Ask { asked, nth } => {
                let place = u32::try_from(outcome.key >> 32).expect("half of a key");
                model.watch(ghost, id, &Seen::Asked(self.request(place, asked, nth)))?;
            }
            Act::Crash => model.watch(ghost, id, &Seen::Crashed)?,
            Act::Restart => {
                let core = self.place(outcome.next).core().expect("it has started");
                model.watch(ghost, id, &Seen::Restarted(core))?;
            }
            Act::Hear(_) | Act::Deadline | Act::Sync => {}
        }
        let core = self.place(outcome.next).core();
        for effect in &outcome.effects[..cut.unwrap_or(outcome.effects.len())] {
            if let (Told::Output(output), Some(core)) = (effect, core) {
                model.watch(ghost, id, &Seen::Output(output, core))?;
            }
        }
        if cut.is_some() {
            model.watch(ghost, id, &Seen::Crashed)?;
        }
        Ok(())
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()));
    text.unwrap_or_else(|| "something without words".into())
}
