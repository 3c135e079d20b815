//! A state as a row of numbers: each node, what the onlooker knows, what was spent, what is in flight. And all that
//! can happen next.

use super::steps::{Act, Steps};
use super::{Model, Network, Scope};
use std::ops::ControlFlow;

/// Where the onlooker stands in a row of so many nodes.
pub(crate) fn ghost_at(nodes: usize) -> usize {
    nodes
}

fn spent_at(nodes: usize) -> usize {
    nodes + 1
}

/// Where the messages in flight begin.
pub(crate) fn flight_at(nodes: usize) -> usize {
    nodes + 2
}

/// What is counted against a bound of the scope.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Request,
    Timeout,
    Crash,
    Loss,
    Duplicate,
}

const BITS: u32 = 6;
/// The highest bound on what may happen in one schedule.
pub const MOST: u8 = (1 << BITS) - 1;

fn count(spent: u32, kind: Kind) -> u32 {
    spent >> (kind as u32 * BITS) & u32::from(MOST)
}

/// One step of a schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// Something happens at a node; with a cut, it crashes when so many effects have left.
    Node { at: usize, outcome: u32, cut: Option<usize> },
    /// The network loses a message, or its receiver is down.
    Lose { envelope: u32, down: bool },
    /// The network copies a message.
    Duplicate { envelope: u32 },
}

pub(crate) struct Rows {
    pub(crate) nodes: usize,
    network: Network,
    scope: Scope,
    /// The row after a step.
    next: Vec<u32>,
}

/// Takes a step and the row after it, or what went wrong in it.
pub(crate) trait Visit<M: Model> {
    fn visit(
        &mut self,
        steps: &Steps<'_, M>,
        step: Move,
        row: Result<&[u32], &str>,
    ) -> ControlFlow<()>;
}

impl Rows {
    pub(crate) fn new(nodes: usize, scope: &Scope) -> Rows {
        let bounds =
            [scope.requests, scope.timeouts, scope.crashes, scope.losses, scope.duplicates];
        for bound in bounds.into_iter().flatten() {
            assert!(bound <= MOST, "a bound of {bound}, at most {MOST}");
        }
        Rows { nodes, network: scope.network, scope: *scope, next: Vec::new() }
    }

    /// The state before anything happened but what the model asks for at once.
    pub(crate) fn first<M: Model>(
        &mut self,
        steps: &mut Steps<'_, M>,
        model: &M,
    ) -> Result<Vec<u32>, String> {
        let mut ghost = model.ghost();
        self.next = (0..self.nodes).map(|at| steps.start(at)).collect();
        self.next.extend([0, 0]);
        for (id, request) in model.opening() {
            let at = steps.ids.binary_search(&id).expect("a node of this world");
            let (next, sends) = steps.open(at, self.next[at], request, &mut ghost)?;
            self.next[at] = next;
            sends.iter().for_each(|message| self.add(steps, *message));
        }
        self.next[ghost_at(self.nodes)] = steps.add_ghost(ghost);
        Ok(self.next.clone())
    }

