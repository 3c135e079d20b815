//! A violation as a picture: a timeline per client, or the cycle.

use check::{Fate, Transactions, Txn, Witness};
use draw::{Cycle, CycleEdge, Span, Timeline};
use std::collections::BTreeMap;

/// One HTML file.
pub(crate) fn draw(history: &Transactions, witness: &Witness, title: &str) -> String {
    let title = format!("{title}: {}", witness.anomaly);
    if witness.cycle.is_empty() {
        draw::timeline(&timeline(history, witness, title))
    } else {
        draw::cycle(&cycle(history, witness, title))
    }
}

fn timeline(history: &Transactions, witness: &Witness, title: String) -> Timeline {
    let mut rows: BTreeMap<u64, usize> = BTreeMap::new();
    for number in &witness.txns {
        let next = rows.len();
        rows.entry(history.txns[*number].process).or_insert(next);
    }
    let mut names = vec![String::new(); rows.len()];
    rows.iter().for_each(|(process, row)| names[*row] = format!("process {process}"));
    let span = |number: &usize| {
        let txn = &history.txns[*number];
        let fate = match txn.fate {
            Fate::Committed => draw::Fate::Ok,
            Fate::Aborted => draw::Fate::Failed,
            Fate::Unknown => draw::Fate::Unknown,
        };
        Span {
            row: rows[&txn.process],
            from: txn.invoked,
            to: (txn.returned != Txn::NEVER).then_some(txn.returned),
            label: history.describe(*number),
            detail: format!("line {}, from {} to {}", txn.line, txn.invoked, txn.returned),
            fate,
            point: None,
            guilty: witness.stuck == Some(*number),
        }
    };
    let spans = witness.txns.iter().map(span).collect();
    Timeline { title, reason: witness.reason.clone(), rows: names, spans, order: Vec::new() }
}

fn cycle(history: &Transactions, witness: &Witness, title: String) -> Cycle {
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let mut nodes = Vec::new();
    for edge in &witness.cycle {
        places.entry(edge.from).or_insert_with(|| {
            let txn = &history.txns[edge.from];
            let detail = format!("line {}, process {}", txn.line, txn.process);
            nodes.push((history.describe(edge.from), detail));
            nodes.len() - 1
        });
    }
    let edges = witness.cycle.iter().filter_map(|edge| {
        let detail =
            edge.key.map_or_else(String::new, |key| format!("on {}", history.key_name(key)));
        let (from, to) = (*places.get(&edge.from)?, *places.get(&edge.to)?);
        Some(CycleEdge { from, to, kind: edge.kind.name().into(), detail })
    });
    let edges = edges.collect();
    Cycle { title, reason: witness.reason.clone(), nodes, edges }
}
