//! The verdicts against a twin that tries every order, stores whose level is known by construction, and minimal
//! examples of every anomaly.

mod budget;
mod mutants;
mod stores;
mod stories;
mod twin;

use super::*;
use crate::Witness;
use crate::level::EdgeKind;
use std::collections::BTreeMap;

/// What was judged, by level.
fn verdicts(history: &Transactions, options: &Options) -> BTreeMap<Level, Judgement> {
    let all = judge(history, options, &mut Budget::default());
    let count = all.len();
    let found: BTreeMap<Level, Judgement> = all.into_iter().collect();
    assert_eq!(found.len(), count, "each level once");
    for judgement in found.values() {
        if let Judgement::Fails(witness) = judgement {
            sound(history, witness);
        }
    }
    found
}

/// A witness is about what is in the history, and its cycle closes.
fn sound(history: &Transactions, witness: &Witness) {
    assert!(witness.txns.is_sorted() && !witness.txns.is_empty(), "{witness:?}");
    assert!(witness.txns.iter().all(|txn| *txn < history.txns.len()), "{witness:?}");
    let cycle = &witness.cycle;
    for (at, edge) in cycle.iter().enumerate() {
        assert_eq!(edge.to, cycle[(at + 1) % cycle.len()].from, "{witness:?}");
        assert!(edge.from != edge.to && witness.txns.contains(&edge.from), "{witness:?}");
        let [from, to] = [edge.from, edge.to].map(|txn| &history.txns[txn]);
        match edge.kind {
            EdgeKind::RealTime => assert!(from.returned < to.invoked, "{witness:?}"),
            EdgeKind::Process => assert_eq!(from.process, to.process, "{witness:?}"),
            _ => assert!(edge.key.is_some() && edge.value.is_some(), "{witness:?}"),
        }
    }
}
