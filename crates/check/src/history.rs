//! What was recorded.

/// What the caller of an operation learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<R> {
    /// It happened once, between invocation and return, and answered this.
    Ok(R),
    /// It certainly did not happen and never will.
    Failed,
    /// It may have happened at any time after its invocation, or may still, or never.
    Unknown,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<O, R> {
    /// Who called; a process has one operation under way at a time, but nothing here relies on it.
    pub process: u64,
    /// What was asked.
    pub op: O,
    /// When, on a clock that all processes share.
    pub invoked: u64,
    /// When the outcome was known; ignored if that is [`Outcome::Unknown`]. `None` with an answer: it may have
    /// happened or not, but if so with this answer (what a violation holds of operations still under way).
    pub returned: Option<u64>,
    /// What came back.
    pub outcome: Outcome<R>,
}

/// Operations in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<O, R> {
    /// Each call once.
    pub operations: Vec<Operation<O, R>>,
}

impl<O, R> Default for History<O, R> {
    fn default() -> History<O, R> {
        History { operations: Vec::new() }
    }
}

impl<O, R> History<O, R> {
    /// An empty history.
    pub fn new() -> History<O, R> {
        History::default()
    }

    /// Notes a call whose outcome is not known yet; answers its number for [`History::returned`].
    pub fn invoked(&mut self, process: u64, op: O, at: u64) -> usize {
        let outcome = Outcome::Unknown;
        self.operations.push(Operation { process, op, invoked: at, returned: None, outcome });
        self.operations.len() - 1
    }

    /// Notes the outcome of call `number`.
    pub fn returned(&mut self, number: usize, at: u64, outcome: Outcome<R>) {
        let operation = &mut self.operations[number];
        assert!(operation.returned.is_none(), "operation {number} returned twice");
        assert!(at >= operation.invoked, "operation {number} returned before it was invoked");
        operation.returned = Some(at);
        operation.outcome = outcome;
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many were under way together with another one when they were invoked.
    pub fn overlapping(&self) -> usize {
        let mut order: Vec<_> = self.operations.iter().collect();
        order.sort_by_key(|op| op.invoked);
        let mut latest = None;
        let mut count = 0;
        for op in order {
            count += usize::from(latest.is_some_and(|end| end > op.invoked));
            latest = latest.max(Some(op.returned.unwrap_or(u64::MAX)));
        }
        count
    }

    /// How many were answered.
    pub fn answered(&self) -> usize {
        self.operations.iter().filter(|op| matches!(op.outcome, Outcome::Ok(_))).count()
    }
}
