//! The load of one thread as a value: time and bytes in, bytes out. Sockets carry it out; tests need none.

use super::answer::{Answer, Error, answer};
use super::pace::Pace;
use super::source::{Op, Source};
use super::tally::{Done, Tally};
use std::collections::VecDeque;
use wire::resp::{Incoming, ReplyParser};

/// What is fixed for a run; times in nanoseconds from its start.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Operations meant to start before are not counted.
    pub(crate) warm: u64,
    /// No operation starts at or after this.
    pub(crate) end: u64,
    /// How many counted operations start; `u64::MAX` for as many as there is time for.
    pub(crate) requests: u64,
    /// Commands under way per connection.
    pub(crate) pipeline: usize,
    /// A command that was not answered for so long has an unknown outcome, and so have all behind it.
    pub(crate) patience: u64,
    pub(crate) password: Option<String>,
}

/// An operation under way.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    op: Op,
    intended: u64,
    sent: u64,
    /// When its last command was sent.
    asked: u64,
}

/// One connection, or the lack of it.
#[derive(Debug, Default)]
struct Lane {
    up: bool,
    /// The password was sent and not answered.
    greets: bool,
    is_free: bool,
    is_dirty: bool,
    out: Vec<u8>,
    waiting: VecDeque<Waiting>,
    replies: ReplyParser,
}

#[derive(Debug)]
pub(crate) struct Driver {
    rules: Rules,
    source: Source,
    pace: Pace,
    lanes: Vec<Lane>,
    /// Lanes that can take an operation, in turn.
    free: VecDeque<usize>,
    /// Lanes with something to write.
    dirty: Vec<usize>,
    under_way: usize,
    pub(crate) tally: Tally,
    started: u64,
    /// Arrivals given up so far, and those of them after the warm-up.
    dropped: (u64, u64),
}

impl Driver {
    pub(crate) fn new(rules: Rules, source: Source, pace: Pace, lanes: usize) -> Driver {
        assert!(rules.pipeline > 0 && lanes > 0, "somebody must ask");
        Driver {
            rules,
            source,
            pace,
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            free: VecDeque::new(),
            dirty: Vec::new(),
            under_way: 0,
            tally: Tally::default(),
            started: 0,
            dropped: (0, 0),
        }
    }

    /// The lane has a connection, which has heard nothing.
    pub(crate) fn up(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        assert!(!lane.up && lane.waiting.is_empty() && lane.out.is_empty(), "it was down");
        lane.up = true;
        if let Some(password) = &self.rules.password {
            lane.greets = true;
            wire::resp::command(&[b"AUTH", password.as_bytes()], &mut lane.out);
            self.soil(at);
        } else {
            self.release(at);
        }
    }

    /// The lane has lost its connection: nobody knows what became of what it asked.
    pub(crate) fn down(&mut self, at: usize, now: u64, why: &str) {
        let lane = &mut self.lanes[at];
        lane.up = false;
        lane.greets = false;
        lane.out.clear();
        lane.replies = ReplyParser::new();
        for waiting in std::mem::take(&mut lane.waiting) {
            self.under_way -= 1;
            self.finish(&waiting, Err(Error::Unknown), Some(why), now);
        }
    }

    /// Starts what is due, as far as there are free lanes.
    pub(crate) fn fill(&mut self, now: u64) {
        while let Some(at) = self.free.front().copied() {
            if !self.lanes[at].up || self.lanes[at].waiting.len() >= self.rules.pipeline {
                self.free.pop_front();
                self.lanes[at].is_free = false;
                continue;
            }
            if self.started >= self.rules.requests {
                break;
            }
            let Some(intended) = self.pace.take(now, self.rules.end) else { break };
            self.started += u64::from(intended >= self.rules.warm);
            let op = self.source.draw();
            self.under_way += 1;
            self.ask(at, Waiting { op, intended, sent: now, asked: now });
            self.free.rotate_left(1);
        }
        if let Pace::Open(schedule) = &self.pace {
            let new = schedule.dropped - self.dropped.0;
            self.dropped.0 = schedule.dropped;
            if new > 0 && now >= self.rules.warm {
                self.dropped.1 += new;
                self.tally.dropped(new, now - self.rules.warm);
            }
        }
        self.tally.turn(now.min(self.rules.end).saturating_sub(self.rules.warm));
    }

    fn ask(&mut self, at: usize, waiting: Waiting) {
        self.source.write(&waiting.op, &mut self.lanes[at].out);
        self.lanes[at].waiting.push_back(waiting);
        self.soil(at);
    }

