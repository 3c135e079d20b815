use std::collections::BTreeSet;

use draw::{Clocks, End, Event, EventKind, Message, Relation, SpaceTime};

/// A run of events `(process, at)` and messages `(send, receive)`.
fn run(processes: usize, events: &[(usize, u64)], messages: &[(usize, usize)]) -> SpaceTime {
    let event = |(process, at): (usize, u64)| Event {
        process,
        at,
        kind: EventKind::Local,
        label: String::new(),
        detail: String::new(),
    };
    let message = |(send, receive)| Message {
        send,
        end: End::Received(receive),
        kind: "m".to_string(),
        text: String::new(),
    };
    SpaceTime {
        title: "run".to_string(),
        processes: (1..=processes).map(|process| format!("P{process}")).collect(),
        events: events.iter().copied().map(event).collect(),
        messages: messages.iter().copied().map(message).collect(),
        troubles: Vec::new(),
        lit: Vec::new(),
    }
}

/// A at P1 sends to C at P2, B follows A at P1, nobody tells P3.
#[test]
fn the_textbook_example() {
    let (a, b, c) = (0, 1, 2);
    let clocks = Clocks::of(&run(3, &[(0, 10), (0, 20), (1, 30)], &[(a, c)])).expect("a run");
    assert_eq!(clocks.vector, [[1, 0, 0], [2, 0, 0], [1, 1, 0]]);
    assert_eq!(clocks.lamport, [1, 2, 2]);
    assert_eq!(clocks.relation(a, c), Relation::Before);
    assert_eq!(clocks.relation(c, a), Relation::After);
    assert_eq!(clocks.relation(b, c), Relation::Concurrent);
    assert_eq!(clocks.relation(c, b), Relation::Concurrent);
    assert_eq!(clocks.relation(a, b), Relation::Before);
    assert_eq!(clocks.relation(b, b), Relation::Same);
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (0..count).map(move |b| (a, b)))
}

/// Vectors against what they stand for: reachability along processes and messages.
#[test]
fn vectors_say_what_a_search_says() {
    let mut seed = 0x5eed_u64;
    let mut below = |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    for round in 0..60 {
        let count = 2 + below(22) as usize;
        let processes = 1 + below(4);
        let events: Vec<(usize, u64)> =
            (0..count).map(|at| (below(processes) as usize, at as u64 * 10)).collect();
        let mut messages = Vec::new();
        for _ in 0..below(20) {
            let receive = 1 + below(count as u64 - 1);
            messages.push((below(receive) as usize, receive as usize));
        }
        let run = run(processes as usize, &events, &messages);
        let clocks = Clocks::of(&run).expect("a run");
        let mut reaches: BTreeSet<(usize, usize)> = (0..count).map(|a| (a, a)).collect();
        for (a, b) in pairs(count).filter(|(a, b)| a < b) {
            let into_b = |c| messages.contains(&(c, b)) || clocks.previous[b] == Some(c);
            if (a..b).any(|c| reaches.contains(&(a, c)) && into_b(c)) {
                reaches.insert((a, b));
            }
        }
        for (a, b) in pairs(count) {
            let expected = match (reaches.contains(&(a, b)), reaches.contains(&(b, a))) {
                (true, true) => Relation::Same,
                (true, false) => Relation::Before,
                (false, true) => Relation::After,
                (false, false) => Relation::Concurrent,
            };
            assert_eq!(clocks.relation(a, b), expected, "round {round}: {a} and {b}");
            if expected == Relation::Before {
                assert!(clocks.lamport[a] < clocks.lamport[b], "round {round}: {a} and {b}");
            }
        }
        let place = |event| clocks.order.iter().position(|&other| other == event);
        for &(send, receive) in &messages {
            assert!(place(send) < place(receive), "round {round}: causes come first");
        }
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let refused = |run: &SpaceTime| Clocks::of(run).expect_err("it makes no sense");
    let mut lost = run(1, &[(0, 1), (3, 2)], &[]);
    assert_eq!(
        refused(&lost),
        "event 1: it is on process 3, but there are only 1 processes, counted from 0"
    );
    lost.events[1].process = 0;
    assert!(Clocks::of(&lost).is_ok());
    let far = run(2, &[(0, 1), (1, 2)], &[(0, 1), (0, 7)]);
    assert_eq!(
        refused(&far),
        "message 1: its receive is event 7, but there are only 2 events, counted from 0"
    );
    let own = run(1, &[(0, 1)], &[(0, 0)]);
    assert_eq!(refused(&own), "message 0: event 0 both sends and receives it; expected two events");
    // P1 sends at 20 what it got at 10, and P2 answers before: a circle.
    let circle = run(2, &[(0, 10), (0, 20), (1, 5), (1, 6), (1, 1)], &[(4, 1), (1, 2), (3, 0)]);
    assert_eq!(
        refused(&circle),
        "message 1: its receive comes before its own cause; expected times that agree with the messages on each \
         process"
    );
}

#[test]
fn nothing_is_a_run_too() {
    let clocks = Clocks::of(&SpaceTime::default()).expect("an empty run");
    assert!(clocks.order.is_empty());
}
