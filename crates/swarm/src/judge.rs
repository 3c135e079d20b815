//! The verdict on what the clients saw.

use crate::describe;
use crate::model::{Answer, Command, Part, Strings};
use crate::report::Verdict;
use crate::setup::Workload;
use check::{Budget, History, Outcome, linearizable};
use std::collections::BTreeSet;
use stdx::{Bytes, Duration};

/// A verdict, and the operations it is about.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// By their numbers in the history.
    pub(crate) guilty: Vec<usize>,
}

impl From<Verdict> for Finding {
    fn from(verdict: Verdict) -> Finding {
        Finding { verdict, guilty: Vec::new() }
    }
}

type Operations = History<Vec<Part>, Vec<Answer>>;
type Operation = check::Operation<Vec<Part>, Vec<Answer>>;

/// What clients did and saw, and which of their writes expire.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) history: History<Vec<Part>, Vec<Answer>>,
    /// The number of a write in the history, and its expiry in milliseconds.
    pub(crate) expiries: Vec<(usize, u64)>,
}

impl Seen {
    /// Whether an order of all operations exists that the specification allows. Clocks differ by up to `error`.
    /// A search gives up after so many `steps`.
    pub(crate) fn judge(&self, workload: Workload, error: Duration, steps: u64) -> Finding {
        if workload == Workload::Append {
            return self.appends().map_or_else(
                |(why, guilty)| {
                    let verdict = Verdict::Unsafe(format!("not linearizable: {why}"));
                    Finding { verdict, guilty }
                },
                |()| Verdict::Ok.into(),
            );
        }
        let mut history = self.history.clone();
        for (number, millis) in &self.expiries {
            self.expire(*number, Duration::from_millis(*millis), error, &mut history);
        }
        // Without the writes that nobody saw and nobody was told of, the search is short; an order found so is
        // an order of all, since what is unknown need not have happened.
        let short = steps / 15;
        let budget = Budget { steps: short, memory: 50_000, ..Budget::default() };
        if linearizable(&Strings, &self.unseen_left_out(&history), budget).is_ok() {
            return Verdict::Ok.into();
        }
        let budget = Budget { steps, memory: 300_000, ..Budget::default() };
        match linearizable(&Strings, &history, budget) {
            check::Verdict::Ok => Verdict::Ok.into(),
            check::Verdict::Unknown { judged, of, .. } => {
                Verdict::Undecided(format!("{judged} of {of} operations judged within the budget"))
                    .into()
            }
            check::Verdict::Violation(violation) => {
                let stuck = describe::operation(&violation.operations[violation.stuck]);
                let mut text = format!("not linearizable: no order of these allows {stuck}");
                let mut guilty = Vec::new();
                for (i, op) in violation.operations.iter().enumerate() {
                    let mark = if i == violation.stuck { '>' } else { ' ' };
                    text.push_str(&format!("\n{mark} {}", describe::operation(op)));
                    let same = |other: &Operation| {
                        (other.process, other.invoked, &other.op)
                            == (op.process, op.invoked, &op.op)
                    };
                    guilty.extend(self.history.operations.iter().position(same));
                }
                Finding { verdict: Verdict::Unsafe(text), guilty }
            }
        }
    }

    /// The operations on the keys of these.
    pub(crate) fn related(&self, guilty: &[usize]) -> Vec<usize> {
        let all = &self.history.operations;
        let keys: BTreeSet<&Bytes> =
            guilty.iter().flat_map(|number| &all[*number].op).map(|part| &part.key).collect();
        let touches = |number: &usize| all[*number].op.iter().any(|part| keys.contains(&part.key));
        (0..all.len()).filter(touches).collect()
    }

    fn unseen_left_out(&self, history: &Operations) -> Operations {
        let mut seen: BTreeSet<&Bytes> = BTreeSet::new();
        for op in &self.history.operations {
            let Outcome::Ok(answers) = &op.outcome else { continue };
            seen.extend(answers.iter().filter_map(|answer| match answer {
                Answer::Value(value) => value.as_ref(),
                Answer::Done | Answer::Int(_) => None,
            }));
        }
        let unseen = |part: &Part| match &part.command {
            Command::Set(value) | Command::SetNx(value) | Command::GetSet(value) => {
                !seen.contains(value)
            }
            Command::Get | Command::Exists | Command::Guard(_) => true,
            Command::Expire(value) => !seen.contains(value),
            Command::GetDel | Command::Del | Command::Incr(_) | Command::Append(_) => false,
        };
        let left = history
            .operations
            .iter()
            .filter(|op| op.outcome != Outcome::Unknown || !op.op.iter().all(unseen));
        History { operations: left.cloned().collect() }
    }

    /// Whether the write `number` was certainly undone by another before `least`: then its expiry can do
    /// nothing, values being unique, and only costs the search time.
    fn overwritten(&self, number: usize, key: &Bytes, least: u64) -> bool {
        let history = &self.history.operations;
        let Some(written) = history[number].returned else { return false };
        history.iter().any(|op| {
            let certain = matches!(op.outcome, Outcome::Ok(_));
            let between = op.invoked > written && op.returned.is_some_and(|at| at < least);
            let replaces = |part: &Part| {
                let writes =
                    matches!(part.command, Command::Set(_) | Command::GetSet(_) | Command::GetDel);
                part.key == *key && writes
            };
            certain && between && op.op.iter().any(replaces)
        })
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
        if self.overwritten(number, key, least) {
            return;
        }
        let gone = history.invoked(u64::MAX, parts, least);
        if let (Outcome::Ok(_), Some(returned)) = (&op.outcome, op.returned) {
            let most = returned + nanos(after) + nanos(error);
            history.returned(gone, most.max(least), Outcome::Ok(vec![Answer::Done]));
        }
    }
}
