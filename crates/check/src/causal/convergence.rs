//! Causal convergence: a write in the causal past of a read comes before the write that was read, for everybody.

use super::columns::{Latest, Past};
use crate::weak::Found;
use crate::weak::graph::{Arc, Derived, Graph, LISTED, Sorted, Why};
use crate::weak::levels::{Arcs, versions};
use crate::weak::meter::{Meter, Spent};
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
    /// There is none.
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
        past.visit(session, last, column, |arc| {
            if arc.to == INIT {
                arcs.push(resolved, arc);
            } else if resolved.place(arc.from) > column[arc.to as usize] {
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
    arcs.list.extend(versions(resolved, 1, |_| true));
    let Sorted { order, cyclic } = Graph::new(resolved, &arcs.list).sort();
    Ok(match cyclic.is_empty() {
        true => Outcome::Good { past, order },
        false => Outcome::Cyclic { past, arcs: arcs.list, cyclic },
    })
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
