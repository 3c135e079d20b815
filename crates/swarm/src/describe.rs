//! Messages between nodes in plain words, for stories and diagrams.

use node::{Body, Content, Item, Operation, Outcome};
use raft::Message;
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
        Operation::Batch(items) => {
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
        Reply::Simple(text) | Reply::Error(text) => short(text.clone()),
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
