//! Causal convergence: a write in the causal past of a read comes before the write that was read, for everybody.

use super::columns::{Latest, Past};
use crate::meter::{Meter, Spent};
use crate::planted::{self, Bug};
use crate::weak::Found;
use crate::weak::graph::{Arc, Derived, Graph, LISTED, Sorted, Why};
use crate::weak::levels::{Arcs, versions};
use crate::weak::resolved::{INIT, Resolved};

pub(super) fn find(resolved: &Resolved, meter: &mut Meter<'_>) -> Result<Option<Found>, Spent> {
    Ok(match converge(resolved, meter)? {
        Outcome::Bad(found) => Some(found),
        Outcome::Good { .. } => None,
        Outcome::Cyclic { arcs, cyclic, .. } => {
            let graph = Graph::new(resolved, &arcs);
            let smallest = cyclic.iter().min_by_key(|component| component.len());
            let cycle = graph.cycle(smallest.expect("there is a cycle"));
            Some(explain(resolved, cycle))
        }
    })
}

/// What all causal levels begin with.
pub(super) enum Outcome<'a> {
    /// A pattern that no causal level allows.
    Bad(Found),
    /// An order of all nodes.
    Good { past: Past<'a>, order: Vec<u32> },
    /// There is none, though nothing that was read had been overwritten in the causal past.
    Cyclic { past: Past<'a>, arcs: Vec<Derived>, cyclic: Vec<Vec<u32>> },
}

/// Looks for one order of all transactions.
pub(super) fn converge<'a>(
    resolved: &'a Resolved,
    meter: &mut Meter<'_>,
) -> Result<Outcome<'a>, Spent> {
    let causes = Graph::new(resolved, &[]);
    let sorted = causes.sort();
    if let Some(smallest) = sorted.cyclic.iter().min_by_key(|component| component.len()) {
        return Ok(Outcome::Bad(Found::cycle(causes.cycle(smallest))));
    }
    let past = Past::new(resolved, sorted);
    let mut arcs = Arcs::default();
    let mut latest = Latest::new(resolved.len());
    past.each(meter, |meter, session, last, column| {
        let start = resolved.starts[session as usize];
        past.visit(session, last, column, |arc| {
            if arc.to == INIT {
                arcs.push(resolved, arc);
            } else if arc.from - start
                >= column[arc.to as usize] + u32::from(planted::is(Bug::NearlyNew))
            {
                latest.push(arc);
            }
        });
        latest.take(&mut arcs.list);
        meter.keep(arcs.list.len())
    })?;
    if let Some(initial) = arcs.initial {
        let Found { arcs, .. } = Found::initial(initial);
        return Ok(Outcome::Bad(explain(resolved, arcs)));
    }
    let mut list = versions(resolved, 1, |_| true);
    list.extend(arcs.list);
    let Sorted { order, cyclic } = Graph::new(resolved, &list).sort();
    if cyclic.is_empty() {
        return Ok(Outcome::Good { past, order });
    }
    let mut within = within(&past, &cyclic, meter)?;
    Ok(match overwritten(&past, &mut within, meter)? {
        Some(found) => Outcome::Bad(found),
        None => Outcome::Cyclic { past, arcs: list, cyclic },
    })
}

/// All that is derived within a component, and does not follow from causes.
pub(super) fn within(
    past: &Past<'_>,
    cyclic: &[Vec<u32>],
    meter: &mut Meter<'_>,
) -> Result<Vec<Derived>, Spent> {
    let resolved = past.resolved;
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
    Ok(derived)
}

/// Of so many overwritten reads the one with the shortest path of causes is shown.
const CANDIDATES: usize = 16;

/// WriteCORead: what was read comes causally before something that overwrote it and was known.
fn overwritten(
    past: &Past<'_>,
    derived: &mut [Derived],
    meter: &mut Meter<'_>,
) -> Result<Option<Found>, Spent> {
    let resolved = past.resolved;
    let causes = Graph::new(resolved, &[]);
    let session = |arc: &Derived| resolved.session[arc.to as usize];
    derived.sort_unstable_by_key(session);
    let mut column = vec![0; resolved.len()];
    let mut found: Vec<Found> = Vec::new();
    for arcs in derived.chunk_by(|one, next| session(one) == session(next)) {
        meter.tick(resolved.reads.len(), || "looking for reads of what was overwritten".into())?;
        past.column(session(&arcs[0]), &mut column);
        let bad = arcs.iter().filter(|arc| column[arc.from as usize] >= resolved.place(arc.to));
        found.extend(bad.take(CANDIDATES - found.len()).map(|&Derived { from, to, by, key }| {
            let mut cycle = vec![Arc { from, to, why: Why::Derived { by, key } }];
            cycle.extend(causes.path(to, from, |_| true).expect("it is in the past"));
            explain(resolved, cycle)
        }));
    }
    Ok(found.into_iter().min_by_key(|found| found.nodes.len()))
}

/// `arcs` with a causal path for each one that was derived.
pub(super) fn explain(resolved: &Resolved, arcs: Vec<Arc>) -> Found {
    let causes = Graph::new(resolved, &[]);
    let mut found = Found::cycle(arcs.clone());
    found.nodes.retain(|&node| node != INIT);
    for arc in arcs {
        if let Why::Derived { by, key } = arc.why
            && key & LISTED == 0
        {
            let path = causes.path(arc.from, by, |_| true);
            found.add(&path.expect("what is derived is in the causal past"));
        }
    }
    found
}
