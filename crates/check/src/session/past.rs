//! What writes-follow-reads demands where there are registers only: of each key the newest version, in a given order,
//! that had been seen before what a reader has seen. If a read shows that one or a newer one, it has all it must have.
//!
//! So much is known of each process and of each write, as a trie over keys of which all that is equal is shared: what
//! two processes know differs in the last few versions only, however many processes there have been (a client that does
//! not learn an outcome goes on as another). Vector clocks would be as wide as these are many.

use super::Why;
use super::demands::{Cause, Demand, Missing};
use super::order::{Edge, Reason, Sieve};
use super::story::{Story, What};
use crate::Budget;
use std::rc::Rc;

/// Keys in a leaf, and nodes below a node.
const WIDTH: usize = 16;
/// Events between two looks at the budget.
const GLANCE: usize = 4_096;

/// A version and a read that showed it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    write: u32,
    read: u32,
}

/// What has been seen of some keys. A node takes about as much as one remembered situation.
struct Node {
    below: Below,
    /// Shared by all nodes: it counts those that are kept.
    kept: Kept,
}

enum Below {
    Leaf([Option<Seen>; WIDTH]),
    Inner([Known; WIDTH]),
}

type Kept = Rc<()>;

/// Nothing, if there is no node.
type Known = Option<Rc<Node>>;

/// What one process knows.
#[derive(Clone, Default)]
struct Process {
    /// What had been seen before what it has seen: what its reads must show.
    past: Known,
    /// The same with what it has seen itself: what goes before its writes.
    all: Known,
}

/// Puts into `sieve`, whose order there must be, what does not follow it; or finds a read that shows nothing although
/// it had to show something. `order` has what was seen before whoever saw it.
pub(super) fn all(
    story: &Story<'_>,
    order: &[u32],
    sieve: &mut Sieve,
    budget: &Budget,
) -> Result<Option<Missing>, Why> {
    let mut readers = vec![0_u32; story.events.len()];
    for event in &story.events {
        story.seen(event).iter().for_each(|write| readers[*write as usize] += 1);
    }
    let height =
        (0..).find(|height| WIDTH.pow(height + 1) >= story.shapes.len()).expect("u32 keys");
    let kept = Kept::default();
    let mut before: Vec<Known> = vec![None; story.events.len()];
    let mut processes = vec![Process::default(); story.processes.len()];
    for (looked, number) in order.iter().enumerate() {
        let heavy = sieve.weight() + Rc::strong_count(&kept) > budget.memory.saturating_add(1);
        if heavy || looked.is_multiple_of(GLANCE) && (budget.expired)() {
            let left = order.len() - looked;
            let why = if heavy { "memory" } else { "time" };
            return Err(format!("{left} events were left when the {why} was used up"));
        }
        let event = &story.events[*number as usize];
        let process = &mut processes[event.process as usize];
        match event.what {
            What::Blank => {}
            What::Write { .. } => {
                if readers[*number as usize] > 0 {
                    before[*number as usize].clone_from(&process.all);
                }
            }
            What::Read { .. } => {
                let newest = story.seen(event).first().copied();
                if let Some(write) = newest {
                    let known = &mut before[write as usize];
                    process.past = merge(&process.past, known, &sieve.rank);
                    process.all = merge(&process.all, known, &sieve.rank);
                    readers[write as usize] -= 1;
                    if readers[write as usize] == 0 {
                        *known = None;
                    }
                }
                if let Some(seen) = get(&process.past, event.key, height) {
                    let demand = Demand { write: seen.write, cause: Cause::Before(seen.read) };
                    let missing = Missing { read: *number, demand };
                    let Some(to) = newest else { return Ok(Some(missing)) };
                    if seen.write != to {
                        sieve.add(Edge { from: seen.write, to, reason: Reason::Demand(missing) });
                    }
                }
                if let Some(write) = newest {
                    let seen = Seen { write, read: *number };
                    process.all = with(&process.all, event.key, seen, height, (&sieve.rank, &kept));
                }
            }
        }
    }
    Ok(None)
}

/// The newer of two; the first, if they are one version.
fn newer(one: Option<Seen>, other: Option<Seen>, rank: &[u32]) -> Option<Seen> {
    let place = |seen: Option<Seen>| seen.map(|seen| rank[seen.write as usize]);
    if place(one) >= place(other) { one } else { other }
}

fn get(known: &Known, key: u32, height: u32) -> Option<Seen> {
    match &known.as_ref()?.below {
        Below::Leaf(seen) => seen[key as usize % WIDTH],
        Below::Inner(below) => get(&below[branch(key, height)], key, height - 1),
    }
}

/// Where below a node of this height a key is.
fn branch(key: u32, height: u32) -> usize {
    key as usize / WIDTH.pow(height) % WIDTH
}

/// All that either knows.
fn merge(one: &Known, other: &Known, rank: &[u32]) -> Known {
    let (Some(a), Some(b)) = (one, other) else { return one.clone().or_else(|| other.clone()) };
    if Rc::ptr_eq(a, b) {
        return one.clone();
    }
    let (below, [is_one, is_other]) = match (&a.below, &b.below) {
        (Below::Leaf(x), Below::Leaf(y)) => {
            let both = std::array::from_fn(|at| newer(x[at], y[at], rank));
            (Below::Leaf(both), [both == *x, both == *y])
        }
        (Below::Inner(x), Below::Inner(y)) => {
            let both = std::array::from_fn(|at| merge(&x[at], &y[at], rank));
            let is = |known: &[Known; WIDTH]| known.iter().zip(&both).all(|(a, b)| same(a, b));
            let is = [is(x), is(y)];
            (Below::Inner(both), is)
        }
        _ => unreachable!("all tries are of one height"),
    };
    match (is_one, is_other) {
        (true, _) => one.clone(),
        (_, true) => other.clone(),
        _ => Some(Rc::new(Node { below, kept: a.kept.clone() })),
    }
}

fn same(one: &Known, other: &Known) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Rc::ptr_eq(one, other),
        _ => false,
    }
}

/// The same and this, if it is newer.
fn with(known: &Known, key: u32, seen: Seen, height: u32, (rank, kept): (&[u32], &Kept)) -> Known {
    let below = known.as_ref().map(|node| &node.below);
    let node = |below| Some(Rc::new(Node { below, kept: kept.clone() }));
    if height == 0 {
        let mut leaf = match below {
            Some(Below::Leaf(leaf)) => *leaf,
            Some(Below::Inner(_)) => unreachable!("there are leaves at this height"),
            None => [None; WIDTH],
        };
        let place = &mut leaf[key as usize % WIDTH];
        let best = newer(*place, Some(seen), rank);
        if best == *place {
            return known.clone();
        }
        *place = best;
        return node(Below::Leaf(leaf));
    }
    let mut below = match below {
        Some(Below::Inner(below)) => below.clone(),
        Some(Below::Leaf(_)) => unreachable!("there are no leaves at this height"),
        None => Default::default(),
    };
    let place = &mut below[branch(key, height)];
    let best = with(place, key, seen, height - 1, (rank, kept));
    if same(&best, place) {
        return known.clone();
    }
    *place = best;
    node(Below::Inner(below))
}
