//! A violation as a picture: a timeline per client with the points where things took effect, or the cycle.

use check::{Edge, Fate, Transactions, Txn, Witness};
use draw::{Cycle, CycleEdge, Span, Timeline};
use std::collections::BTreeMap;

/// One HTML file.
pub(super) fn draw(history: &Transactions, witness: &Witness, title: &str) -> String {
    let title = format!("{title} ({})", witness.anomaly);
    if witness.cycle.is_empty() {
        draw::timeline(&timeline(history, witness, title))
    } else {
        draw::cycle(&cycle(history, witness, title))
    }
}

pub(super) fn timeline(history: &Transactions, witness: &Witness, title: String) -> Timeline {
    let mut processes: Vec<u64> =
        witness.txns.iter().map(|number| history.txns[*number].process).collect();
    processes.sort_unstable();
    processes.dedup();
    let rows = processes.iter().map(|process| format!("process {process}")).collect();
    let row = |process: u64| processes.binary_search(&process).expect("each has its row");
    let spans = witness
        .txns
        .iter()
        .map(|number| span(history, witness, *number, row(history.txns[*number].process)))
        .collect();
    // A witness is ascending; what it orders and does not show has no point.
    let place = |number: &usize| witness.txns.binary_search(number).ok();
    let order = witness.order.iter().filter_map(place).collect();
    Timeline { title, reason: witness.reason.clone(), rows, spans, order }
}

fn span(history: &Transactions, witness: &Witness, number: usize, row: usize) -> Span {
    let txn = &history.txns[number];
    let to = (txn.returned != Txn::NEVER).then_some(txn.returned);
    let times = match to {
        _ if !history.timed => "no times".into(),
        Some(to) => format!("from {} to {to}", txn.invoked),
        None => format!("from {}, never answered", txn.invoked),
    };
    Span {
        row,
        from: txn.invoked,
        to,
        label: history.describe(number),
        detail: format!("line {}, process {}, {times}", txn.line, txn.process),
        fate: match txn.fate {
            Fate::Committed => draw::Fate::Ok,
            Fate::Aborted => draw::Fate::Failed,
            Fate::Unknown => draw::Fate::Unknown,
        },
        point: None,
        guilty: witness.stuck == Some(number),
    }
}

pub(super) fn cycle(history: &Transactions, witness: &Witness, title: String) -> Cycle {
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let mut nodes = Vec::new();
    for number in witness.cycle.iter().flat_map(|edge| [edge.from, edge.to]) {
        places.entry(number).or_insert_with(|| {
            let txn = &history.txns[number];
            let detail = format!("line {}, process {}", txn.line, txn.process);
            nodes.push((history.describe(number), detail));
            nodes.len() - 1
        });
    }
    let edges = witness.cycle.iter().map(|edge| CycleEdge {
        from: places[&edge.from],
        to: places[&edge.to],
        kind: edge.kind.name().into(),
        detail: because(history, edge),
    });
    Cycle { title, reason: witness.reason.clone(), edges: edges.collect(), nodes }
}

/// On which key, and from which value to which.
fn because(history: &Transactions, edge: &Edge) -> String {
    let Some(key) = edge.key else { return String::new() };
    let key = history.key_name(key);
    let shown = |value| history.shown(value);
    match (edge.value, edge.next) {
        (Some(one), Some(two)) if one != two => {
            format!("{key}: {} then {}", shown(one), shown(two))
        }
        (Some(one), _) | (None, Some(one)) => format!("{key}: {}", shown(one)),
        (None, None) => key,
    }
}
