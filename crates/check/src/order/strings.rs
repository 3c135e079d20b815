//! Strings whose values name their own order.
//!
//! If all that is put and appended to a string differs, and nothing of it begins with another, a value can be made in
//! one way only: it tells what was put and appended, and in which order. Such a string is a register of unique values: what
//! was put or appended last stands for the value, an append that was seen is a compare-and-set from what was there
//! before it, and whatever nobody saw writes one and the same value that nobody reads.

use super::board::{Kind, Step};
use super::compile::{Compiler, earlier, small, text_of};
use super::impossible::Impossible;
use crate::kv::{Command, Reply};
use crate::names::Table;
use crate::planted::{self, Bug};
use crate::txn::{Fate, Op, ValueId};
use stdx::Bytes;

/// What is known of such strings.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// Of each cell that is one: where it goes by what nobody saw.
    unseen: Vec<Option<u32>>,
    /// By cell and text: the slot of a value that was seen or put.
    states: Table<(u32, u32), u32>,
    /// By command: from where to where an append went that was seen.
    appends: Table<u32, (u32, u32)>,
    /// Slots and the ones they came from, those first.
    chain: Vec<(u32, u32)>,
}

impl Strings {
    pub(super) fn has(&self, cell: u32) -> bool {
        self.unseen.get(cell as usize).is_some_and(Option::is_some)
    }

    /// Whether somebody saw that this happened, alone in its transaction.
    pub(super) fn certain(&self, cell: u32, ops: &[Op]) -> bool {
        let [Op::Redis { command, .. }] = *ops else { return false };
        self.has(cell) && self.appends.contains_key(&command)
    }
}

/// What a transaction puts or appends.
struct Token {
    text: Bytes,
    /// The command of an append; none: it is put.
    append: Option<u32>,
    /// From where to where it went, and who saw that.
    place: Option<(u32, u32, usize)>,
}

/// What an operation is to a string.
enum Part {
    Token {
        text: Bytes,
        append: Option<u32>,
    },
    /// A value that was seen; none: nobody knows.
    Seen(Option<Option<Bytes>>),
    /// Anything else.
    Other,
}

