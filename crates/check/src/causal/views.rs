//! Causal consistency (CC), where there is no one order for all: has each transaction one of its own?
//!
//! What a transaction derives from its own reads must not make a cycle with the causes. Such a cycle lies
//! within one of those that all derived arcs make together, so that only these are looked at again.

use super::columns::Past;
use super::convergence::{Outcome, converge, explain};
use crate::weak::Found;
use crate::weak::graph::{Arc, Derived, Graph, LISTED, Why};
use crate::weak::levels::versions;
use crate::weak::meter::{Meter, Spent};
use crate::weak::resolved::{INIT, Resolved};

/// Of so many overwritten reads the one with the shortest path of causes is shown.
const CANDIDATES: usize = 16;

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
    let mut of = vec![INIT; resolved.len()];
    for (component, number) in cyclic.iter().zip(0..) {
        component.iter().for_each(|&node| of[node as usize] = number);
    }
    let mut derived = Vec::new();
    past.each(meter, |meter, session, last, column| {
        past.visit(session, last, column, |arc| {
            let together = of[arc.from as usize] == of[arc.to as usize];
            let new = resolved.place(arc.from) > column[arc.to as usize];
            if together && new && of[arc.to as usize] != INIT {
                derived.push(arc);
            }
        });
        meter.keep(derived.len())
    })?;
    if let Some(found) = overwritten(&past, &mut derived, meter)? {
        return Ok(Some(found));
    }
    derived.sort_unstable_by_key(|arc| arc.by);
    for component in &cyclic {
        if let Some(found) = fractured(resolved, component, &derived, meter)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// WriteCORead: what was read comes causally before something that overwrote it and was known.
fn overwritten(
    past: &Past<'_>,
    derived: &mut [Derived],
    meter: &mut Meter<'_>,
) -> Result<Option<Found>, Spent> {
    let resolved = past.resolved;
    let session = |arc: &Derived| resolved.session[arc.to as usize];
    derived.sort_unstable_by_key(session);
    let mut column = vec![0; resolved.len()];
    let mut found: Vec<Found> = Vec::new();
    for arcs in derived.chunk_by(|one, next| session(one) == session(next)) {
        meter.tick(resolved.reads.len(), || "looking for reads of what was overwritten".into())?;
        past.column(session(&arcs[0]), &mut column);
        let bad = arcs.iter().filter(|arc| column[arc.from as usize] >= resolved.place(arc.to));
        found.extend(bad.take(CANDIDATES - found.len()).map(|&Derived { from, to, by, key }| {
            let causes = Graph::new(resolved, &[]);
            let mut cycle = vec![Arc { from, to, why: Why::Derived { by, key } }];
            cycle.extend(causes.path(to, from, |_| true).expect("it is in the past"));
            explain(resolved, cycle)
        }));
    }
    Ok(found.into_iter().min_by_key(|found| found.nodes.len()))
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
        lists(resolved, component, by, &mut arcs);
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
