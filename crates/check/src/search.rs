//! The search for a legal order of items: of operations, or of transactions.
//!
//! Items are placed one after another and taken back in reverse, so that a step costs what it changes. A read that
//! fits is placed at once: whatever order works without it there also works with it there.
//!
//! - By real time an item is given its place just in time (Lowe 2017): only when it must have one because it returned
//!   before all others that have none. What makes it fit is tried before it: first what does so at once.
//! - By the order of each process, or by none, what lets a read fit comes first.
//! - A guide, if there is one, is an order that is likely: what it has next is tried first. It leaves nothing out.
//! - A situation that failed is remembered ([`memo::Memo`]) and never entered again.
//!
//! Items of unknown outcome need no place. Equal ones form a class, the earliest stands for all, and what
//! matters of a class is how many of it were used, if one more was ever looked for in vain.

mod links;
mod memo;
#[cfg(test)]
mod tests;
mod tries;

use crate::Budget;
use crate::planted::{self, Bug};
use links::{END, Links};
use memo::Memo;

pub(crate) use memo::scatter;

/// Objects, in a state that changes as items are placed.
pub(crate) trait Object {
    /// Places an item; `false`, and no change, if it does not fit or would make it impossible to place the rest.
    fn place(&mut self, item: usize) -> bool;

    /// Takes back the item that was placed last.
    fn undo(&mut self, item: usize);

    /// A fingerprint of the state.
    fn print(&self) -> u128;

    /// Whether an item changes no state in which it fits.
    fn is_read(&self, item: usize) -> bool;

    /// Whether it depends on the state if an item fits, or what it does.
    fn observes(&self, item: usize) -> bool;

    /// Whether what an item does is lost, or might as well be done later, if what comes next does not observe it.
    fn fades(&self, item: usize) -> bool;

    /// Whether an item that fits is on the only way to another one that does not.
    fn leads(&self, item: usize, target: usize) -> bool;

    /// Whether two items do and observe the same.
    fn equal(&self, one: usize, other: usize) -> bool;

    /// Whether an item of unknown outcome can still make a difference to what returns at `now` or later.
    fn matters(&self, item: usize, now: u64) -> bool;
}

/// What an order must respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// What returned before another was invoked comes first; and the order of each process.
    RealTime,
    /// The order of each process.
    Process,
    /// Nothing.
    Nothing,
}

/// When an item was under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) process: u64,
    pub(crate) invoked: u64,
    /// `NEVER`: later than anything, or not known.
    pub(crate) returned: u64,
    /// Whether it must have a place. If not, the class of equal items that it belongs to.
    pub(crate) class: Option<u32>,
    /// Whether its process waited for it before it went on.
    pub(crate) waited: bool,
}

pub(crate) const NEVER: u64 = u64::MAX;

/// What became of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An order: the items in it, the unknown that were not needed left out.
    Order(Vec<usize>),
    /// No order. The item that was in the way when most had been placed.
    Nothing { stuck: usize },
    /// The budget ran out; what was in the way at the furthest.
    GaveUp { furthest: usize },
}

/// What may be tried next from a situation, in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// What a guide has next.
    Guide,
    /// The item that returns first.
    Target,
    /// What lets something fit that did not.
    Helpful,
    /// The same of what is unknown.
    HelpfulUnknown,
    /// Anything else.
    Other,
    /// The same of what is unknown.
    OtherUnknown,
}

/// A situation on the way.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// How many had a place.
    placed: usize,
    phase: Phase,
    /// The item or class to try next.
    cursor: u32,
    /// The classes of unknown items of which one more was looked for in vain, here or further on.
    short_of: u64,
    /// The last item is unknown and faded unless the next observes it: then it did not happen, or did later.
    fading: bool,
}

/// How many blocked reads are asked whether a candidate lets them fit.
const ASKED: usize = 64;
/// Candidates between two looks at the clock: one step may try all that is open.
const BREATH: usize = 4_096;