impl Compiler<'_> {
    fn part(&self, op: &Op) -> Part {
        let history = self.history();
        match *op {
            Op::Read { value, .. } => {
                Part::Seen(value.map(|value| text_of(history.name_of(value))))
            }
            Op::Write { value, .. } if value != ValueId::NIL => {
                let text = text_of(history.name_of(value)).unwrap_or_else(|| Bytes::from(&[][..]));
                Part::Token { text, append: None }
            }
            Op::Redis { command, .. } => match &history.redis[command as usize] {
                (Command::Get, Some(Reply::Value(seen))) => Part::Seen(Some(seen.clone())),
                (Command::Get, None) => Part::Seen(None),
                (Command::Set(text), None | Some(Reply::Done)) => {
                    Part::Token { text: text.clone(), append: None }
                }
                // A length that was answered says more than is held here.
                (Command::Append(text), None) => {
                    Part::Token { text: text.clone(), append: Some(command) }
                }
                _ => Part::Other,
            },
            _ => Part::Other,
        }
    }

    /// Finds the strings whose values name their own order, and makes registers of them.
    pub(super) fn strings(&mut self, numbers: &[usize]) -> Result<(), Impossible> {
        let text = |cell: u32, all: &Compiler<'_>| {
            matches!(all.board.cells[cell as usize].kind, Kind::Text)
        };
        let cells = self.board.cells.len();
        if !(0..small(cells)).any(|cell| text(cell, self)) {
            return Ok(());
        }
        let mut tokens: Vec<Option<Vec<Token>>> =
            (0..small(cells)).map(|cell| text(cell, self).then(Vec::new)).collect();
        for number in numbers {
            let ops = self.history().ops(*number);
            let alone = ops.len() == 1 || self.history().txns[*number].fate == Fate::Committed;
            for op in ops {
                let cell = self.cell(op.key()) as usize;
                match (&mut tokens[cell], self.part(op)) {
                    (None, _) | (_, Part::Seen(None)) => {}
                    (Some(all), Part::Token { text, append }) if !text.is_empty() => {
                        all.push(Token { text, append, place: None });
                    }
                    (Some(_), Part::Seen(Some(_))) if alone => {}
                    (Some(_), _) => tokens[cell] = None,
                }
            }
        }
        self.strings.unseen = vec![None; cells];
        for (cell, tokens) in (0..).zip(&mut tokens) {
            let Some(all) = tokens else { continue };
            all.sort_by(|one, other| one.text[..].cmp(&other.text));
            let begins = |pair: &[Token]| pair[1].text.starts_with(&pair[0].text);
            if all.windows(2).any(begins) && !planted::is(Bug::TokensBegin) {
                *tokens = None;
                continue;
            }
            self.board.cells[cell as usize].kind = Kind::Register;
            self.slot(cell, ValueId::NIL);
            self.strings.unseen[cell as usize] = Some(self.new_slot());
        }
        self.parse_all(numbers, &mut tokens)?;
        for token in tokens.into_iter().flatten().flatten() {
            if let (Some((from, to, _)), Some(command)) = (token.place, token.append) {
                self.strings.appends.insert(command, (from, to));
            }
        }
        Ok(())
    }

    fn new_slot(&mut self) -> u32 {
        self.board.slots.push(Default::default());
        self.seen.push(None);
        small(self.board.slots.len()) - 1
    }

    fn parse_all(
        &mut self,
        numbers: &[usize],
        tokens: &mut [Option<Vec<Token>>],
    ) -> Result<(), Impossible> {
        let history = self.history();
        let committed = |number: &&usize| history.txns[**number].fate == Fate::Committed;
        for number in numbers.iter().filter(committed) {
            for op in history.ops(*number) {
                let cell = self.cell(op.key());
                let Some(tokens) = &mut tokens[cell as usize] else { continue };
                let Part::Seen(Some(Some(text))) = self.part(op) else { continue };
                let state = (cell, self.board.texts.intern(&Some(text.clone())));
                if !self.strings.states.contains_key(&state) {
                    let slot = self.parse(&text, (cell, *number), tokens).map_err(|other| {
                        let numbers = [other.unwrap_or(*number), *number];
                        let numbers = [numbers[0].min(numbers[1]), numbers[0].max(numbers[1])];
                        Impossible::Text { number: *number, numbers, key: op.key() }
                    })?;
                    self.strings.states.insert(state, slot);
                }
            }
        }
        Ok(())
    }

    /// The slot of a value that was seen. The error: who else saw something that does not go with it, if that is why.
    fn parse(
        &mut self,
        text: &[u8],
        (cell, number): (u32, usize),
        tokens: &mut [Token],
    ) -> Result<u32, Option<usize>> {
        let start = self.slot(cell, ValueId::NIL);
        let (mut at, mut rest) = (start, text);
        if text.is_empty() {
            return Err(None);
        }
        while !rest.is_empty() {
            // None begins with another, so that only the last of those that are no greater can be it.
            let next = tokens.partition_point(|token| token.text[..] <= *rest);
            let token = tokens[..next].last_mut().filter(|token| rest.starts_with(&token.text));
            let Some(token) = token else { return Err(None) };
            if token.append.is_none() && at != start {
                return Err(None);
            }
            at = match token.place {
                Some((from, to, _)) if from == at || planted::is(Bug::FirstPlace) => to,
                Some((.., other)) => return Err(Some(other)),
                None => {
                    let to = self.new_slot();
                    token.place = Some((at, to, number));
                    if token.append.is_some() {
                        self.strings.chain.push((at, to));
                    } else {
                        let put = (cell, self.board.texts.intern(&Some(token.text.clone())));
                        self.strings.states.insert(put, to);
                    }
                    to
                }
            };
            rest = &rest[token.text.len()..];
        }
        Ok(at)
    }

    /// The step of an operation on such a string.
    pub(super) fn string_step(&mut self, cell: u32, op: &Op, fate: Fate) -> Option<Step> {
        let unseen = self.strings.unseen[cell as usize].expect("it is one");
        let state = |text: Option<Bytes>, all: &mut Self| match text {
            None => Some(all.slot(cell, ValueId::NIL)),
            text => {
                let state = (cell, all.board.texts.intern(&text));
                all.strings.states.get(&state).copied()
            }
        };
        match self.part(op) {
            Part::Seen(None) => None,
            // What an unknown transaction saw, alone, does not matter.
            Part::Seen(Some(_)) if fate == Fate::Unknown => None,
            Part::Seen(Some(text)) => {
                let slot = state(text, self).expect("what was seen was looked at before");
                Some(Step::See { cell, slot })
            }
            Part::Token { text, append: None } => {
                let slot = state(Some(text), self).unwrap_or(unseen);
                Some(Step::Put { cell, slot })
            }
            Part::Token { append: Some(command), .. } => {
                Some(match self.strings.appends.get(&command).copied() {
                    Some((from, to)) => Step::Swap { cell, from, to, done: Some(true) },
                    None => Step::Put { cell, slot: unseen },
                })
            }
            Part::Other => unreachable!("then it is none of these strings"),
        }
    }

    /// Who saw a value saw that what it begins with had happened.
    pub(super) fn strings_seen(&mut self) {
        for (from, to) in std::mem::take(&mut self.strings.chain).into_iter().rev() {
            let seen = self.seen[to as usize];
            self.seen[from as usize] = earlier(self.seen[from as usize], seen);
        }
    }
}
