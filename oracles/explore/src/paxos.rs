//! Single-decree Paxos behind Stateright's own register clients, each of which writes once and then reads.

use stateright::Expectation;
use stateright::actor::register::{RegisterActor, RegisterActorState, RegisterMsg};
use stateright::actor::{Actor, ActorModel, Id, Network, Out, model_peers};
use stateright::semantics::LinearizabilityTester;
use stateright::semantics::register::Register;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

type Ballot = (u32, Id);
/// Request, client, value.
type Proposal = (u64, Id, char);
type Vote = (Ballot, Proposal);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Inner {
    Prepare(Ballot),
    Prepared(Ballot, Option<Vote>),
    Accept(Vote),
    Accepted(Ballot),
    Decided(Vote),
}

type Msg = RegisterMsg<u64, char, Inner>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    ballot: Ballot,
    vote: Option<Vote>,
    decided: bool,
    proposal: Option<Proposal>,
    prepared: BTreeMap<Id, Option<Vote>>,
    accepted: BTreeSet<Id>,
}

#[derive(Clone, Debug)]
pub struct Server {
    peers: Vec<Id>,
}

impl Server {
    fn majority(&self) -> usize {
        (self.peers.len() + 1) / 2 + 1
    }

    fn send(&self, inner: Inner, to: Id, out: &mut Out<Server>) {
        out.send(to, RegisterMsg::Internal(inner));
    }

    fn broadcast(&self, inner: &Inner, out: &mut Out<Server>) {
        self.peers.iter().for_each(|peer| self.send(inner.clone(), *peer, out));
    }

    fn prepared(&self, id: Id, state: &mut State, out: &mut Out<Server>) {
        if state.prepared.len() != self.majority() {
            return;
        }
        let latest = state.prepared.values().flatten().max();
        let proposal = latest.map(|(_, proposal)| *proposal).or(state.proposal);
        let vote = (state.ballot, proposal.expect("a leader has one"));
        (state.proposal, state.vote) = (proposal, Some(vote));
        state.accepted.insert(id);
        self.broadcast(&Inner::Accept(vote), out);
    }

    fn accepted(&self, state: &mut State, out: &mut Out<Server>) {
        if state.accepted.len() != self.majority() {
            return;
        }
        let proposal = state.proposal.expect("a leader has one");
        state.decided = true;
        self.broadcast(&Inner::Decided((state.ballot, proposal)), out);
        out.send(proposal.1, RegisterMsg::PutOk(proposal.0));
    }
}

impl Actor for Server {
    type Msg = Msg;
    type State = State;
    type Timer = ();
    type Random = ();
    type Storage = ();

    fn on_start(&self, _: Id, _: &Option<()>, _: &mut Out<Server>) -> State {
        State {
            ballot: (0, Id::from(0)),
            vote: None,
            decided: false,
            proposal: None,
            prepared: BTreeMap::new(),
            accepted: BTreeSet::new(),
        }
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, State>,
        from: Id,
        msg: Msg,
        out: &mut Out<Server>,
    ) {
        if state.decided {
            if let (RegisterMsg::Get(request), Some((_, (_, _, value)))) = (msg, state.vote) {
                out.send(from, RegisterMsg::GetOk(request, value));
            }
            return;
        }
        match msg {
            RegisterMsg::Put(request, value) if state.proposal.is_none() => {
                let state = state.to_mut();
                state.proposal = Some((request, from, value));
                state.ballot = (state.ballot.0 + 1, id);
                state.prepared = BTreeMap::from([(id, state.vote)]);
                state.accepted.clear();
                self.broadcast(&Inner::Prepare(state.ballot), out);
            }
            RegisterMsg::Internal(Inner::Prepare(ballot)) if ballot > state.ballot => {
                state.to_mut().ballot = ballot;
                self.send(Inner::Prepared(ballot, state.vote), from, out);
            }
            RegisterMsg::Internal(Inner::Prepared(ballot, vote)) if ballot == state.ballot => {
                let state = state.to_mut();
                state.prepared.insert(from, vote);
                self.prepared(id, state, out);
            }
            RegisterMsg::Internal(Inner::Accept(vote)) if vote.0 >= state.ballot => {
                let state = state.to_mut();
                (state.ballot, state.vote) = (vote.0, Some(vote));
                self.send(Inner::Accepted(vote.0), from, out);
            }
            RegisterMsg::Internal(Inner::Accepted(ballot)) if ballot == state.ballot => {
                let state = state.to_mut();
                state.accepted.insert(from);
                self.accepted(state, out);
            }
            RegisterMsg::Internal(Inner::Decided(vote)) => {
                let state = state.to_mut();
                (state.ballot, state.vote, state.decided) = (vote.0, Some(vote), true);
            }
            _ => {}
        }
    }
}

const SERVERS: usize = 3;

fn world<H: Clone + std::fmt::Debug + std::hash::Hash>(clients: usize, history: H) -> World<H> {
    let server = |at| RegisterActor::Server(Server { peers: model_peers(at, SERVERS) });
    let client = |_| RegisterActor::Client { put_count: 1, server_count: SERVERS };
    ActorModel::new((), history)
        .actors((0..SERVERS).map(server))
        .actors((0..clients).map(client))
        .init_network(Network::new_unordered_nonduplicating([]))
        // Something to refute, or the search ends when every value was read.
        .property(Expectation::Always, "one decision", |_, state| {
            let decided = state.actor_states.iter().filter_map(|actor| match &**actor {
                RegisterActorState::Server(server) if server.decided => server.vote,
                RegisterActorState::Server(_) | RegisterActorState::Client { .. } => None,
            });
            let values: BTreeSet<char> = decided.map(|(_, (_, _, value))| value).collect();
            values.len() < 2
        })
        .property(Expectation::Sometimes, "a value is read", |_, state| {
            let read = |msg: &Msg| matches!(msg, RegisterMsg::GetOk(..));
            state.network.iter_deliverable().any(|envelope| read(envelope.msg))
        })
}

type World<H> = ActorModel<RegisterActor<Server>, (), H>;

/// What clients were told is part of the state and must be linearizable.
pub fn model(clients: usize) -> World<LinearizabilityTester<Id, Register<char>>> {
    world(clients, LinearizabilityTester::new(Register('?')))
        .property(Expectation::Always, "linearizable", |_, state| {
            state.history.serialized_history().is_some()
        })
        .record_msg_in(RegisterMsg::record_returns)
        .record_msg_out(RegisterMsg::record_invocations)
}

/// Nobody remembers what clients were told.
pub fn unwatched(clients: usize) -> World<()> {
    world(clients, ())
}
