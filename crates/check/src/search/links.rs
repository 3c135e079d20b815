//! A doubly linked list over numbers from which is taken in any order and given back in the reverse one, without a
//! search (Knuth's dancing links; the list of entries of Wing and Gong's algorithm).

/// Past the last item.
pub(super) const END: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Links {
    /// The last place stands for the ends of the list.
    next: Vec<u32>,
    before: Vec<u32>,
}

impl Links {
    /// No item yet, of `count` that may be linked.
    pub(super) fn new(count: usize) -> Links {
        let end = u32::try_from(count).expect("fewer than 2^32 items");
        Links { next: vec![end; count + 1], before: vec![end; count + 1] }
    }

    fn end(&self) -> usize {
        self.next.len() - 1
    }

    pub(super) fn first(&self) -> u32 {
        self.shown(self.next[self.end()])
    }

    pub(super) fn next(&self, item: u32) -> u32 {
        self.shown(self.next[item as usize])
    }

    fn shown(&self, place: u32) -> u32 {
        if place as usize == self.end() { END } else { place }
    }

    pub(super) fn push(&mut self, item: u32) {
        let end = self.end();
        let last = self.before[end];
        self.before[item as usize] = last;
        self.next[item as usize] = u32::try_from(end).expect("checked when it was made");
        self.restore(item);
    }

    pub(super) fn remove(&mut self, item: u32) {
        let (before, next) = (self.before[item as usize], self.next[item as usize]);
        self.next[before as usize] = next;
        self.before[next as usize] = before;
    }

    /// Takes back the last removal that was not taken back.
    pub(super) fn restore(&mut self, item: u32) {
        let (before, next) = (self.before[item as usize], self.next[item as usize]);
        self.next[before as usize] = item;
        self.before[next as usize] = item;
    }
}
