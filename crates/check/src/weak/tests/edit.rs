//! Copies of histories with changes.

use crate::txn::{Elements, Fate, Op, Transactions};

/// A copy of the transactions that `edit` keeps, with the operations it makes of theirs.
pub(crate) fn edited(
    h: &Transactions,
    mut edit: impl FnMut(usize, &mut Fate, Vec<Op>) -> Option<Vec<Op>>,
) -> Transactions {
    let mut copy = Transactions::new();
    copy.timed = h.timed;
    for key in 0..h.keys.len() {
        copy.key(h.keys.get(u32::try_from(key).unwrap()));
    }
    for (number, txn) in h.txns.iter().enumerate() {
        let mut fate = txn.fate;
        let Some(mut ops) = edit(number, &mut fate, h.ops(number).to_vec()) else { continue };
        ops.iter_mut().for_each(|op| moved(h, &mut copy, op));
        copy.push(txn.process, (txn.invoked, txn.returned), fate, txn.line, ops);
    }
    copy
}

/// Names the values of an operation in `copy`.
fn moved(h: &Transactions, copy: &mut Transactions, op: &mut Op) {
    let mut value = |value| copy.value(h.name_of(value));
    match op {
        Op::Read { value: seen, .. } => *seen = seen.map(value),
        Op::Write { value: new, .. } | Op::Append { value: new, .. } => *new = value(*new),
        Op::Cas { from, to, .. } => (*from, *to) = (value(*from), value(*to)),
        Op::ReadList { elements, .. } => {
            let list = |list: Elements| {
                let all: Vec<_> =
                    h.elements(list).iter().map(|v| copy.value(h.name_of(*v))).collect();
                copy.list(all)
            };
            *elements = elements.map(list);
        }
        other => panic!("{other:?} is not edited"),
    }
}
