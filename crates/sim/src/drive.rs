//! The machine's side of the one loop: what the server does with threads and sockets, done with an agenda.

use crate::config::MILLION;
use crate::net::Fate;
use crate::trace::{Loss, What};
use crate::world::{Agenda, Doom, Event, Packet, Why};
use crate::{Boot, World};
use protocol::{Action, Protocol};
use std::hash::Hasher;
use stdx::{Duration, Instant, NodeId};
use wire::{Batch, Wire};

impl<B: Boot> World<B> {
    /// Does the next thing on the agenda.
    pub(crate) fn happen(&mut self) {
        let Some((at, ticket, what)) = self.agenda.pop() else { return };
        assert!(at >= self.now, "the agenda went back from {:?} to {at:?}", self.now);
        self.now = at;
        match what {
            Agenda::Deliver(packet) => self.deliver(packet),
            Agenda::Wake { node } => self.wake(node, ticket),
            Agenda::DiskDone { node, life } => self.disk_done(node, life),
            Agenda::Resume { node, life } => self.resume_at(node, life),
            Agenda::CrashNow { node, life } => self.crash_now(node, life),
            Agenda::Restart { node } => self.start(node),
            Agenda::Token(token) => {
                self.mark(7, token);
                self.seen.push_back(Event::Token(token));
            }
            Agenda::Fault(fault) => self.apply(&fault),
            Agenda::Told { node, life, peer } => self.told(node, life, peer),
            Agenda::Correct { node } => self.correct(node),
        }
    }

    /// Mixes into the digest that something happened now.
    pub(crate) fn mark(&mut self, kind: u64, word: u64) {
        self.digest.write_u64(self.now.0 ^ (kind << 56));
        self.digest.write_u64(word);
    }

    /// Sees to it that the node takes its next turn: soon if inputs wait, else at its deadline.
    pub(crate) fn arm(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let Some(up) = &mut node.up else { return };
        if up.paused.is_some() {
            return;
        }
        let from = if up.host.ready() {
            self.now
        } else {
            match up.host.deadline() {
                Some(deadline) => node.clock.when(deadline).max(self.now),
                None => return,
            }
        };
        // A turn arranged before the latest time at which this one might be drawn is soon enough: a turn too
        // early finds nothing to do and arranges the next.
        if up.wake.is_some_and(|(at, _)| at <= from + node.turn.max) {
            return;
        }
        let lag = node.turn.draw(&mut node.draw).max(Duration::from_nanos(1));
        let at = from + lag;
        up.wake = Some((at, self.agenda.push(at, Agenda::Wake { node: index })));
    }

    fn wake(&mut self, index: usize, ticket: u64) {
        let node = &mut self.nodes[index];
        let Some(up) = &mut node.up else { return };
        // Superseded by an earlier turn, or of an earlier life.
        if up.wake.is_none_or(|(_, current)| current != ticket) {
            return;
        }
        up.wake = None;
        if up.paused.is_some() {
            return;
        }
        let (clock, now) = (&node.clock, self.now);
        let due = up.host.deadline().is_some_and(|at| at <= clock.mono(now));
        if up.host.ready() || due {
            self.counters.turns += 1;
            node.changes += 1;
            up.host.turn(&mut || clock.now(now), &mut up.actions);
            self.mark(1, index as u64);
            if due {
                self.record_at(index, || What::Timer);
            }
            self.record_state(index);
            self.carry_out(index);
        }
        self.arm(index);
    }

    /// Carries out what the host asked for, in order, until a drawn crash or pause falls in between.
    pub(crate) fn carry_out(&mut self, index: usize) {
        loop {
            let Some(up) = &mut self.nodes[index].up else { return };
            if up.paused.is_some() || up.actions.is_empty() {
                return;
            }
            match &mut up.doom {
                Some((0, doom)) => {
                    let doom = *doom;
                    up.doom = None;
                    self.befall(index, doom);
                    return;
                }
                Some((left, _)) => *left -= 1,
                None => {}
            }
            let action = up.actions.pop_front().expect("not empty");
            self.act(index, action);
        }
    }

    fn befall(&mut self, index: usize, doom: Doom) {
        match doom {
            Doom::Crash | Doom::CrashInSync(_) => {
                self.counters.crashes_between_actions += 1;
                self.down(index, Why::Crash);
            }
            Doom::Pause(span) => self.pause_index(index, span),
        }
    }

