//! Backups and restores through the gateway of a trio: what is given away is one state, whatever goes on
//! meanwhile; what is filled is not seen before it is whole.

use super::{Trio, config, on_disk};
use crate::machine::Machine;
use crate::proposal::Proposal;
use crate::{ConnId, DEFAULT_GROUP, GroupId, Replay, Request};
use alloc::collections::BTreeMap;
use data::Db;
use raft::Kind;
use stdx::{Mutant, NodeId, Planted, Prng, WallClock};
use wire::resp::{Args, Incoming, Reply, ReplyParser};

/// What a client has of a backup.
#[derive(Clone, Debug, Default)]
struct Taken {
    index: u64,
    term: u64,
    tail: String,
    keys: u64,
    header: Vec<u8>,
    chunks: Vec<Vec<u8>>,
    entries: Vec<Vec<u8>>,
}

impl Taken {
    /// The state as of `at`, as `atoll restore` makes it.
    fn at(&self, at: u64) -> Result<Replay, String> {
        let mut replay = Replay::begin(&self.header, self.term).map_err(|e| e.to_string())?;
        for chunk in &self.chunks {
            replay.load(chunk).map_err(|e| e.to_string())?;
        }
        if replay.keys() != self.keys {
            return Err(format!("{} keys of {}", replay.keys(), self.keys));
        }
        for piece in &self.entries {
            replay.apply(piece, at).map_err(|e| e.to_string())?;
        }
        if replay.index() == at { Ok(replay) } else { Err(format!("ends at {}", replay.index())) }
    }
}

/// The fields of a reply that is a map.
fn fields(reply: Reply) -> Result<BTreeMap<String, Reply>, String> {
    match reply {
        Reply::Map(pairs) => {
            Ok(pairs.into_iter().map(|(name, value)| (word(&name), value)).collect())
        }
        other => Err(format!("{other:?}")),
    }
}

