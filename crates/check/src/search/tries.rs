//! What is tried from a situation, and in which turn.

use super::links::END;
use super::{ASKED, Frame, Object, Phase, Precedence, Search};

impl<O: Object> Search<O> {
    /// Places what is next to be tried in the last situation; `false` if there is nothing left.
    pub(super) fn advance(&mut self) -> bool {
        let at = self.frames.len() - 1;
        let horizon = self.horizon();
        loop {
            let Frame { phase, cursor, .. } = self.frames[at];
            let placed = match phase {
                Phase::Target => {
                    let target = self.by_return[self.next_return];
                    self.turn(at, Phase::Helpful);
                    self.place(target)
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
                    self.attempt(cursor, phase == Phase::Helpful)
                }
                Phase::HelpfulUnknown | Phase::OtherUnknown => {
                    let Some(class) = self.classes.get(cursor as usize) else {
                        if phase == Phase::OtherUnknown {
                            return false;
                        }
                        self.turn(at, Phase::Other);
                        continue;
                    };
                    self.frames[at].cursor += 1;
                    let next = class.get(self.used[cursor as usize] as usize).copied();
                    let called = |i: &u32| self.spans[*i as usize].invoked <= horizon;
                    match next.filter(called) {
                        Some(item) if self.object.matters(item as usize, horizon) => {
                            self.attempt(item, phase == Phase::HelpfulUnknown)
                        }
                        _ => false,
                    }
                }
            };
            if placed {
                return true;
            }
        }
    }

    fn turn(&mut self, at: usize, phase: Phase) {
        let unknown = matches!(phase, Phase::HelpfulUnknown | Phase::OtherUnknown);
        let cursor = if unknown { 0 } else { self.open.first() };
        (self.frames[at].phase, self.frames[at].cursor) = (phase, cursor);
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
        if self.helps(observes) == helpful {
            return true;
        }
        self.take_back(before);
        false
    }

    /// Whether after the last item something fits that did not before.
    fn helps(&mut self, observes: bool) -> bool {
        if self.precedence == Precedence::RealTime {
            let target = self.by_return[self.next_return];
            return self.enabled(target) && self.fits(target);
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
