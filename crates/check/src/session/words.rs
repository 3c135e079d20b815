//! A failure in a sentence: who, which write, which read.

use super::demands::{Cause, Missing};
use super::order::{Edge, Reason};
use super::story::{Event, Story, What};
use crate::txn::Op;
use crate::{Level, Witness};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// More steps of a circle are not for reading.
const TOLD: usize = 6;

/// A read of nothing, or of too few elements.
pub(super) fn missing(story: &Story<'_>, level: Level, missing: &Missing) -> Witness {
    let mut told = Told::new(story);
    let reason = format!("{}.", told.missing(missing));
    told.witness(level, reason, Some(missing.read))
}

/// Versions that would have to be older than themselves.
pub(super) fn cycle(story: &Story<'_>, level: Level, cycle: &[Edge]) -> Witness {
    let mut told = Told::new(story);
    // The latest read that had to show more comes first; the others say why it could not.
    let rank = |place: &usize| {
        let rank = match cycle[*place].reason {
            Reason::Demand(missing) => (2, missing.read),
            Reason::Own | Reason::AfterRead(_) => (1, 0),
            Reason::Shown(_) => (0, 0),
        };
        (rank, Reverse(*place))
    };
    let first = (0..cycle.len()).max_by_key(rank).unwrap_or(0);
    let turned = cycle[first..].iter().chain(&cycle[..first]);
    let parts: Vec<String> = turned.map(|edge| told.edge(edge)).collect();
    let stuck = match cycle[first].reason {
        Reason::Demand(missing) => missing.read,
        Reason::Shown(read) | Reason::AfterRead(read) => read,
        Reason::Own => cycle[first].to,
    };
    let more = parts.len().saturating_sub(TOLD);
    let rest = if more > 0 {
        format!("; and so on, round in a circle of {}", parts.len())
    } else {
        String::new()
    };
    let parts = parts[..parts.len() - more].join("; but ");
    told.witness(level, format!("{parts}{rest}."), Some(stuck))
}

/// Reads that show writes of their own future.
pub(super) fn circle(story: &Story<'_>, reads: &[u32]) -> Witness {
    let mut told = Told::new(story);
    let parts: Vec<String> = reads
        .iter()
        .map(|read| {
            let event = &story.events[*read as usize];
            format!("{} saw {} {}", told.who(event), told.shown(event), told.line(*read))
        })
        .collect();
    let reason = format!(
        "{}: each of these reads shows a write that was made only after the next one, round in a circle.",
        parts.join("; ")
    );
    for read in reads {
        let seen = story.seen(&story.events[*read as usize]);
        seen.iter().for_each(|write| told.note(*write));
    }
    told.witness(Level::WritesFollowReads, reason, reads.first().copied())
}

/// A counter that lacks something.
pub(super) fn count(
    story: &Story<'_>,
    level: Level,
    read: usize,
    earlier: usize,
    op: &Op,
) -> Witness {
    let history = story.history;
    let (txn, before) = (&history.txns[read], &history.txns[earlier]);
    let because = if level == Level::ReadYourWrites {
        "its own additions, the last in"
    } else {
        "what it had counted in"
    };
    let reason = format!(
        "process {} saw {} (line {}), which is less than {because} line {}; nothing is ever taken away.",
        txn.process,
        history.describe_op(op),
        txn.line,
        before.line,
    );
    let txns = if earlier < read { vec![earlier, read] } else { vec![read] };
    let anomaly = level.name();
    Witness { anomaly, reason, txns, stuck: Some(read), order: Vec::new(), cycle: Vec::new() }
}

/// What a witness has named so far.
struct Told<'s, 'h> {
    story: &'s Story<'h>,
    txns: BTreeSet<usize>,
}

impl<'s, 'h> Told<'s, 'h> {
    fn new(story: &'s Story<'h>) -> Told<'s, 'h> {
        Told { story, txns: BTreeSet::new() }
    }

    fn witness(self, level: Level, reason: String, stuck: Option<u32>) -> Witness {
        let number = |event: u32| self.story.events[event as usize].txn as usize;
        Witness {
            anomaly: level.name(),
            reason,
            stuck: stuck.map(number),
            txns: self.txns.into_iter().collect(),
            order: Vec::new(),
            cycle: Vec::new(),
        }
    }

    fn note(&mut self, event: u32) {
        self.txns.insert(self.story.events[event as usize].txn as usize);
    }

    fn line(&mut self, event: u32) -> String {
        self.note(event);
        let txn = self.story.events[event as usize].txn as usize;
        format!("(line {})", self.story.history.txns[txn].line)
    }

    fn who(&self, event: &Event) -> String {
        format!("process {}", self.story.history.txns[event.txn as usize].process)
    }

    fn writer(&self, write: u32) -> String {
        self.who(&self.story.events[write as usize])
    }

