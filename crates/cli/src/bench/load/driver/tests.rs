//! A server of a few lines, whose answers come when the test says: no socket, no waiting.

use super::*;
use crate::bench::load::choice::{Chooser, Distribution};
use crate::bench::load::pace::Schedule;
use crate::bench::load::source::{Drawn, Inserts};
use crate::bench::load::workload::{Kind, Mix, Sizes};
use std::sync::Arc;
use stdx::Prng;
use wire::resp::{Limits, Parser};

const MS: u64 = 1_000_000;

fn source(mix: &str, keys: u64) -> Source {
    let drawn = Drawn {
        mix: Mix::parse(mix).unwrap(),
        chooser: Chooser::new(Distribution::Uniform, keys),
        sizes: Sizes::parse("8").unwrap(),
        prefix: "t-".into(),
        inserts: Arc::new(Inserts::after(keys)),
    };
    Source::new(Prng::new(1), drawn)
}

fn rules(end: u64) -> Rules {
    Rules { warm: 0, end, requests: u64::MAX, pipeline: 1, patience: 6_000 * MS, password: None }
}

/// The commands that a lane wrote since the last look.
fn asked(driver: &mut Driver, at: usize) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let written = std::mem::take(driver.output(at));
    Parser::new(Limits::default()).parse(&written, &mut all).unwrap();
    let word = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    all.iter().map(|args| args.iter().map(word).collect()).collect()
}

/// Answers everything in a millisecond, but nothing from `stall.0` until `stall.1`.
fn stalled(pace: Pace, lanes: usize, end: u64, stall: (u64, u64)) -> Driver {
    let mut driver = Driver::new(rules(end), source("get=1", 10), pace, lanes);
    (0..lanes).for_each(|at| driver.up(at));
    let mut due: Vec<(u64, usize)> = Vec::new();
    let mut now = 0;
    while !driver.is_over(now) {
        for (_, at) in due.extract_if(.., |(when, _)| *when <= now).collect::<Vec<_>>() {
            driver.received(at, b"$1\r\nx\r\n", now).unwrap();
        }
        driver.fill(now);
        while let Some(at) = driver.next_dirty() {
            let answer = now + MS;
            let in_stall = answer >= stall.0 && answer < stall.1;
            let answer = if in_stall { stall.1 } else { answer };
            due.extend(asked(&mut driver, at).iter().map(|_| (answer, at)));
        }
        now += MS / 10;
    }
    driver
}

/// The point of an open loop (Tene): a server that stands still for 2 of 10 seconds had every operation of those 2
/// seconds wait, a thousand at 500 a second. A closed loop has one slow operation per client to show for it.
#[test]
fn a_stall_is_seen_by_every_operation_it_held_up() {
    let stall = (4_000 * MS, 6_000 * MS);
    let open = Pace::Open(Schedule::new(500, 0, 1, 60_000 * MS));
    let driver = stalled(open, 2, 10_000 * MS, stall);
    let all = &driver.tally.kinds[&Kind::Get];
    assert_eq!(all.latency.len(), 5_000, "all that were meant to start did");
    let slow = all.latency.count_between(100 * MS, u64::MAX / 2);
    // Each of the 2 s of arrivals waits for what is left of the stall, and what piled up is worked off at 2 a ms less
    // 0.5 a ms: 95 % of the thousand wait longer than 100 ms, and a few hundred behind them.
    assert!((950..1_400).contains(&slow), "{slow} operations took longer than 100 ms");
    assert!(all.latency.value_at_quantile(0.99) > 1_800 * MS);
    // From when they were sent, two were slow: what an uncorrected tool would report.
    assert_eq!(all.service.count_between(100 * MS, u64::MAX / 2), 2);
    assert!(all.service.value_at_quantile(0.99) < 3 * MS);
    assert!(driver.lateness().longest > 1_900 * MS, "{:?}", driver.lateness());

    let driver = stalled(Pace::Closed, 2, 10_000 * MS, stall);
    let all = &driver.tally.kinds[&Kind::Get];
    assert_eq!(all.latency.count_between(100 * MS, u64::MAX / 2), 2);
    assert_eq!(driver.lateness(), Lateness::default());
}

#[test]
fn a_bounded_backlog_gives_up_and_says_so() {
    let open = Pace::Open(Schedule::new(500, 0, 1, 500 * MS));
    let mut driver = stalled(open, 2, 10_000 * MS, (4_000 * MS, 6_000 * MS));
    let late = driver.lateness();
    let answered = driver.tally.kinds[&Kind::Get].latency.len();
    assert_eq!(answered + late.dropped + late.left, 5_000);
    assert!((700..760).contains(&late.dropped), "a second and a half of arrivals: {late:?}");
    let seconds = driver.tally.take_seconds(true);
    assert_eq!(seconds.iter().map(|(_, second)| second.dropped).sum::<u64>(), late.dropped);
    assert_eq!(seconds.iter().map(|(_, second)| second.latency.len()).sum::<u64>(), answered);
}

