//! Transactions into what the search places: steps on cells, and when each unit was under way.
//!
//! Left out is what cannot make a difference: what failed; what neither changes nor observes anything; and of what
//! is unknown, all that nobody can have seen. What is unknown but was seen, and nobody else can have done,
//! did happen, and before who saw it returned: it needs a place as anything else does.

use super::board::{ANY, Board, Cell, EMPTY, Kind, Slot, Step, Unit};
use super::impossible::Impossible;
use super::strings::Strings;
use crate::kv;
use crate::names::Table;
use crate::search::{Precedence, Span};
use crate::txn::{Elements, Fate, KeyId, Op, Transactions, Value, ValueId};
use std::collections::VecDeque;
use stdx::Bytes;

/// What to search.
pub(super) struct Compiled<'h> {
    pub(super) board: Board<'h>,
    pub(super) spans: Vec<Span>,
    /// Of each unit, the number of its transaction.
    pub(super) numbers: Vec<usize>,
    /// Whether something that an unknown transaction saw was let pass: then an order does not prove one.
    pub(super) loose: bool,
}

pub(super) struct Compiler<'h> {
    pub(super) board: Board<'h>,
    cells: Table<u32, u32>,
    /// By cell and value.
    pub(super) slots: Table<(u32, u32), u32>,
    /// Of each slot, the earliest return of one who saw it.
    pub(super) seen: Vec<Option<u64>>,
    /// Per cell: whether a dequeue took nobody knows what, or an unknown transaction saw something; and whether any
    /// dequeue was observed.
    pub(super) blind: Vec<(bool, bool)>,
    /// Units of which something that was seen is let pass.
    pub(super) loose: Vec<usize>,
    pub(super) strings: Strings,
}

/// `numbers` ascending.
pub(super) fn compile<'h>(
    history: &'h Transactions,
    numbers: &[usize],
    precedence: Precedence,
) -> Result<Compiled<'h>, Impossible> {
    let mut compiler = Compiler {
        board: Board::new(history),
        cells: Table::default(),
        slots: Table::default(),
        seen: Vec::new(),
        blind: Vec::new(),
        loose: Vec::new(),
        strings: Strings::default(),
    };
    let happened = |number: &&usize| history.txns[**number].may_have_happened();
    let numbers: Vec<usize> = numbers.iter().filter(happened).copied().collect();
    compiler.survey(&numbers);
    compiler.strings(&numbers)?;
    compiler.grown(&numbers);
    compiler.one_line(&numbers)?;
    compiler.lay_out();
    for number in &numbers {
        compiler.unit(*number);
    }
    compiler.all_written(&numbers)?;
    Ok(compiler.finish(&numbers, precedence))
}

pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32")
}

fn kind_of(op: &Op) -> Kind {
    match op {
        Op::Read { .. } | Op::Write { .. } | Op::Cas { .. } => Kind::Register,
        Op::Append { .. } | Op::ReadList { .. } => Kind::List { base: 0, longest: Vec::new() },
        Op::Add { .. } | Op::Count { .. } => {
            Kind::Counter { base: 0, sums: Vec::new(), grows: true }
        }
        Op::Insert { .. } | Op::ReadSet { .. } => Kind::Set,
        Op::Enqueue { .. } | Op::Dequeue { .. } => Kind::Queue {
            elements: VecDeque::new(),
            tail: 0,
            leaves: Table::default(),
            leaving: Vec::new(),
            enqueued: 0,
        },
        Op::Redis { .. } => Kind::Text,
    }
}

/// Whether a command that answered so changed nothing.
pub(super) fn changes_nothing(command: &kv::Command, reply: Option<&kv::Reply>) -> bool {
    use kv::{Command, Reply};
    match command {
        Command::Get | Command::Exists => true,
        Command::SetNx(_) | Command::SetXx(_) => reply == Some(&Reply::Value(None)),
        Command::Del => reply == Some(&Reply::Int(0)),
        Command::Incr(by) => *by == 0 && reply.is_none() || reply == Some(&Reply::Refused),
        Command::Set(_) | Command::GetSet(_) | Command::Append(_) => false,
    }
}

