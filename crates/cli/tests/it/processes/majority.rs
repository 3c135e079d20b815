//! With a majority gone: an error within the deadline that says what is missing, and nothing by surprise later.

use crate::cluster::Cluster;
use std::time::{Duration, Instant};
use wire::resp::Reply;

const DEADLINE: Duration = Duration::from_millis(1500);
/// A machine under load is late; a missed deadline is late by much more.
const SLACK: Duration = Duration::from_millis(2500);
const NO_QUORUM: &str = "CLUSTERDOWN no quorum: keyspace default has 1 of 3, needs 2";

/// Kills all but `survivor`, which led before or not.
fn survive(leads: bool) {
    let mut cluster = Cluster::start("");
    let leader = cluster.leader();
    let survivor = if leads { leader } else { leader % 3 + 1 };
    let mut client = cluster.client(survivor);
    assert_eq!(client.text("SET before 1"), "OK");
    assert_eq!(client.text(&format!("ATOLL WITH DEADLINE {}", DEADLINE.as_millis())), "OK");
    let gone: Vec<usize> = (1..=3).filter(|node| *node != survivor).collect();
    gone.iter().for_each(|node| cluster.kill(*node));

    let (mut refused, mut unknown, mut number) = (Vec::new(), Vec::new(), 0);
    while refused.len() < 3 {
        number += 1;
        let asked = Instant::now();
        let reply = client.ask(&format!("SET lone{number} {number}"));
        assert!(asked.elapsed() < DEADLINE + SLACK, "answered after {:?}", asked.elapsed());
        match reply {
            Reply::Error(text) if text == NO_QUORUM => refused.push(number),
            Reply::Error(text) if text.starts_with("UNKNOWN outcome") => unknown.push(number),
            other => panic!("a write without a majority answers {other:?}"),
        }
        assert!(number < 10, "writes never become certain refusals: {unknown:?}");
    }
    let asked = Instant::now();
    assert_eq!(client.text("GET before"), NO_QUORUM);
    assert!(asked.elapsed() < DEADLINE + SLACK, "answered after {:?}", asked.elapsed());

    // One comes back first: only the survivor, whose log may be longer, can lead then, so whatever it had
    // kept of a refused write would be committed now.
    for back in gone {
        cluster.launch(back);
        cluster.running().into_iter().for_each(|node| cluster.wait_ready(node));
        for node in cluster.running() {
            let mut client = cluster.client(node);
            assert_eq!(client.text("GET before"), "1");
            for number in &refused {
                let found = client.ask(&format!("GET lone{number}"));
                assert_eq!(found, Reply::Null, "a refused write is visible through node {node}");
            }
            for number in &unknown {
                let found = client.text(&format!("GET lone{number}"));
                assert!(found == "(nil)" || found == number.to_string(), "{found}");
            }
        }
        for more in 0..50 {
            assert_eq!(client.text(&format!("SET after{more} {back}")), "OK");
        }
    }
}

#[test]
fn majority_gone_leader_survives() {
    survive(true);
}

#[test]
fn majority_gone_follower_survives() {
    survive(false);
}
