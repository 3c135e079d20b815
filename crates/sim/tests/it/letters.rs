//! Numbered letters from n0 to n1, which asserts that they come in order and each once: what each network does, and
//! that an assertion is a violation.

use crate::counts::all;
use protocol::{
    Digest, Effects, Input, Instant, NodeId, NodeSet, Now, Position, Prng, Protocol, Record,
    Renaming,
};
use sim::What;
use sim::explore::{End, Model, Network, Report, Scope, Sometimes, View};
use std::hash::Hash;
use wire::{wire_enum, wire_struct};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Letter {
    Numbered { number: u64 },
}
wire_enum!(Letter, version 1 { 1 => Numbered { number } });

/// Nothing is ever persisted.
#[derive(Debug)]
struct Nothing;
wire_struct!(Nothing {});

impl Record for Nothing {}

#[derive(Clone, Debug)]
struct Post {
    sent: u64,
    got: Vec<u64>,
    due: Option<Instant>,
}

const DUE: Instant = Instant(7);

impl Protocol for Post {
    type Config = ();
    type Message = Letter;
    type Request = ();
    type Record = Nothing;
    type Output = ();

    fn recover(
        _config: (),
        _now: Now,
        _rng: Prng,
        _records: impl Iterator<Item = (Position, Nothing)>,
    ) -> Post {
        Post { sent: 0, got: Vec::new(), due: Some(DUE) }
    }

    fn step(&mut self, now: Now, input: Input<Post>, out: &mut Effects<Post>) {
        match input {
            Input::Request(()) => {
                self.sent += 1;
                out.send(NodeId(1), Letter::Numbered { number: self.sent });
            }
            Input::Message { message: Letter::Numbered { number }, .. } => self.got.push(number),
            Input::Deadline => {
                assert_eq!(now.mono, DUE, "a deadline fires when it is due");
                self.due = None;
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    fn check(&self) {
        let ordered = self.got.iter().zip(1..).all(|(number, due)| *number == due);
        assert!(ordered, "letters came as {:?}", self.got);
    }

    fn digest(&self, _names: &Renaming, into: &mut Digest) {
        (self.sent, &self.got).hash(into);
    }
}

struct Office;

impl Model for Office {
    type Core = Post;
    type Ghost = ();

    fn nodes(&self) -> NodeSet {
        NodeSet::from_iter([NodeId(0), NodeId(1)])
    }

    fn config(&self, _id: NodeId) {}

    fn ghost(&self) {}

    fn requests(&self, id: NodeId, _core: &Post, _asked: u32) -> Vec<()> {
        if id == NodeId(0) { vec![()] } else { Vec::new() }
    }

    fn invariant(&self, _view: &View<'_, Office>) -> Result<(), String> {
        Ok(())
    }

    fn marks(&self) -> Vec<Sometimes<Office>> {
        vec![("both letters came", |view| {
            view.cores().any(|(_, core)| core.is_some_and(|core| core.got == [1, 2]))
        })]
    }
}

fn send_two(scope: Scope) -> Report {
    all(&Office, &Scope { requests: Some(2), timeouts: Some(0), ..scope })
}

fn story(report: &Report) -> String {
    let End::Violated(violation) = &report.end else { panic!("{report}") };
    format!("{}\n{}", violation.what, violation.schedule)
}

fn fifo() -> Scope {
    Scope { network: Network::Fifo, ..Scope::calm() }
}

#[test]
fn links_that_keep_their_order_do() {
    let report = send_two(fifo());
    assert!(matches!(report.end, End::Exhausted), "{report}");
    // Sent and received: (0,0) (1,0) (1,1) (2,0) (2,1) (2,2).
    assert_eq!((report.progress.unique, report.marks[0].depth), (6, Some(4)), "{report}");
}

#[test]
fn messages_overtake_each_other_in_a_bag() {
    let told = story(&send_two(Scope::calm()));
    assert!(told.contains("letters came as [2]"), "{told}");
    assert!(told.contains("3. n1 hears from n0: Numbered { number: 2 }"), "{told}");
}

#[test]
fn losses_and_duplicates_break_what_rests_on_order_alone() {
    let told = story(&send_two(Scope { losses: Some(1), ..fifo() }));
    assert!(told.contains("lost (by chance): n0 -> n1: Numbered { number: 1 }"), "{told}");
    let told = story(&send_two(Scope { duplicates: Some(1), ..fifo() }));
    assert!(told.contains("letters came as [1, 1]"), "{told}");
    let told = story(&send_two(Scope { network: Network::Set, ..Scope::calm() }));
    assert!(told.contains("letters came as [1, 1]"), "{told}");
}

#[test]
fn a_deadline_fires_when_it_may() {
    let scope = Scope { requests: Some(0), ..Scope::calm() };
    let states = |timeouts| all(&Office, &Scope { timeouts, ..scope }).progress.unique;
    assert_eq!((states(Some(0)), states(None)), (1, 4));
    // How often it may still fire is part of the state.
    assert_eq!((states(Some(1)), states(Some(2))), (3, 4));
}

#[test]
fn a_schedule_comes_as_moments_too() {
    let report = send_two(Scope { duplicates: Some(1), ..fifo() });
    let End::Violated(violation) = &report.end else { panic!("{report}") };
    let moments = &violation.schedule.moments;
    let sent = moments.iter().filter(|moment| matches!(moment.what, What::Sent { .. })).count();
    let came = |moment: &&sim::Moment| matches!(moment.what, What::Delivered { id: 1, .. });
    assert_eq!((sent, moments.iter().filter(came).count()), (1, 2), "{moments:?}");
    assert!(moments.is_sorted_by_key(|moment| moment.at));
}
