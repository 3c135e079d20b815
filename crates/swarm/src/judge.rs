//! The verdict on what the clients saw.

use crate::model::{Answer, Command, Part, Strings};
use crate::report::Verdict;
use check::{Budget, History, Outcome, linearizable};
use stdx::{Bytes, Duration};

/// What clients did and saw, and which of their writes expire.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) history: History<Vec<Part>, Vec<Answer>>,
    /// The number of a write in the history, and its expiry in milliseconds.
    pub(crate) expiries: Vec<(usize, u64)>,
}

impl Seen {
    /// Whether an order of all operations exists that the specification allows. Clocks differ by up to `error`.
    pub(crate) fn judge(&self, error: Duration) -> Verdict {
        let mut history = self.history.clone();
        for (number, millis) in &self.expiries {
            self.expire(*number, Duration::from_millis(*millis), error, &mut history);
        }
        let budget = Budget { steps: 3_000_000, memory: 1_000_000 };
        match linearizable(&Strings, &history, budget) {
            check::Verdict::Ok => Verdict::Ok,
            check::Verdict::Unknown { judged, of, .. } => {
                Verdict::Undecided(format!("{judged} of {of} operations judged within the budget"))
            }
            check::Verdict::Violation(violation) => {
                let mut text = format!("not linearizable: {}", violation.reason);
                for (i, op) in violation.operations.iter().enumerate() {
                    let mark = if i == violation.stuck { '>' } else { ' ' };
                    let (from, to) = (op.invoked, op.returned);
                    text.push_str(&format!(
                        "\n{mark} client {} {:?} -> {:?} [{from}, {to:?}]",
                        op.process, op.op, op.outcome
                    ));
                }
                Verdict::Unsafe(text)
            }
        }
    }

    /// Adds the moment at which a written value goes away by itself: once, no earlier than its time after the
    /// write began and no later than its time after the write ended, as far as clocks agree.
    fn expire(
        &self,
        number: usize,
        after: Duration,
        error: Duration,
        history: &mut History<Vec<Part>, Vec<Answer>>,
    ) {
        let op = &self.history.operations[number];
        let [Part { key, command }] = op.op.as_slice() else { return };
        let (Command::Set(value) | Command::SetNx(value) | Command::GetSet(value)) = command else {
            return;
        };
        let not_set = Outcome::Ok(vec![Answer::Value(None)]);
        let refused = matches!(command, Command::SetNx(_)) && op.outcome == not_set;
        if refused || op.outcome == Outcome::Failed {
            return;
        }
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let value: Bytes = value.clone();
        let parts = vec![Part { key: key.clone(), command: Command::Expire(value) }];
        let least = (op.invoked + nanos(after)).saturating_sub(nanos(error)).max(op.invoked);
        let gone = history.invoked(u64::MAX, parts, least);
        if let (Outcome::Ok(_), Some(returned)) = (&op.outcome, op.returned) {
            let most = returned + nanos(after) + nanos(error);
            history.returned(gone, most.max(least), Outcome::Ok(vec![Answer::Done]));
        }
    }
}
