//! Nodes that lie: interference with what an unmodified node sends, which it knows nothing of (Lamport, Shostak and
//! Pease 1982). Any [`protocol::Protocol`] lies as it is, since a lie is made of the bytes of its messages.
//!
//! What a lie can alter. Messages carry no signatures, so their whole content is at a liar's mercy, also where it
//! speaks of others ("node 2 has voted"). Who sent a message is vouched for by the link, as by a connection that was
//! authenticated, unless [`Byzantine::impersonate_ppm`] takes that away. A forged message is always one that decodes:
//! what does not is refused by any link before a core sees it. What a liar itself believes, persists and answers is as
//! honest as before; nothing that it outputs is worth a check, and [`World::liars`] says who is one.

use crate::config::MILLION;
use crate::trace::{Loss, What};
use crate::{Boot, World};
use protocol::Protocol;
use std::collections::VecDeque;
use std::fmt;
use std::hash::Hasher;
use stdx::{Digest, NodeId, NodeSet, Prng};
use wire::Wire;

/// So many messages sent are remembered, to be said again.
const REMEMBERED: usize = 64;
/// So many changes are tried until one decodes.
const TRIES: usize = 64;

/// How a node lies. Chances are in parts of a million messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Byzantine {
    /// Equivocates: some of its peers are told one thing and the others another. All messages of equal content are
    /// told alike, so that each side hears one consistent story.
    pub equivocate_ppm: u64,
    /// Forges: the content is altered, for all peers alike.
    pub forge_ppm: u64,
    /// Speaks in the name of another as well, which only links that do not vouch for a sender let pass: the same
    /// message arrives once more, as if from a third node.
    pub impersonate_ppm: u64,
    /// Replays: one of the last messages that it sent to anybody is sent once more.
    pub replay_ppm: u64,
    /// Never says anything to these.
    pub silent_to: NodeSet,
}

/// A lie that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// Others are told something else.
    Equivocation,
    /// All are told something else than the node said.
    Forgery,
    /// It seems to come from another node.
    Impersonation(NodeId),
    /// It was said before.
    Replay,
    /// Nothing is said to this peer.
    Silence,
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lie::Equivocation => f.write_str("equivocates"),
            Lie::Forgery => f.write_str("forges"),
            Lie::Impersonation(of) => write!(f, "speaks in the name of {of:?}"),
            Lie::Replay => f.write_str("replays"),
            Lie::Silence => f.write_str("is silent"),
        }
    }
}

/// A node's lying, and what it remembers.
#[derive(Debug)]
pub(crate) struct Liar {
    how: Byzantine,
    prng: Prng,
    sent: VecDeque<Vec<u8>>,
}

/// What is put on a link instead of a message.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Each with the lie in it.
    pub(crate) lies: Vec<(Lie, Vec<u8>)>,
    /// The message itself, if it is told at all.
    pub(crate) truth: Option<Vec<u8>>,
}

impl Liar {
    pub(crate) fn new(prng: Prng) -> Liar {
        Liar { how: Byzantine::default(), prng, sent: VecDeque::new() }
    }

    /// From here on it is honest.
    pub(crate) fn stop(&mut self) {
        self.how = Byzantine::default();
    }

    fn chance(&mut self, ppm: u64) -> bool {
        ppm > 0 && self.prng.chance(ppm, MILLION)
    }

    /// What is told to `to` by a node that would say `bytes`; `third` are the nodes in whose name it can speak.
    fn tell<M: Wire>(&mut self, to: NodeId, bytes: Vec<u8>, third: &[NodeId]) -> Told {
        let mut told = Told::default();
        if self.how.silent_to.contains(to) {
            told.lies.push((Lie::Silence, bytes));
            return told;
        }
        let said = match self.altered::<M>(to, &bytes) {
            Some((lie, other)) => {
                told.lies.push((lie, other.clone()));
                other
            }
            None => {
                told.truth = Some(bytes.clone());
                bytes
            }
        };
        if !third.is_empty() && self.chance(self.how.impersonate_ppm) {
            told.lies.push((Lie::Impersonation(*self.prng.pick(third)), said.clone()));
        }
        if !self.sent.is_empty() && self.chance(self.how.replay_ppm) {
            let again = self.prng.index(self.sent.len());
            told.lies.push((Lie::Replay, self.sent[again].clone()));
        }
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(said);
        told
    }

