//! All that can happen, on one screen.

use crate::state::Role;
use crate::{Config, Ignored, Message, Output, Raft, Record, Request};
use protocol::{
    Digest, Effects, Input, Instant, Mutant, NodeId, Now, Position, Prng, Protocol, Renaming,
};

/// Whether an input changed anything, and why not.
pub(crate) type Handled = Result<(), Ignored>;

/// No honest group reaches a term or an index as high.
const IMPLAUSIBLE: u64 = 1 << 62;

impl Protocol for Raft {
    type Config = Config;
    type Message = Message;
    type Request = Request;
    type Record = Record;
    type Output = Output;

    fn recover(
        config: Config,
        now: Now,
        rng: Prng,
        records: impl Iterator<Item = (Position, Record)>,
    ) -> Raft {
        Raft::replay(config, now.mono, rng, records)
    }

    fn step(&mut self, now: Now, input: Input<Raft>, out: &mut Effects<Raft>) {
        let now = now.mono;
        self.wake_for(now, &input, out);
        let handled = match input {
            Input::Message { from, message } => self.on_message(now, from, message, out),
            Input::Request(request) => self.on_request(now, request, out),
            Input::Deadline => self.on_deadline(now, out),
        };
        self.finish(handled.err(), out);
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.rest.quiet).then_some(self.deadline)
    }

    fn check(&self) {
        self.assert_invariants();
    }

    fn digest(&self, names: &Renaming, into: &mut Digest) {
        self.write_digest(names, into);
    }
}

impl Raft {
    fn on_request(&mut self, now: Instant, request: Request, out: &mut Effects<Raft>) -> Handled {
        match request {
            Request::Propose { context, payload } => self.on_propose(now, context, payload, out),
            Request::Read { context } => self.on_read(now, context, out),
            Request::ReadHere { context } => self.on_read_here(now, context, out),
            Request::Compact { mark } => self.on_compact(mark, out),
            Request::Chunk { to, transfer, mark, seq, bytes, last } => {
                self.on_chunk_loaded(now, to, (transfer, seq), mark, (bytes, last), out)
            }
            Request::Installed { mark } => self.on_installed(mark, out),
            Request::GoQuiet => self.on_go_quiet(now, out),
            Request::PeerDown { peer } => self.on_peer_down(now, peer),
            Request::PeerUp { .. } => self.on_peer_up(),
            Request::Unreachable { peer } => self.on_unreachable(peer),
        }
    }

    fn on_message(
        &mut self,
        now: Instant,
        from: NodeId,
        message: Message,
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.admit(now, from, &message, out)?;
        match message {
            Message::PreVote { term, last } => self.on_pre_vote(now, from, term, last, out),
            Message::PreVoteReply { term, granted } => {
                self.on_pre_vote_reply(now, from, term, granted, out)
            }
            Message::Vote { last, .. } => self.on_vote(now, from, last, out),
            Message::VoteReply { granted, .. } => self.on_vote_reply(now, from, granted, out),
            Message::Append { prev, entries, commit, .. } => {
                self.on_append(now, from, prev, entries, commit, out)
            }
            Message::AppendAck { matched, .. } => self.on_append_ack(now, from, matched, out),
            Message::AppendReject { prev, hint, .. } => {
                self.on_append_reject(now, from, prev, hint, out)
            }
            Message::Heartbeat { commit, round, .. } => {
                self.on_heartbeat(now, from, commit, round, out)
            }
            Message::HeartbeatAck { round, .. } => self.on_heartbeat_ack(now, from, round, out),
            Message::Commit { commit, .. } => self.on_commit(now, from, commit, out),
            Message::Chunk { transfer, mark, seq, bytes, last, .. } => {
                self.on_chunk(now, from, (transfer, seq), mark, (bytes, last), out)
            }
            Message::ChunkAck { transfer, next, .. } => {
                self.on_chunk_ack(now, from, transfer, next, out)
            }
            Message::ReadIndex { ticket, .. } => self.on_read_index(now, from, ticket, out),
            Message::ReadIndexReply { ticket, index, .. } => {
                self.on_read_index_reply(now, from, ticket, index, out)
            }
            Message::Quiet { index, .. } => self.on_quiet(now, from, index, out),
            Message::QuietAck { index, .. } => self.on_quiet_ack(now, from, index),
            Message::Durable { index, .. } => self.on_durable(now, index, out),
            Message::Voted { .. } => self.on_voted(now, out),
        }
    }

    /// What every message must pass first: a known sender, a plausible term, the current term. A later term is
    /// adopted here (section 3.3), so that handlers see only messages of their own.
    fn admit(
        &mut self,
        now: Instant,
        from: NodeId,
        message: &Message,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let (term, to_self) = (message.term(), from == self.config.id);
        if !self.voters.contains(from) {
            return Err(Ignored::NotAVoter);
        }
        if matches!(message, Message::Durable { .. } | Message::Voted { .. }) != to_self {
            return Err(Ignored::Malformed);
        }
        if term >= IMPLAUSIBLE {
            return Err(Ignored::ImplausibleTerm);
        }
        if term < self.term {
            let counted = matches!(message, Message::AppendAck { .. });
            if counted && self.config.planted.is(Mutant::CountStaleAck) {
                return Ok(());
            }
            return self.on_stale(from, message, out);
        }
        match message {
            // Their terms are proposals, not facts.
            Message::PreVote { .. } | Message::PreVoteReply { granted: true, .. } => Ok(()),
            Message::Vote { .. } if self.leader_is_alive(now) => Err(Ignored::LeaderAlive),
            _ => {
                if term > self.term {
                    self.become_follower(now, term, out);
                }
                Ok(())
            }
        }
    }

    /// An earlier term: a leader or candidate of it learns of ours, or it could go on for ever.
    fn on_stale(&self, from: NodeId, message: &Message, out: &mut Effects<Raft>) -> Handled {
        let term = self.term;
        match message {
            Message::PreVote { .. } => {
                out.send(from, Message::PreVoteReply { term, granted: false });
            }
            Message::Vote { .. } => out.send(from, Message::VoteReply { term, granted: false }),
            Message::Append { .. }
            | Message::Heartbeat { .. }
            | Message::Commit { .. }
            | Message::Quiet { .. }
            | Message::Chunk { .. } => {
                let hint = crate::LogId::default();
                out.send(from, Message::AppendReject { term, prev: 0, hint });
            }
            Message::PreVoteReply { .. }
            | Message::VoteReply { .. }
            | Message::AppendAck { .. }
            | Message::AppendReject { .. }
            | Message::HeartbeatAck { .. }
            | Message::ChunkAck { .. }
            | Message::ReadIndex { .. }
            | Message::ReadIndexReply { .. }
            | Message::QuietAck { .. }
            | Message::Durable { .. }
            | Message::Voted { .. } => {}
        }
        Err(Ignored::StaleTerm)
    }

    fn on_deadline(&mut self, now: Instant, out: &mut Effects<Raft>) -> Handled {
        if now < self.deadline || self.rest.quiet {
            return Err(Ignored::EarlyDeadline);
        }
        match self.role {
            Role::Follower { .. } | Role::PreCandidate { .. } | Role::Candidate { .. } => {
                self.become_pre_candidate(now, out);
            }
            Role::Leader(_) => self.on_heartbeat_due(now, out),
        }
        Ok(())
    }
}