    /// `x = 3 (line 5)`
    fn version(&mut self, write: u32) -> String {
        let event = &self.story.events[write as usize];
        let value = match event.what {
            What::Write { value, .. } => self.story.history.shown(value),
            What::Read { .. } | What::Blank => String::new(),
        };
        let sign = if self.story.is_register(event.key) { "=" } else { "with" };
        let key = self.story.name(event.key);
        format!("{key} {sign} {value} {}", self.line(write))
    }

    /// What a read showed: `x = 3`, `nothing in x`, `x without it`.
    fn shown(&mut self, event: &Event) -> String {
        let key = self.story.name(event.key);
        match self.story.seen(event) {
            [] => format!("nothing in {key}"),
            [one] if self.story.is_register(event.key) => {
                let one = &self.story.events[*one as usize];
                match one.what {
                    What::Write { value, .. } => {
                        format!("{key} = {}", self.story.history.shown(value))
                    }
                    What::Read { .. } | What::Blank => key,
                }
            }
            [_] => format!("1 element of {key}"),
            all => format!("{} elements of {key}", all.len()),
        }
    }

    /// `process 2 saw nothing in x (line 9), although it had written x = 3 (line 5)`
    fn missing(&mut self, missing: &Missing) -> String {
        let event = &self.story.events[missing.read as usize];
        let write = missing.demand.write;
        let register = self.story.is_register(event.key);
        let lacks = if register { String::new() } else { ", without this one".into() };
        let who = self.who(event);
        let (shown, line) = (self.shown(event), self.line(missing.read));
        let version = self.version(write);
        let because = match missing.demand.cause {
            Cause::Own => format!("it had written {version}"),
            Cause::Read(read) => format!("it had seen {version} already {}", self.line(read)),
            Cause::Later { read, write: later } => {
                let writer = self.writer(write);
                let when = if read == missing.read {
                    "in the same read".into()
                } else {
                    format!("before {}", self.line(read))
                };
                let later = self.version(later);
                format!(
                    "{writer} had written {version} before {later}, which the reader had seen {when}"
                )
            }
            Cause::Before(read) => {
                let (reader, at) = (&self.story.events[read as usize], self.line(read));
                let writer = self.who(reader);
                let later = self.path(missing.read, read);
                format!("{writer} had seen {version} {at} before it wrote {later}")
            }
        };
        format!("{who} saw {shown} {line}{lacks}, although {because}")
    }

    /// How a reader came to know what a process had seen in `read`: by the writes that lead from there.
    fn path(&mut self, from: u32, read: u32) -> String {
        let story = self.story;
        let mut came: BTreeMap<u32, (u32, Option<u32>)> = BTreeMap::new();
        let target = &story.events[read as usize];
        let event = &story.events[from as usize];
        let own = &story.processes[event.process as usize][..=event.place as usize];
        let mut queue: VecDeque<_> = own.iter().map(|event| (*event, None)).collect();
        let mut queued = vec![0; story.processes.len()];
        while let Some((event, via)) = queue.pop_front() {
            for write in story.seen(&story.events[event as usize]) {
                if came.contains_key(write) {
                    continue;
                }
                came.insert(*write, (event, via));
                let writer = &story.events[*write as usize];
                if writer.process == target.process && target.place < writer.place {
                    return self.chain(&came, *write);
                }
                let process = writer.process as usize;
                let (start, end) = (queued[process], writer.place as usize);
                queued[process] = start.max(end);
                let before = story.processes[process].iter().take(end).skip(start);
                queue.extend(before.map(|event| (*event, Some(*write))));
            }
        }
        "something that the reader knew of".into()
    }

    fn chain(&mut self, came: &BTreeMap<u32, (u32, Option<u32>)>, last: u32) -> String {
        let mut text = self.version(last);
        let mut at = Some(last);
        while let Some(write) = at {
            let (read, next) = came[&write];
            let who = self.who(&self.story.events[read as usize]);
            text = format!("{text}, which {who} had seen {}", self.line(read));
            if let Some(next) = next {
                text = format!("{text} before it wrote {}", self.version(next));
            }
            at = next;
        }
        text
    }

    fn edge(&mut self, edge: &Edge) -> String {
        let (older, newer) = (self.version(edge.from), self.version(edge.to));
        match edge.reason {
            Reason::Own => {
                let who = self.writer(edge.to);
                format!("{newer} is newer than {older}: {who} wrote it later")
            }
            Reason::AfterRead(read) => {
                let who = self.writer(edge.to);
                let at = self.line(read);
                format!("{newer} is newer than {older}: {who} had seen that {at} before it wrote")
            }
            Reason::Shown(read) => {
                let who = self.who(&self.story.events[read as usize]);
                let at = self.line(read);
                format!("{older} comes before {newer} in the list that {who} saw {at}")
            }
            Reason::Demand(missing) => self.missing(&missing),
        }
    }
}