fn word(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn count(fields: &BTreeMap<String, Reply>, name: &str) -> u64 {
    word(&fields[name]).parse().expect("a number")
}

fn blob(fields: &BTreeMap<String, Reply>) -> Vec<u8> {
    match &fields["chunk"] {
        Reply::Bulk(bytes) => bytes.to_vec(),
        other => panic!("{other:?} is no chunk"),
    }
}

impl Trio {
    fn call(&mut self, n: usize, conn: u64, args: Args) -> Reply {
        self.run_all(n, ConnId(conn), vec![args]);
        let mut parser = ReplyParser::new();
        parser.feed(&self.raw);
        match parser.next() {
            Ok(Some(Incoming::Reply(reply))) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn said(&mut self, n: usize, conn: u64, line: &str) -> Result<BTreeMap<String, Reply>, String> {
        loop {
            match self.call(n, conn, line.split(' ').map(str::as_bytes).collect()) {
                Reply::Error(text) if text.contains("is being read from disk") => {}
                reply => return fields(reply),
            }
        }
    }

    fn begin(&mut self, n: usize, conn: u64, keyspace: &str) -> Result<Taken, String> {
        self.run(n, conn, &["HELLO 3"]);
        let said = self.said(n, conn, &format!("ATOLL BACKUP BEGIN {keyspace}"))?;
        Ok(Taken {
            index: count(&said, "index"),
            term: count(&said, "term"),
            tail: word(&said["tail"]),
            keys: count(&said, "keys"),
            header: blob(&said),
            ..Taken::default()
        })
    }

    /// A whole backup, with `meanwhile` between any two of its chunks.
    fn backup(
        &mut self,
        n: usize,
        keyspace: &str,
        mut meanwhile: impl FnMut(&mut Trio),
    ) -> Result<Taken, String> {
        let mut taken = self.begin(n, 2, keyspace)?;
        for seq in (1..).take_while(|_| taken.keys > 0) {
            meanwhile(self);
            let said = self.said(n, 2, &format!("ATOLL BACKUP CHUNK {seq}"))?;
            taken.chunks.push(blob(&said));
            if count(&said, "last") == 1 {
                break;
            }
        }
        assert_eq!(self.run(n, 2, &["ATOLL BACKUP END"]), "+OK");
        Ok(taken)
    }

    /// Adds what was committed since.
    fn add(&mut self, n: usize, keyspace: &str, taken: &mut Taken, at: u64) -> Result<u64, String> {
        let (mut place, mut upto) = ((at, taken.term, taken.tail.clone()), 0);
        loop {
            let (index, term, tail) = &place;
            let line = format!("ATOLL BACKUP LOG {keyspace} {index} {term} {tail} {upto}");
            let said = self.said(n, 2, &line)?;
            taken.entries.push(blob(&said));
            place = (count(&said, "index"), count(&said, "term"), word(&said["tail"]));
            upto = count(&said, "upto");
            if place.0 >= upto {
                taken.tail = place.2;
                return Ok(place.0);
            }
        }
    }

    pub(super) fn leader(&self, group: GroupId) -> usize {
        let leads = |n: &usize| {
            self.nodes[*n].0.core().group(group).is_some_and(|group| group.raft.is_leading())
        };
        (0..3).find(leads).expect("someone leads")
    }

    /// The state as of `index`, from the log that the replicas still have in full.
    fn model(&self, group: GroupId, index: u64) -> Machine {
        let raft = &self.nodes[self.leader(group)].0.core().group(group).unwrap().raft;
        let mut machine = Machine::keyspace(Db::default(), Planted::NONE);
        for entry in raft.entries().take_while(|entry| entry.index <= index) {
            if let Kind::Command(payload) = &entry.kind {
                let proposal: Proposal = wire::decode_all(payload).unwrap();
                machine.apply(entry.index, &proposal);
            } else {
                machine.skip(entry.index);
            }
        }
        assert_eq!(machine.applied(), index, "the log was cut: give the test more room");
        machine
    }
}

/// Some writes of every kind that changes a table.
fn writes(trio: &mut Trio, prng: &mut Prng, how_many: usize) {
    for _ in 0..how_many {
        let (n, key) = (prng.index(3), prng.below(60));
        let line = match prng.below(12) {
            0 => format!("DEL k{key}"),
            1 => format!("SET k{key} {} PX {}", prng.below(1000), 1 + prng.below(20)),
            2 => format!("APPEND k{key} {}", "x".repeat(prng.index(300))),
            3 => format!("SET k{key} 1 PX 100000"),
            4 if prng.chance(1, 10) => "FLUSHALL".into(),
            5 => format!("PERSIST k{key}"),
            _ => format!("SET k{key} {}", "v".repeat(prng.index(300))),
        };
        trio.run(n, 1, &[&line]);
    }
}

fn roomy(node: u64) -> crate::Config {
    crate::Config { snapshot_bytes: 64 << 20, chunk_bytes: 1024, ..config(node) }
}

/// A backup and two increments, with writes all the while; whether it shows the states that there were.
fn backs_up(planted: Planted, seed: u64) -> Result<(), String> {
    backs_up_of(Trio::with(256 << 10, |n| crate::Config { planted, ..roomy(n) }), seed)
}

fn backs_up_of(mut trio: Trio, seed: u64) -> Result<(), String> {
    let mut prng = Prng::new(seed);
    writes(&mut trio, &mut prng, 150);
    let through = prng.index(3);
    let mut taken = trio.backup(through, "default", |trio| writes(trio, &mut prng, 5))?;
    let mut ends = vec![taken.index];
    for _ in 0..2 {
        writes(&mut trio, &mut prng, 40);
        let at = *ends.last().expect("not empty");
        ends.push(trio.add(through, "default", &mut taken, at)?);
    }
    let last = ends[2];
    ends.extend((0..5).map(|_| taken.index + prng.below(last - taken.index)));
    for at in ends {
        let (replay, model) = (taken.at(at)?, trio.model(DEFAULT_GROUP, at));
        if replay.digest() != model.digest() {
            return Err(format!("another state at {at}"));
        }
    }
    Ok(())
}

#[test]
fn a_backup_is_the_state_at_its_index() {
    for seed in 0..4 {
        backs_up(Planted::NONE, seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn so_is_a_backup_of_a_table_on_disk() {
    for seed in 0..4 {
        let trio = Trio::with(256 << 10, |n| on_disk(roomy(n)));
        backs_up_of(trio, seed).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn broken_backups_are_found() {
    for mutant in [Mutant::BackupTorn, Mutant::BackupEndsEarly, Mutant::BackupSkipsEntry] {
        let found = (0..4).find_map(|seed| backs_up(Planted::one(mutant), seed).err());
        assert!(found.is_some(), "{mutant:?} was not found");
    }
}

#[test]
fn a_new_leader_ends_a_backup() {
    let mut trio = Trio::with(256 << 10, roomy);
    writes(&mut trio, &mut Prng::new(1), 100);
    let leader = trio.leader(DEFAULT_GROUP);
    let through = (leader + 1) % 3;
    trio.begin(through, 2, "default").unwrap();
    assert!(trio.said(through, 2, "ATOLL BACKUP CHUNK 1").is_ok());
    trio.cut = Some(NodeId(leader as u64 + 1));
    let lost = trio.said(through, 2, "ATOLL BACKUP CHUNK 2").unwrap_err();
    assert!(lost.contains("its view is gone"), "{lost}");
    // The one that was cut off drops its view once it knows.
    trio.cut = None;
    trio.run(through, 1, &["SET after 1"]);
    for _ in 0..2000 {
        trio.turn();
    }
    assert!(trio.views() == 0, "a view was kept");
    assert!(trio.backup(through, "default", |_| ()).is_ok());
}

impl Trio {
    fn views(&self) -> usize {
        let views = self.nodes.iter().filter(|(host, _)| {
            host.core().group(DEFAULT_GROUP).is_some_and(|group| group.view.is_some())
        });
        views.count()
    }
}

#[test]
fn a_backup_that_is_abandoned_frees_its_view() {
    for through in 0..3 {
        let mut trio = Trio::with(256 << 10, roomy);
        writes(&mut trio, &mut Prng::new(2), 50);
        trio.begin(through, 2, "default").unwrap();
        assert_eq!(trio.views(), 1);
        let busy = trio.begin((through + 1) % 3, 1, "default").unwrap_err();
        assert!(busy.contains("TRYAGAIN another snapshot"), "{busy}");
        trio.ask(through, Request::Closed { conn: ConnId(2) });
        for _ in 0..5 {
            trio.turn();
        }
        assert_eq!(trio.views(), 0, "through node {through}");
    }
    // Nobody says so, but nobody asks for more: the timer does.
    let mut trio = Trio::with(256 << 10, roomy);
    writes(&mut trio, &mut Prng::new(2), 50);
    let leader = trio.leader(DEFAULT_GROUP);
    trio.begin(leader, 2, "default").unwrap();
    for _ in 0..29_000 {
        trio.turn();
    }
    assert_eq!(trio.views(), 1);
    for _ in 0..2_000 {
        trio.turn();
    }
    assert_eq!(trio.views(), 0);
}

#[test]
fn entries_that_are_gone_or_of_another_log_are_refused() {
    let mut trio = Trio::with(256 << 10, |n| crate::Config { snapshot_bytes: 4096, ..roomy(n) });
    writes(&mut trio, &mut Prng::new(3), 20);
    let mut taken = trio.backup(0, "default", |_| ()).unwrap();
    let mut other = Taken { tail: "77".into(), ..taken.clone() };
    let at = taken.index;
    assert!(trio.add(0, "default", &mut other, at).unwrap_err().starts_with("Error(\"GONE"));
    writes(&mut trio, &mut Prng::new(4), 200);
    assert!(trio.add(0, "default", &mut taken, at).unwrap_err().starts_with("Error(\"GONE"));
}

#[test]
fn a_chunk_that_cannot_be_is_refused() {
    let mut trio = Trio::with(256 << 10, roomy);
    writes(&mut trio, &mut Prng::new(3), 20);
    trio.begin(0, 2, "default").unwrap();
    for seq in [0, 2, u64::MAX] {
        let refused = trio.run(0, 2, &[&format!("ATOLL BACKUP CHUNK {seq}")]);
        assert!(seq == 0 || refused == format!("-ERR backup: no chunk {seq}"), "{refused}");
    }
}

/// The pieces of a restore, each as the command that brings it.
fn pieces(replay: Replay, keyspace: &str, backup: u64) -> Vec<Args> {
    let time = replay.time();
    let chunks: Vec<Vec<u8>> = replay.chunks(1024).collect();
    let words = |what: &str| {
        ["ATOLL", "RESTORE", what, keyspace, &backup.to_string()].map(|w| w.as_bytes().to_vec())
    };
    let mut all = Vec::new();
    for (seq, chunk) in chunks.iter().enumerate() {
        let mut line = words("CHUNK").to_vec();
        line.extend([seq.to_string().into_bytes(), time.0.to_string().into_bytes()]);
        line.extend(chunk.chunks(300).map(<[u8]>::to_vec));
        all.push(line.iter().collect());
    }
    let mut line = words("WHOLE").to_vec();
    line.push(chunks.len().to_string().into_bytes());
    all.push(line.iter().collect());
    all
}

/// What a client can see of a state: value, writes and expiry of each key.
fn visible(trio: &Trio, group: GroupId) -> BTreeMap<Vec<u8>, (Vec<u8>, u64, Option<u64>)> {
    let machine = &trio.nodes[trio.leader(group)].0.core().group(group).unwrap().machine;
    seen(&machine.keys().unwrap().db)
}

fn seen(db: &Db) -> BTreeMap<Vec<u8>, (Vec<u8>, u64, Option<u64>)> {
    let mut all = BTreeMap::new();
    db.each(|key, e| {
        all.insert(key.to_vec(), (e.string().to_vec(), e.version, e.expiry));
    });
    all
}

/// Something to restore, and what it shows.
fn source(keyspace: &str) -> (Taken, Trio) {
    let mut trio = Trio::with(256 << 10, roomy);
    if keyspace != "default" {
        assert_eq!(trio.run(0, 1, &[&format!("KEYSPACE CREATE {keyspace}")]), "+OK");
    }
    let prefix = if keyspace == "default" { "" } else { "account:" };
    for key in 0..50 {
        let value = "v".repeat(100);
        trio.run(
            key % 3,
            1,
            &[&format!("SET {prefix}k{key} {value}"), &format!("APPEND {prefix}k{key} z")],
        );
    }
    trio.run(
        0,
        1,
        &[&format!("SET {prefix}short 1 PXAT 5000"), &format!("PEXPIREAT {prefix}k3 9000000")],
    );
    let taken = trio.backup(1, keyspace, |_| ()).unwrap();
    (taken, trio)
}

/// Restores into a new trio and looks at it in the middle; whether nothing was seen before it was whole.
fn restores(planted: Planted) -> Result<(), String> {
    restores_into(Trio::with(256 << 10, |n| crate::Config { planted, ..roomy(n) }), "")
}

fn restores_into(mut trio: Trio, clauses: &str) -> Result<(), String> {
    let (taken, old) = source("account");
    trio.run(0, 2, &["HELLO 3"]);
    let create = format!("ATOLL RESTORE CREATE account{clauses}");
    assert_eq!(trio.run(0, 2, &[&create]), "+OK");
    let again = trio.run(0, 2, &["ATOLL RESTORE CREATE account"]);
    assert!(again.contains("exists"), "{again}");
    let pieces = pieces(taken.at(taken.index)?, "account", 9);
    let hidden = |trio: &mut Trio| {
        let replies =
            trio.run(1, 1, &["GET account:k1", "SET account:new 1", "SELECT account", "DBSIZE"]);
        let refused = replies.matches("-TRYAGAIN the keyspace is being restored").count();
        trio.run(1, 1, &["SELECT 0"]);
        if refused == 3 { Ok(()) } else { Err(replies) }
    };
    for (at, piece) in pieces.iter().enumerate() {
        hidden(&mut trio)?;
        if at == 2 {
            trio.cut = Some(NodeId(trio.leader(2) as u64 + 1)); // The next leader goes on.
            (0..2000).for_each(|_| trio.turn());
            trio.cut = None;
        }
        let reply = trio.call(0, 2, piece.clone());
        let next = (at + 1).min(pieces.len() - 1);
        assert_eq!(reply, Reply::int(next), "piece {at}");
        // Said twice, done once.
        assert_eq!(trio.call(0, 2, piece.clone()), Reply::int(next), "piece {at} again");
    }
    hidden(&mut trio)?;
    assert_eq!(trio.run(2, 2, &["ATOLL RESTORE OPEN account"]), "+OK");
    let status = trio.said(0, 2, "ATOLL RESTORE STATUS account")?;
    assert_eq!((count(&status, "whole"), count(&status, "backup")), (1, 9));
    let restored = trio.backup(2, "account", |_| ())?;
    let mut all = BTreeMap::new();
    restored.at(restored.index)?.each(|key, e| {
        all.insert(key.to_vec(), (e.string().to_vec(), e.version, e.expiry));
    });
    assert_eq!(all, visible(&old, 2));
    // Its history is its own: a write after WATCH is seen, though indexes here are lower than they were.
    trio.run(0, 1, &["WATCH account:k1", "MULTI", "GET account:k1"]);
    trio.run(1, 1, &["SET account:k1 new"]);
    let exec = trio.run(0, 1, &["EXEC"]);
    if exec != "*-1" {
        return Err(format!("WATCH saw nothing: {exec}"));
    }
    Ok(())
}

#[test]
fn a_keyspace_is_restored_whole_or_not_seen() {
    restores(Planted::NONE).unwrap();
}

#[test]
fn a_table_on_disk_is_restored_as_well() {
    let trio = Trio::with(256 << 10, |n| on_disk(roomy(n)));
    restores_into(trio, " TABLE disk").unwrap();
}

#[test]
fn a_default_half_restored_and_served_is_found() {
    let half = |planted| {
        let (taken, _) = source("default");
        let mut trio = Trio::with(256 << 10, |n| crate::Config { planted, ..roomy(n) });
        trio.run(0, 2, &["HELLO 3"]);
        let pieces = pieces(taken.at(taken.index).unwrap(), "default", 9);
        trio.call(0, 2, pieces[0].clone());
        trio.run(1, 1, &["GET k1", "DBSIZE"])
    };
    let hidden = half(Planted::NONE);
    assert_eq!(hidden.matches("-TRYAGAIN").count(), 2, "{hidden}");
    assert!(half(Planted::one(Mutant::ServePartial)).contains("-TRYAGAIN").eq(&false));
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let (taken, _) = source("account");
    let load = |trio: &mut Trio, backup: u64, at: usize| {
        let pieces = pieces(taken.at(taken.index).unwrap(), "default", backup);
        word(&trio.call(0, 2, pieces[at].clone()))
    };
    // A keyspace that holds something.
    let mut trio = Trio::with(256 << 10, roomy);
    trio.run(0, 2, &["HELLO 3"]);
    trio.run(0, 1, &["SET a 1"]);
    let held = load(&mut trio, 9, 0);
    assert!(held.contains("holds 1 keys already"), "{held}");
    assert_eq!(trio.run(0, 1, &["GET a"]), "$1 1");
    // Keys that belong to another keyspace here; nothing of them is left behind.
    let mut trio = Trio::new();
    trio.run(0, 2, &["HELLO 3"]);
    assert_eq!(trio.run(1, 1, &["KEYSPACE CREATE account"]), "+OK");
    let lost = load(&mut trio, 9, 0);
    assert!(lost.contains("keys begin with `account:`"), "{lost}");
    assert_eq!(trio.run(2, 1, &["DBSIZE"]), ":0");
    // Out of order; and two backups are never mixed, but one that was given up makes way.
    let mut trio = Trio::with(256 << 10, roomy);
    trio.run(0, 2, &["HELLO 3"]);
    assert!(load(&mut trio, 9, 1).contains("chunk 1, expected the first"));
    assert_eq!(load(&mut trio, 9, 0), "1");
    assert!(load(&mut trio, 9, 2).contains("chunk 2, expected 1"));
    assert!(load(&mut trio, 8, 1).contains("ERR restore"));
    assert_eq!(load(&mut trio, 8, 0), "1");
    assert_eq!(load(&mut trio, 8, 1), "2");
    let machine = &trio.nodes[0].0.core().group(DEFAULT_GROUP).unwrap().machine;
    assert!(machine.keys().unwrap().loading.is_some_and(|l| l.backup == 8 && !l.whole));
}

#[test]
fn a_restored_time_does_not_go_back() {
    let (taken, _) = source("default");
    let mut replay = taken.at(taken.index).unwrap();
    assert!(replay.time() > WallClock(1_000_000));
    assert!(replay.keys() > 50);
    assert!(matches!(replay.apply(b"\x09\x01", 9), Err(crate::ReplayError::Unreadable(_))));
}
