//! Messages between nodes in plain words, for stories and diagrams.

use crate::model::{Answer, Command, Part};
use check::Operation;
use node::{Body, Content, Event, Item, Outcome};
use raft::Message;
use stdx::{Bytes, Instant, NodeId};
use wire::resp::{Args, Reply};

/// One line about a message.
pub(crate) fn describe(content: &Content) -> String {
    match content {
        Content::Raft { group, message, .. } => format!("group {group}: {}", consensus(message)),
        Content::Write { group, body } => format!("group {group}: write {}", what(body)),
        Content::Read { group, ticket, body } => {
            format!("group {group}: read {ticket}, {}", what(body))
        }
        Content::Answer { group, number, outcome, .. } => {
            format!("group {group}: answer to {number}: {}", became(outcome))
        }
        other => short(format!("{other:?}")),
    }
}

fn consensus(message: &Message) -> String {
    match message {
        Message::Append { term, prev, entries, commit } => {
            let (from, to) = (prev.index + 1, prev.index + entries.len() as u64);
            let what = match entries.len() {
                0 => format!("probe at {}", prev.index),
                1 => format!("entry {from}"),
                _ => format!("entries {from} to {to}"),
            };
            let after = format!("after {} of term {}", prev.index, prev.term);
            format!("Append of term {term}: {what}, {after}; committed {commit}")
        }
        Message::Chunk { term, mark, seq, last, .. } => {
            let last = if *last { ", the last" } else { "" };
            format!("Chunk of term {term}: {seq} of the snapshot up to {}{last}", mark.index)
        }
        other => short(format!("{other:?}")),
    }
}

fn what(body: &Body) -> String {
    match &body.operation {
        node::Operation::Batch(items) | node::Operation::BatchFull(items) => {
            let items: Vec<String> = items.iter().map(item).collect();
            short(items.join(", "))
        }
        other => short(format!("{other:?}")),
    }
}

fn item(item: &Item) -> String {
    match item {
        Item::Command(args) => command(args),
        Item::Exec { commands, .. } => {
            let commands: Vec<String> = commands.iter().map(command).collect();
            format!("EXEC of {}", commands.join(", "))
        }
    }
}

fn became(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(replies) => {
            let replies: Vec<String> = replies.iter().map(reply).collect();
            short(replies.join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// A reply as redis-cli would print it, on one line.
pub(crate) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Simple(text) => short(text.to_string()),
        Reply::Error(text) => short(text.clone()),
        Reply::Int(number) => number.to_string(),
        Reply::Bulk(bytes) => short(format!("\"{}\"", bytes.escape_ascii())),
        Reply::Null | Reply::NullArray => "nil".into(),
        Reply::Array(replies) => {
            short(format!("[{}]", replies.iter().map(self::reply).collect::<Vec<_>>().join(", ")))
        }
        other => short(format!("{other:?}")),
    }
}

/// A command as it was typed.
pub(crate) fn command(args: &Args) -> String {
    let words: Vec<String> = args.iter().map(|arg| arg.escape_ascii().to_string()).collect();
    short(words.join(" "))
}

/// Long values are cut: a story names what happened, the bytes are in the run.
fn short(text: String) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// An operation of a history in words, with its times.
pub(crate) fn operation(op: &Operation<Vec<Part>, Vec<Answer>>) -> String {
    let parts: Vec<String> = op.op.iter().map(part).collect();
    let answered = match &op.outcome {
        check::Outcome::Ok(answers) => answers.iter().map(answer).collect::<Vec<_>>().join(", "),
        check::Outcome::Failed => "refused".into(),
        check::Outcome::Unknown => "no answer".into(),
    };
    let from = Instant(op.invoked);
    let to = op.returned.map_or_else(|| "the end".into(), |at| format!("{:?}", Instant(at)));
    // What nobody asked for: time removes a key.
    let who = if op.process == u64::MAX { "time".into() } else { format!("client {}", op.process) };
    format!("{who}: {} -> {answered}, from {from:?} to {to}", short(parts.join(", ")))
}

fn part(part: &Part) -> String {
    let value = |bytes: &Bytes| format!("\"{}\"", bytes.escape_ascii());
    let command = match &part.command {
        Command::Get => "GET".into(),
        Command::Set(to) => format!("SET {}", value(to)),
        Command::SetNx(to) => format!("SET NX {}", value(to)),
        Command::GetSet(to) => format!("SET GET {}", value(to)),
        Command::GetDel => "GETDEL".into(),
        Command::Del => "DEL".into(),
        Command::Exists => "EXISTS".into(),
        Command::Incr(by) => format!("INCRBY {by}"),
        Command::Append(more) => format!("APPEND {}", value(more)),
        Command::Guard(None) => "watched to be nil".into(),
        Command::Guard(Some(seen)) => format!("watched to be {}", value(seen)),
        Command::Expire(of) => format!("expiry of {}", value(of)),
    };
    format!("{} {command}", part.key.escape_ascii())
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Done => "OK".into(),
        Answer::Value(None) => "nil".into(),
        Answer::Value(Some(bytes)) => short(format!("\"{}\"", bytes.escape_ascii())),
        Answer::Int(number) => number.to_string(),
    }
}

/// How the note of a node that leads from now on begins.
pub(crate) const LEADS: &str = "leads ";

/// What a node tells its operator.
pub(crate) fn told(node: NodeId, event: &Event) -> String {
    match event {
        Event::Leader { keyspace, term, leader: Some(leader) } if *leader == node => {
            format!("{LEADS}{keyspace} in term {term}")
        }
        Event::Leader { keyspace, term, leader } => match leader {
            Some(leader) => format!("follows node {leader} in {keyspace}, term {term}"),
            None => format!("knows no leader of {keyspace} in term {term}"),
        },
        Event::ReplicaCreated { keyspace } => format!("creates its replica of {keyspace}"),
        Event::Snapshot { keyspace, index, received, .. } => {
            let how = if *received { "installs the leader's" } else { "writes a" };
            format!("{how} snapshot of {keyspace} up to entry {index}")
        }
        Event::PeerRefused { peer, reason } => format!("refuses node {peer}: {reason}"),
        Event::TornTail { place } => format!("finds and cuts a torn write at {place}"),
        Event::Diverged { keyspace, index } => {
            format!("differs from a majority in {keyspace} at {index}")
        }
        Event::Rebuilt { keyspace, index } => format!("has rebuilt {keyspace} at {index}"),
        Event::NoMajority { keyspace, index } => {
            format!("finds no majority that agrees on {keyspace} at {index}")
        }
        Event::SumWrong { keyspace } => format!("finds the sum of {keyspace} wrong"),
        Event::MessageDamaged { peer, keyspace, reason } => {
            format!("drops a damaged message of node {peer} for {keyspace}: {reason}")
        }
        Event::Damaged { keyspace, place } => format!("finds {keyspace} damaged at {place}"),
    }
}