#[test]
fn errors_are_told_apart_and_are_no_successes() {
    let mut driver = Driver::new(rules(1_000 * MS), source("set=1", 10), Pace::Closed, 1);
    driver.up(0);
    let answers: [&[u8]; 5] = [
        b"+OK\r\n",
        b"-BEHIND keyspace default: later\r\n",
        b"-CLUSTERDOWN no quorum: keyspace default has 1 of 3, needs 2\r\n",
        b"-UNKNOWN outcome: it may have been done\r\n",
        b"-ERR no\r\n",
    ];
    for (at, answer) in (0..).zip(answers) {
        driver.fill(at * MS);
        driver.received(0, answer, at * MS + 1).unwrap();
    }
    driver.fill(10 * MS);
    driver.down(0, 11 * MS, "gone");
    let counted = &driver.tally.kinds[&Kind::Set];
    let errors = counted.errors;
    assert_eq!((errors.answer, errors.behind, errors.no_quorum, errors.unknown), (1, 1, 1, 2));
    assert_eq!((counted.latency.len(), counted.service.len()), (1, 1));
    assert!(driver.tally.texts[&Error::NoQuorum].starts_with("CLUSTERDOWN no quorum"));
    assert!(driver.tally.texts[&Error::Unknown].starts_with("UNKNOWN outcome"));
}

#[test]
fn a_pipeline_is_filled_and_kept_full() {
    let rules = Rules { pipeline: 4, ..rules(1_000 * MS) };
    let mut driver = Driver::new(rules, source("get=1", 10), Pace::Closed, 2);
    driver.up(0);
    driver.up(1);
    driver.fill(0);
    for at in [0, 1] {
        assert_eq!(asked(&mut driver, at).len(), 4, "lane {at}");
    }
    // In pieces: an answer may come byte by byte.
    driver.received(0, b"$1\r\nx\r\n$-", MS).unwrap();
    driver.fill(MS);
    assert_eq!(asked(&mut driver, 0).len(), 1);
    driver.received(0, b"1\r\n$1\r\ny\r\n", 2 * MS).unwrap();
    driver.fill(2 * MS);
    assert_eq!(asked(&mut driver, 0).len(), 2);
    assert_eq!(asked(&mut driver, 1).len(), 0);
    assert_eq!(driver.tally.kinds[&Kind::Get].nothing, 1, "nil is a success that found nothing");
    assert_eq!(driver.tally.kinds[&Kind::Get].latency.len(), 3);
}

#[test]
fn a_read_modify_write_is_one_operation_of_two_commands() {
    let mut driver = Driver::new(rules(MS), source("rmw=1", 10), Pace::Closed, 1);
    driver.up(0);
    driver.fill(0);
    let get = asked(&mut driver, 0);
    assert_eq!((get.len(), get[0][0].as_str()), (1, "GET"));
    driver.received(0, b"$1\r\nx\r\n", 2 * MS).unwrap();
    let set = asked(&mut driver, 0);
    assert_eq!((set[0][0].as_str(), &set[0][1]), ("SET", &get[0][1]));
    assert!(!driver.is_over(2 * MS), "it is half done");
    driver.received(0, b"+OK\r\n", 5 * MS).unwrap();
    assert!(driver.is_over(5 * MS));
    let counted = &driver.tally.kinds[&Kind::ReadModifyWrite];
    assert_eq!(counted.latency.len(), 1);
    assert!(
        counted.latency.max() >= 5 * MS - 10_000,
        "both round trips: {}",
        counted.latency.max()
    );
}

#[test]
fn a_warm_up_counts_nothing_and_requests_end_the_run() {
    let rules = Rules { warm: 10 * MS, end: u64::MAX, requests: 3, ..rules(0) };
    let mut driver = Driver::new(rules, source("get=1", 10), Pace::Closed, 1);
    driver.up(0);
    let mut now = 0;
    while !driver.is_over(now) {
        driver.fill(now);
        now += 4 * MS;
        driver.received(0, b"$-1\r\n", now).unwrap();
    }
    assert_eq!(driver.tally.kinds[&Kind::Get].latency.len(), 3);
    assert_eq!(now, 24 * MS, "started at 12, 16 and 20");
}

#[test]
fn patience_ends_and_what_comes_from_nowhere_is_refused() {
    let mut driver = Driver::new(rules(1_000 * MS), source("get=1", 10), Pace::Closed, 2);
    driver.up(0);
    driver.fill(0);
    assert!(driver.overdue(6_000 * MS).is_empty());
    assert_eq!(driver.overdue(6_001 * MS), [0]);
    driver.up(1);
    assert!(matches!(driver.received(1, b"+OK\r\n", 0), Err(Refusal::Broken(_))));
    assert!(matches!(driver.received(0, b"what\r\n", 0), Err(Refusal::Broken(_))));
}

#[test]
fn the_password_comes_first() {
    let rules = Rules { password: Some("secret".into()), ..rules(1_000 * MS) };
    let mut driver = Driver::new(rules, source("get=1", 10), Pace::Closed, 1);
    driver.up(0);
    driver.fill(0);
    assert_eq!(asked(&mut driver, 0), [["AUTH", "secret"]]);
    driver.received(0, b"+OK\r\n", MS).unwrap();
    driver.fill(MS);
    assert_eq!(asked(&mut driver, 0)[0][0], "GET");
    driver.down(0, MS, "gone");
    driver.up(0);
    let wrong = driver.received(0, b"-WRONGPASS no\r\n", MS);
    assert_eq!(wrong, Err(Refusal::Password("WRONGPASS no".into())));
}

#[test]
fn inserts_are_read_once_they_are_answered_in_order() {
    let mut source = source("insert=1", 10);
    let ops: Vec<Op> = (0..3).map(|_| source.draw()).collect();
    assert_eq!(ops.iter().map(|op| op.key).collect::<Vec<_>>(), [10, 11, 12]);
    let mut out = Vec::new();
    source.write(&ops[0], &mut out);
    assert!(out.starts_with(b"*3\r\n$3\r\nSET\r\n$15\r\nt-k000000000010\r\n$8\r\n"));
}