    fn soil(&mut self, at: usize) {
        if !std::mem::replace(&mut self.lanes[at].is_dirty, true) {
            self.dirty.push(at);
        }
    }

    fn release(&mut self, at: usize) {
        if !std::mem::replace(&mut self.lanes[at].is_free, true) {
            self.free.push_back(at);
        }
    }

    /// The next lane that has something to write, each once.
    pub(crate) fn next_dirty(&mut self) -> Option<usize> {
        let at = self.dirty.pop()?;
        self.lanes[at].is_dirty = false;
        Some(at)
    }

    /// What the lane has to write; whoever writes takes it off the front.
    pub(crate) fn output(&mut self, at: usize) -> &mut Vec<u8> {
        &mut self.lanes[at].out
    }

    /// Bytes of the lane's connection.
    ///
    /// # Errors
    /// What came is no answer to what was asked, or the password is wrong.
    pub(crate) fn received(&mut self, at: usize, bytes: &[u8], now: u64) -> Result<(), Refusal> {
        self.lanes[at].replies.feed(bytes);
        loop {
            let next = self.lanes[at].replies.next();
            let reply = match next.map_err(|error| Refusal::Broken(error.to_string()))? {
                None => return Ok(()),
                Some(Incoming::Push(_)) => continue,
                Some(Incoming::Reply(reply)) => reply,
            };
            let (answer, text) = answer(&reply);
            if std::mem::take(&mut self.lanes[at].greets) {
                answer.map_err(|_| Refusal::Password(text.unwrap_or_default().to_owned()))?;
                self.release(at);
                continue;
            }
            let Some(mut waiting) = self.lanes[at].waiting.pop_front() else {
                return Err(Refusal::Broken("an answer to nothing".into()));
            };
            if answer.is_ok() && waiting.op.goes_on() {
                waiting.op.second = true;
                waiting.asked = now;
                self.ask(at, waiting);
                continue;
            }
            self.under_way -= 1;
            self.finish(&waiting, answer, text, now);
            self.release(at);
        }
    }

    fn finish(&mut self, waiting: &Waiting, answer: Answer, text: Option<&str>, now: u64) {
        self.source.over(&waiting.op);
        let Some(intended) = waiting.intended.checked_sub(self.rules.warm) else { return };
        if let (Err(error), Some(text)) = (answer, text) {
            self.tally.text(error, text);
        }
        let from = self.rules.warm;
        let (sent, at) = (waiting.sent - from, now - from);
        self.tally.add(&Done { kind: waiting.op.kind, answer, intended, sent, at });
    }

    /// Lanes that wait for an answer for longer than patience lasts: close them.
    pub(crate) fn overdue(&self, now: u64) -> Vec<usize> {
        let late = |lane: &Lane| {
            let asked = lane.waiting.front().map(|waiting| waiting.asked);
            asked.is_some_and(|asked| now.saturating_sub(asked) > self.rules.patience)
        };
        let lanes = self.lanes.iter().enumerate();
        lanes.filter(|(_, lane)| late(lane)).map(|(at, _)| at).collect()
    }

    /// When the next operation is due.
    pub(crate) fn wake(&self, now: u64) -> Option<u64> {
        if self.free.is_empty() { None } else { self.pace.wake(now) }
    }

    /// Nothing starts any more, and all that did is over.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        let started_all = now >= self.rules.end || self.started >= self.rules.requests;
        started_all && self.under_way == 0
    }

    /// How late the schedule got: the longest wait for a free lane, and how many arrivals were never sent.
    pub(crate) fn lateness(&self) -> Lateness {
        match &self.pace {
            Pace::Closed => Lateness::default(),
            Pace::Open(schedule) => {
                let end = if self.rules.requests == u64::MAX { self.rules.end } else { 0 };
                let left = schedule.waiting(end.saturating_sub(1));
                Lateness { longest: schedule.latest, dropped: self.dropped.1, left }
            }
        }
    }
}

/// How far an open loop fell behind its own schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lateness {
    /// The longest that an arrival waited for a free lane, in nanoseconds.
    pub(crate) longest: u64,
    /// Arrivals given up for having waited too long.
    pub(crate) dropped: u64,
    /// Arrivals that were still waiting at the end.
    pub(crate) left: u64,
}

/// Why a connection is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What came is no answer: close it.
    Broken(String),
    /// The run cannot go on.
    Password(String),
}

#[cfg(test)]
mod tests;
