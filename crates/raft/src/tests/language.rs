//! Raft's words in scripts.

use crate::state::{Flow, Role};
use crate::{Config, Drift, Entry, Kind, LogId, Mark, Message, Output, Raft, Record, Request};
use protocol::{NodeId, NodeSet};
use sim::script::Language;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

#[derive(Clone)]
pub(super) struct Words;

fn id(id: LogId) -> String {
    format!("{}/{}", id.term, id.index)
}

fn at(term: u64, index: u64) -> String {
    id(LogId { term, index })
}

fn bytes(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn entry(entry: &Entry) -> String {
    let place = at(entry.term, entry.index);
    match &entry.kind {
        Kind::Noop => format!("{place} noop"),
        Kind::Command(payload) => format!("{place} {}", bytes(payload)),
    }
}

fn entries(entries: &[Entry]) -> String {
    let shown: Vec<String> = entries.iter().map(entry).collect();
    format!("[{}]", shown.join(", "))
}

fn who(node: Option<NodeId>) -> String {
    node.map_or("nobody".into(), |id| id.to_string())
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

fn mark(nodes: &NodeSet, word: &str) -> Result<Mark, String> {
    let (term, index) = word.split_once('/').ok_or("TERM/INDEX")?;
    Ok(Mark { term: number(term)?, index: number(index)?, voters: nodes.clone() })
}

impl Language for Words {
    type Core = Raft;

    /// `one-by-one`: an AppendEntries carries one entry. `lease`: leases, with clocks that are 10 % off at most.
    fn config(&self, id: NodeId, nodes: &NodeSet, options: &[String]) -> Config {
        let has = |option: &str| options.iter().any(|given| given == option);
        let max_append_bytes = if has("one-by-one") { 1 } else { 1 << 20 };
        let lease = has("lease").then_some(Drift { ppm: 100_000 });
        Config { keep_bytes: 0, max_append_bytes, lease, ..Config::new(id, nodes.clone()) }
    }

    fn request(&self, nodes: &NodeSet, words: &[&str]) -> Result<Request, String> {
        Ok(match words {
            ["propose", payload] => {
                Request::Propose { context: 0, payload: payload.as_bytes().into() }
            }
            ["read", context] => Request::Read { context: number(context)? },
            ["read-here", context] => Request::ReadHere { context: number(context)? },
            ["compact", upto] => Request::Compact { mark: mark(nodes, upto)? },
            ["installed", upto] => Request::Installed { mark: mark(nodes, upto)? },
            ["go-quiet"] => Request::GoQuiet,
            ["peer-down", peer] => Request::PeerDown { peer: NodeId(number(peer)?) },
            ["peer-up", peer] => Request::PeerUp { peer: NodeId(number(peer)?) },
            ["unreachable", peer] => Request::Unreachable { peer: NodeId(number(peer)?) },
            ["chunk", seq, payload, "of", upto, "for", to, "transfer", transfer, last @ ..] => {
                Request::Chunk {
                    to: NodeId(number(to)?),
                    transfer: number(transfer)?,
                    mark: mark(nodes, upto)?,
                    seq: number(seq)?,
                    bytes: payload.as_bytes().into(),
                    last: *last == ["last"],
                }
            }
            _ => return Err(format!("no such request: {}", words.join(" "))),
        })
    }

    fn message(&self, message: &Message) -> String {
        match message {
            Message::PreVote { term, last } => format!("PreVote t{term} log ends {}", id(*last)),
            Message::PreVoteReply { term, granted } => {
                format!("PreVoteReply t{term} {}", if *granted { "yes" } else { "no" })
            }
            Message::Vote { term, last } => format!("Vote t{term} log ends {}", id(*last)),
            Message::VoteReply { term, granted } => {
                format!("VoteReply t{term} {}", if *granted { "yes" } else { "no" })
            }
            Message::Append { term, prev, entries: sent, commit } => {
                format!("Append t{term} after {} {} commit {commit}", id(*prev), entries(sent))
            }
            Message::AppendAck { term, matched } => format!("AppendAck t{term} upto {matched}"),
            Message::AppendReject { term, prev, hint } => {
                format!("AppendReject t{term} at {prev} hint {}", id(*hint))
            }
            Message::Heartbeat { term, commit, round } => {
                format!("Heartbeat t{term} round {round} commit {commit}")
            }
            Message::HeartbeatAck { term, round } => format!("HeartbeatAck t{term} round {round}"),
            Message::Commit { term, commit } => format!("Commit t{term} {commit}"),
            Message::Chunk { term, transfer, mark, seq, bytes: chunk, last } => format!(
                "Chunk t{term} transfer {transfer} of {} #{seq} `{}`{}",
                at(mark.term, mark.index),
                bytes(chunk),
                if *last { " last" } else { "" }
            ),
            Message::ChunkAck { term, transfer, next } => {
                format!("ChunkAck t{term} transfer {transfer} next {next}")
            }
            Message::ReadIndex { term, .. } => format!("ReadIndex t{term}"),
            Message::ReadIndexReply { term, index, .. } => {
                format!("ReadIndexReply t{term} index {index}")
            }
            Message::Quiet { term, index } => format!("Quiet t{term} at {index}"),
            Message::QuietAck { term, index } => format!("QuietAck t{term} at {index}"),
            Message::Durable { term, index } => format!("Durable {}", at(*term, *index)),
            Message::Voted { term } => format!("Voted t{term}"),
        }
    }

    fn record(&self, record: &Record) -> String {
        match record {
            Record::Hard { term, vote } => format!("term {term} vote {}", who(*vote)),
            Record::Entries { entries: new } => entries(new),
            Record::Mark { mark, keeps_suffix, .. } => {
                let suffix = if *keeps_suffix { "keeping" } else { "dropping" };
                format!("mark {} {suffix} what follows", at(mark.term, mark.index))
            }
        }
    }

    fn output(&self, output: &Output) -> String {
        match output {
            Output::Appended { term, index, .. } => format!("appended {}", at(*term, *index)),
            Output::Refused { leader, .. } => format!("refused, {} leads", who(*leader)),
            Output::Committed { entries: new } => format!("committed {}", entries(new)),
            Output::ReadReady { context, index } => format!("read {context} ready at {index}"),
            Output::ReadRefused { context, leader } => {
                format!("read {context} refused, {} leads", who(*leader))
            }
            Output::NeedChunk { to, transfer, seq } => {
                format!("needs chunk {seq} for {to} (transfer {transfer})")
            }
            Output::TransferOver { to, transfer } => format!("transfer {transfer} to {to} over"),
            Output::Chunk { from, mark, seq, bytes: chunk, last } => format!(
                "chunk {seq} of {} from {from} `{}`{}",
                at(mark.term, mark.index),
                bytes(chunk),
                if *last { " last" } else { "" }
            ),
            Output::Install { mark } => format!("install {}", at(mark.term, mark.index)),
            Output::Discard { mark } => format!("discard {}", at(mark.term, mark.index)),
            Output::Leader { term, leader, .. } => format!("term {term}, {} leads", who(*leader)),
        }
    }

    fn state(&self, core: &Raft) -> String {
        let role = match &core.role {
            Role::Follower { leader, .. } => format!("follower of {}", who(*leader)),
            Role::PreCandidate { .. } => "pre-candidate".into(),
            Role::Candidate { .. } => "candidate".into(),
            Role::Leader(leader) => {
                let followers = leader.followers.iter().map(|(id, progress)| {
                    let flow = match progress.flow {
                        Flow::Probe { .. } => "probe",
                        Flow::Replicate { .. } => "replicate",
                        Flow::Snapshot(_) => "snapshot",
                    };
                    format!("{id}:{flow}@{}", progress.matched)
                });
                format!("leader ({})", followers.collect::<Vec<_>>().join(" "))
            }
        };
        let log: Vec<Entry> = core.log.entries().cloned().collect();
        let (term, commit, mark) = (core.term, core.commit, core.mark());
        let mark = if mark.index == 0 { String::new() } else { at(mark.term, mark.index) + " | " };
        format!("t{term} {role} commit {commit} log {mark}{}", entries(&log))
    }

    fn ignored(&self, core: &Raft) -> Option<String> {
        core.ignored().map(|why| why.to_string())
    }
}
