//! Registers: what was written, all that saw it, and the compare-and-sets that took it up form a block into which
//! nothing else may be put that writes. Two blocks have an order unless each must begin before the other is over
//! (Gibbons and Korach, "Testing shared memories", 1997, section 4.1: zones).

use super::super::board::{Board, Step};
use super::Plan;
use crate::planted::{self, Bug};
use crate::search::Span;

const NONE: u32 = u32::MAX;

/// Who writes what and who sees it.
struct Links<'a> {
    spans: &'a [Span],
    /// By slot: who brings it.
    maker: Vec<u32>,
    /// By slot: whose compare-and-set takes it up.
    next: Vec<u32>,
    /// By slot: who reads it.
    readers: Vec<Vec<u32>>,
}

/// A block.
struct Block {
    items: Vec<u32>,
    /// The earliest return of any, and the last invocation.
    returned: u64,
    invoked: u64,
    initial: bool,
}

/// What a step takes up and brings; of a compare-and-set only if it succeeds.
fn change(step: Step) -> Option<(Option<u32>, u32)> {
    match step {
        Step::Put { slot, .. } => Some((None, slot)),
        Step::Swap { from, to, done, .. } if done != Some(false) => Some((Some(from), to)),
        _ => None,
    }
}

pub(super) fn plan(board: &Board<'_>, steps: &[Step], spans: &[Span]) -> Plan {
    let slots = board.slots.len();
    let initial = u32::try_from(board.cells[0].state).expect("a register is at a slot");
    let mut links = Links {
        spans,
        maker: vec![NONE; slots],
        next: vec![NONE; slots],
        readers: vec![Vec::new(); slots],
    };
    let mut several = vec![false; slots];
    several[initial as usize] = true;
    for (item, step) in (0..).zip(steps) {
        match (*step, change(*step)) {
            (Step::See { slot, .. }, _) if spans[item as usize].class.is_none() => {
                links.readers[slot as usize].push(item);
            }
            (_, Some((_, slot))) if links.maker[slot as usize] == NONE => {
                links.maker[slot as usize] = item;
            }
            (_, Some((_, slot))) => several[slot as usize] = true,
            _ => {}
        }
    }
    // A compare-and-set that may have failed and brought nothing that was seen is left to the search.
    let open = |item: u32| {
        let brought = |slot: u32| links.readers[slot as usize].is_empty();
        matches!(steps[item as usize], Step::Swap { done: None, to, .. } if brought(to))
    };
    let must = |item: &u32| spans[*item as usize].class.is_none();
    let changes = |item: &u32| change(steps[*item as usize]).is_some();
    let items = 0..u32::try_from(steps.len()).expect("fewer than 2^32 items");
    let mut happened: Vec<u32> =
        items.filter(|item| must(item) && changes(item) && !open(*item)).collect();
    let mut noted = 0;
    while let Some(item) = happened.get(noted).copied() {
        noted += 1;
        let Some((Some(from), _)) = change(steps[item as usize]) else { continue };
        let (maker, next) = (links.maker[from as usize], &mut links.next[from as usize]);
        if *next != NONE {
            let both = [item, *next].into_iter();
            return Plan::Conflict(both.chain((maker != NONE).then_some(maker)).collect());
        }
        *next = item;
        if maker != NONE && !(must(&maker) && !open(maker)) {
            happened.push(maker);
        }
    }
    for (slot, several) in several.iter().enumerate() {
        let seen = !links.readers[slot].is_empty() || links.next[slot] != NONE;
        if *several && seen && (slot != initial as usize || links.maker[slot] != NONE) {
            return Plan::None;
        }
    }
    let mut blocks = Vec::new();
    let starts = happened.iter().filter(|item| matches!(steps[**item as usize], Step::Put { .. }));
    for start in std::iter::once(NONE).chain(starts.copied()) {
        match links.block(start, initial, steps) {
            Ok(block) => blocks.push(block),
            Err(conflict) => return Plan::Conflict(conflict),
        }
    }
    in_line(blocks, steps, spans)
}

impl Links<'_> {
    /// The block that begins with `start`, or with nothing; if it has no order, the items that show it.
    fn block(&self, start: u32, initial: u32, steps: &[Step]) -> Result<Block, Vec<u32>> {
        let mut block =
            Block { items: Vec::new(), returned: u64::MAX, invoked: 0, initial: start == NONE };
        let mut last = NONE;
        let mut item = start;
        let mut slot = initial;
        loop {
            if item != NONE {
                self.add(&mut block, item, &mut last, steps)?;
                slot = change(steps[item as usize]).expect("it changes something").1;
                if self.maker[slot as usize] != item {
                    return Ok(block);
                }
            }
            // Readers do not come one after another: each is held against what was before all of them.
            let before = last;
            let mut latest = last;
            for reader in &self.readers[slot as usize] {
                let mut of = before;
                self.add(&mut block, *reader, &mut of, steps)?;
                if latest == NONE || self.invoked(of) > self.invoked(latest) {
                    latest = of;
                }
            }
            last = latest;
            item = self.next[slot as usize];
            if item == NONE {
                return Ok(block);
            }
        }
    }

    fn invoked(&self, item: u32) -> u64 {
        self.spans[item as usize].invoked
    }

    /// Adds an item to a block, unless it returned before `last` was invoked: of those before it the one that was last.
    fn add(
        &self,
        block: &mut Block,
        item: u32,
        last: &mut u32,
        steps: &[Step],
    ) -> Result<(), Vec<u32>> {
        let Span { invoked, returned, .. } = self.spans[item as usize];
        if *last != NONE && returned < self.invoked(*last) {
            let chain = block.items.iter().filter(|item| change(steps[**item as usize]).is_some());
            return Err(chain.copied().chain([*last, item]).collect());
        }
        if *last == NONE || invoked > self.invoked(*last) {
            *last = item;
        }
        block.items.push(item);
        block.returned = block.returned.min(returned);
        block.invoked = block.invoked.max(invoked);
        Ok(())
    }
}

/// One block after another.
fn in_line(mut blocks: Vec<Block>, steps: &[Step], spans: &[Span]) -> Plan {
    // What is over before its last part begins needs all the time between; the others but a moment, the earliest.
    blocks.sort_by_key(|block| {
        let Block { invoked, returned, initial, .. } = *block;
        let first = if planted::is(Bug::ZonesByReturn) { returned } else { returned.min(invoked) };
        (!initial, first, returned < invoked)
    });
    let mut latest: Option<&Block> = None;
    for block in &blocks {
        if let Some(other) = latest.filter(|other| block.returned < other.invoked) {
            let shown = |block: &Block| {
                let kept = |item: &u32| {
                    let Span { invoked, returned, .. } = spans[*item as usize];
                    let ends = invoked == block.invoked || returned == block.returned;
                    ends || change(steps[*item as usize]).is_some()
                };
                block.items.iter().copied().filter(kept).collect::<Vec<u32>>()
            };
            let items = [shown(block), shown(other)].concat();
            return Plan::Conflict(items);
        }
        if latest.is_none_or(|other| other.invoked < block.invoked) {
            latest = Some(block);
        }
    }
    Plan::Order(blocks.into_iter().flat_map(|block| block.items).collect())
}
