//! Single-decree Paxos, minimal, with clients that write once and then read: what Stateright's example `paxos` does,
//! as a core. Servers come first among the ids, then clients.

use crate::register::{History, Op};
use protocol::{
    Digest, Effects, Input, Instant, NodeId, NodeSet, Now, Position, Prng, Protocol, Record,
    Renaming, quorum,
};
use sim::explore::{Model, Seen, Sometimes, View};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use wire::{wire_enum, wire_struct};

/// A planted bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bug {
    #[default]
    None,
    /// A promise is not persisted.
    ForgetPromise,
    /// `Accepted` leaves before what was accepted is durable.
    AcceptedEarly,
    /// A new leader proposes its own value, whatever was accepted before.
    IgnoreAccepted,
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub id: NodeId,
    pub servers: u64,
    pub bug: Bug,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ballot {
    round: u64,
    leader: NodeId,
}
wire_struct!(Ballot { round, leader });

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Proposal {
    request: u64,
    client: NodeId,
    value: u8,
}
wire_struct!(Proposal { request, client, value });

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Accepted {
    ballot: Ballot,
    proposal: Proposal,
}
wire_struct!(Accepted { ballot, proposal });

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Put { request: u64, value: u8 },
    Get { request: u64 },
    PutOk { request: u64 },
    GetOk { request: u64, value: u8 },
    Prepare { ballot: Ballot },
    Prepared { ballot: Ballot, accepted: Option<Accepted> },
    Accept { accepted: Accepted },
    Accepted { ballot: Ballot },
    Decided { accepted: Accepted },
}
wire_enum!(Message, version 1 {
    1 => Put { request, value },
    2 => Get { request },
    3 => PutOk { request },
    4 => GetOk { request, value },
    5 => Prepare { ballot },
    6 => Prepared { ballot, accepted },
    7 => Accept { accepted },
    8 => Accepted { ballot },
    9 => Decided { accepted },
});

/// What a server keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Kept {
    ballot: Ballot,
    accepted: Option<Accepted>,
    decided: bool,
}
wire_struct!(Kept { ballot, accepted, decided });

impl Record for Kept {}

#[derive(Clone, Debug)]
pub(crate) enum Paxos {
    Server(Server),
    /// The request it waits for, and how many it has made.
    Client {
        config: Config,
        awaiting: Option<u64>,
        made: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    config: Config,
    pub kept: Kept,
    proposal: Option<Proposal>,
    prepared: BTreeMap<NodeId, Option<Accepted>>,
    accepts: BTreeSet<NodeId>,
}

impl Server {
    fn broadcast(&self, message: &Message, out: &mut Effects<Paxos>) {
        for id in (0..self.config.servers).map(NodeId).filter(|id| *id != self.config.id) {
            out.send(id, message.clone());
        }
    }

    fn majority(&self) -> usize {
        quorum::majority(usize::try_from(self.config.servers).expect("few"))
    }

    fn hear(&mut self, from: NodeId, message: &Message, out: &mut Effects<Paxos>) {
        if self.kept.decided {
            if let (Message::Get { request }, Some(accepted)) = (message, self.kept.accepted) {
                let (request, value) = (*request, accepted.proposal.value);
                out.send(from, Message::GetOk { request, value });
            }
            return;
        }
        match *message {
            Message::Put { request, value } if self.proposal.is_none() => {
                self.proposal = Some(Proposal { request, client: from, value });
                self.accepts.clear();
                let ballot = Ballot { round: self.kept.ballot.round + 1, leader: self.config.id };
                self.kept.ballot = ballot;
                self.prepared = BTreeMap::from([(self.config.id, self.kept.accepted)]);
                out.persist(self.kept.clone());
                self.broadcast(&Message::Prepare { ballot }, out);
            }
            Message::Prepare { ballot } if self.kept.ballot < ballot => {
                self.kept.ballot = ballot;
                if self.config.bug != Bug::ForgetPromise {
                    out.persist(self.kept.clone());
                }
                out.send(from, Message::Prepared { ballot, accepted: self.kept.accepted });
            }
            Message::Prepared { ballot, accepted } if ballot == self.kept.ballot => {
                self.on_prepared(from, accepted, out);
            }
            Message::Accept { accepted } if self.kept.ballot <= accepted.ballot => {
                self.kept.ballot = accepted.ballot;
                self.kept.accepted = Some(accepted);
                out.persist(self.kept.clone());
                let reply = Message::Accepted { ballot: accepted.ballot };
                if self.config.bug == Bug::AcceptedEarly {
                    out.send_early(from, reply);
                } else {
                    out.send(from, reply);
                }
            }
            Message::Accepted { ballot } if ballot == self.kept.ballot => {
                self.on_accepted(from, out);
            }
            Message::Decided { accepted } => {
                let ballot = accepted.ballot;
                self.kept = Kept { ballot, accepted: Some(accepted), decided: true };
                out.persist(self.kept.clone());
            }
            _ => {}
        }
    }

    fn on_prepared(&mut self, from: NodeId, accepted: Option<Accepted>, out: &mut Effects<Paxos>) {
        // One that has crashed since it asked leads no more.
        let Some(own) = self.proposal else { return };
        self.prepared.insert(from, accepted);
        if self.prepared.len() == self.majority() {
            let latest = self.prepared.values().max().copied().flatten();
            let bound = latest.filter(|_| self.config.bug != Bug::IgnoreAccepted);
            let proposal = bound.map_or(own, |accepted| accepted.proposal);
            self.proposal = Some(proposal);
            let accepted = Accepted { ballot: self.kept.ballot, proposal };
            self.kept.accepted = Some(accepted);
            out.persist(self.kept.clone());
            self.accepts.insert(self.config.id);
            self.broadcast(&Message::Accept { accepted }, out);
        }
    }

