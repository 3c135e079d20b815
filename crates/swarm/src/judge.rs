//! The verdict on what the clients saw.

use crate::describe;
use crate::model::{Answer, Command, Part, Strings};
use crate::report::Verdict;
use crate::setup::Workload;
use check::{Budget, History, Outcome, linearizable};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
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
        let without_search = match workload {
            Workload::Append => Some(self.appends()),
            Workload::Counters => self.additions(steps),
            _ => None,
        };
        match without_search {
            Some(Ok(())) => return Verdict::Ok.into(),
            Some(Err((why, guilty))) => {
                let verdict = Verdict::Unsafe(format!("not linearizable: {why}"));
                return Finding { verdict, guilty };
            }
            None => {}
        }
        let history = self.with_expiries(error);
        // Without the writes that nobody saw and nobody was told of, the search is short; an order found so is
        // an order of all, since what is unknown need not have happened.
        let budget = || Budget { steps, memory: 300_000, ..Budget::default() };
        if linearizable(&Strings, &self.unseen_left_out(history.as_ref()), budget()).is_ok() {
            return Verdict::Ok.into();
        }
        match linearizable(&Strings, history.as_ref(), budget()) {
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

    /// What clients did, and what time did.
    fn with_expiries(&self, error: Duration) -> Cow<'_, Operations> {
        if self.expiries.is_empty() {
            return Cow::Borrowed(&self.history);
        }
        let replaced = self.replaced();
        let mut history = self.history.clone();
        for (number, millis) in &self.expiries {
            self.expire(*number, Duration::from_millis(*millis), error, &replaced, &mut history);
        }
        Cow::Owned(history)
    }

    fn unseen_left_out<'a>(&self, history: &'a Operations) -> Cow<'a, Operations> {
        if history.operations.iter().all(|op| op.outcome != Outcome::Unknown) {
            return Cow::Borrowed(history);
        }
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
        Cow::Owned(History { operations: left.cloned().collect() })
    }

    /// By key, the certain writes that leave nothing of what was there before: when each was invoked, and when
    /// the first to return of it and those after it did.
    fn replaced(&self) -> BTreeMap<&Bytes, Vec<(u64, u64)>> {
        let mut all: BTreeMap<&Bytes, Vec<(u64, u64)>> = BTreeMap::new();
        for op in &self.history.operations {
            let (Outcome::Ok(_), Some(returned)) = (&op.outcome, op.returned) else { continue };
            for Part { key, command } in &op.op {
                if matches!(command, Command::Set(_) | Command::GetSet(_) | Command::GetDel) {
                    all.entry(key).or_default().push((op.invoked, returned));
                }
            }
        }
        for times in all.values_mut() {
            times.sort_unstable();
            let mut first = u64::MAX;
            for (_, returned) in times.iter_mut().rev() {
                first = first.min(*returned);
                *returned = first;
            }
        }
        all
    }

    /// Adds the moment at which a written value goes away by itself: once, no earlier than its time after the
    /// write began and no later than its time after the write ended, as far as clocks agree.
    fn expire(
        &self,
        number: usize,
        after: Duration,
        error: Duration,
        replaced: &BTreeMap<&Bytes, Vec<(u64, u64)>>,
        history: &mut Operations,
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
        // Certainly replaced before that, its expiry can do nothing, values being unique, and only costs the
        // search time.
        if let (Some(written), Some(times)) = (op.returned, replaced.get(key)) {
            let after = times.partition_point(|(invoked, _)| *invoked <= written);
            if times.get(after).is_some_and(|(_, returned)| *returned < least) {
                return;
            }
        }
        let gone = history.invoked(u64::MAX, parts, least);
        if let (Outcome::Ok(_), Some(returned)) = (&op.outcome, op.returned) {
            let most = returned + nanos(after) + nanos(error);
            history.returned(gone, most.max(least), Outcome::Ok(vec![Answer::Done]));
        }
    }
}
