//! Crash, restart and pause.

use crate::trace::What;
use crate::world::{Agenda, Doom, Event, Running, Start, Why};
use crate::{Boot, Booted, World, disk};
use protocol::{Host, Protocol};
use std::collections::VecDeque;
use stdx::{Duration, NodeId, Position, Prng};

/// A drawn crash or pause falls within this many actions ...
const DOOM_ACTIONS: u64 = 8;
/// ... or, if the node does not act that often, after at most this long.
const DOOM_TIME: Duration = Duration::from_millis(50);

impl<B: Boot> World<B> {
    /// The node crashes now: what it held in memory is gone, and of what was not synced each sector stays,
    /// goes or tears.
    pub fn crash(&mut self, node: NodeId) {
        let index = self.index(node);
        self.down(index, Why::Crash);
    }

    /// The node crashes now, between two of the next actions of its host, or while its next write is being
    /// synced, as drawn.
    pub fn crash_soon(&mut self, node: NodeId) {
        let index = self.index(node);
        let draw = &mut self.befalls(index);
        let (after, doom) = match draw.below(4) {
            0 => return self.down(index, Why::Crash),
            1 => (draw.below(DOOM_ACTIONS), Doom::Crash),
            _ => (u64::MAX, Doom::CrashInSync(u32::try_from(draw.below(1_000)).expect("small"))),
        };
        let within = draw.span(Duration::ZERO, DOOM_TIME);
        let (at, life) = (self.now + within, self.nodes[index].life);
        if let Some(up) = &mut self.nodes[index].up {
            up.doom = Some((after, doom));
            self.agenda.push(at, Agenda::CrashNow { node: index, life });
        }
    }

    /// What is drawn of a fault that befalls a node now: the same whatever befell others, or it, before.
    fn befalls(&self, index: usize) -> Prng {
        self.root.fork(6).fork(self.nodes[index].id.0).fork(self.now.0)
    }

    /// Starts the node again, if it is down.
    pub fn restart(&mut self, node: NodeId) {
        let index = self.index(node);
        self.start(index);
    }

    /// The node takes no turn for `span`; inputs pile up, its clocks run on.
    pub fn pause(&mut self, node: NodeId, span: Duration) {
        let index = self.index(node);
        self.pause_index(index, span);
    }

    /// The node pauses now or between two of the next actions of its host, as drawn.
    pub fn pause_soon(&mut self, node: NodeId, span: Duration) {
        let index = self.index(node);
        let draw = &mut self.befalls(index);
        if draw.chance(1, 2) {
            return self.pause_index(index, span);
        }
        let after = draw.below(DOOM_ACTIONS);
        if let Some(up) = &mut self.nodes[index].up {
            up.doom.get_or_insert((after, Doom::Pause(span)));
        }
    }

    /// Ends a pause, and calls off a crash or pause that was drawn but has not come.
    pub fn resume(&mut self, node: NodeId) {
        let index = self.index(node);
        if let Some(up) = &mut self.nodes[index].up {
            up.doom = None;
            if up.paused.take().is_some() {
                self.record_at(index, || What::Resumed);
            }
            self.go_on(index);
        }
    }

    pub(crate) fn pause_index(&mut self, index: usize, span: Duration) {
        let (until, life) = (self.now + span, self.nodes[index].life);
        let Some(up) = &mut self.nodes[index].up else { return };
        up.paused = Some(up.paused.map_or(until, |before| before.max(until)));
        self.counters.pauses += 1;
        self.agenda.push(until, Agenda::Resume { node: index, life });
        self.record_at(index, || What::Paused(span));
    }

    pub(crate) fn resume_at(&mut self, index: usize, life: u64) {
        let (node, now) = (&mut self.nodes[index], self.now);
        let Some(up) = node.up.as_mut().filter(|_| node.life == life) else { return };
        // A later pause goes on, or an earlier end was asked for.
        if up.paused.is_none_or(|until| until > now) {
            return;
        }
        up.paused = None;
        self.record_at(index, || What::Resumed);
        self.go_on(index);
    }

    /// What was left undone at the pause, then what the disk said meanwhile, then the inputs.
    fn go_on(&mut self, index: usize) {
        self.carry_out(index);
        let Some(up) = &mut self.nodes[index].up else { return };
        if up.paused.is_none()
            && let Some(end) = up.disk_answer.take()
        {
            up.host.synced(end, &mut up.actions);
            self.record_at(index, || What::Synced { upto: end });
            self.mark(5, end.0);
            self.carry_out(index);
        }
        self.arm(index);
    }

