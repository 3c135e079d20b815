use crate::samples;
use draw::{Clocks, SpaceTime};

/// Host, clock and event of a line.
type Line<'a> = (&'a str, Vec<(String, u64)>, &'a str);

/// What ShiViz makes of a log with the expression of its first line: host, clock and event of each line.
fn parsed(log: &str) -> Vec<Line<'_>> {
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some(r"(?<host>\S*) (?<clock>{.*}) (?<event>.*)"));
    assert_eq!(lines.next(), Some(""), "no delimiter of executions");
    lines
        .map(|line| {
            let (host, rest) = line.split_once(' ').expect("a host");
            // The expression is greedy: the clock ends at the last brace that a space follows.
            let (clock, event) = rest.rsplit_once("} ").expect("a clock");
            let clock = clock.strip_prefix('{').expect("a brace");
            let counts = clock.split(',').map(|pair| {
                let (host, count) = pair.rsplit_once(':').expect("a pair");
                (host.trim_matches('"').to_string(), count.parse().expect("a count"))
            });
            (host, counts.collect(), event)
        })
        .collect()
}

#[test]
fn every_event_is_a_line_with_its_clock() {
    let run = samples::gossip(300);
    let clocks = Clocks::of(&run).expect("a run");
    let log = draw::shiviz(&run).expect("a log");
    let lines = parsed(&log);
    assert_eq!(lines.len(), run.events.len());
    for (&at, (host, clock, text)) in clocks.order.iter().zip(lines) {
        let event = &run.events[at];
        assert_eq!(host, run.processes[event.process].replace(' ', "_"));
        assert!(text.starts_with(&event.label));
        assert_eq!(
            clock.iter().map(|(_, count)| count).sum::<u64>(),
            clocks.vector[at].iter().sum()
        );
        let own = clock.iter().find(|(name, _)| name == host).map(|(_, count)| *count);
        assert_eq!(own, Some(clocks.vector[at][event.process]));
    }
}

/// Host names are told apart, and neither they nor the texts break a line.
#[test]
fn nasty_names_stay_one_line_each() {
    let mut run = samples::nasty_run();
    run.processes =
        vec!["a b".into(), "a_b".into(), "".into(), "a{b".into(), "x".into(), "y".into()];
    let log = draw::shiviz(&run).expect("a log");
    assert_eq!(log.lines().count(), run.events.len() + 2);
    let hosts: std::collections::BTreeSet<&str> =
        log.lines().skip(2).filter_map(|line| line.split(' ').next()).collect();
    let used: std::collections::BTreeSet<usize> = run.events.iter().map(|e| e.process).collect();
    assert_eq!(hosts.len(), used.len(), "{hosts:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut run: SpaceTime = samples::gossip(30);
    run.messages[0].send = 999;
    let why = draw::shiviz(&run).expect_err("no such event");
    assert_eq!(
        why,
        "message 0: its send is event 999, but there are only 30 events, counted from 0"
    );
}
