//! A small cluster of nodes in this process, and the whole way: load, run, data, words, page.

use super::plan::{Length, Plan};
use super::{measured, page, report};
use crate::nodes;
use clap::Parser;
use server::{Addresses, Listeners, NodeHandle, NodeOptions, Peer};
use std::net::SocketAddr;
use std::time::Duration;
use stdx::NodeId;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: crate::bench::args::Bench,
}

fn plan(words: &[&str]) -> Plan {
    let line = Line::parse_from(std::iter::once("bench").chain(words.iter().copied()));
    Plan::of(&line.bench).unwrap()
}

fn cluster(dir: &std::path::Path) -> Vec<NodeHandle> {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bind =
        |_| Listeners::bind(&Addresses { client: any, peer: any, http: None }, false).unwrap();
    let listeners: Vec<Listeners> = (0..3).map(bind).collect();
    let addresses: Vec<Addresses> = listeners.iter().map(Listeners::addresses).collect();
    let id = |at: usize| NodeId(at as u64 + 1);
    let member = |(at, of): (usize, &Addresses)| node::Member {
        node: id(at),
        client: of.client.to_string(),
    };
    let members: Vec<node::Member> = addresses.iter().enumerate().map(member).collect();
    let peer = |(at, of): (usize, &Addresses)| Peer { node: id(at), address: of.peer.to_string() };
    let peers: Vec<Peer> = addresses.iter().enumerate().map(peer).collect();
    let start = |(at, listeners): (usize, Listeners)| {
        let config = nodes::config("load", id(at), members.clone());
        let dir = dir.join(format!("{at}"));
        server::start(NodeOptions::new(config, dir, peers.clone()), listeners).unwrap()
    };
    let handles: Vec<NodeHandle> = listeners.into_iter().enumerate().map(start).collect();
    assert!(handles.iter().all(|node| node.wait_ready(Duration::from_secs(30))), "not ready");
    handles
}

#[test]
fn the_whole_way() {
    let dir = tempfile::tempdir().unwrap();
    let handles = cluster(dir.path());
    let names: Vec<String> =
        handles.iter().map(|node| node.addresses().client.to_string()).collect();
    let every = "get=3,set=2,insert=1,incr=1,del=1,scan=1,rmw=1";
    let words = "--load --keys 40 --clients 6 --threads 2 -P 3 --requests 900 --warm-up 0 --keys-by latest --mix";
    let words: Vec<&str> = words.split(' ').chain([every]).collect();
    let run = measured(&plan(&words), &names).unwrap();
    assert_eq!((run.succeeded(), run.errors().sum()), (900, 0), "{}", report::text(&run));
    assert_eq!(run.kinds.len(), 7);
    assert_eq!(run.loaded.map(|(keys, _)| keys), Some(40));
    assert_eq!(run.seconds.iter().map(|second| second.succeeded).sum::<u64>(), 900);
    let open =
        plan(&"--rate 400 --requests 200 --warm-up 0 --clients 4".split(' ').collect::<Vec<_>>());
    assert_eq!(open.length, Length::Requests(200));
    let run = measured(&open, &names).unwrap();
    assert_eq!(run.succeeded(), 200);
    assert!(
        run.is_open() && run.length > 490_000_000,
        "200 at 400 a second take half a second: {}",
        run.length
    );
    assert!(page::page(&run).contains("Latency by percentile"));
    nodes::stop(handles).unwrap();
}

#[test]
fn nobody_there_is_an_error_that_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = measured(&plan(&["--seconds", "1"]), &[free.to_string()]).unwrap_err();
    assert!(why.starts_with(&format!("cannot connect to {free}")), "{why}");
}
