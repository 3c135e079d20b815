//! A simulated Redis client: commands as RESP bytes, replies from RESP bytes, and what each reply means.

use crate::meaning::{Asked, Meaning, Watched};
use crate::model::{Answer, Command, Part};
use crate::workload::Source;
use check::Outcome;
use node::ConnId;
use std::collections::VecDeque;
use stdx::{Instant, NodeId, Prng};
use wire::resp::{Args, Incoming, Limits, Parser, Reply, ReplyParser};

/// One client and its connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: u64,
    /// What it will ask, each with its place in the plan.
    pub(crate) script: VecDeque<usize>,
    /// In which order it prefers nodes is drawn from this, and when it tries again.
    pub(crate) prng: Prng,
    pub(crate) link: Option<Link>,
    /// The database that this connection has selected.
    pub(crate) selected: u64,
    /// Counts requests, so that a token of an earlier one is told apart.
    pub(crate) round: u64,
    /// When its patience with the request under way ends, and whether a token for that is on its way.
    pub(crate) patience: (Instant, bool),
    /// What a transaction is to be built on, once WATCH and GET are answered.
    pub(crate) watched: Watched,
    /// If it is a probe, which looks at one node only.
    pub(crate) probe: Option<Probe>,
}

/// What a probe asks at the end.
#[derive(Debug)]
pub(crate) struct Probe {
    /// Always this node.
    pub(crate) home: NodeId,
    pub(crate) db: u64,
    /// Draws what it asks again.
    pub(crate) source: Source,
    /// What it still has to do, last first.
    pub(crate) agenda: Vec<Args>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) node: NodeId,
    pub(crate) conn: ConnId,
    /// The server's side: commands as it parses them.
    requests: Parser,
    replies: ReplyParser,
    pub(crate) pending: VecDeque<Pending>,
    /// Whether it has said what it says first.
    pub(crate) greeted: bool,
}

/// A command without its reply.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) meaning: Meaning,
    /// Its number in the history, if it has one.
    pub(crate) number: Option<usize>,
}

impl Link {
    pub(crate) fn new(node: NodeId, conn: ConnId) -> Link {
        Link {
            node,
            conn,
            requests: Parser::new(Limits::default()),
            replies: ReplyParser::new(),
            pending: VecDeque::new(),
            greeted: false,
        }
    }

    /// What the server makes of the bytes that the client sends.
    pub(crate) fn commands(&mut self, asked: &[Asked]) -> Vec<Args> {
        let mut bytes = Vec::new();
        for Asked { args, .. } in asked {
            args.encode_resp(&mut bytes);
        }
        let mut commands = Vec::new();
        // In two pieces, as a socket might bring them.
        let (front, back) = bytes.split_at(bytes.len() / 2);
        for piece in [front, back] {
            let parsed = self.requests.parse(piece, &mut commands);
            assert!(parsed.is_ok(), "our own commands do not parse: {parsed:?}");
        }
        assert_eq!(commands.len(), asked.len(), "a command was lost in its encoding");
        commands
    }

    /// The replies in what the server sent, each with what it answers.
    pub(crate) fn answers(&mut self, bytes: &[u8]) -> Result<Vec<(Pending, Reply)>, String> {
        self.replies.feed(bytes);
        let mut all = Vec::new();
        loop {
            match self.replies.next() {
                Ok(None) => return Ok(all),
                Ok(Some(Incoming::Push(push))) => return Err(format!("nobody asked for {push:?}")),
                Ok(Some(Incoming::Reply(reply))) => match self.pending.pop_front() {
                    Some(pending) => all.push((pending, reply)),
                    None => return Err(format!("a reply to nothing: {reply:?}")),
                },
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// What a client may conclude from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing was done, and nothing will be.
    NoQuorum,
    /// Nothing was done: ask again.
    Later,
    /// Nobody knows.
    Unknown,
    /// Nothing was done, since it makes no sense.
    Invalid,
}

/// What an error text means (architecture.md section 4, Answers).
pub(crate) fn refusal(text: &str) -> Result<Refusal, String> {
    match text.split(' ').next().unwrap_or_default() {
        "CLUSTERDOWN" => Ok(Refusal::NoQuorum),
        "TRYAGAIN" => Ok(Refusal::Later),
        "UNKNOWN" => Ok(Refusal::Unknown),
        "ERR" | "CROSSSLOT" | "EXECABORT" => Ok(Refusal::Invalid),
        _ => Err(format!("an error of no known kind: {text}")),
    }
}

/// What an operation's reply says to the model.
pub(crate) fn outcome(parts: &[Part], reply: &Reply) -> Result<Outcome<Vec<Answer>>, String> {
    if let Reply::Error(text) = reply {
        let unknown = refusal(text)? == Refusal::Unknown;
        return Ok(if unknown { Outcome::Unknown } else { Outcome::Failed });
    }
    if let [part] = parts {
        return Ok(Outcome::Ok(vec![answer(part, reply)?]));
    }
    match reply {
        // MSET.
        Reply::Simple(_) => Ok(Outcome::Ok(vec![Answer::Done; parts.len()])),
        Reply::Array(replies) if replies.len() == parts.len() => {
            let answers = parts.iter().zip(replies).map(|(part, reply)| answer(part, reply));
            answers.collect::<Result<Vec<_>, _>>().map(Outcome::Ok)
        }
        other => Err(format!("{other:?} does not answer {parts:?}")),
    }
}

/// What EXEC's reply says to the guard, if there is one, and to each command.
pub(crate) fn executed(parts: &[Part], reply: &Reply) -> Result<Outcome<Vec<Answer>>, String> {
    match reply {
        // WATCH saw a change: nothing was done.
        Reply::Null | Reply::NullArray => Ok(Outcome::Failed),
        Reply::Error(text) => {
            let unknown = refusal(text)? == Refusal::Unknown;
            Ok(if unknown { Outcome::Unknown } else { Outcome::Failed })
        }
        Reply::Array(replies) => {
            let guards = parts.iter().take_while(|p| matches!(p.command, Command::Guard(_)));
            let guards = guards.count();
            if replies.len() + guards != parts.len() {
                return Err(format!("{reply:?} does not answer EXEC of {parts:?}"));
            }
            let mut answers = vec![Answer::Done; guards];
            for (part, reply) in parts[guards..].iter().zip(replies) {
                answers.push(answer(part, reply)?);
            }
            Ok(Outcome::Ok(answers))
        }
        other => Err(format!("{other:?} does not answer EXEC of {parts:?}")),
    }
}

fn answer(part: &Part, reply: &Reply) -> Result<Answer, String> {
    let conditional = matches!(part.command, Command::SetNx(_));
    match (&part.command, reply) {
        (Command::Set(_), Reply::Simple(_)) => Ok(Answer::Done),
        (Command::SetNx(_), Reply::Simple(_)) => Ok(Answer::Done),
        (Command::Get | Command::GetSet(_) | Command::GetDel, Reply::Bulk(value)) => {
            Ok(Answer::Value(Some(value.clone())))
        }
        (Command::Get | Command::GetSet(_) | Command::GetDel, Reply::Null) => {
            Ok(Answer::Value(None))
        }
        (_, Reply::Null) if conditional => Ok(Answer::Value(None)),
        (Command::Del | Command::Exists | Command::Incr(_) | Command::Append(_), Reply::Int(n)) => {
            Ok(Answer::Int(*n))
        }
        _ => Err(format!("{reply:?} does not answer {part:?}")),
    }
}