    /// Every step from `row`, in an order that depends on nothing but the row.
    pub(crate) fn successors<M: Model>(
        &mut self,
        steps: &mut Steps<'_, M>,
        row: &[u32],
        visit: &mut impl Visit<M>,
    ) -> ControlFlow<()> {
        for place in flight_at(self.nodes)..row.len() {
            if self.can_arrive(steps, row, place) {
                self.travel(steps, row, place, visit)?;
            }
        }
        for at in 0..self.nodes {
            self.local(steps, row, at, visit)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether the message at `place` may arrive now; of equal ones the first stands for all.
    fn can_arrive<M: Model>(&self, steps: &Steps<'_, M>, row: &[u32], place: usize) -> bool {
        if place == flight_at(self.nodes) {
            return true;
        }
        let (before, this) = (row[place - 1], row[place]);
        match self.network {
            Network::Bag | Network::Set => before != this,
            Network::Fifo => link(steps, before) != link(steps, this),
        }
    }

    fn travel<M: Model>(
        &mut self,
        steps: &mut Steps<'_, M>,
        row: &[u32],
        place: usize,
        visit: &mut impl Visit<M>,
    ) -> ControlFlow<()> {
        let envelope = row[place];
        let to = steps.envelope(envelope).to;
        if steps.place(row[to]).is_up() {
            let outcome = steps.take(to, row[to], Act::Hear(envelope));
            let idle = steps.outcome(outcome).idle;
            if !idle || self.scope.idle_steps {
                let hit = Hit { at: to, outcome, heard: Some(place), cost: 0 };
                self.node(steps, row, hit, visit)?;
            }
        } else if self.network != Network::Set {
            self.copy_without(row, Some(place));
            visit.visit(steps, Move::Lose { envelope, down: true }, Ok(&self.next))?;
        }
        if let Some(cost) = self.price(row, Kind::Loss, self.scope.losses) {
            self.copy_without(row, None);
            self.next.remove(place);
            self.next[spent_at(self.nodes)] += cost;
            visit.visit(steps, Move::Lose { envelope, down: false }, Ok(&self.next))?;
        }
        if self.network != Network::Set
            && let Some(cost) = self.price(row, Kind::Duplicate, self.scope.duplicates)
        {
            self.copy_without(row, None);
            self.add(steps, envelope);
            self.next[spent_at(self.nodes)] += cost;
            visit.visit(steps, Move::Duplicate { envelope }, Ok(&self.next))?;
        }
        ControlFlow::Continue(())
    }

    /// What a node does without the network.
    fn local<M: Model>(
        &mut self,
        steps: &mut Steps<'_, M>,
        row: &[u32],
        at: usize,
        visit: &mut impl Visit<M>,
    ) -> ControlFlow<()> {
        let number = row[at];
        let place = steps.place(number);
        if !place.is_up() {
            let outcome = steps.take(at, number, Act::Restart);
            return self.node(steps, row, Hit { at, outcome, heard: None, cost: 0 }, visit);
        }
        let (armed, writing) = (place.is_armed(), place.is_writing());
        let crash = self.price(row, Kind::Crash, self.scope.crashes);
        if let Some(cost) = self.price(row, Kind::Request, self.scope.requests) {
            let asked = count(row[spent_at(self.nodes)], Kind::Request);
            for nth in 0..steps.offers(at, number, asked) {
                let outcome = steps.take(at, number, Act::Ask { asked, nth });
                self.node(steps, row, Hit { at, outcome, heard: None, cost }, visit)?;
            }
        }
        if armed && let Some(cost) = self.price(row, Kind::Timeout, self.scope.timeouts) {
            let outcome = steps.take(at, number, Act::Deadline);
            self.node(steps, row, Hit { at, outcome, heard: None, cost }, visit)?;
        }
        if writing {
            let outcome = steps.take(at, number, Act::Sync);
            self.node(steps, row, Hit { at, outcome, heard: None, cost: 0 }, visit)?;
        }
        if let Some(cost) = crash {
            let outcome = steps.take(at, number, Act::Crash);
            self.node(steps, row, Hit { at, outcome, heard: None, cost }, visit)?;
        }
        ControlFlow::Continue(())
    }

    /// The row after an outcome at a node, and after each part of it that a crash may cut off.
    fn node<M: Model>(
        &mut self,
        steps: &mut Steps<'_, M>,
        row: &[u32],
        hit: Hit,
        visit: &mut impl Visit<M>,
    ) -> ControlFlow<()> {
        let outcome = steps.outcome(hit.outcome);
        if let Some(broke) = &outcome.broke {
            let step = Move::Node { at: hit.at, outcome: hit.outcome, cut: None };
            return visit.visit(steps, step, Err(broke));
        }
        let (torn, all) = (outcome.torn, outcome.effects.len());
        self.after(steps, row, hit, None, visit)?;
        let crash = self.price(row, Kind::Crash, self.scope.crashes);
        let (Some((fallen, from)), Some(crash)) = (torn, crash) else {
            return ControlFlow::Continue(());
        };
        let hit = Hit { cost: hit.cost + crash, ..hit };
        (from..all).try_for_each(|cut| self.after(steps, row, hit, Some((fallen, cut)), visit))
    }

    /// The row after a step at a node, whole or cut off by a crash.
    fn after<M: Model>(
        &mut self,
        steps: &mut Steps<'_, M>,
        row: &[u32],
        Hit { at, outcome, heard, cost }: Hit,
        torn: Option<(u32, usize)>,
        visit: &mut impl Visit<M>,
    ) -> ControlFlow<()> {
        let cut = torn.map(|(_, cut)| cut);
        let step = Move::Node { at, outcome, cut };
        let knows = match steps.watch(at, row[ghost_at(self.nodes)], outcome, cut) {
            Ok(knows) => knows,
            Err(wrong) => return visit.visit(steps, step, Err(&wrong)),
        };
        self.copy_without(row, heard);
        let done = steps.outcome(outcome);
        self.next[at] = torn.map_or(done.next, |(fallen, _)| fallen);
        self.next[ghost_at(self.nodes)] = knows;
        self.next[spent_at(self.nodes)] += cost;
        let left = cut.map_or(done.sends.len(), |cut| done.sends_within(cut));
        for message in &done.sends[..left] {
            self.add(steps, *message);
        }
        visit.visit(steps, step, Ok(&self.next))
    }

    /// The row, without the message at a place that has arrived.
    fn copy_without(&mut self, row: &[u32], arrived: Option<usize>) {
        self.next.clear();
        match arrived.filter(|_| self.network != Network::Set) {
            None => self.next.extend_from_slice(row),
            Some(place) => {
                self.next.extend_from_slice(&row[..place]);
                self.next.extend_from_slice(&row[place + 1..]);
            }
        }
    }

    /// A message goes on the network. Messages stand in order of their numbers, or of their links.
    fn add<M: Model>(&mut self, steps: &Steps<'_, M>, message: u32) {
        let flight = &self.next[flight_at(self.nodes)..];
        let place = match self.network {
            Network::Bag | Network::Set => flight.partition_point(|other| *other < message),
            Network::Fifo => {
                let link = link(steps, message);
                flight.partition_point(|other| self::link(steps, *other) <= link)
            }
        };
        if self.network != Network::Set || flight.get(place) != Some(&message) {
            self.next.insert(flight_at(self.nodes) + place, message);
        }
    }

    /// What one more costs, if the bound allows it.
    fn price(&self, row: &[u32], kind: Kind, bound: Option<u8>) -> Option<u32> {
        match bound {
            None => Some(0),
            Some(bound) => {
                let spent = count(row[spent_at(self.nodes)], kind);
                (spent < u32::from(bound)).then_some(1 << (kind as u32 * BITS))
            }
        }
    }
}

/// Something happens at a node.
#[derive(Clone, Copy)]
struct Hit {
    at: usize,
    outcome: u32,
    /// Where the message stands that arrived.
    heard: Option<usize>,
    cost: u32,
}

fn link<M: Model>(steps: &Steps<'_, M>, message: u32) -> (usize, usize) {
    let envelope = steps.envelope(message);
    (envelope.from, envelope.to)
}