/// A search that goes on where it gave up when it is run again.
pub(crate) struct Search<O> {
    pub(crate) object: O,
    precedence: Precedence,
    spans: Vec<Span>,
    /// What has no place: all by time of invocation, or those whose predecessor has one.
    open: Links,
    by_return: Vec<u32>,
    rank: Vec<u32>,
    next_return: usize,
    /// Of each item, the one of its process that must come before, and the one it lets go on.
    after: Vec<u32>,
    follower: Vec<u32>,
    placed: Vec<bool>,
    /// A fingerprint of the items that have a place, and how many still need one.
    print: u128,
    left: usize,
    classes: Vec<Vec<u32>>,
    used: Vec<u32>,
    trail: Vec<u32>,
    frames: Vec<Frame>,
    started: bool,
    /// Candidates since the clock was looked at.
    since: usize,
    memo: Memo,
    furthest: (usize, u32),
    /// The longest order, if it is to be kept.
    best: Option<Vec<u32>>,
    guide: Guide,
}

/// An order that is likely.
#[derive(Debug, Default)]
struct Guide {
    items: Vec<u32>,
    /// By item: its place among `items`; `END`: none.
    place: Vec<u32>,
    /// All before have a place in the order that is searched.
    next: usize,
}

fn small(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 items")
}

impl<O: Object> Search<O> {
    /// `spans` in order of invocation.
    pub(crate) fn new(object: O, precedence: Precedence, spans: Vec<Span>) -> Search<O> {
        let count = spans.len();
        let needs = |i: &u32| spans[*i as usize].class.is_none();
        let mut by_return: Vec<u32> = (0..small(count)).filter(needs).collect();
        by_return.sort_by_key(|i| spans[*i as usize].returned);
        let mut rank = vec![0; count];
        by_return.iter().enumerate().for_each(|(at, i)| rank[*i as usize] = small(at));
        let mut search = Search {
            object,
            precedence,
            open: Links::new(count),
            left: by_return.len(),
            by_return,
            rank,
            next_return: 0,
            after: vec![END; count],
            follower: vec![END; count],
            placed: vec![false; count],
            print: 0,
            used: Vec::new(),
            classes: Vec::new(),
            trail: Vec::with_capacity(count),
            frames: Vec::new(),
            started: false,
            since: 0,
            memo: Memo::default(),
            furthest: (0, 0),
            best: None,
            guide: Guide::default(),
            spans,
        };
        search.chain();
        search.split_classes();
        for i in 0..small(count) {
            let Span { class, waited, .. } = search.spans[i as usize];
            // What nobody waited for is followed by nothing and waits here for what it follows.
            let first = !waited || search.after[i as usize] == END;
            if class.is_none() && (first || precedence == Precedence::RealTime) {
                search.open.push(i);
            }
        }
        search
    }

    /// Finds of each item the one before it in its process. By real time it is noted only where times do not tell.
    fn chain(&mut self) {
        if self.precedence == Precedence::Nothing || planted::is(Bug::NoProcess) {
            return;
        }
        let mut last = crate::names::Table::default();
        for (i, span) in self.spans.iter().enumerate() {
            if let Some(before) = last.get(&span.process).copied() {
                let told = self.spans[before as usize].returned < span.invoked
                    || planted::is(Bug::ProcessMayTouch);
                if self.precedence == Precedence::Process || !told {
                    self.after[i] = before;
                }
                if self.precedence == Precedence::Process && span.class.is_none() && span.waited {
                    self.follower[before as usize] = small(i);
                }
            }
            if span.waited && span.class.is_none() {
                last.insert(span.process, small(i));
            }
        }
    }

    /// Only what has the same predecessor is equal.
    fn split_classes(&mut self) {
        let mut names = crate::names::Table::default();
        for i in 0..self.spans.len() {
            let Some(class) = self.spans[i].class else { continue };
            let fresh = small(self.classes.len());
            let class = *names.entry((class, self.after[i])).or_insert(fresh);
            if class == fresh {
                self.classes.push(Vec::new());
                self.used.push(0);
            }
            self.classes[class as usize].push(small(i));
            self.spans[i].class = Some(class);
        }
    }

