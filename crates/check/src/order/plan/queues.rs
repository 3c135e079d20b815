//! Queues: elements leave in the order in which they came. Two can have no order only if one was in before the other came
//! and left after the other had left (Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", CONCUR
//! 2013: VOrd); if no two are such, whichever may be first in both respects is.

use super::super::board::{ANY, Board, EMPTY, Step};
use super::Plan;
use crate::planted::{self, Bug};
use crate::search::{NEVER, Span};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is put into a queue, and maybe taken.
#[derive(Clone, Copy, Debug)]
struct Element {
    enqueue: u32,
    dequeue: Option<u32>,
    /// When it came, from and to.
    came: (u64, u64),
    /// When it left.
    left: (u64, u64),
}

/// `None`: an element came or left twice.
fn elements(board: &Board<'_>, steps: &[Step], spans: &[Span]) -> Option<(Vec<Element>, Vec<u32>)> {
    let mut dequeues: Vec<Option<u32>> = vec![None; board.slots.len()];
    let mut blind = Vec::new();
    for (item, step) in (0..).zip(steps) {
        let must = spans[item as usize].class.is_none();
        match *step {
            Step::Dequeue { slot: ANY, .. } => {
                if must {
                    return None;
                }
                blind.push(item);
            }
            Step::Dequeue { slot, .. } if slot != EMPTY && must => {
                if dequeues[slot as usize].replace(item).is_some() {
                    return None;
                }
            }
            _ => {}
        }
    }
    let mut elements = Vec::new();
    let mut came = vec![false; board.slots.len()];
    for (item, step) in (0..).zip(steps) {
        let Step::Enqueue { slot, .. } = *step else { continue };
        let Span { invoked, returned, class, .. } = spans[item as usize];
        if class.is_some() {
            continue;
        }
        if std::mem::replace(&mut came[slot as usize], true) {
            return None;
        }
        let dequeue = dequeues[slot as usize];
        let left = dequeue.map_or((NEVER, NEVER), |item| {
            let Span { invoked, returned, .. } = spans[item as usize];
            (invoked, returned)
        });
        elements.push(Element { enqueue: item, dequeue, came: (invoked, returned), left });
    }
    Some((elements, blind))
}

pub(super) fn plan(board: &Board<'_>, steps: &[Step], spans: &[Span]) -> Plan {
    let Some((mut elements, blind)) = elements(board, steps, spans) else { return Plan::None };
    let invoked = |item: &u32| spans[*item as usize].invoked;
    let empty = |at: &usize| matches!(steps[*at], Step::Dequeue { slot: EMPTY, .. });
    let empty = (0..steps.len()).filter(empty).map(|at| (spans[at].invoked, spans[at].returned));
    take(&mut elements, &blind, empty, &invoked);
    let (gone, mut stay): (Vec<Element>, Vec<Element>) =
        elements.into_iter().partition(|element| element.dequeue.is_some());
    stay.sort_by_key(|element| element.came.0);
    match in_line(&gone) {
        Ok(order) => {
            let all: Vec<Element> = order.into_iter().map(|at| gone[at]).chain(stay).collect();
            let mut order = merged(&all);
            // Dequeues of unknown outcome are equal: those that began first are used first.
            let mut used = blind.iter();
            for item in &mut order {
                if spans[*item as usize].class.is_some() {
                    *item = *used.next().expect("no more than there are");
                }
            }
            Plan::Order(order)
        }
        Err(pair) => {
            let items = pair.into_iter().flat_map(|at| [Some(gone[at].enqueue), gone[at].dequeue]);
            Plan::Conflict(items.flatten().collect())
        }
    }
}

