//! What a run hears: replies, and what nodes tell their operator.

use crate::client::{Pending, Refusal, executed, outcome, refusal};
use crate::describe;
use crate::meaning::{Meaning, Watched};
use crate::model::{Answer, Command, Part};
use crate::report::Verdict;
use crate::run::{Run, TICK};
use check::Outcome;
use node::{ConnId, Event as Told, Output};
use sim::What;
use std::hash::Hasher;
use stdx::{Bytes, Digest, NodeId};
use wire::resp::Reply;

impl Run<'_> {
    pub(crate) fn output(&mut self, node: NodeId, output: Output) -> Result<(), Verdict> {
        match output {
            Output::Reply { conn, bytes, .. } => self.reply(node, conn, &bytes),
            Output::Close { conn, .. } => {
                if let Some(client) = self.holder(node, conn) {
                    self.hang_up(client);
                }
                Ok(())
            }
            Output::Event(event) => self.told(node, &event),
            Output::Table(ask) => self.asked(node, ask),
        }
    }

    fn holder(&self, node: NodeId, conn: ConnId) -> Option<usize> {
        self.clients.iter().position(|client| {
            client.link.as_ref().is_some_and(|link| link.node == node && link.conn == conn)
        })
    }

    pub(crate) fn told(&mut self, node: NodeId, event: &Told) -> Result<(), Verdict> {
        self.world.record(Some(node), || What::Note(describe::told(node, event)));
        match event {
            Told::Snapshot { received: true, .. } => self.counters.add("snapshots installed", 1),
            Told::Snapshot { received: false, .. } => self.counters.add("snapshots written", 1),
            Told::TornTail { .. } => self.counters.add("torn tails", 1),
            Told::ReplicaCreated { .. } => self.counters.add("replicas created", 1),
            Told::MessageDamaged { .. } => self.counters.add("damaged messages dropped", 1),
            Told::Damaged { keyspace, place } => {
                let text = format!("node {node} finds {keyspace} damaged at {place}");
                return Err(Verdict::Unsafe(text));
            }
            Told::PeerRefused { peer, reason } => {
                return Err(Verdict::Unsafe(format!("node {node} refuses node {peer}: {reason}")));
            }
            Told::Diverged { .. }
            | Told::Rebuilt { .. }
            | Told::NoMajority { .. }
            | Told::SumWrong { .. } => {
                let text = describe::told(node, event);
                return Err(Verdict::Unsafe(format!("node {node} {text}")));
            }
            Told::Leader { .. } => {}
        }
        Ok(())
    }

    fn reply(&mut self, node: NodeId, conn: ConnId, bytes: &[u8]) -> Result<(), Verdict> {
        let Some(client) = self.holder(node, conn) else { return Ok(()) };
        let mut digest = Digest::default();
        digest.write(bytes);
        self.world.note(digest.finish());
        let link = self.clients[client].link.as_mut().expect("it holds the connection");
        let answers = link.answers(bytes).map_err(Verdict::Unsafe)?;
        let idle = link.pending.is_empty();
        for (pending, reply) in answers {
            let number = self.clients[client].number;
            self.world.record(Some(node), || What::Reply {
                client: number,
                number: pending.number,
                text: describe::reply(&reply),
            });
            self.learn(client, &pending, &reply).map_err(Verdict::Unsafe)?;
        }
        if idle {
            self.clients[client].round += 1;
            self.probe_in(client, TICK);
        }
        Ok(())
    }

    /// What one reply means.
    fn learn(&mut self, client: usize, pending: &Pending, reply: &Reply) -> Result<(), String> {
        if let Reply::Error(text) = reply {
            let kind = match refusal(text)? {
                Refusal::NoQuorum => "answered no quorum",
                Refusal::Later => "answered try again",
                Refusal::Unknown => "answered unknown",
                Refusal::Invalid => "answered invalid",
            };
            self.counters.add(kind, 1);
            let expired = text.starts_with("CLUSTERDOWN") || text.starts_with("UNKNOWN");
            self.counters.add("deadlines that expired", u64::from(expired));
        }
        let it = &mut self.clients[client];
        let result = match &pending.meaning {
            Meaning::Nothing => return Ok(()),
            Meaning::Declare => {
                self.counters.add("keyspaces declared", u64::from(!reply.is_error()));
                return Ok(());
            }
            Meaning::Watch => {
                it.watched = if reply.is_error() { Watched::Spoilt } else { Watched::Watching };
                return Ok(());
            }
            Meaning::WatchedGet { key } => {
                let part = Part { key: key.clone(), command: Command::Get };
                let result = outcome(std::slice::from_ref(&part), reply)?;
                it.watched = guard(&it.watched, key, &result);
                result
            }
            Meaning::Operation { parts, .. } => outcome(parts, reply)?,
            Meaning::Exec { parts } => {
                let result = executed(parts, reply)?;
                let aborted = matches!(reply, Reply::Null | Reply::NullArray);
                self.counters.add("transactions aborted", u64::from(aborted));
                result
            }
        };
        if matches!(result, Outcome::Ok(_)) {
            it.probe.as_mut().and_then(|probe| probe.agenda.pop());
        }
        if let Some(number) = pending.number
            && result != Outcome::Unknown
        {
            self.seen.history.returned(number, self.world.now().0, result);
        }
        Ok(())
    }
}

fn guard(watched: &Watched, key: &Bytes, result: &Outcome<Vec<Answer>>) -> Watched {
    match (watched, result) {
        (Watched::Watching, Outcome::Ok(answers)) => match answers.first() {
            Some(Answer::Value(value)) => Watched::Seen(key.clone(), value.clone()),
            _ => Watched::Spoilt,
        },
        _ => Watched::Spoilt,
    }
}