    fn act(&mut self, index: usize, action: Action<B::Core>) {
        match action {
            Action::Send { to, message } => self.send(index, to, &message),
            Action::Output(output) => {
                self.counters.outputs += 1;
                self.mark(2, index as u64);
                let node = self.nodes[index].id;
                self.seen.push_back(Event::Output { node, output });
            }
            Action::Write(batch) => self.write(index, &batch),
            Action::Release(before) => {
                self.mark(3, before.0);
                let up = self.nodes[index].up.as_mut().expect("only a running node acts");
                up.log.release(before);
            }
        }
    }

    fn write(&mut self, index: usize, batch: &Batch) {
        self.counters.writes += 1;
        self.mark(4, batch.end().0);
        let (node, now) = (&mut self.nodes[index], self.now);
        let up = node.up.as_mut().expect("only a running node writes");
        assert!(up.syncing.is_none(), "two writes of {} under way", node.id);
        assert_eq!(batch.first(), node.appended, "the log of {} has a gap", node.id);
        if up.log.append(batch).is_err() {
            self.disk_failed(index);
            return;
        }
        node.appended = batch.end();
        self.boot.wrote(node.id, batch);
        let (upto, records) = (batch.end(), batch.len());
        up.syncing = Some(batch.end());
        let takes = node.sync.draw(&mut node.draw);
        self.agenda.push(now + takes, Agenda::DiskDone { node: index, life: node.life });
        if let Some((_, Doom::CrashInSync(part))) = up.doom {
            let at = now + takes * part / 1_000;
            self.agenda.push(at, Agenda::CrashNow { node: index, life: node.life });
        }
        self.record_at(index, || What::Write { upto, records });
    }

    fn disk_done(&mut self, index: usize, life: u64) {
        let fails = self.config.disk.fail_ppm;
        let node = &mut self.nodes[index];
        let fails = fails > 0 && node.draw.chance(fails, MILLION);
        let Some(up) = node.up.as_mut().filter(|_| node.life == life) else { return };
        let end = up.syncing.take().expect("a sync that nobody asked for");
        // The log's thread prepares the next segment after each sync.
        if fails || up.log.sync().is_err() || up.log.maintain().is_err() {
            self.disk_failed(index);
            return;
        }
        assert!(end >= node.synced, "{} synced backwards", node.id);
        node.synced = end;
        self.counters.syncs += 1;
        if up.paused.is_some() {
            up.disk_answer = Some(end);
            return;
        }
        up.host.synced(end, &mut up.actions);
        self.record_at(index, || What::Synced { upto: end });
        self.mark(5, end.0);
        self.carry_out(index);
        self.arm(index);
    }

    fn disk_failed(&mut self, index: usize) {
        self.counters.failed_syncs += 1;
        let up = self.nodes[index].up.as_mut().expect("only a running node writes");
        up.host.sync_failed();
        assert!(up.host.stopped(), "a failed sync must stop the host");
        self.down(index, Why::DiskFailed);
        let at = self.now + self.config.disk.restart.draw(&mut self.nodes[index].draw);
        self.agenda.push(at, Agenda::Restart { node: index });
    }

    fn send(&mut self, from: usize, to: NodeId, message: &<B::Core as Protocol>::Message) {
        self.counters.sent += 1;
        let id = self.counters.sent;
        self.record_sent(from, to, id, message);
        let peer = usize::try_from(to.0).ok().and_then(|id| id.checked_sub(1));
        let Some(to) = peer.filter(|peer| *peer < self.nodes.len()) else {
            // No such node here: the network has nowhere to bring it.
            return self.lost_at(from, id, Loss::Nowhere);
        };
        if self.omits(self.nodes[from].omits.0) {
            return self.lost_at(from, id, Loss::SendOmission);
        }
        if self.nodes[from].liar.is_some() {
            return self.lie(from, to, id, message);
        }
        if self.damage_ppm > 0 && self.misfortune.chance(self.damage_ppm, MILLION) {
            let mut message = message.clone();
            if self.boot.damage(&mut message, &mut self.misfortune) {
                self.counters.damaged += 1;
            }
            return self.transmit((from, from), to, id, |bytes| message.encode(bytes));
        }
        self.transmit((from, from), to, id, |bytes| message.encode(bytes));
    }

