//! What the command says, and what it ends with.

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    explore: Explore,
}

fn ends(line: &str) -> (String, End) {
    let Line { explore } = Line::parse_from(line.split(' '));
    let world =
        RaftWorld { nodes: explore.nodes, reads: false, changes: false, planted: Planted::NONE };
    let limits = Limits::states(explore.states);
    let report = explore_raft(&world, &scope(&explore), &limits, &mut |_| false);
    (words(&explore, &report, Duration::from_secs(1)), code(&report))
}

#[test]
fn only_a_whole_search_ends_well() {
    let (words, end) = ends("explore raft --requests 1 --timeouts 1 --crashes 0 --losses 0");
    assert!(words.contains("at most 1 requests, 1 timeouts"), "{words}");
    assert!(words.contains("\nexhausted: "), "{words}");
    assert_eq!(end, End::Ok);
    let (words, end) = ends("explore raft --states 1000");
    assert!(words.contains("\nbounded: stopped by the limit on states"), "{words}");
    assert!(!words.contains("exhausted"), "{words}");
    assert_eq!(end, End::Undecided);
}

#[test]
fn a_bound_that_cannot_be_counted_is_refused() {
    assert!(Line::try_parse_from(["explore", "raft", "--crashes", "63"]).is_ok());
    assert!(Line::try_parse_from(["explore", "raft", "--crashes", "64"]).is_err());
}
