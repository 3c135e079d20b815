//! Two-phase commit, minimal: what TLA+'s `TwoPhase` and Stateright's example `2pc` do, as a core. The manager is
//! n0; requests stand for what anybody may do at will.

use protocol::{
    Digest, Effects, Input, Instant, NodeId, NodeSet, Now, Position, Prng, Protocol, Record,
    Renaming,
};
use sim::explore::{Model, Sometimes, View};
use std::hash::Hash;
use wire::wire_enum;

pub(crate) const MANAGER: NodeId = NodeId(0);

/// A planted bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bug {
    #[default]
    None,
    /// `Prepared` leaves before the record that makes it a promise is durable.
    PreparedEarly,
    /// The decision leaves before it is durable.
    DecisionEarly,
    /// The manager commits with one vote missing.
    OneMissing,
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub id: NodeId,
    pub resources: u64,
    pub bug: Bug,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Prepared,
    Commit,
    Abort,
}
wire_enum!(Message, version 1 { 1 => Prepared, 2 => Commit, 3 => Abort });

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Prepare,
    Refuse,
    Commit,
    Abort,
}

/// What a resource manager is in, and what it remembers; the manager remembers only ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Working,
    Prepared,
    Committed,
    Aborted,
}
wire_enum!(Phase, version 1 { 1 => Working, 2 => Prepared, 3 => Committed, 4 => Aborted });

impl Record for Phase {}

#[derive(Clone, Debug)]
pub(crate) struct TwoPhase {
    config: Config,
    pub phase: Phase,
    /// The manager's: who has prepared, one bit each.
    prepared: u64,
}

impl TwoPhase {
    fn enter(&mut self, phase: Phase, out: &mut Effects<TwoPhase>) {
        self.phase = phase;
        out.persist(phase);
    }

    fn decide(&mut self, phase: Phase, message: &Message, out: &mut Effects<TwoPhase>) {
        self.enter(phase, out);
        for id in 1..=self.config.resources {
            if self.config.bug == Bug::DecisionEarly {
                out.send_early(NodeId(id), message.clone());
            } else {
                out.send(NodeId(id), message.clone());
            }
        }
    }

    fn ready(&self) -> bool {
        let missing = self.config.resources - u64::from(self.prepared.count_ones());
        missing <= u64::from(self.config.bug == Bug::OneMissing)
    }
}

impl Protocol for TwoPhase {
    type Config = Config;
    type Message = Message;
    type Request = Request;
    type Record = Phase;
    type Output = ();

    fn recover(
        config: Config,
        _now: Now,
        _rng: Prng,
        records: impl Iterator<Item = (Position, Phase)>,
    ) -> TwoPhase {
        let phase = records.last().map_or(Phase::Working, |(_, phase)| phase);
        TwoPhase { config, phase, prepared: 0 }
    }

    fn step(&mut self, _now: Now, input: Input<TwoPhase>, out: &mut Effects<TwoPhase>) {
        let manager = self.config.id == MANAGER;
        match input {
            Input::Message { from, message: Message::Prepared } => {
                if manager && self.phase == Phase::Working {
                    self.prepared |= 1 << from.0;
                }
            }
            Input::Message { message: Message::Commit, .. } => {
                if self.phase != Phase::Committed {
                    self.enter(Phase::Committed, out);
                }
            }
            Input::Message { message: Message::Abort, .. } => {
                if self.phase != Phase::Aborted {
                    self.enter(Phase::Aborted, out);
                }
            }
            Input::Request(_) if self.phase != Phase::Working => {}
            Input::Request(Request::Prepare) => {
                self.enter(Phase::Prepared, out);
                if self.config.bug == Bug::PreparedEarly {
                    out.send_early(MANAGER, Message::Prepared);
                } else {
                    out.send(MANAGER, Message::Prepared);
                }
            }
            Input::Request(Request::Refuse) => self.enter(Phase::Aborted, out),
            Input::Request(Request::Commit) => {
                self.decide(Phase::Committed, &Message::Commit, out);
            }
            Input::Request(Request::Abort) => self.decide(Phase::Aborted, &Message::Abort, out),
            Input::Deadline => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn check(&self) {}

    fn digest(&self, _names: &Renaming, into: &mut Digest) {
        (self.phase, self.prepared).hash(into);
    }
}

/// The manager has crashed in the middle of a step.
pub(crate) const HALF_SAID: &str = "one knows the decision of a manager that is down";

/// A manager and so many resource managers.
pub(crate) struct World {
    pub resources: u64,
    pub bug: Bug,
}

impl World {
    pub(crate) fn of(resources: u64) -> World {
        World { resources, bug: Bug::None }
    }
}

impl Model for World {
    type Core = TwoPhase;
    type Ghost = ();

    fn nodes(&self) -> NodeSet {
        (0..=self.resources).map(NodeId).collect()
    }

    fn config(&self, id: NodeId) -> Config {
        Config { id, resources: self.resources, bug: self.bug }
    }

    fn ghost(&self) {}

    fn requests(&self, id: NodeId, core: &TwoPhase, _asked: u32) -> Vec<Request> {
        match (core.phase, id == MANAGER) {
            (Phase::Working, true) if core.ready() => vec![Request::Commit, Request::Abort],
            (Phase::Working, true) => vec![Request::Abort],
            (Phase::Working, false) => vec![Request::Prepare, Request::Refuse],
            _ => Vec::new(),
        }
    }

    fn invariant(&self, view: &View<'_, World>) -> Result<(), String> {
        if ends(view, Phase::Committed) > 0 && ends(view, Phase::Aborted) > 0 {
            return Err("one has committed and one has aborted".into());
        }
        Ok(())
    }

    fn marks(&self) -> Vec<Sometimes<World>> {
        vec![
            ("all commit", |view| all(view, Phase::Committed)),
            ("all abort", |view| all(view, Phase::Aborted)),
            (HALF_SAID, |view| {
                let down = view.cores().next().is_some_and(|(_, manager)| manager.is_none());
                down && view.messages().filter(|(from, _, _)| *from == MANAGER).count() == 1
            }),
        ]
    }
}

/// How many resource managers are in `phase`.
fn ends(view: &View<'_, World>, phase: Phase) -> usize {
    let resources = view.cores().skip(1).filter_map(|(_, core)| core);
    resources.filter(|core| core.phase == phase).count()
}

fn all(view: &View<'_, World>, phase: Phase) -> bool {
    ends(view, phase) + 1 == view.nodes().count()
}