/// Gives those that must have left, although nobody tells, to dequeues of unknown outcome: those that must have left
/// first to those that began first. They must have if what came later left, or the queue was seen `empty` later.
fn take(
    elements: &mut [Element],
    blind: &[u32],
    empty: impl Iterator<Item = (u64, u64)>,
    invoked: &dyn Fn(&u32) -> u64,
) {
    let gone = elements.iter().filter(|element| element.dequeue.is_some());
    let mut later: Vec<(u64, u64)> =
        gone.map(|element| (element.came.0, element.left.1)).chain(empty).collect();
    later.sort_unstable();
    // The earliest end among those that came so late or later.
    let mut ends: Vec<u64> = later.iter().map(|(_, left)| *left).collect();
    for at in (1..ends.len()).rev() {
        ends[at - 1] = ends[at - 1].min(ends[at]);
    }
    let mut lost: Vec<(u64, usize)> = Vec::new();
    for (at, element) in elements.iter().enumerate().filter(|(_, it)| it.dequeue.is_none()) {
        let next = later.partition_point(|(came, _)| *came <= element.came.1);
        if let Some(end) = ends.get(next) {
            lost.push((*end, at));
        }
    }
    lost.sort_unstable();
    lost.retain(|_| !planted::is(Bug::NothingTaken));
    for ((end, at), item) in lost.into_iter().zip(blind) {
        elements[at].dequeue = Some(*item);
        elements[at].left = (invoked(item), end.max(invoked(item)));
    }
}

/// An order of those that left; if there is none, two that show it.
fn in_line(gone: &[Element]) -> Result<Vec<usize>, [usize; 2]> {
    let sorted = |key: &dyn Fn(&Element) -> u64| {
        let mut all: Vec<usize> = (0..gone.len()).collect();
        all.sort_by_key(|at| key(&gone[*at]));
        all
    };
    let by_came = sorted(&|element| element.came.0);
    let by_in = sorted(&|element| element.came.1);
    let by_left = sorted(&|element| element.left.1);
    let (mut next, mut first_in, mut first_left) = (0, 0, 0);
    let mut taken = vec![false; gone.len()];
    // Those that no other was in before, by when they began to leave.
    let mut ready: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut order = Vec::with_capacity(gone.len());
    while order.len() < gone.len() {
        while taken[by_in[first_in]] {
            first_in += 1;
        }
        while taken[by_left[first_left]] {
            first_left += 1;
        }
        let (earliest, leaves) = (by_in[first_in], by_left[first_left]);
        while let Some(at) =
            by_came.get(next).filter(|at| gone[**at].came.0 <= gone[earliest].came.1)
        {
            let Element { came, left, .. } = gone[*at];
            let first = if planted::is(Bug::FirstCame) { came.0 } else { left.0 };
            ready.push(Reverse((first, *at)));
            next += 1;
        }
        match ready.pop() {
            Some(Reverse((_, at))) if gone[at].left.0 <= gone[leaves].left.1 => {
                taken[at] = true;
                order.push(at);
            }
            _ => return Err([earliest, leaves]),
        }
    }
    Ok(order)
}

/// Comings and leavings of elements in this order: each stays as short as it can.
fn merged(elements: &[Element]) -> Vec<u32> {
    let mut leaves = Vec::with_capacity(elements.len());
    let mut earliest = 0;
    for element in elements {
        earliest = earliest.max(element.came.0).max(element.left.0);
        leaves.push(earliest);
    }
    let mut comes = vec![0; elements.len()];
    let mut latest = NEVER;
    for (at, element) in elements.iter().enumerate().rev() {
        latest = latest.min(element.came.1);
        comes[at] = latest.min(leaves[at]);
    }
    let mut order = Vec::with_capacity(2 * elements.len());
    let (mut came, mut left) = (0, 0);
    while came < elements.len() || left < elements.len() && elements[left].dequeue.is_some() {
        let leaving = left < came && elements[left].dequeue.is_some();
        if leaving && (came == elements.len() || leaves[left] <= comes[came]) {
            order.extend(elements[left].dequeue);
            left += 1;
        } else if came < elements.len() {
            order.push(elements[came].enqueue);
            came += 1;
        }
    }
    order
}