    pub(crate) fn crash_now(&mut self, index: usize, life: u64) {
        let node = &self.nodes[index];
        let doom = node.up.as_ref().and_then(|up| up.doom);
        let doomed = matches!(doom, Some((_, Doom::Crash | Doom::CrashInSync(_))));
        if node.life == life && doomed {
            self.down(index, Why::Crash);
        }
    }

    pub(crate) fn down(&mut self, index: usize, why: Why) {
        // Killed, or without power: the page cache survives only the first, and a node must bear both.
        let draw = &mut self.befalls(index);
        let killed = draw.chance(1, 6);
        self.stop(index, why, killed, draw);
    }

    /// The power of one node goes: never does its page cache survive.
    pub(crate) fn power_off(&mut self, index: usize) {
        let draw = &mut self.befalls(index);
        self.stop(index, Why::Crash, false, draw);
    }

    fn stop(&mut self, index: usize, why: Why, killed: bool, draw: &mut Prng) {
        let Some(up) = self.nodes[index].up.take() else { return };
        let mut disk = up.log.into_disk();
        // What loses most shows most.
        let kind = match draw.below(5) {
            _ if killed => disk::Crash::Process,
            0..=2 => disk::Crash::LoseAll,
            _ => disk::Crash::Power { torn_per_mille: 20 },
        };
        disk.crash_as(draw, kind);
        let node = &mut self.nodes[index];
        node.disk = Some(disk);
        let id = node.id;
        self.counters.crashes += 1;
        self.mark(8, index as u64);
        self.record_at(index, || What::Down(why.clone()));
        self.seen.push_back(Event::Down { node: id, why });
    }

    pub(crate) fn start(&mut self, index: usize) {
        let (now, node) = (self.now, &mut self.nodes[index]);
        if node.up.is_some() || node.gone {
            return;
        }
        let id = node.id;
        let Some(disk) = node.disk.take() else { return };
        let label = 1 << 63 | id.0 << 32 | node.life;
        let rng = self.root.fork(label);
        let starts = node.life;
        let start = Start { node: id, starts, disk, now: node.clock.now(now), rng };
        self.counters.restarts += u64::from(node.life > 0);
        node.life += 1;
        node.changes += 1;
        self.mark(9, index as u64);
        match self.boot.boot(start) {
            Ok(booted) => {
                self.account(index, booted.recovered, booted.durable);
                self.nodes[index].up = Some(self.running(id, booted));
                self.record_at(index, || What::Up { starts });
                self.record_state(index);
                self.seen.push_back(Event::Up { node: id });
                for peer in 0..self.nodes.len() {
                    if self.nodes[peer].known_gone {
                        self.detect(index, peer);
                    }
                }
                self.arm(index);
            }
            Err(failed) => {
                self.counters.boot_failures += 1;
                self.nodes[index].disk = failed.disk.map(|disk| *disk);
                let why = Why::BootFailed(failed.reason);
                self.record_at(index, || What::Down(why.clone()));
                self.seen.push_back(Event::Down { node: id, why });
            }
        }
    }

    /// The promise of every log: what was reported durable is there after a crash.
    fn account(&mut self, index: usize, recovered: Position, durable: Position) {
        let node = &mut self.nodes[index];
        let id = node.id;
        assert!(recovered <= durable, "{id} recovered {recovered:?} but is durable to {durable:?}");
        assert!(
            recovered >= node.synced || node.damage_expected,
            "{id} lost synced records: durable up to {:?}, recovered up to {recovered:?}",
            node.synced,
        );
        self.counters.crashes_that_lost += u64::from(recovered < node.appended);
        node.damage_expected = false;
        node.appended = durable;
        node.synced = durable;
    }

    fn running<P: Protocol>(&self, id: NodeId, booted: Booted<P>) -> Running<P> {
        let config = &self.config;
        Running {
            host: Host::new(id, booted.core, booted.durable, config.inbox, config.planted),
            log: booted.log,
            actions: VecDeque::new(),
            wake: None,
            syncing: None,
            disk_answer: None,
            paused: None,
            doom: None,
        }
    }
}
