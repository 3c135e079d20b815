//! Linearizable reads at a follower (ReadIndex, section 6.4): it asks its leader up to where it must have applied,
//! and answers from its own state.
//!
//! The question leaves after the read arrived; the leader confirms that it still leads by a round begun after the
//! question arrived, or by its lease; so what was committed before the read is at or below the index. Many reads
//! share a question: one is under way at a time, and those that arrive meanwhile wait for the next.
//!
//! A lost question is asked again, under its own ticket, when the leader is heard next. Tickets start at a number of
//! this life's own: an answer to an earlier life's question, which may be too low, is never taken for one of ours.

use crate::state::{Reader, Role};
use crate::step::Handled;
use crate::{Ignored, Message, Output, Raft};
use alloc::vec::Vec;
use core::hash::Hash;
use protocol::{Digest, Effects, Instant, Mutant, NodeId, Prng};

/// Reads of a follower.
#[derive(Clone, Debug)]
pub(crate) struct Questions {
    /// The last ticket used.
    ticket: u64,
    /// When the one under way was last sent, and the reads that share it; none if no read does.
    asked: (Instant, Vec<u64>),
    /// For the next one.
    waiting: Vec<u64>,
}

impl Questions {
    pub(crate) fn new(life: &Prng) -> Questions {
        const TICKETS: u64 = 6;
        let ticket = life.fork(TICKETS).next_u64();
        Questions { ticket, asked: (Instant(0), Vec::new()), waiting: Vec::new() }
    }

    /// The next ticket for the reads that wait, unless a question is under way.
    fn ask(&mut self, now: Instant) -> Option<u64> {
        if !self.asked.1.is_empty() || self.waiting.is_empty() {
            return None;
        }
        self.ticket = self.ticket.wrapping_add(1);
        self.asked = (now, core::mem::take(&mut self.waiting));
        assert!(!self.asked.1.is_empty(), "a question that nobody asked");
        assert!(self.waiting.is_empty(), "a read in two questions");
        Some(self.ticket)
    }

    /// What its future depends on, but for times and the number of its life.
    pub(crate) fn digest(&self, into: &mut Digest) {
        (&self.asked.1, &self.waiting).hash(into);
    }
}

impl Raft {
    pub(crate) fn on_read_here(
        &mut self,
        now: Instant,
        context: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let limit = self.config.max_reads;
        assert!(!self.is_leading() || self.questions.asked.1.is_empty(), "a leader that asks");
        let questions = &mut self.questions;
        let full = questions.asked.1.len() + questions.waiting.len() >= limit;
        let follows = matches!(self.role, Role::Follower { leader: Some(_), .. });
        if !follows || full {
            return self.on_read(now, context, out); // Which refuses, if this replica does not lead.
        }
        questions.waiting.push(context);
        if self.rest.quiet {
            self.arm_election(now); // A question that is lost must be asked again.
        }
        self.ask_leader(now, out);
        Ok(())
    }

    /// Only who follows asks, and nothing waits while nothing is asked.
    pub(crate) fn check_questions(&self) {
        let follows = matches!(self.role, Role::Follower { leader: Some(_), .. });
        assert!(follows || !self.asks(), "a question to nobody");
        assert!(self.asks() || self.questions.waiting.is_empty(), "reads that nobody asks for");
    }

    /// Whether a question is under way.
    pub(crate) fn asks(&self) -> bool {
        !self.questions.asked.1.is_empty()
    }

    fn ask_leader(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let Role::Follower { leader: Some(leader), .. } = self.role else { return };
        if let Some(ticket) = self.questions.ask(now) {
            // Early: a question promises nothing.
            out.send_early(leader, Message::ReadIndex { term: self.term, ticket });
        }
    }

    /// The leader was heard: a question that it should have answered long ago is asked again.
    pub(crate) fn ask_again(&mut self, now: Instant, leader: NodeId, out: &mut Effects<Raft>) {
        let (at, reads) = &mut self.questions.asked;
        if !reads.is_empty() && now.since(*at) >= self.config.heartbeat {
            *at = now;
            let ticket = self.questions.ticket;
            // Early: a question promises nothing.
            out.send_early(leader, Message::ReadIndex { term: self.term, ticket });
        }
    }

    /// The leader is asked.
    pub(crate) fn on_read_index(
        &mut self,
        now: Instant,
        from: NodeId,
        ticket: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.heard_from(from, now)?;
        let accepted = self.admit_read(now, Reader::Follower(from, ticket), out);
        if accepted { Ok(()) } else { Err(Ignored::TooMany) }
    }

    pub(crate) fn on_read_index_reply(
        &mut self,
        now: Instant,
        from: NodeId,
        ticket: u64,
        index: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        if self.leader() != Some(from) || self.is_leading() {
            return Err(Ignored::WrongRole);
        }
        let planted = self.config.planted;
        if self.questions.asked.1.is_empty()
            || ticket != self.questions.ticket && !planted.is(Mutant::AnswerToAnotherRead)
        {
            return Err(Ignored::StaleReply);
        }
        for context in core::mem::take(&mut self.questions.asked.1) {
            // Early: the leader has proven what it says; nothing here depends on this disk.
            out.output_early(Output::ReadReady { context, index });
        }
        self.ask_leader(now, out);
        Ok(())
    }

    /// Term, leader or role changed: nobody will answer. The host asks again, here or elsewhere.
    pub(crate) fn refuse_questions(&mut self, out: &mut Effects<Raft>) {
        let leader = self.leader();
        let asked = core::mem::take(&mut self.questions.asked.1);
        for context in asked.into_iter().chain(core::mem::take(&mut self.questions.waiting)) {
            // Early: a refusal promises nothing.
            out.output_early(Output::ReadRefused { context, leader });
        }
        assert!(self.questions.asked.1.is_empty(), "a read that nobody will answer");
        assert!(self.questions.waiting.is_empty(), "a read that nobody will ask for");
    }
}
