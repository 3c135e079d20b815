//! The causal levels, by the bad patterns of Bouajjani, Enea, Guerraoui and Hamza, "On verifying causal
//! consistency", POPL 2017, for transactions: one operation there is one transaction here, which reads and writes
//! any number of keys as a unit. The causal order `co` is the least one: session order and reads-from, closed.
//!
//! * CC: each transaction has an order of its causal past that explains what it read. Broken by CyclicCO, by
//!   WriteCOInitRead and WriteCORead (it read the initial state, or a write, that its past overwrote), and, where
//!   a transaction reads several keys, by reads that no one order explains (fractured-read).
//! * CM, causal memory: one such order explains all that its process has read so far. Broken also by WriteHBInitRead
//!   and CyclicHB.
//! * CCv, causal convergence: one order of all transactions explains them all. Broken also by CyclicCF. This is what
//!   Biswas and Enea (OOPSLA 2019), Plume and AWDIT call causal consistency, and above read atomic; CC and CM
//!   are not: two processes may disagree for ever on the order of two writes.
//!
//! A list is, for CC and CM, what was appended in the order that the reader or its process has; for CCv, as for read
//! atomic, there is one order of its versions: of two lists that were read, one begins with the other.
//!
//! | file | what | time, of n operations and k sessions |
//! | --- | --- | --- |
//! | `columns` | vector clocks, a component at a time | |
//! | `convergence` | CCv | O(n k) |
//! | `views` | CC, once CCv has failed | O(n k), and a search within the cycles where transactions read several keys |
//! | `memory` | CM | O(n k) where the order of CCv serves all processes; else a fixpoint per process |

mod columns;
mod convergence;
mod memory;
#[cfg(test)]
mod tests;
mod views;

use crate::meter::{Meter, Spent};
use crate::weak::resolved::Resolved;
use crate::weak::{Found, decide};
use crate::{Budget, Judgement, Level, Transactions};

/// Judges `level`, one of the causal ones.
pub fn judge(h: &Transactions, level: Level, budget: &mut Budget) -> Judgement {
    decide(h, level, budget, find)
}

pub(crate) fn find(
    resolved: &Resolved,
    level: Level,
    meter: &mut Meter<'_>,
) -> Result<Option<Found>, Spent> {
    match level {
        Level::CausalConvergence => convergence::find(resolved, meter),
        Level::CausalMemory => memory::find(resolved, meter),
        _ => views::find(resolved, meter),
    }
}
