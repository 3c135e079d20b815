//! How a state was reached: its steps again, in words and as moments for a space-time diagram.

use super::row::{Move, Rows, Visit};
use super::steps::{Act, Steps, Told};
use super::walk::Visited;
use super::{Model, View};
use crate::trace::{Loss, Moment, What};
use crate::world::Why;
use std::fmt;
use std::ops::ControlFlow;
use stdx::{Instant, NodeId, Position};

/// A schedule from the first state on.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// A line for each step, and indented below it what the node did.
    pub lines: Vec<String>,
    /// How many steps.
    pub steps: usize,
    /// The same for a diagram: the n-th step at n milliseconds.
    pub moments: Vec<Moment>,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Where a schedule goes: from the row `first` to state `to`, then the step that is the `taken`-th from there.
pub(crate) struct Path<'a> {
    pub(crate) first: &'a [u32],
    pub(crate) to: u32,
    pub(crate) taken: u32,
}

pub(crate) fn of<M: Model>(
    visited: &Visited,
    path: &Path<'_>,
    steps: &mut Steps<'_, M>,
    rows: &mut Rows,
) -> Schedule {
    let mut teller = Teller { schedule: Schedule::default(), flying: Vec::new(), sent: 0 };
    let mut row = path.first.to_vec();
    teller.begin(&View { steps, row: &row });
    for hop in visited.way(path.to).windows(2) {
        let mut seek = Seek { goal: Goal::State(visited, hop[1]), found: None };
        let _ = rows.successors(steps, &row, &mut seek);
        let (step, next) = seek.found.expect("a state has its parent's step");
        teller.step(steps, &row, step);
        row = next;
    }
    if path.taken > 0 {
        let mut seek = Seek { goal: Goal::Nth(path.taken), found: None };
        let _ = rows.successors(steps, &row, &mut seek);
        let (step, _) = seek.found.expect("the step that went wrong can be taken again");
        teller.step(steps, &row, step);
    }
    teller.schedule
}

enum Goal<'a> {
    State(&'a Visited, u32),
    Nth(u32),
}

/// Looks for one of a row's steps.
struct Seek<'a> {
    goal: Goal<'a>,
    found: Option<(Move, Vec<u32>)>,
}

impl<M: Model> Visit<M> for Seek<'_> {
    fn visit(
        &mut self,
        _: &Steps<'_, M>,
        step: Move,
        row: Result<&[u32], &str>,
    ) -> ControlFlow<()> {
        let here = match (&mut self.goal, row) {
            (Goal::State(visited, number), Ok(row)) => visited.is(*number, row),
            (Goal::State(..), Err(_)) => false,
            (Goal::Nth(left), _) => {
                *left -= 1;
                *left == 0
            }
        };
        if !here {
            return ControlFlow::Continue(());
        }
        self.found = Some((step, row.unwrap_or_default().to_vec()));
        ControlFlow::Break(())
    }
}

/// Puts steps into words.
struct Teller {
    schedule: Schedule,
    /// Messages in flight and their numbers among the moments.
    flying: Vec<(u32, u64)>,
    sent: u64,
}

impl Teller {
    fn line(&mut self, line: String) {
        self.schedule.lines.push(line);
    }

    fn moment(&mut self, node: Option<NodeId>, what: What) {
        let at = Instant(self.schedule.steps as u64 * 1_000_000);
        self.schedule.moments.push(Moment { at, node, what });
    }

    /// What is in flight before the first step.
    fn begin<M: Model>(&mut self, view: &View<'_, M>) {
        for number in &view.row[super::row::flight_at(view.steps.ids.len())..] {
            self.sent(view.steps, *number);
        }
    }

    fn sent<M: Model>(&mut self, steps: &Steps<'_, M>, number: u32) {
        let envelope = steps.envelope(number);
        let (from, to) = (steps.ids[envelope.from], steps.ids[envelope.to]);
        let text = format!("{:?}", envelope.message);
        let kind = text.chars().take_while(|c| c.is_alphanumeric()).collect();
        self.line(format!("      {from:?} -> {to:?}: {text}"));
        self.sent += 1;
        self.flying.push((number, self.sent));
        let bytes = envelope.bytes.len();
        self.moment(Some(from), What::Sent { to, id: self.sent, kind, text, bytes });
    }

