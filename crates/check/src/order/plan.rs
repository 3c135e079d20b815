//! A likely order by real time, for histories of one key whose values are unique, in time n log n.
//!
//! The search follows it and leaves it where it must, so that no verdict rests on it; two that cannot be ordered
//! here are only where the search looks for a violation first.

mod queues;
mod registers;

use super::board::{Board, Kind, Step};
use crate::search::Span;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// An order of most items.
    Order(Vec<u32>),
    /// Items that are likely to have no order among themselves.
    Conflict(Vec<u32>),
    /// It is no such history.
    None,
}

/// Only for an order by real time.
pub(super) fn plan(board: &Board<'_>, spans: &[Span]) -> Plan {
    let ([cell], true) =
        (&board.cells[..], board.units.iter().all(|unit| unit.to - unit.from == 1))
    else {
        return Plan::None;
    };
    let steps: Vec<Step> = board.units.iter().map(|unit| board.steps[unit.from as usize]).collect();
    match cell.kind {
        Kind::Register => registers::plan(board, &steps, spans),
        Kind::Queue { .. } => queues::plan(board, &steps, spans),
        _ => Plan::None,
    }
}
