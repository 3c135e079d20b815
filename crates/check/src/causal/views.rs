//! Causal consistency (CC), where there is no one order for all: has each transaction one of its own?
//!
//! What a transaction derives from its own reads must not make a cycle with the causes. Such a cycle lies
//! within one of those that all derived arcs make together, so that only these are looked at again.

use super::convergence::{Outcome, converge, explain, within};
use crate::meter::{Meter, Spent};
use crate::planted::{self, Bug};
use crate::weak::Found;
use crate::weak::graph::{Derived, Graph, LISTED};
use crate::weak::levels::versions;
use crate::weak::resolved::Resolved;

pub(super) fn find(resolved: &Resolved, meter: &mut Meter<'_>) -> Result<Option<Found>, Spent> {
    let (past, mut arcs, mut cyclic) = match converge(resolved, meter)? {
        Outcome::Bad(found) => return Ok(Some(found)),
        Outcome::Good { .. } => return Ok(None),
        Outcome::Cyclic { past, arcs, cyclic } => (past, arcs, cyclic),
    };
    let lists = versions(resolved, usize::MAX, |_| true);
    if !lists.is_empty() {
        arcs.extend(lists);
        meter.keep(arcs.len())?;
        cyclic = Graph::new(resolved, &arcs).sort().cyclic;
    }
    let mut derived = within(&past, &cyclic, meter)?;
    derived.sort_unstable_by_key(|arc| arc.by);
    for component in &cyclic {
        if let Some(found) = fractured(resolved, component, &derived, meter)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Reads of one transaction that no one order explains.
fn fractured(
    resolved: &Resolved,
    component: &[u32],
    derived: &[Derived],
    meter: &mut Meter<'_>,
) -> Result<Option<Found>, Spent> {
    let local = |node: u32| component.binary_search(&node).ok().map(|at| at as u32);
    let global = |node: u32| component[node as usize];
    let part = resolved.part(component);
    let mut readers: Vec<u32> = derived.iter().map(|arc| arc.by).collect();
    readers.extend(resolved.lists.iter().map(|list| list.node));
    readers.sort_unstable();
    readers.dedup();
    for (at, &by) in readers.iter().enumerate() {
        let first = derived.partition_point(|arc| arc.by < by);
        let own = derived[first..].iter().take_while(|arc| arc.by == by);
        let mut arcs: Vec<Derived> = own
            .filter_map(|arc| {
                let (from, to) = (local(arc.from)?, local(arc.to)?);
                Some(Derived { from, to, ..*arc })
            })
            .collect();
        if !planted::is(Bug::NoOwnLists) {
            lists(resolved, component, by, &mut arcs);
        }
        // One arc of a register alone would have been found as overwritten.
        if arcs.is_empty() || arcs.len() == 1 && arcs[0].key & LISTED == 0 {
            continue;
        }
        let work = part.reads.len() + part.len() + arcs.len();
        meter.step(work, || format!("at reader {at} of {} within a cycle", readers.len()))?;
        let graph = Graph::new(&part, &arcs);
        if let Some(cyclic) = graph.sort().cyclic.first() {
            let mut cycle = graph.cycle(cyclic);
            for arc in &mut cycle {
                // The keys of causes are named anew in a part, and only their ends matter here.
                (arc.from, arc.to) = (global(arc.from), global(arc.to));
            }
            return Ok(Some(explain(resolved, cycle)));
        }
    }
    Ok(None)
}

/// What the lists that `by` read tell of a component.
fn lists(resolved: &Resolved, component: &[u32], by: u32, arcs: &mut Vec<Derived>) {
    let local = |node: u32| component.binary_search(&node).ok().map(|at| at as u32);
    let first = resolved.lists.partition_point(|list| list.node < by);
    for list in resolved.lists[first..].iter().take_while(|list| list.node == by) {
        let (elements, key) = (resolved.elements(list), list.key | LISTED);
        let inside: Vec<u32> = elements.iter().filter_map(|&node| local(node)).collect();
        let order = inside.windows(2);
        arcs.extend(order.map(|pair| Derived { from: pair[0], to: pair[1], by, key }));
        let Some(from) = elements.last().and_then(|&node| local(node)) else { continue };
        let wrote = |node: &u32| resolved.writes(*node).binary_search(&list.key).is_ok();
        for &node in component.iter().filter(|node| wrote(node) && !elements.contains(node)) {
            let to = local(node).expect("it is of the component");
            arcs.push(Derived { from, to, by, key });
        }
    }
}