    /// Drawn from the content, so that equal messages are altered alike.
    fn altered<M: Wire>(&self, to: NodeId, bytes: &[u8]) -> Option<(Lie, Vec<u8>)> {
        let (equivocate, forge) = (self.how.equivocate_ppm, self.how.forge_ppm);
        if equivocate + forge == 0 {
            return None;
        }
        let mut digest = Digest::default();
        digest.write(bytes);
        let mut prng = self.prng.fork(0).fork(digest.finish());
        let mut chance = |ppm: u64| prng.chance(ppm.min(MILLION), MILLION);
        let (equivocates, forges) = (chance(equivocate), chance(forge));
        let side = prng.next_u64() >> (to.0 % 64) & 1 == 1;
        let lie = match (equivocates && side, forges) {
            (true, _) => Lie::Equivocation,
            (false, true) => Lie::Forgery,
            (false, false) => return None,
        };
        Some((lie, alter::<M>(bytes, &mut prng)?))
    }
}

/// Other bytes that are a message, too: one byte is changed, most often by one.
fn alter<M: Wire>(bytes: &[u8], prng: &mut Prng) -> Option<Vec<u8>> {
    if bytes.is_empty() {
        return None;
    }
    let mut other = bytes.to_vec();
    for _ in 0..TRIES {
        let at = prng.index(bytes.len());
        other[at] = match prng.below(4) {
            0 => bytes[at].wrapping_sub(1),
            1 => u8::try_from(prng.below(256)).unwrap_or(0),
            _ => bytes[at].wrapping_add(1),
        };
        if other[at] != bytes[at] && wire::decode_all::<M>(&other).is_ok() {
            return Some(other);
        }
        other[at] = bytes[at];
    }
    None
}

impl<B: Boot> World<B> {
    /// The nodes that have ever lied: no check may count on what they say.
    pub fn liars(&self) -> NodeSet {
        self.nodes.iter().filter(|node| node.lied).map(|node| node.id).collect()
    }

    pub(crate) fn corrupt(&mut self, node: NodeId, how: Byzantine) {
        let index = self.index(node);
        let prng = self.root.fork(7).fork(node.0);
        self.nodes[index].liar.get_or_insert_with(|| Liar::new(prng)).how = how;
    }

    /// A liar sends: whatever it tells instead of `message` goes to the network.
    pub(crate) fn lie(
        &mut self,
        from: usize,
        to: usize,
        id: u64,
        message: &<B::Core as Protocol>::Message,
    ) {
        let (speaker, hearer) = (self.nodes[from].id, self.nodes[to].id);
        let third: Vec<_> = self.ids().filter(|id| *id != speaker && *id != hearer).collect();
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let Some(liar) = &mut self.nodes[from].liar else { return };
        let told = liar.tell::<<B::Core as Protocol>::Message>(hearer, bytes, &third);
        for (lie, bytes) in told.lies {
            self.nodes[from].lied = true;
            self.count(lie);
            self.record_lie(from, hearer, id, lie, &bytes);
            let claimed = if let Lie::Impersonation(of) = lie { self.index(of) } else { from };
            match lie {
                Lie::Silence => self.lost_at(from, id, Loss::Silence),
                _ => self.transmit((from, claimed), to, id, |into| into.extend_from_slice(&bytes)),
            }
        }
        if let Some(bytes) = told.truth {
            self.transmit((from, from), to, id, |into| into.extend_from_slice(&bytes));
        }
    }

    fn count(&mut self, lie: Lie) {
        let counters = &mut self.counters;
        *match lie {
            Lie::Equivocation => &mut counters.equivocations,
            Lie::Forgery => &mut counters.forgeries,
            Lie::Impersonation(_) => &mut counters.impersonations,
            Lie::Replay => &mut counters.replays,
            Lie::Silence => &mut counters.silences,
        } += 1;
    }

    fn record_lie(&mut self, from: usize, to: NodeId, id: u64, lie: Lie, bytes: &[u8]) {
        if self.trace.is_none() {
            return;
        }
        let said = wire::decode_all::<<B::Core as Protocol>::Message>(bytes);
        let text = said.map(|message| self.boot.describe(&message)).unwrap_or_default();
        self.record_at(from, || What::Lied { to, id, lie, text });
    }
}

#[cfg(test)]
mod tests;
