//! The bytes of everything that goes to disk or to a peer: they never change under the same kind and version.
//! `UPDATE=1 cargo test -p node golden` writes them anew; a line that changes is a format that breaks.
#![expect(clippy::disallowed_methods, reason = "UPDATE=1 is the one switch of this test")]

use crate::backup::{Export, Logged, Place};
use crate::catalog::{Catalog, Change, Refusal};
use crate::contract::Contract;
use crate::machine::Machine;
use crate::message::{Content, Identity, Lost, Packet, Record, Replica};
use crate::proposal::{Body, Item, Operation, Outcome, Proposal, Session};
use crate::replay::Replay;
use crate::restore::Load;
use stdx::{Bytes, NodeId, Planted, WallClock};
use storage::TableId;
use wire::Wire;
use wire::resp::{Args, Reply};

const TABLE: TableId = TableId { group: 1, serial: 1 };

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
    .into_iter()
    .chain(backups())
    .collect()
}

/// What backups and restores say.
fn backups() -> Vec<(&'static str, Operation)> {
    let name = || String::from("account");
    let sealed = Change::CreateSealed { name: name(), contract: Contract::default() };
    let after = Place { index: 7, term: 2, tail: 9 };
    let chunk = Load::Chunk {
        backup: 5,
        seq: 0,
        time: WallClock(6),
        fences: vec![(name(), 3)],
        bytes: bytes("keys"),
    };
    vec![
        ("create sealed", Operation::Catalog(sealed)),
        ("open", Operation::Catalog(Change::Open { name: name() })),
        ("load chunk", Operation::Load(chunk)),
        ("load whole", Operation::Load(Load::Whole { backup: 5, chunks: 1 })),
        ("loaded", Operation::Loaded),
        ("export begin", Operation::Export(Export::Begin { backup: 5 })),
        ("export chunk", Operation::Export(Export::Chunk { backup: 5, seq: 1 })),
        ("export end", Operation::Export(Export::End { backup: 5 })),
        ("export log", Operation::Export(Export::Log { after, upto: 8 })),
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
        ("compare", Content::Compare { group: 1, index: 2 }),
        ("sum", Content::Sum { group: 1, index: 2, sum: 3 }),
        ("diverged", Content::Diverged { group: 1, index: 2 }),
    ]
}

fn records() -> Vec<(&'static str, Record)> {
    let identity = Identity { node: NodeId(1), cluster: 2, disk: 3, life: 4 };
    let keyspace = Catalog::founding(&[NodeId(1), NodeId(2), NodeId(3)], &Contract::standard(3))
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
    format!("{kind} {name}: {}\n", digits(&bytes))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first chunks of snapshots: all that a state has beside its keys.
fn heads() -> Vec<(&'static str, Vec<u8>)> {
    let founding = || Catalog::founding(&[NodeId(1), NodeId(2), NodeId(3)], &Contract::standard(3));
    let keyspace = || Machine::keyspace(data::Db::default(), Planted::NONE);
    let after = |mut machine: Machine, operation: Operation| {
        let body = Body { epoch: 1, ..body(operation) };
        machine.apply(1, &Proposal { stamp: WallClock(1), seed: 2, limit: 3, body });
        machine.freeze()
    };
    let fence = Operation::Fence { name: "account".into(), epoch: 5 };
    let bytes = data::Db::empty_chunk().into();
    let load = Load::Chunk { backup: 5, seq: 0, time: WallClock(6), fences: Vec::new(), bytes };
    let sealed = Change::CreateSealed { name: "account".into(), contract: Contract::default() };
    let catalog = || Machine::catalog(founding(), Planted::NONE);
    vec![
        ("catalog", after(catalog(), Operation::Tick)),
        ("keyspace", after(keyspace(), fence)),
        ("sealing", after(catalog(), Operation::Catalog(sealed))),
        ("restored", after(keyspace(), Operation::Load(load))),
    ]
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
    for (name, bytes) in heads() {
        let db = data::Db::default();
        let again = Machine::stage(&bytes, db, Planted::NONE).expect("it is ours").freeze();
        assert_eq!(again, bytes, "head {name}");
        now += &format!("head {name}: {}\n", digits(&bytes));
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/golden.txt");
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(file, &now).expect("testdata can be written");
    }
    let golden = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(now, golden, "UPDATE=1 and read the diff: each changed line is a broken format");
}

/// A sealed command and chunk, keys as a backup of either table has them, and a piece of its log.
fn sealed_and_exported() -> Vec<Vec<u8>> {
    let body = body(Operation::Batch(vec![Item::Command(args("SET k v PX 5"))]));
    let proposal = Proposal { stamp: WallClock(1), seed: 2, limit: 3, body };
    let sealed = crate::seal::command(1, &proposal, 100).to_vec();
    let chunk = crate::seal::Chunks::new(1, 1, Planted::NONE).seal(b"content", true).to_vec();
    let mut machine = Machine::keyspace(data::Db::default(), Planted::NONE);
    machine.apply(1, &proposal);
    machine.freeze();
    let keys = machine.chunk(1 << 10).ready().expect("a key was set");
    let sorted = [&[3], &keys[1..]].concat();
    let entry = Logged { index: 1, term: 1, payload: Some(wire::encode(&proposal).into()) };
    let log = [&[3, 1], &wire::encode(&entry)[..]].concat();
    vec![sealed, chunk, keys, sorted, log]
}

/// Pieces of a backup come from any client: keys and log, and what is done with the result.
fn restored_from(bytes: &[u8]) {
    for db in [data::Db::default(), data::Db::on_disk(1 << 20, TABLE, Planted::NONE)] {
        let mut machine = Machine::keyspace(db, Planted::NONE);
        let time = WallClock(u64::MAX);
        let (fences, bytes) = (Vec::new(), Bytes::from(bytes));
        let load = Load::Chunk { backup: 5, seq: 0, time, fences, bytes };
        for (index, load) in [(1, load), (2, Load::Whole { backup: 5, chunks: 1 })] {
            let body = Body { session: None, epoch: 1, operation: Operation::Load(load) };
            machine.apply(index, &Proposal { stamp: WallClock(1), seed: 2, limit: 3, body });
        }
        machine.check();
    }
    let empty = Machine::keyspace(data::Db::default(), Planted::NONE).freeze();
    let mut replay = Replay::begin(&empty, 0).expect("it is ours");
    let _ = replay.apply(bytes, u64::MAX);
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
    samples.extend(
        contents()
            .into_iter()
            .map(|(_, content)| wire::encode(&Packet { cluster: 1, disk: 2, life: 3, content })),
    );
    samples.extend(heads().into_iter().map(|(_, bytes)| bytes));
    samples.extend(sealed_and_exported());
    for _ in 0..20_000 {
        let mut bytes = prng.pick(&samples).clone();
        let at = prng.index(bytes.len());
        bytes[at] ^= 1 << prng.below(8);
        bytes.truncate(prng.index(bytes.len()) + 1);
        let _ = wire::decode_all::<Proposal>(&bytes);
        let _ = wire::decode_all::<Record>(&bytes);
        let _ = wire::decode_all::<Packet>(&bytes);
        let _ = crate::seal::open(1, &bytes, Planted::NONE);
        let _ = crate::seal::Chunks::new(1, 1, Planted::NONE).open(&bytes);
        let _ = crate::backup::logged(&bytes);
        if let Ok(mut machine) = Machine::stage(&bytes, data::Db::default(), Planted::NONE) {
            let _ = machine.load(&bytes);
        }
        restored_from(&bytes);
    }
}