impl<'h> Compiler<'h> {
    pub(super) fn history(&self) -> &'h Transactions {
        self.board.history
    }

    /// What each key is, the longest lists and the sums.
    fn survey(&mut self, numbers: &[usize]) {
        let history = self.history();
        for number in numbers {
            for op in history.ops(*number) {
                let fresh = small(self.board.cells.len());
                let cell = *self.cells.entry(op.key().0).or_insert(fresh);
                if cell == fresh {
                    let kind = kind_of(op);
                    let cell = Cell { kind, state: 0, left: 0, negatives: 0, least: 0 };
                    self.board.cells.push(cell);
                    self.blind.push((false, false));
                }
                self.survey_op(cell as usize, op, history.txns[*number].fate);
            }
        }
    }

    fn survey_op(&mut self, cell: usize, op: &Op, fate: Fate) {
        let history = self.history();
        match (&mut self.board.cells[cell].kind, op) {
            (kind, Op::Redis { .. }) => *kind = Kind::Text,
            (Kind::List { longest, .. }, Op::ReadList { elements: Some(seen), .. }) => {
                let seen = history.elements(*seen);
                if fate == Fate::Committed && seen.len() > longest.len() {
                    longest.clear();
                    longest.extend(seen.iter().map(|value| value.0.get()));
                }
            }
            (Kind::Counter { sums, .. }, Op::Count { value: Some(value), .. }) => {
                sums.push(sum_of(history, *value));
            }
            (Kind::Counter { grows, .. }, Op::Add { by, .. }) => *grows &= *by >= 0,
            (Kind::Queue { .. }, Op::Dequeue { value, .. }) => match value {
                None => self.blind[cell].0 = true,
                Some(_) => self.blind[cell].1 = true,
            },
            _ => {}
        }
    }

    /// Strings that are only appended to and read, every read being a beginning of the longest, and no longer strings
    /// of any kind.
    fn grown(&mut self, numbers: &[usize]) {
        let history = self.history();
        let cells = &self.board.cells;
        let text = |cell: usize| matches!(cells[cell].kind, Kind::Text);
        let mut longest: Vec<Option<Bytes>> =
            (0..cells.len()).map(|cell| text(cell).then(|| Bytes::from(&[][..]))).collect();
        if longest.iter().all(Option::is_none) {
            return;
        }
        // What was seen, or nothing if the string does not only grow.
        let seen = |op: &Op, fate: Fate| match *op {
            Op::Read { value: None, .. } => Some(Bytes::from(&[][..])),
            Op::Read { value: Some(value), .. } if fate == Fate::Committed => {
                match text_of(history.name_of(value)) {
                    Some(text) => Some(text).filter(|text| !text.is_empty()),
                    None => Some(Bytes::from(&[][..])),
                }
            }
            Op::Redis { command, .. } => match &history.redis[command as usize].0 {
                kv::Command::Append(more) if !more.is_empty() => Some(Bytes::from(&[][..])),
                _ => None,
            },
            _ => None,
        };
        let each = |look: &mut dyn FnMut(usize, Option<Bytes>)| {
            for number in numbers {
                let fate = history.txns[*number].fate;
                for op in history.ops(*number) {
                    look(self.cell(op.key()) as usize, seen(op, fate));
                }
            }
        };
        each(&mut |cell, seen| match (&mut longest[cell], seen) {
            (all, None) => *all = None,
            (Some(all), Some(seen)) if seen.len() > all.len() => *all = seen,
            _ => {}
        });
        let mut grown = longest.clone();
        each(&mut |cell, seen| {
            let begins =
                longest[cell].as_ref().zip(seen).is_some_and(|(all, seen)| all.starts_with(&seen));
            if !begins {
                grown[cell] = None;
            }
        });
        for (cell, longest) in self.board.cells.iter_mut().zip(grown) {
            if let Some(longest) = longest {
                cell.kind = Kind::Grown { base: 0, longest: longest.to_vec() };
            }
        }
    }

    /// The slots of lists and counters, and where everything begins.
    fn lay_out(&mut self) {
        for at in 0..self.board.cells.len() {
            let first = small(self.board.slots.len());
            let mut more = 0;
            match &mut self.board.cells[at].kind {
                Kind::List { base, longest } => {
                    *base = first;
                    more = longest.len() + 2;
                    self.board.cells[at].state = u64::from(first);
                }
                Kind::Grown { base, longest } => {
                    *base = first;
                    more = longest.len() + 1;
                    self.board.cells[at].state = u64::from(first);
                }
                Kind::Counter { base, sums, .. } => {
                    sums.sort_unstable();
                    sums.dedup();
                    *base = first;
                    more = sums.len();
                }
                Kind::Register => {
                    let nil = self.slot(small(at), ValueId::NIL);
                    self.board.cells[at].state = u64::from(nil);
                }
                Kind::Text => {
                    self.board.cells[at].state = u64::from(self.board.texts.intern(&None));
                }
                Kind::Set | Kind::Queue { .. } => {}
            }
            self.board.cells[at].least = first;
            let slots = self.board.slots.len() + more;
            self.board.slots.resize(slots, Slot::default());
            self.seen.resize(slots, None);
        }
    }

    pub(super) fn slot(&mut self, cell: u32, value: ValueId) -> u32 {
        if let Kind::Grown { base, .. } = self.board.cells[cell as usize].kind {
            let text = text_of(self.board.history.name_of(value));
            return base + small(text.map_or(0, |text| text.len()));
        }
        if matches!(self.board.cells[cell as usize].kind, Kind::Text) {
            return self.board.texts.intern(&text_of(self.board.history.name_of(value)));
        }
        let fresh = small(self.board.slots.len());
        let slot = *self.slots.entry((cell, value.0.get())).or_insert(fresh);
        if slot == fresh {
            self.board.slots.push(Slot::default());
            self.seen.push(None);
        }
        slot
    }

    pub(super) fn cell(&self, key: KeyId) -> u32 {
        self.cells[&key.0]
    }

    /// The steps of a transaction, and what they say about slots.
    fn unit(&mut self, number: usize) {
        let history = self.history();
        let txn = &history.txns[number];
        let from = small(self.board.steps.len());
        for op in history.ops(number) {
            let step = self.compiled(op, txn.fate);
            if let Some(step) = step {
                self.board.steps.push(step);
            }
        }
        let to = small(self.board.steps.len());
        let certain = |op: &Op| self.strings.certain(self.cell(op.key()), history.ops(number));
        let must = txn.fate == Fate::Committed || history.ops(number).first().is_some_and(certain);
        let steps = from as usize..to as usize;
        let reads = steps.clone().all(|at| self.is_read(self.board.steps[at]));
        let observes = steps.clone().any(|at| self.is_observation(self.board.steps[at]));
        self.board.units.push(Unit { from, to, must, reads, observes });
        for at in steps {
            self.note(self.board.steps[at], must, (txn.invoked, txn.returned));
        }
    }

    /// `None`: it says nothing and does nothing.
    fn compiled(&mut self, op: &Op, fate: Fate) -> Option<Step> {
        let cell = self.cell(op.key());
        if self.strings.has(cell) {
            return self.string_step(cell, op, fate);
        }
        Some(match *op {
            Op::Read { value, .. } => Step::See { cell, slot: self.slot(cell, value?) },
            Op::Write { value, .. } => Step::Put { cell, slot: self.slot(cell, value) },
            Op::Cas { from, to, done, .. } => {
                let (from, to) = (self.slot(cell, from), self.slot(cell, to));
                Step::Swap { cell, from, to, done }
            }
            Op::Append { value, .. } => {
                self.slot(cell, value);
                Step::Append { cell, value: value.0.get() }
            }
            Op::ReadList { elements, .. } => {
                Step::See { cell, slot: self.length(cell, elements?, fate)? }
            }
            Op::Add { by: 0, .. } => return None,
            Op::Add { by, .. } => Step::Add { cell, by },
            Op::Count { value, .. } => {
                let Kind::Counter { base, sums, .. } = &self.board.cells[cell as usize].kind else {
                    unreachable!("a key is one kind of object")
                };
                let sum = sum_of(self.board.history, value?);
                let at = sums.binary_search(&sum).expect("noted by the survey");
                Step::Count { cell, slot: base + small(at) }
            }
            Op::Insert { value, .. } => Step::Insert { cell, slot: self.slot(cell, value) },
            Op::ReadSet { elements, .. } => {
                let from = small(self.board.members.len());
                for value in self.history().elements(elements?) {
                    let slot = self.slot(cell, *value);
                    self.board.members.push(slot);
                }
                Step::Members { cell, from, len: small(self.board.members.len()) - from }
            }
            Op::Enqueue { value, .. } => Step::Enqueue { cell, slot: self.slot(cell, value) },
            Op::Dequeue { value, .. } => {
                let slot = match value {
                    None => ANY,
                    Some(ValueId::NIL) => EMPTY,
                    Some(value) => self.slot(cell, value),
                };
                Step::Dequeue { cell, slot }
            }
            Op::Redis { command, .. } => match self.board.cells[cell as usize].kind {
                Kind::Grown { .. } => Step::Grow { cell, command },
                _ => Step::Run { cell, command },
            },
        })
    }

    /// The slot of a list that was read. What an unknown transaction saw may be no beginning of the longest that was
    /// certainly seen: that is let pass, and noted.
    fn length(&mut self, cell: u32, elements: Elements, fate: Fate) -> Option<u32> {
        let seen = self.history().elements(elements);
        let Kind::List { base, longest } = &self.board.cells[cell as usize].kind else {
            unreachable!("a key is one kind of object")
        };
        let begins = seen.len() <= longest.len()
            && seen.iter().zip(longest).all(|(value, other)| value.0.get() == *other);
        if begins {
            return Some(base + small(seen.len()));
        }
        assert_eq!(fate, Fate::Unknown, "what was certainly read was looked at before");
        self.loose.push(self.board.units.len());
        None
    }

    fn is_read(&self, step: Step) -> bool {
        match step {
            Step::See { .. } | Step::Count { .. } | Step::Members { .. } => true,
            Step::Swap { done, .. } => done == Some(false),
            Step::Dequeue { slot, .. } => slot == EMPTY,
            Step::Run { command, .. } => {
                let (command, reply) = &self.board.history.redis[command as usize];
                changes_nothing(command, reply.as_ref())
            }
            Step::Put { .. }
            | Step::Grow { .. }
            | Step::Append { .. }
            | Step::Add { .. }
            | Step::Insert { .. }
            | Step::Enqueue { .. } => false,
        }
    }

    fn is_observation(&self, step: Step) -> bool {
        match step {
            Step::Put { .. } | Step::Add { .. } | Step::Insert { .. } => false,
            Step::See { .. }
            | Step::Count { .. }
            | Step::Members { .. }
            | Step::Swap { .. }
            | Step::Dequeue { .. }
            | Step::Run { .. }
            | Step::Grow { .. }
            | Step::Append { .. }
            | Step::Enqueue { .. } => true,
        }
    }

    fn note(&mut self, step: Step, must: bool, (invoked, returned): (u64, u64)) {
        match step {
            Step::See { cell, slot } if !self.is_text(cell) => {
                self.saw(slot, must, returned);
                self.blind[cell as usize].0 |= !must;
            }
            Step::Put { cell, slot } if !self.is_text(cell) => {
                self.board.slots[slot as usize].makers += 1;
            }
            Step::Swap { cell, from, to, done } if !self.is_text(cell) => {
                self.board.slots[to as usize].makers += 1;
                match done {
                    Some(true) => self.saw(from, must, returned),
                    Some(false) => self.board.cells[cell as usize].negatives += u32::from(must),
                    None => self.board.slots[from as usize].wanted = true,
                }
            }
            Step::Append { cell, value } => {
                let slot = self.slots[&(cell, value)];
                self.board.slots[slot as usize].makers += 1;
            }
            Step::Count { cell, slot } => {
                self.saw(slot, must, returned);
                self.board.cells[cell as usize].left += 1;
            }
            Step::Members { cell, from, len } => {
                for at in from..from + len {
                    self.saw(self.board.members[at as usize], must, returned);
                }
                self.board.cells[cell as usize].left += u32::from(must);
            }
            Step::Insert { slot, .. } | Step::Enqueue { slot, .. } => {
                self.board.slots[slot as usize].makers += 1;
            }
            Step::Dequeue { cell, slot } if slot < EMPTY => {
                self.saw(slot, must, returned);
                if let Kind::Queue { leaves, .. } = &mut self.board.cells[cell as usize].kind {
                    leaves.insert(slot, (invoked, returned));
                }
            }
            Step::See { .. }
            | Step::Put { .. }
            | Step::Swap { .. }
            | Step::Dequeue { .. }
            | Step::Run { .. }
            | Step::Grow { .. }
            | Step::Add { .. } => {}
        }
    }

    pub(super) fn is_text(&self, cell: u32) -> bool {
        matches!(self.board.cells[cell as usize].kind, Kind::Text)
    }

    fn saw(&mut self, slot: u32, must: bool, returned: u64) {
        if must {
            self.board.slots[slot as usize].needed += 1;
            let seen = &mut self.seen[slot as usize];
            *seen = earlier(*seen, Some(returned));
        } else {
            self.board.slots[slot as usize].wanted = true;
        }
    }
}

fn sum_of(history: &Transactions, value: ValueId) -> i64 {
    match history.name_of(value) {
        Value::Int(sum) => *sum,
        other => unreachable!("a counter that counts {other:?}"),
    }
}

pub(super) fn text_of(value: &Value) -> Option<Bytes> {
    match value {
        Value::Nil => None,
        Value::Int(number) => Some(Bytes::from(number.to_string().into_bytes())),
        Value::Text(text) => Some(text.clone()),
    }
}

pub(super) fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