    /// Puts a message on its link, as if from `claimed`.
    pub(crate) fn transmit(
        &mut self,
        (from, claimed): (usize, usize),
        to: usize,
        id: u64,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let (number, fate) = self.net.send(from, to, self.now);
        if fate == Fate::Lost {
            return self.lost_at(from, id, Loss::Chance);
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        encode(&mut bytes);
        let lives = (self.nodes[from].life, self.nodes[to].life);
        let packet = Packet { from, claimed, to, lives, number, id, bytes };
        let at = match fate {
            Fate::Twice(at, again) => {
                self.counters.duplicated += 1;
                self.record_at(from, || What::Duplicated { id });
                let copy = Packet { bytes: packet.bytes.clone(), ..packet };
                self.agenda.push(again, Agenda::Deliver(copy));
                at
            }
            Fate::Once(at) => at,
            Fate::Lost => unreachable!("handled above"),
        };
        self.agenda.push(at, Agenda::Deliver(packet));
    }

    fn record_sent(
        &mut self,
        from: usize,
        to: NodeId,
        id: u64,
        message: &<B::Core as Protocol>::Message,
    ) {
        if self.trace.is_none() {
            return;
        }
        let (kind, text) = (self.boot.kind(message), self.boot.describe(message));
        let mut encoded = Vec::new();
        message.encode(&mut encoded);
        let bytes = encoded.len();
        self.record_at(from, || What::Sent { to, id, kind, text, bytes });
    }

    pub(crate) fn lost_at(&mut self, index: usize, id: u64, why: Loss) {
        self.counters.lost += 1;
        self.record_at(index, || What::Dropped { id, why });
    }

    fn deliver(&mut self, packet: Packet) {
        let (from, to) = (packet.from, packet.to);
        let link = self.net.link(from, to);
        let (cut, clogged) = (link.cut, link.clogged);
        if clogged || (cut && self.net.late(from, to)) {
            let id = packet.id;
            match self.net.hold(packet) {
                Ok(()) => {
                    self.counters.held += 1;
                    self.record_at(to, || What::Held { id });
                }
                Err(packet) => self.lose(packet, Loss::HeldTooMany),
            }
            return;
        }
        if cut {
            return self.lose(packet, Loss::Cut);
        }
        let lives = (self.nodes[from].life, self.nodes[to].life);
        let gone = self.nodes[from].up.is_none() || lives.0 != packet.lives.0;
        if gone && !self.net.coin(from, to) {
            return self.lose(packet, Loss::SenderGone);
        }
        if self.nodes[to].up.is_none() {
            // Tried again for as long as luck holds, so that some reach the next life.
            if self.net.late(from, to) {
                let at = self.now + self.config.disk.restart.draw(&mut self.nodes[to].draw);
                self.agenda.push(at, Agenda::Deliver(packet));
                return;
            }
            return self.lose(packet, Loss::ReceiverDown);
        }
        let stale = lives.1 != packet.lives.1;
        if stale && !self.net.late(from, to) {
            return self.lose(packet, Loss::EarlierLife);
        }
        if self.omits(self.nodes[to].omits.1) {
            return self.lose(packet, Loss::ReceiveOmission);
        }
        self.counters.late += u64::from(stale || gone);
        self.hand_in(packet);
    }

    fn omits(&mut self, ppm: u64) -> bool {
        let omits = ppm > 0 && self.misfortune.chance(ppm, MILLION);
        self.counters.omitted += u64::from(omits);
        omits
    }

    fn hand_in(&mut self, mut packet: Packet) {
        let (from, to) = (packet.from, packet.to);
        let sender = self.nodes[packet.claimed].id;
        let message = wire::decode_all::<<B::Core as Protocol>::Message>(&packet.bytes)
            .unwrap_or_else(|why| panic!("a message of {sender} is not its encoding: {why}"));
        self.counters.reordered += u64::from(self.net.arrived(from, to, packet.number));
        self.mark(6, (from as u64) << 32 | to as u64);
        self.digest.write(&packet.bytes);
        let up = self.nodes[to].up.as_mut().expect("delivered to a running node");
        let id = packet.id;
        if up.host.receive(sender, message) {
            self.counters.delivered += 1;
            self.record_at(to, || What::Delivered { from: sender, id });
        } else {
            self.lost_at(to, id, Loss::QueueFull);
        }
        packet.bytes.clear();
        self.spare.push(packet.bytes);
        self.arm(to);
    }

    fn lose(&mut self, mut packet: Packet, why: Loss) {
        self.lost_at(packet.to, packet.id, why);
        packet.bytes.clear();
        self.spare.push(packet.bytes);
    }

    /// What a link held back is on its way again, in order.
    pub(crate) fn let_through(&mut self, from: usize, to: usize) {
        let now: Instant = self.now;
        for packet in std::mem::take(&mut self.net.link(from, to).held) {
            self.agenda.push(now, Agenda::Deliver(packet));
        }
    }
}