    /// The number of the oldest copy of a message in flight. In a network that keeps them it stays there.
    fn flying(&mut self, number: u32, gone: bool) -> u64 {
        let place = self.flying.iter().position(|(flying, _)| *flying == number);
        let place = place.expect("it is in flight");
        if gone { self.flying.remove(place).1 } else { self.flying[place].1 }
    }

    fn step<M: Model>(&mut self, steps: &Steps<'_, M>, row: &[u32], step: Move) {
        self.schedule.steps += 1;
        match step {
            Move::Node { at, outcome, cut } => self.node(steps, (at, row[at]), outcome, cut),
            Move::Lose { envelope, down } => {
                let lost = steps.envelope(envelope);
                let (from, to) = (steps.ids[lost.from], steps.ids[lost.to]);
                let why = if down { Loss::ReceiverDown } else { Loss::Chance };
                let message = &lost.message;
                self.line(format!("{}. lost ({why}): {from:?} -> {to:?}: {message:?}", self.at()));
                let id = self.flying(envelope, true);
                self.moment(Some(to), What::Dropped { id, why });
            }
            Move::Duplicate { envelope } => {
                let copied = steps.envelope(envelope);
                let (from, to) = (steps.ids[copied.from], steps.ids[copied.to]);
                let message = &copied.message;
                self.line(format!("{}. twice: {from:?} -> {to:?}: {message:?}", self.at()));
                let id = self.flying(envelope, false);
                self.flying.push((envelope, id));
                self.moment(Some(from), What::Duplicated { id });
            }
        }
    }

    fn at(&self) -> usize {
        self.schedule.steps
    }

    fn node<M: Model>(
        &mut self,
        steps: &Steps<'_, M>,
        (at, before): (usize, u32),
        outcome: u32,
        cut: Option<usize>,
    ) {
        let (id, done) = (steps.ids[at], steps.outcome(outcome));
        let (was, is) = (steps.place(before), steps.place(done.next));
        let (words, what) = match done.act {
            Act::Hear(number) => {
                let envelope = steps.envelope(number);
                let from = steps.ids[envelope.from];
                let what = What::Delivered { from, id: self.flying(number, !steps.keeps_messages) };
                (format!("hears from {from:?}: {:?}", envelope.message), what)
            }
            Act::Ask { asked, nth } => {
                let text = format!("{:?}", steps.request(before, asked, nth));
                (format!("is asked: {text}"), What::Request { client: 0, number: None, text })
            }
            Act::Deadline => ("sees its deadline pass".into(), What::Timer),
            Act::Sync => {
                let words = format!("has written {} durably", records(was.unsynced()));
                (words, What::Synced { upto: is.durable() })
            }
            Act::Crash => {
                let words = format!("crashes and loses {}", records(was.unsynced()));
                (words, What::Down(Why::Crash))
            }
            Act::Restart => {
                let words = format!("starts again from {}", records(was.records()));
                (words, What::Up { starts: is.lives() - 1 })
            }
        };
        self.line(format!("{}. {id:?} {words}", self.at()));
        self.moment(Some(id), what);
        for effect in &done.effects[..cut.unwrap_or(done.effects.len())] {
            match effect {
                Told::Sent(number) => self.sent(steps, *number),
                Told::Output(output) => {
                    let text = format!("{output:?}");
                    self.line(format!("      {id:?} says {text}"));
                    self.moment(Some(id), What::Reply { client: 0, number: None, text });
                }
            }
        }
        if let Some(broke) = &done.broke {
            self.line(format!("      {id:?} fails: {broke}"));
        } else if cut.is_some() {
            self.line(format!("      {id:?} crashes before anything else leaves"));
            self.moment(Some(id), What::Down(Why::Crash));
        } else if is.is_writing() && (!was.is_writing() || done.act == Act::Sync) {
            let count = is.unsynced();
            self.line(format!("      {id:?} begins to write {}", records(count)));
            let upto = Position(is.durable().0 + count as u64);
            self.moment(Some(id), What::Write { upto, records: count });
        }
    }
}

fn records(count: usize) -> String {
    match count {
        0 => "nothing".into(),
        1 => "1 record".into(),
        more => format!("{more} records"),
    }
}
