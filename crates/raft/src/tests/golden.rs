//! The bytes of everything that goes to a peer or to disk, pinned: testdata/golden.hex. A line that changes breaks
//! running clusters; a new one is added with `UPDATE=1`, which never rewrites a line that is there.
#![expect(clippy::disallowed_methods, reason = "UPDATE=1 is the one switch of this test")]

use crate::{Entry, Kind, LogId, Mark, Message, Record};
use core::fmt::Debug;
use protocol::NodeId;
use std::path::Path;
use std::string::String;
use std::vec::Vec;
use std::{env, format, fs, vec};

fn samples() -> (Vec<Message>, Vec<Record>) {
    let last = LogId { term: 3, index: 300 };
    let mark = Mark { index: 200, term: 2, voters: (1..=3).map(NodeId).collect() };
    let entries = vec![
        Entry { index: 301, term: 3, kind: Kind::Noop },
        Entry { index: 302, term: 3, kind: Kind::Command(b"abc".as_slice().into()) },
    ];
    let term = 4;
    let chunk = b"xyz".as_slice().into();
    let messages = vec![
        Message::PreVote { term, last },
        Message::PreVoteReply { term, granted: true },
        Message::Vote { term, last },
        Message::VoteReply { term, granted: false },
        Message::Append { term, prev: last, entries: entries.clone(), commit: 299 },
        Message::AppendAck { term, matched: 302 },
        Message::AppendReject { term, prev: 300, hint: last },
        Message::Heartbeat { term, commit: 299, round: 7 },
        Message::HeartbeatAck { term, round: 7 },
        Message::Commit { term, commit: 300 },
        Message::Chunk { term, transfer: 1, mark: mark.clone(), seq: 2, bytes: chunk, last: true },
        Message::ChunkAck { term, transfer: 1, next: 3 },
        Message::Durable { term, index: 302 },
        Message::Voted { term },
    ];
    let records = vec![
        Record::Hard { term, vote: Some(NodeId(2)) },
        Record::Hard { term, vote: None },
        Record::Entries { entries },
        Record::Mark { mark, term, vote: None, keeps_suffix: true },
    ];
    (messages, records)
}

/// What came after release 0.1.
fn newer() -> Vec<Message> {
    let (term, ticket) = (4, 1 << 40);
    vec![
        Message::ReadIndex { term, ticket },
        Message::ReadIndexReply { term, ticket, index: 302 },
        Message::Quiet { term, index: 302 },
        Message::QuietAck { term, index: 302 },
    ]
}

fn line<T: wire::Wire + Debug + PartialEq>(value: &T) -> String {
    let bytes = wire::encode(value);
    assert_eq!(wire::decode_all::<T>(&bytes).as_ref(), Ok(value), "it does not read back");
    for cut in 0..bytes.len() {
        assert!(wire::decode_all::<T>(&bytes[..cut]).is_err(), "{value:?} cut at {cut} reads");
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex} {value:?}\n")
}

#[test]
fn bytes_are_pinned() {
    let (messages, records) = samples();
    let old = messages.iter().map(line).chain(records.iter().map(line));
    let made: Vec<String> = old.chain(newer().iter().map(line)).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden.hex");
    let pinned = fs::read_to_string(&path).unwrap_or_default();
    for (line, made) in pinned.lines().zip(&made) {
        assert_eq!(line, made.trim_end(), "pinned bytes changed");
    }
    if pinned.lines().count() != made.len() {
        assert!(env::var("UPDATE").is_ok(), "UPDATE=1 pins the new ones");
        fs::write(&path, made.concat()).expect("testdata");
    }
}