    fn on_accepted(&mut self, from: NodeId, out: &mut Effects<Paxos>) {
        let Some(proposal) = self.proposal else { return };
        self.accepts.insert(from);
        if self.accepts.len() == self.majority() {
            self.kept.decided = true;
            out.persist(self.kept.clone());
            let accepted = Accepted { ballot: self.kept.ballot, proposal };
            self.broadcast(&Message::Decided { accepted }, out);
            out.send(proposal.client, Message::PutOk { request: proposal.request });
        }
    }
}

/// A client writes its own value, then reads from the next server.
fn client(
    (config, awaiting, made): (&Config, &mut Option<u64>, &mut u64),
    input: &Input<Paxos>,
    out: &mut Effects<Paxos>,
) {
    let (me, waits) = (config.id.0, *awaiting);
    let server = NodeId((me + *made) % config.servers);
    match *input {
        Input::Request(Start) if *made == 0 => {
            let value = u8::try_from(me - config.servers + 1).expect("few clients");
            // Early: a client promises nothing.
            out.output_early(Output::Invoked(Op::Write(value)));
            out.send_early(server, Message::Put { request: me, value });
            (*awaiting, *made) = (Some(me), 1);
        }
        Input::Message { message: Message::PutOk { request }, .. } if waits == Some(request) => {
            let request = me * (*made + 1);
            out.output_early(Output::Returned(Op::Wrote));
            out.output_early(Output::Invoked(Op::Read));
            out.send_early(server, Message::Get { request });
            (*awaiting, *made) = (Some(request), *made + 1);
        }
        Input::Message { message: Message::GetOk { request, value }, .. }
            if waits == Some(request) =>
        {
            out.output_early(Output::Returned(Op::Saw(value)));
            (*awaiting, *made) = (None, *made + 1);
        }
        _ => {}
    }
}

/// A client begins.
#[derive(Clone, Debug)]
pub(crate) struct Start;

#[derive(Clone, Debug)]
pub(crate) enum Output {
    Invoked(Op),
    Returned(Op),
}

impl Protocol for Paxos {
    type Config = Config;
    type Message = Message;
    type Request = Start;
    type Record = Kept;
    type Output = Output;

    fn recover(
        config: Config,
        _now: Now,
        _rng: Prng,
        records: impl Iterator<Item = (Position, Kept)>,
    ) -> Paxos {
        if config.id.0 >= config.servers {
            return Paxos::Client { config, awaiting: None, made: 0 };
        }
        let kept = records.last().map_or_else(Kept::default, |(_, kept)| kept);
        let (prepared, accepts) = (BTreeMap::new(), BTreeSet::new());
        Paxos::Server(Server { config, kept, proposal: None, prepared, accepts })
    }

    fn step(&mut self, _now: Now, input: Input<Paxos>, out: &mut Effects<Paxos>) {
        match (self, input) {
            (Paxos::Server(server), Input::Message { from, message }) => {
                server.hear(from, &message, out);
            }
            (Paxos::Server(_), _) => {}
            (Paxos::Client { config, awaiting, made }, input) => {
                client((config, awaiting, made), &input, out);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn check(&self) {}

    fn digest(&self, _names: &Renaming, into: &mut Digest) {
        match self {
            Paxos::Server(server) => {
                (&server.kept, server.proposal, &server.prepared, &server.accepts).hash(into);
            }
            Paxos::Client { awaiting, made, .. } => (awaiting, made).hash(into),
        }
    }
}

/// So many servers and clients; clients never crash, as they keep nothing.
pub(crate) struct World {
    pub servers: u64,
    pub clients: u64,
    /// Whether an onlooker judges what clients were told.
    pub watched: bool,
    pub bug: Bug,
}

impl Model for World {
    type Core = Paxos;
    type Ghost = History;

    fn nodes(&self) -> NodeSet {
        (0..self.servers + self.clients).map(NodeId).collect()
    }

    fn config(&self, id: NodeId) -> Config {
        Config { id, servers: self.servers, bug: self.bug }
    }

    fn ghost(&self) -> History {
        History::default()
    }

    fn opening(&self) -> Vec<(NodeId, Start)> {
        (self.servers..self.servers + self.clients).map(|id| (NodeId(id), Start)).collect()
    }

    fn requests(&self, _id: NodeId, _core: &Paxos, _asked: u32) -> Vec<Start> {
        Vec::new()
    }

    fn watch(
        &self,
        history: &mut History,
        node: NodeId,
        seen: &Seen<'_, Paxos>,
    ) -> Result<(), String> {
        match seen {
            Seen::Output(Output::Invoked(op), _) if self.watched => history.invoke(node, *op),
            Seen::Output(Output::Returned(op), _) if self.watched => {
                history.finish(node, *op);
                if !history.is_linearizable() {
                    return Err(format!("not linearizable: {history:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn invariant(&self, view: &View<'_, World>) -> Result<(), String> {
        let mut decided = None;
        for (_, core) in view.cores() {
            let Some(Paxos::Server(Server { kept, .. })) = core else { continue };
            let value = kept.accepted.filter(|_| kept.decided).map(|a| a.proposal.value);
            if value.is_some() && decided.is_some() && value != decided {
                return Err(format!("two decisions: {value:?} and {decided:?}"));
            }
            decided = decided.or(value);
        }
        Ok(())
    }

    fn marks(&self) -> Vec<Sometimes<World>> {
        vec![("a value is read", |view| {
            view.messages().any(|(_, _, message)| matches!(message, Message::GetOk { .. }))
        })]
    }
}