    /// Tries this order first, wherever it can be followed: each item at most once, not all need be there.
    pub(crate) fn follow(&mut self, mut items: Vec<u32>) {
        if planted::is(Bug::WrongGuide) {
            items.reverse();
        }
        let mut place = vec![END; self.spans.len()];
        items.iter().zip(0..).for_each(|(item, at)| place[*item as usize] = at);
        self.guide = Guide { items, place, next: 0 };
    }

    /// What the guide has next, if it can follow what has its place already.
    fn guided(&mut self, horizon: u64) -> Option<u32> {
        let Guide { items, next, .. } = &mut self.guide;
        while items.get(*next).is_some_and(|item| self.placed[*item as usize]) {
            *next += 1;
        }
        let item = items.get(*next).copied()?;
        let Span { invoked, class, .. } = self.spans[item as usize];
        let turn = |class: u32| {
            let used = self.used[class as usize] as usize;
            self.classes[class as usize].get(used) == Some(&item)
        };
        (invoked <= horizon && class.is_none_or(turn)).then_some(item)
    }

    /// Keeps the longest order from now on.
    pub(crate) fn keep_best(&mut self) {
        self.best = Some(Vec::new());
    }

    /// The longest order found, if it was kept.
    pub(crate) fn best(&self) -> Vec<usize> {
        self.best.iter().flatten().map(|i| *i as usize).collect()
    }

