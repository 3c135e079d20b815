//! `atoll backup` and `atoll restore` on real clusters, with processes killed in the middle.

use crate::cluster::{Cluster, Process};
use crate::resp::{Client, text};
use std::path::{Path, PathBuf};
use wire::resp::Reply;

/// Enough for several chunks.
const KEYS: usize = 120;

fn value(key: usize) -> String {
    format!("{key}-{}", "v".repeat(10_000))
}

fn fill(client: &mut Client) {
    for key in 0..KEYS {
        let set = ["SET", &format!("account:{key}"), &value(key)];
        assert_eq!(client.call(&set).map(|r| text(&r)).expect("answered"), "OK");
    }
}

/// A node may hear later than the one that restored that the keyspace is open; until then it says so.
fn holds(client: &mut Client) {
    while client.text("GET account:0").starts_with("TRYAGAIN") {}
    for key in 0..KEYS {
        assert_eq!(client.text(&format!("GET account:{key}")), value(key));
    }
}

/// Runs `atoll` to its end; what it said, and whether it was content.
fn atoll(arguments: &[&str]) -> (bool, String) {
    let mut process = Process::start(arguments);
    let done = process.ended().success();
    let errors = process.err_to_the_end();
    (done, format!("{}\n{errors}", process.out.lines().join("\n")))
}

fn backup(cluster: &Cluster, node: usize, dir: &Path) -> (bool, String) {
    let addr = cluster.client_address(node).to_string();
    atoll(&["backup", "--addr", &addr, "--keyspace", "account", dir.to_str().expect("a path")])
}

fn restore(cluster: &Cluster, node: usize, dir: &Path, more: &[&str]) -> (bool, String) {
    let addr = cluster.client_address(node).to_string();
    let line = ["restore", dir.to_str().expect("a path"), "--addr", &addr];
    atoll(&[&line, more].concat())
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::Builder::new().prefix("atoll-test-").tempdir().expect("a folder");
    let path = dir.path().join("backup");
    (dir, path)
}

fn number(reply: &Reply, name: &str) -> String {
    let Reply::Map(pairs) = reply else { panic!("{reply:?} is no map") };
    pairs.iter().find(|(key, _)| text(key) == name).map(|(_, value)| text(value)).expect("there")
}

#[test]
fn backup_and_restore() {
    let (_guard, dir) = folder();
    let mut old = Cluster::start("");
    let mut client = old.client(1);
    assert_eq!(client.text("KEYSPACE CREATE account"), "OK");
    fill(&mut client);
    let (done, said) = backup(&old, 2, &dir);
    assert!(done, "{said}");
    let first = said.split("position ").nth(1).and_then(|s| s.split(':').next()).expect("said");

    // A node that is killed in the middle of another backup: an error, and nothing in its place.
    let mut through = old.client(3);
    through.ask("HELLO 3");
    let begun = through.ask("ATOLL BACKUP BEGIN account");
    assert_eq!(number(&begun, "keys"), KEYS.to_string());
    assert_eq!(number(&through.ask("ATOLL BACKUP CHUNK 1"), "last"), "0");
    let lines = client.ask("KEYSPACE SHOW account");
    let Reply::Array(rows) = lines else { panic!("RESP2") };
    let at = rows.iter().position(|row| text(row) == "leader").expect("a row") + 1;
    let leader: usize = text(&rows[at]).parse().expect("a node");
    old.kill(leader);
    if leader == 3 {
        assert!(through.call(&["ATOLL", "BACKUP", "CHUNK", "2"]).is_err());
    } else {
        let said = through.text("ATOLL BACKUP CHUNK 2");
        assert!(said.contains("its view is gone"), "{said}");
    }
    let alive = (1..=3).find(|node| *node != leader).expect("two are left");
    let (done, said) = backup(&old, leader, &dir.with_extension("other"));
    assert!(!done && !dir.with_extension("other").exists(), "{said}");

    // What was committed since is added, through the next leader.
    let mut client = old.client(alive);
    assert_eq!(client.text("DEL account:0"), "1");
    let (done, said) = backup(&old, alive, &dir);
    assert!(done && said.contains("now up to position"), "{said}");
    let (done, said) = atoll(&["backup", "verify", dir.to_str().expect("a path")]);
    assert!(done && said.contains(&format!("whole: {} keys", KEYS - 1)), "{said}");
    old.terminate();

    // As it was first, into another cluster; refused when it is there.
    let new = Cluster::start("");
    let (done, said) = restore(&new, 1, &dir, &["--at", first]);
    assert!(done, "{said}");
    holds(&mut new.client(3));
    let (done, said) = restore(&new, 1, &dir, &[]);
    assert!(!done && said.contains("exists already"), "{said}");

    // A byte is wrong: named, before any cluster is asked.
    let path = dir.join(format!("full-{first}.atoll"));
    let mut bytes = std::fs::read(&path).expect("there");
    bytes[500_000] ^= 1;
    std::fs::write(&path, bytes).expect("writable");
    let (done, said) = restore(&new, 1, &dir, &[]);
    assert!(!done && said.contains("full-") && said.contains("offset"), "{said}");
}

#[test]
fn a_restore_that_is_cut_off_goes_on() {
    let (_guard, dir) = folder();
    let mut old = Cluster::start("");
    let mut client = old.client(1);
    assert_eq!(client.text("KEYSPACE CREATE account"), "OK");
    fill(&mut client);
    let (done, said) = backup(&old, 1, &dir);
    assert!(done, "{said}");
    old.terminate();

    let mut new = Cluster::start("");
    let mut client = new.client(2);
    let addr = new.client_address(1).to_string();
    let process = Process::start(&["restore", dir.to_str().expect("a path"), "--addr", &addr]);
    // From the moment it is declared, a key of it is answered whole or with a refusal.
    while client.text("KEYSPACE SHOW account").contains("no such keyspace") {}
    process.kill();
    let seen = client.text("GET account:7");
    assert!(seen == value(7) || seen.contains("TRYAGAIN"), "{seen}");
    // And so after a power cut.
    (1..=3).for_each(|node| new.kill(node));
    (1..=3).for_each(|node| new.launch(node));
    (1..=3).for_each(|node| new.wait_ready(node));
    let seen = new.client(3).text("GET account:7");
    assert!(seen == value(7) || seen.contains("TRYAGAIN"), "{seen}");
    let (done, said) = restore(&new, 2, &dir, &[]);
    assert!(done || said.contains("exists already"), "{said}");
    holds(&mut new.client(1));
}
