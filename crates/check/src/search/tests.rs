//! How often a search looks at the clock, by what it has its object do in between.

use super::*;
use std::cell::Cell;

thread_local! {
    static DONE: Cell<usize> = const { Cell::new(0) };
    /// The most that was done between two questions, and how many there were.
    static MOST: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// How many questions are answered with no.
    static PATIENCE: Cell<usize> = const { Cell::new(0) };
}

fn expired() -> bool {
    let (most, asked) = MOST.get();
    MOST.set((most.max(DONE.replace(0)), asked + 1));
    asked >= PATIENCE.get()
}

fn work() {
    DONE.set(DONE.get() + 1);
}

/// Goes down from its number of items; item 0 never fits, so that there is no order.
struct Countdown(usize);

impl Object for Countdown {
    fn place(&mut self, item: usize) -> bool {
        work();
        let fits = item > 0 && item + 1 == self.0;
        self.0 -= usize::from(fits);
        fits
    }

    fn undo(&mut self, _item: usize) {
        work();
        self.0 += 1;
    }

    fn print(&self) -> u128 {
        self.0 as u128
    }

    fn is_read(&self, _item: usize) -> bool {
        false
    }

    fn observes(&self, _item: usize) -> bool {
        true
    }

    fn fades(&self, _item: usize) -> bool {
        false
    }

    fn leads(&self, _item: usize, _target: usize) -> bool {
        work();
        false
    }

    fn equal(&self, _one: usize, _other: usize) -> bool {
        work();
        false
    }

    fn matters(&self, _item: usize, _now: u64) -> bool {
        true
    }
}

fn search(count: usize, precedence: Precedence, patience: usize) -> Search<Countdown> {
    DONE.set(0);
    MOST.set((0, 0));
    PATIENCE.set(patience);
    let span = |process| Span { process, invoked: 0, returned: 1, class: None, waited: true };
    Search::new(Countdown(count), precedence, (0..count as u64).map(span).collect())
}

/// The most that is done between two questions, how often is asked, and what is found, among so many that overlap.
fn looks(count: usize, precedence: Precedence, patience: usize) -> (usize, usize, Found) {
    let mut budget = Budget { expired, ..Budget::default() };
    let found = search(count, precedence, patience).run(&mut budget);
    let (most, asked) = MOST.get();
    (most.max(DONE.get()), asked, found)
}

#[test]
fn the_clock_is_looked_at_within_a_step_as_well() {
    let count = 300;
    for precedence in [Precedence::RealTime, Precedence::Nothing] {
        let (most, asked, found) = looks(count, precedence, usize::MAX);
        assert!(matches!(found, Found::Nothing { .. }), "{found:?}");
        assert!(most <= 3 * BREATH + count && asked > 10, "{most} between {asked} questions");
        for patience in [0, 1, 5] {
            let (_, asked, found) = looks(count, precedence, patience);
            assert!(matches!(found, Found::GaveUp { .. }), "{found:?}");
            assert_eq!(asked, patience + 1, "whoever is told that the time is up stops");
        }
    }
    let free = planted::with(Bug::LooksAreFree, || looks(count, Precedence::RealTime, usize::MAX));
    assert!(free.0 > 4 * BREATH + count, "{free:?}");
}

#[test]
fn a_search_that_is_interrupted_goes_on_where_it_was() {
    for precedence in [Precedence::RealTime, Precedence::Nothing] {
        let (_, asked, whole) = looks(100, precedence, usize::MAX);
        let mut search = search(100, precedence, 0);
        let mut budget = Budget { expired, ..Budget::default() };
        let mut found = search.run(&mut budget);
        while let Found::GaveUp { .. } = found {
            found = search.run(&mut budget);
        }
        assert_eq!((MOST.get().1, found), (asked, whole), "{precedence:?}");
        assert!(asked > 2, "{asked} questions");
    }
}
