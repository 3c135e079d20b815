//! What survives a restart, and what a node refuses to start with.

use crate::cluster::{Cluster, Process, free_port};
use crate::resp::text;
use wire::resp::Reply;

#[test]
fn survives_restart() {
    let mut cluster = Cluster::start("");
    let mut client = cluster.client(1);
    assert_eq!(client.text("KEYSPACE CREATE account"), "OK");
    for number in 0..200 {
        let mut through = cluster.client(number % 3 + 1);
        assert_eq!(through.text(&format!("SET key{number} value{number}")), "OK");
    }
    for _ in 0..50 {
        client.ask("INCR account:7");
    }
    assert_eq!(client.text("SET fleeting x PX 1"), "OK");
    assert_eq!(client.text("SET lasting x EX 1000"), "OK");
    let big = "b".repeat(1 << 20);
    assert_eq!(client.call(&["SET", "big", &big]).map(|r| text(&r)).expect("answered"), "OK");
    assert_eq!(client.text("DEL key7"), "1");
    drop(client);

    for _ in 0..2 {
        cluster.terminate();
        (1..=3).for_each(|node| cluster.launch(node));
        (1..=3).for_each(|node| cluster.wait_ready(node));
        for node in 1..=3 {
            let mut client = cluster.client(node);
            for number in (0..200).filter(|number| *number != 7) {
                let value = client.text(&format!("GET key{number}"));
                assert_eq!(value, format!("value{number}"), "through node {node}");
            }
            assert_eq!(client.ask("GET key7"), Reply::Null);
            assert_eq!(client.text("GET account:7"), "50");
            assert_eq!(client.ask("GET fleeting"), Reply::Null);
            let Reply::Int(left) = client.ask("TTL lasting") else { panic!("TTL is a number") };
            assert!((900..=1000).contains(&left), "{left} seconds left");
            assert_eq!(client.text("GET big"), big);
            assert_eq!(client.text("KEYSPACE LIST"), "account default");
        }
    }
}

/// Runs `atoll serve` on a configuration that must be refused; answers what it said.
#[track_caller]
fn refused(cluster: &Cluster, text: &str) -> String {
    let path = cluster.write_config("bad.toml", text);
    let mut process = Process::start(&["serve", "--config", path.to_str().expect("a path")]);
    let status = process.ended();
    assert_eq!(status.code(), Some(1), "{text}\n{}", process.last_words());
    process.err_to_the_end()
}

#[test]
fn refuses_what_it_cannot_serve() {
    let mut cluster = Cluster::start("");
    let good = cluster.config(1);
    let line =
        |wanted: &str| 1 + good.lines().position(|line| line.starts_with(wanted)).expect("there");
    let cases = [
        (
            good.replace("client = \"127.0.0.1:", "client = \"nowhere:"),
            line("client"),
            "`client`",
            "IP address",
        ),
        (good.replacen("node = 1\n", "node = \"one\"\n", 1), line("node"), "`node`", "expected"),
        (good.replace("cluster =", "clutser ="), line("cluster"), "`clutser`", "expected"),
        (
            good.replacen('\n', "\nrequest-timeout = \"5 parsecs\"\n", 1),
            2,
            "`request-timeout`",
            "expected",
        ),
        (good.replacen('\n', "\nnode = = 1\n", 1), 2, "bad.toml:2", "expected"),
    ];
    for (text, line, key, expected) in cases {
        let said = refused(&cluster, &text);
        for part in [&format!("bad.toml:{line}"), key, expected] {
            assert!(said.contains(part), "no `{part}` in: {said}");
        }
    }
    let missing: String =
        good.lines().filter(|l| !l.starts_with("dir")).map(|l| format!("{l}\n")).collect();
    let said = refused(&cluster, &missing);
    assert!(said.contains("bad.toml: `dir`: the key is missing: expected"), "{said}");

    // A second process on the folder of node 1, which runs.
    let mut second = good.clone();
    for key in ["client", "peer", "http"] {
        let old = good.lines().find(|line| line.starts_with(key)).expect("there");
        let new = format!("{key} = \"127.0.0.1:{}\"", free_port());
        second = second.replacen(old, &new, 1);
    }
    let said = refused(&cluster, &second);
    let folder = cluster.folder(1);
    assert!(said.contains(folder.to_str().expect("a path")), "the folder is not named: {said}");
    let pid = cluster.process(1).pid().to_string();
    assert!(said.contains(&pid), "the process {pid} that holds it is not named: {said}");
    // A port that is taken.
    let said = refused(&cluster, &good);
    assert!(said.contains("taken by another process"), "{said}");
    assert_eq!(cluster.client(1).text("PING"), "PONG");
}
