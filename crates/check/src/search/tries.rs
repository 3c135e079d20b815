//! What is tried from a situation, and in which turn.

use super::links::END;
use super::memo::short;
use super::{ASKED, BREATH, Frame, Object, Phase, Precedence, Search};
use crate::Budget;
use crate::planted::{self, Bug};

impl<O: Object> Search<O> {
    /// Places what is next to be tried in the last situation; `false` if there is nothing left. `None`: the time is
    /// up, and whoever asks again goes on from here.
    pub(super) fn advance(&mut self, budget: &Budget) -> Option<bool> {
        let at = self.frames.len() - 1;
        let horizon = self.horizon();
        loop {
            if self.is_over(budget) {
                return None;
            }
            let Frame { phase, cursor, .. } = self.frames[at];
            let placed = match phase {
                Phase::Guide => {
                    let next = match self.precedence {
                        Precedence::RealTime => Phase::Target,
                        Precedence::Process | Precedence::Nothing => Phase::Helpful,
                    };
                    self.turn(at, next);
                    let item = self.guided(horizon);
                    if item.is_some() && planted::is(Bug::OnlyGuide) {
                        self.turn(at, Phase::OtherUnknown);
                        self.frames[at].cursor = u32::try_from(self.classes.len()).unwrap_or(0);
                    }
                    item.is_some_and(|item| self.heard(at, item) && self.place(item))
                }
                Phase::Target => {
                    let target = self.by_return[self.next_return];
                    self.turn(at, Phase::Helpful);
                    self.heard(at, target) && self.place(target)
                }
                Phase::Helpful | Phase::Other => {
                    let within = cursor != END && self.spans[cursor as usize].invoked <= horizon;
                    if !within {
                        let helpful = phase == Phase::Helpful;
                        let unknown =
                            if helpful { Phase::HelpfulUnknown } else { Phase::OtherUnknown };
                        self.turn(at, unknown);
                        continue;
                    }
                    self.frames[at].cursor = self.open.next(cursor);
                    self.heard(at, cursor)
                        && !self.has_better(cursor, horizon)
                        && self.attempt(cursor, phase == Phase::Helpful)
                }
                Phase::HelpfulUnknown | Phase::OtherUnknown => {
                    if cursor as usize == self.classes.len() {
                        if phase == Phase::OtherUnknown {
                            return Some(false);
                        }
                        self.turn(at, Phase::Other);
                        continue;
                    }
                    self.frames[at].cursor += 1;
                    self.attempt_of(at, cursor as usize, phase == Phase::HelpfulUnknown, horizon)
                }
            };
            if placed {
                return Some(true);
            }
        }
    }

    /// Counts a candidate, and looks at the clock every now and then.
    fn is_over(&mut self, budget: &Budget) -> bool {
        self.since += 1;
        if self.since < BREATH {
            return false;
        }
        self.since = 0;
        (budget.expired)()
    }

    fn turn(&mut self, at: usize, phase: Phase) {
        let unknown = matches!(phase, Phase::HelpfulUnknown | Phase::OtherUnknown);
        let cursor = if unknown { 0 } else { self.open.first() };
        (self.frames[at].phase, self.frames[at].cursor) = (phase, cursor);
    }

    /// Places one more of a class of unknown items, as [`Search::attempt`] does.
    fn attempt_of(&mut self, at: usize, class: usize, helpful: bool, horizon: u64) -> bool {
        let used = self.used[class] as usize;
        let first = self.classes[class][0];
        if !self.heard(at, first) || !self.object.matters(first as usize, horizon) {
            return false;
        }
        let next = self.classes[class].get(used).copied();
        let called = |item: &u32| self.spans[*item as usize].invoked <= horizon;
        let Some(item) = next.filter(called) else {
            if used > 0 {
                self.frames[at].short_of |= short(class);
            }
            return false;
        };
        self.attempt(item, helpful)
    }

    /// Whether an item may follow: only what observes comes right after what fades.
    fn heard(&self, at: usize, item: u32) -> bool {
        !self.frames[at].fading || self.object.observes(item as usize)
    }

    /// Whether an equal item that returns earlier may be placed in its stead: then no order is lost without it.
    fn has_better(&mut self, item: u32, horizon: u64) -> bool {
        if self.precedence != Precedence::RealTime {
            return false;
        }
        let returned = |item: u32| (self.spans[item as usize].returned, item);
        let better = |other: &u32| {
            (returned(*other) < returned(item)) != planted::is(Bug::LaterStands)
                && *other != item
                && self.object.equal(*other as usize, item as usize)
                && self.enabled(*other)
        };
        let mut compared = 0;
        let found = self.pending(horizon).inspect(|_| compared += 1).any(|other| better(&other));
        self.since += if planted::is(Bug::LooksAreFree) { 0 } else { compared };
        found
    }

    /// Places an item if it fits, and helps or not as is asked.
    fn attempt(&mut self, item: u32, helpful: bool) -> bool {
        if self.precedence == Precedence::RealTime && self.by_return[self.next_return] == item {
            return false;
        }
        let before = self.trail.len();
        let observes = self.object.observes(item as usize);
        if !self.place(item) {
            return false;
        }
        if self.helps(item, observes) == helpful {
            return true;
        }
        self.take_back(before);
        false
    }

    /// Whether after the last item something fits that did not before.
    fn helps(&mut self, item: u32, observes: bool) -> bool {
        if self.precedence == Precedence::RealTime {
            let target = self.by_return[self.next_return];
            return self.object.leads(item as usize, target as usize)
                || self.enabled(target) && self.fits(target);
        }
        // What observed something and fits now may not fit later.
        if observes {
            return true;
        }
        let mut item = self.open.first();
        for _ in 0..ASKED {
            if item == END {
                return false;
            }
            if self.object.is_read(item as usize) && self.fits(item) {
                return true;
            }
            item = self.open.next(item);
        }
        false
    }

    fn fits(&mut self, item: u32) -> bool {
        let fits = self.object.place(item as usize);
        if fits {
            self.object.undo(item as usize);
        }
        fits
    }
}
