//! Log compaction and InstallSnapshot in chunks: chapter 5.
//!
//! The host makes, freezes, stages and applies snapshots; here is only who needs which chunk, and what the log
//! becomes. A leader has one chunk in flight per follower. A transfer has a number of its own within the
//! leader's term, so that chunks of an earlier attempt are known by name.

use crate::log::Log;
use crate::state::{Flow, Incoming, Progress, Role, Transfer};
use crate::step::Handled;
use crate::{Ignored, LogId, Mark, Message, Output, Raft, Record};
use protocol::{Effects, Instant, NodeId};
use stdx::Bytes;

/// A transfer's number and a chunk's place in it.
type Place = (u64, u64);

impl Raft {
    /// The host's snapshot reaches up to `mark`: the entries up to it can go.
    pub(crate) fn on_compact(&mut self, mark: Mark, out: &mut Effects<Raft>) -> Handled {
        let ours = self.log.contains(LogId { term: mark.term, index: mark.index });
        // The same mark again is fine: its snapshot was rewritten further on in the node's log.
        if mark.index < self.log.mark().index || mark.index > self.commit || !ours {
            return Err(Ignored::UselessMark);
        }
        // Nor before this log says who its members are: a replica that joined may not know it yet.
        let members = self.configuration_at(mark.index);
        if mark.configuration != *members || !members.is_valid() {
            return Err(Ignored::Malformed);
        }
        self.log.compact(mark.clone(), self.config.keep_bytes);
        self.save_mark(mark, true, out);
        Ok(())
    }

    /// The mark, and with it everything older that a recovery would need; the rest is released.
    fn save_mark(&mut self, mark: Mark, keeps_suffix: bool, out: &mut Effects<Raft>) {
        assert_eq!(self.log.mark(), &mark, "saved before it was taken over");
        let (index, term, vote) = (mark.index, self.term, self.vote);
        let at = out.persist(Record::Mark { mark, term, vote, keeps_suffix });
        self.kept.hard(at, term, vote);
        self.kept.mark(at, index, keeps_suffix);
        out.release(self.kept.oldest().expect("the mark itself is needed"));
    }

    /// The entries `peer` needs are gone: asks the host for the first chunk of a snapshot.
    pub(crate) fn start_transfer(&mut self, peer: NodeId, now: Instant, out: &mut Effects<Raft>) {
        let Ok(leader) = self.leader_mut() else { return };
        leader.transfers += 1;
        let id = leader.transfers;
        let progress = leader.followers.get_mut(&peer).expect("a follower for each peer");
        let transfer = Transfer { id, mark: None, seq: 0, chunk: None, sent: now, tries: 0 };
        progress.flow = Flow::Snapshot(transfer);
        // Early: it asks the host for committed state.
        out.output_early(Output::NeedChunk { to: peer, transfer: id, seq: 0 });
    }

    pub(crate) fn on_chunk_loaded(
        &mut self,
        now: Instant,
        to: NodeId,
        (id, seq): Place,
        mark: Mark,
        (bytes, last): (Bytes, bool),
        out: &mut Effects<Raft>,
    ) -> Handled {
        let (base, commit, term) = (self.log.base().index, self.commit, self.term);
        let progress = self.leader_mut()?.followers.get_mut(&to).ok_or(Ignored::NotAMember)?;
        let transfer = progress.transfer(id)?;
        if transfer.seq != seq || transfer.chunk.is_some() {
            return Err(Ignored::Duplicate);
        }
        let same = transfer.mark.as_ref().is_none_or(|chosen| *chosen == mark);
        let reaches = transfer.mark.is_some() || mark.index >= base;
        if !same || !reaches || mark.index > commit {
            // A view frozen before entries that are gone by now would not help: a new one will.
            self.start_transfer(to, now, out);
            return Err(Ignored::UselessMark);
        }
        transfer.mark = Some(mark.clone());
        transfer.chunk = Some((bytes.clone(), last));
        (transfer.sent, transfer.tries) = (now, 0);
        // Early: committed state, whatever this replica forgets.
        out.send_early(to, Message::Chunk { term, transfer: id, mark, seq, bytes, last });
        Ok(())
    }

    /// Once more, if the follower is alive and nothing has moved for long: a chunk or its answer was lost, the
    /// host was busy with another snapshot, or the follower's host could not stage it. After some tries the
    /// transfer starts over.
    pub(crate) fn resend_chunk(&mut self, to: NodeId, now: Instant, out: &mut Effects<Raft>) {
        const TRIES: u32 = 8;
        let (term, patience) = (self.term, self.config.election.0);
        let Ok(leader) = self.leader_mut() else { return };
        let progress = leader.followers.get_mut(&to).expect("a follower for each peer");
        let Flow::Snapshot(transfer) = &mut progress.flow else { return };
        if now.since(transfer.sent) < patience {
            return;
        }
        transfer.sent = now;
        transfer.tries += 1;
        let (id, seq) = (transfer.id, transfer.seq);
        match (&transfer.mark, &transfer.chunk) {
            _ if transfer.tries > TRIES => self.start_transfer(to, now, out),
            (Some(mark), Some((bytes, last))) => {
                let (mark, bytes, last) = (mark.clone(), bytes.clone(), *last);
                // Early: committed state, whatever this replica forgets.
                out.send_early(to, Message::Chunk { term, transfer: id, mark, seq, bytes, last });
            }
            // The host lets it wait, or has dropped its view: then the tries end it. Early: it asks the host for
            // committed state.
            _ => out.output_early(Output::NeedChunk { to, transfer: id, seq }),
        }
    }

