//! The bytes of everything that goes to disk or to a peer: they never change under the same kind and version.
//! `UPDATE=1 cargo test -p node golden` writes them anew; a line that changes is a format that breaks.
#![expect(clippy::disallowed_methods, reason = "UPDATE=1 is the one switch of this test")]

use crate::catalog::{Catalog, Change, Refusal};
use crate::contract::{Contract, TableKind};
use crate::message::{Content, Identity, Lost, Packet, Record, Replica};
use crate::proposal::{Body, Item, Operation, Outcome, Proposal, Session};
use stdx::{Bytes, NodeId, WallClock};
use wire::Wire;
use wire::resp::{Args, Reply};

fn args(line: &str) -> Args {
    line.split(' ').map(str::as_bytes).collect()
}

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.as_bytes())
}

fn body(operation: Operation) -> Body {
    let session = Session { node: NodeId(2), life: 3, sequence: 300, low_water: 299 };
    Body { session: Some(session), epoch: 4, operation }
}

fn operations() -> Vec<(&'static str, Operation)> {
    let exec = Item::Exec { watches: vec![(bytes("k"), 9)], commands: vec![args("INCR k")] };
    let name = || String::from("account");
    let create = Change::Create { name: name(), contract: Contract::default() };
    let refusal = Refusal { epoch: 5, keys: 6, holder: "default".into() };
    vec![
        ("batch", Operation::Batch(vec![Item::Command(args("SET k v")), exec])),
        ("tick", Operation::Tick),
        ("fence", Operation::Fence { name: name(), epoch: 5 }),
        ("create", Operation::Catalog(create)),
        ("activate", Operation::Catalog(Change::Activate { name: name(), epoch: 5 })),
        ("refuse", Operation::Catalog(Change::Refuse { name: name(), refusal })),
        ("count", Operation::CountPrefix { name: name(), cursor: 7 }),
        ("modified", Operation::Modified(vec![bytes("k")])),
        ("barrier", Operation::Barrier),
        ("batch full", Operation::BatchFull(vec![Item::Command(["get", "a"].iter().collect())])),
    ]
}

fn contents() -> Vec<(&'static str, Content)> {
    let answer = |outcome| Content::Answer { group: 1, number: 8, life: 3, outcome };
    let message = raft::Message::AppendAck { term: 2, matched: 3 };
    vec![
        ("raft", Content::Raft { group: 1, from: NodeId(4), to: NodeId(5), message }),
        ("write", Content::Write { group: 1, body: body(Operation::Tick) }),
        ("read", Content::Read { group: 1, ticket: 8, body: body(Operation::Barrier) }),
        ("done", answer(Outcome::Done(vec![Reply::Int(1)]))),
        ("not leader", answer(Outcome::NotLeader(Some(NodeId(2))))),
        ("stale", answer(Outcome::Stale(5))),
        ("forgotten", answer(Outcome::Forgotten)),
        ("chunk durable", Content::ChunkDurable { group: 1 }),
        ("loaded", Content::Loaded { group: 1, ticket: 2 }),
        ("applying", Content::Applying { group: 1 }),
    ]
}

fn records() -> Vec<(&'static str, Record)> {
    let identity = Identity { node: NodeId(1), cluster: 2, disk: 3, life: 4 };
    let keyspace = Catalog::founding(&[NodeId(1), NodeId(2), NodeId(3)], TableKind::Memory)
        .get("default")
        .cloned();
    let replica = Replica { group: 1, replica: NodeId(1), keyspace: keyspace.expect("founded") };
    let lost = Lost { info: replica.clone(), place: "wal-000001 offset 512".into() };
    let raft = raft::Record::Hard { term: 2, vote: Some(NodeId(1)) };
    let base = Record::Base {
        identity,
        peers: vec![identity],
        replicas: vec![replica.clone()],
        lost: vec![lost],
    };
    vec![
        ("base", base),
        ("created", Record::Created(replica)),
        ("peer", Record::Peer(identity)),
        ("raft", Record::Raft { group: 1, record: raft }),
        ("chunk", Record::Chunk { group: 1, index: 2, seq: 3, bytes: bytes("chunk") }),
    ]
}

/// Encodes, checks that it comes back the same, and writes the line.
fn line<T: Wire + PartialEq + core::fmt::Debug>(kind: &str, name: &str, value: &T) -> String {
    let bytes = wire::encode(value);
    assert_eq!(wire::decode_all::<T>(&bytes).as_ref(), Ok(value), "{kind} {name}");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{kind} {name}: {hex}\n")
}

#[test]
fn golden() {
    let mut now = String::new();
    for (name, operation) in operations() {
        let proposal = Proposal { stamp: WallClock(1), seed: 2, limit: 3, body: body(operation) };
        now += &line("proposal", name, &proposal);
    }
    for (name, content) in contents() {
        now += &line("packet", name, &Packet { cluster: 1, disk: 2, life: 3, content });
    }
    for (name, record) in records() {
        now += &line("record", name, &record);
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/golden.txt");
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(file, &now).expect("testdata can be written");
    }
    let golden = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(now, golden, "UPDATE=1 and read the diff: each changed line is a broken format");
}

#[test]
fn damaged_bytes_never_panic() {
    let mut prng = stdx::Prng::new(7);
    let mut samples: Vec<Vec<u8>> = Vec::new();
    for (_, operation) in operations() {
        let proposal = Proposal { stamp: WallClock(1), seed: 2, limit: 3, body: body(operation) };
        samples.push(wire::encode(&proposal));
    }
    samples.extend(records().iter().map(|(_, record)| wire::encode(record)));
    for _ in 0..20_000 {
        let mut bytes = prng.pick(&samples).clone();
        let at = prng.index(bytes.len());
        bytes[at] ^= 1 << prng.below(8);
        bytes.truncate(prng.index(bytes.len()) + 1);
        let _ = wire::decode_all::<Proposal>(&bytes);
        let _ = wire::decode_all::<Record>(&bytes);
        let _ = wire::decode_all::<Packet>(&bytes);
    }
}