    /// How many had a place at the furthest, and of how many.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.furthest.0, self.by_return.len())
    }

    /// Looks for an order. Takes what it spends from `budget`.
    pub(crate) fn run(&mut self, budget: &mut Budget) -> Found {
        let mut fresh = !std::mem::replace(&mut self.started, true);
        loop {
            if fresh {
                self.settle();
                if self.left == 0 {
                    return Found::Order(self.trail.iter().map(|i| *i as usize).collect());
                }
                self.enter();
            }
            let spent = budget.steps == 0 || self.memo.len() > budget.memory;
            let Some(advanced) = (if spent { None } else { self.advance(budget) }) else {
                self.note_furthest();
                return Found::GaveUp { furthest: self.furthest.1 as usize };
            };
            budget.steps -= 1;
            fresh = advanced;
            if !fresh && !self.leave() {
                return Found::Nothing { stuck: self.furthest.1 as usize };
            }
        }
    }

    fn situation(&self) -> u128 {
        if planted::is(Bug::MemoWithoutPlaced) {
            return self.object.print();
        }
        if planted::is(Bug::MemoWithoutState) {
            return self.print;
        }
        self.print ^ self.object.print()
    }

    /// A new situation, unless it is known to fail.
    fn enter(&mut self) {
        if self.memo.len() > 0
            && let Some(short_of) = self.memo.failed_short_of(self.situation(), &self.used)
            && let Some(frame) = self.frames.last_mut()
        {
            frame.short_of |= short_of;
            let placed = frame.placed;
            self.take_back(placed);
            return;
        }
        let phase = match self.precedence {
            _ if self.guide.next < self.guide.items.len() => Phase::Guide,
            Precedence::RealTime => Phase::Target,
            Precedence::Process | Precedence::Nothing => Phase::Helpful,
        };
        let (placed, cursor) = (self.trail.len(), self.open.first());
        let last = self.trail.last().copied().filter(|last| {
            let unknown = self.spans[*last as usize].class.is_some();
            unknown && self.object.fades(*last as usize)
        });
        let fading = last.is_some();
        self.frames.push(Frame { placed, phase, cursor, short_of: 0, fading });
    }

    /// Nothing was left to try in the last situation: back to the one before. `false`: there is none.
    fn leave(&mut self) -> bool {
        self.note_furthest();
        let failed = self.situation();
        let (short_of, fading) =
            self.frames.pop().map_or((0, false), |frame| (frame.short_of, frame.fading));
        // What was not tried after what faded is tried from the situation before, and its failure is noted there:
        // here only those are known to fail as well that come with no fewer unknown operations of any class.
        let skipped = fading && !planted::is(Bug::FadedFailsAll);
        let known = if skipped { u64::MAX } else { short_of };
        let known = if planted::is(Bug::MemoWithoutUsed) { 0 } else { known };
        self.memo.note(failed, &self.used, known);
        let Some(frame) = self.frames.last_mut() else { return false };
        frame.short_of |= short_of;
        let placed = frame.placed;
        self.take_back(placed);
        true
    }

    fn note_furthest(&mut self) {
        let done = self.by_return.len() - self.left;
        if done < self.furthest.0 || done == self.furthest.0 && self.furthest != (0, 0) {
            return;
        }
        let stuck = match self.precedence {
            Precedence::RealTime => self.by_return.get(self.next_return).copied(),
            Precedence::Process | Precedence::Nothing => {
                let mut open = self.pending(NEVER);
                open.find(|i| self.object.observes(*i as usize)).or(Some(self.open.first()))
            }
        };
        self.furthest = (done, stuck.filter(|stuck| *stuck != END).unwrap_or(0));
        if let Some(best) = &mut self.best {
            best.clone_from(&self.trail);
        }
    }

    /// What needs a place and was invoked by `horizon`.
    fn pending(&self, horizon: u64) -> impl Iterator<Item = u32> + '_ {
        let some = |i: u32| Some(i).filter(|i| *i != END);
        let all = std::iter::successors(some(self.open.first()), move |i| some(self.open.next(*i)));
        all.take_while(move |i| self.spans[*i as usize].invoked <= horizon)
    }

    /// The time at which something must have its place: what was invoked later comes after it.
    fn horizon(&mut self) -> u64 {
        if self.precedence != Precedence::RealTime {
            return NEVER;
        }
        while let Some(i) = self.by_return.get(self.next_return)
            && self.placed[*i as usize]
        {
            self.next_return += 1;
        }
        let target = self.by_return.get(self.next_return);
        let touching = u64::from(planted::is(Bug::TouchIsOrder));
        target.map_or(NEVER, |i| self.spans[*i as usize].returned - touching)
    }

    fn enabled(&self, item: u32) -> bool {
        let before = self.after[item as usize];
        before == END || self.placed[before as usize]
    }

    /// Places every read that fits.
    fn settle(&mut self) {
        loop {
            let horizon = self.horizon();
            let mut item = self.open.first();
            let mut placed = false;
            while item != END && self.spans[item as usize].invoked <= horizon {
                let next = self.open.next(item);
                self.since += 1;
                if self.object.is_read(item as usize) {
                    placed |= self.place(item);
                }
                item = next;
            }
            if !placed {
                return;
            }
        }
    }

    fn place(&mut self, item: u32) -> bool {
        let unknown = self.spans[item as usize].class.is_some();
        let idle = unknown || planted::is(Bug::IdleNever) && !self.object.is_read(item as usize);
        let before = if idle { self.object.print() } else { 0 };
        if !self.enabled(item) || !self.object.place(item as usize) {
            return false;
        }
        // What need not have happened and changes nothing did not.
        if idle && self.object.print() == before {
            self.object.undo(item as usize);
            return false;
        }
        self.placed[item as usize] = true;
        self.trail.push(item);
        if let Some(class) = self.spans[item as usize].class {
            self.used[class as usize] += 1;
            return true;
        }
        self.left -= 1;
        self.print ^= scatter(u64::from(item) << 1 | 1);
        self.open.remove(item);
        let follower = self.follower[item as usize];
        if follower != END {
            self.open.push(follower);
        }
        true
    }

    /// Takes back the last items until `placed` have a place.
    fn take_back(&mut self, placed: usize) {
        while self.trail.len() > placed
            && let Some(item) = self.trail.pop()
        {
            self.object.undo(item as usize);
            self.placed[item as usize] = false;
            if let Some(place) = self.guide.place.get(item as usize) {
                self.guide.next = self.guide.next.min(*place as usize);
            }
            if let Some(class) = self.spans[item as usize].class {
                self.used[class as usize] -= 1;
                continue;
            }
            self.left += 1;
            self.print ^= scatter(u64::from(item) << 1 | 1);
            let follower = self.follower[item as usize];
            if follower != END {
                self.open.remove(follower);
            }
            self.open.restore(item);
            self.next_return = self.next_return.min(self.rank[item as usize] as usize);
        }
    }
}