    /// A follower that has died in mid-transfer must not keep the host's view frozen.
    pub(crate) fn drop_dead_transfers(&mut self, now: Instant, out: &mut Effects<Raft>) {
        let silence = self.config.election.1 * 10;
        let Ok(leader) = self.leader_mut() else { return };
        for (to, progress) in &mut leader.followers {
            if let Flow::Snapshot(transfer) = &progress.flow
                && now.since(progress.heard) > silence
            {
                let over = Output::TransferOver { to: *to, transfer: transfer.id };
                // It probes again when it answers again. Early: it promises nothing.
                let next = progress.matched + 1;
                progress.flow = Flow::Probe { next, asked: Some(now) };
                out.output_early(over);
            }
        }
    }

    pub(crate) fn on_chunk_ack(
        &mut self,
        now: Instant,
        from: NodeId,
        id: u64,
        next: u64,
        out: &mut Effects<Raft>,
    ) -> Handled {
        let transfer = self.heard_from(from, now)?.transfer(id)?;
        let Some((_, last)) = transfer.chunk else { return Err(Ignored::StaleReply) };
        if next == 0 && transfer.seq > 0 {
            // The follower restarted and has lost what it staged.
            self.start_transfer(from, now, out);
            return Ok(());
        }
        if next != transfer.seq + 1 {
            return Err(Ignored::StaleReply);
        }
        if last {
            return Ok(()); // It installs; its AppendAck ends the transfer.
        }
        (transfer.sent, transfer.tries) = (now, 0);
        transfer.seq = next;
        transfer.chunk = None;
        // Early: it asks the host for committed state.
        out.output_early(Output::NeedChunk { to: from, transfer: id, seq: next });
        Ok(())
    }

    pub(crate) fn on_chunk(
        &mut self,
        now: Instant,
        from: NodeId,
        (transfer, seq): Place,
        mark: Mark,
        (bytes, last): (Bytes, bool),
        out: &mut Effects<Raft>,
    ) -> Handled {
        self.follow(now, from)?;
        let (term, commit) = (self.term, self.commit);
        if mark.index <= commit {
            // Never backwards. What is committed here is in the leader's log as well.
            out.send(from, Message::AppendAck { term, matched: commit });
            return Err(Ignored::UselessMark);
        }
        if mark.term > term || !mark.configuration.is_valid() {
            return Err(Ignored::Malformed);
        }
        let Role::Follower { incoming, .. } = &mut self.role else {
            return Err(Ignored::WrongRole);
        };
        if incoming.as_ref().is_some_and(|known| transfer < known.transfer) {
            return Err(Ignored::StaleReply);
        }
        let known = incoming.as_ref().is_some_and(|known| known.transfer == transfer);
        if !known {
            *incoming = (seq == 0).then(|| Incoming { transfer, mark: mark.clone(), next: 0 });
        }
        let next = match incoming {
            Some(known) if known.mark != mark => return Err(Ignored::Malformed),
            Some(known) if known.next == seq => {
                known.next += 1;
                // Early: staged by the host, promised by nobody until it is installed.
                out.output_early(Output::Chunk { from, mark, seq, bytes, last });
                known.next
            }
            Some(known) if seq < known.next => known.next,
            Some(_) | None => 0,
        };
        out.send(from, Message::ChunkAck { term, transfer, next });
        Ok(())
    }

    /// The host has the whole snapshot on its way to disk: the log starts after it.
    pub(crate) fn on_installed(&mut self, mark: Mark, out: &mut Effects<Raft>) -> Handled {
        let useless = mark.index <= self.commit || mark.term > self.term || self.is_leading();
        if useless || !mark.configuration.is_valid() {
            // Early: it only frees what was staged.
            out.output_early(Output::Discard { mark });
            return Err(Ignored::UselessMark);
        }
        // What follows an entry that both logs hold stands; a log without that entry has nothing committed
        // after it that is not the leader's.
        let keeps_suffix = self.log.contains(LogId { term: mark.term, index: mark.index });
        if keeps_suffix {
            self.log.compact(mark.clone(), self.config.keep_bytes);
        } else {
            self.log = Log::new(mark.clone());
        }
        self.commit = mark.index;
        if let Role::PreCandidate { .. } | Role::Candidate { .. } = self.role {
            // It asked for votes by another log, and perhaps by other members.
            self.role = Role::Follower { leader: None, incoming: None };
        }
        self.save_mark(mark.clone(), keeps_suffix, out);
        let matched = mark.index;
        // Early: the snapshot is committed state; its records precede the mark's in the log.
        out.output_early(Output::Install { mark });
        if let Role::Follower { leader, incoming } = &mut self.role {
            *incoming = None;
            if let Some(leader) = leader {
                out.send(*leader, Message::AppendAck { term: self.term, matched });
            }
        }
        Ok(())
    }
}

impl Progress {
    /// The transfer of this number, if it is under way.
    fn transfer(&mut self, id: u64) -> Result<&mut Transfer, Ignored> {
        match &mut self.flow {
            Flow::Snapshot(transfer) if transfer.id == id => Ok(transfer),
            Flow::Snapshot(_) | Flow::Probe { .. } | Flow::Replicate { .. } => {
                Err(Ignored::StaleReply)
            }
        }
    }
}
