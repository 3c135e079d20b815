//! Counters, by their size: one that is only added to never shrinks, so a value that is too small lacks something.

use super::story::{Shape, Story};
use super::{Why, words};
use crate::names::Table;
use crate::txn::{Fate, Op, Value, ValueId};
use crate::{Level, Witness};

/// The additions to one counter.
#[derive(Clone, Copy, Default)]
struct Sum {
    /// Something is taken away, or may be: sizes say nothing.
    shrinks: bool,
    /// Something other than one is added: a size does not tell which additions it has.
    odd: bool,
    all: i64,
    read: bool,
}

/// What a process must see of one counter, and the transaction that says so.
#[derive(Clone, Copy, Default)]
struct Least {
    count: i64,
    from: usize,
}

/// A count too small, if there is one; an error if counts do not tell.
pub(super) fn judge(story: &Story<'_>, level: Level) -> Result<Option<Witness>, Why> {
    let sums = sums(story);
    let mut least: Table<(u64, u32), Least> = Table::default();
    for (number, txn) in story.history.txns.iter().enumerate() {
        if txn.fate != Fate::Committed {
            continue;
        }
        for op in story.history.ops(number) {
            let key = op.key().0;
            let sum = &sums[key as usize];
            if story.shapes[key as usize] != Shape::Counter || sum.shrinks {
                continue;
            }
            let place = least.entry((txn.process, key)).or_default();
            match (*op, level) {
                (Op::Add { by, .. }, Level::ReadYourWrites) if by > 0 => {
                    *place = Least { count: place.count.saturating_add(by), from: number };
                }
                (Op::Count { value: Some(value), .. }, Level::ReadYourWrites)
                    if count(story, value).is_some_and(|count| count < place.count) =>
                {
                    return Ok(Some(words::count(story, level, number, place.from, op)));
                }
                (Op::Count { value: Some(value), .. }, Level::MonotonicReads) => {
                    let Some(count) = count(story, value) else { continue };
                    if count < place.count {
                        return Ok(Some(words::count(story, level, number, place.from, op)));
                    }
                    *place = Least { count, from: number };
                }
                _ => {}
            }
        }
    }
    let vague = sums.iter().position(|sum| {
        let sized = matches!(level, Level::ReadYourWrites | Level::MonotonicReads);
        sum.read && (!sized || sum.shrinks || sum.odd)
    });
    match vague {
        None => Ok(None),
        Some(key) => {
            let name = story.name(super::story::small(key));
            Err(format!("the counts of {name} do not tell which additions they have"))
        }
    }
}

fn sums(story: &Story<'_>) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); story.shapes.len()];
    let happened = |number: &usize| story.history.txns[*number].may_have_happened();
    for number in (0..story.history.txns.len()).filter(happened) {
        for op in story.history.ops(number) {
            let sum = &mut sums[op.key().0 as usize];
            if let Op::Add { by, .. } = op {
                sum.shrinks |= *by < 0;
                sum.odd |= *by != 1;
                sum.all = sum.all.saturating_add(*by);
            }
        }
    }
    let sure = |number: &usize| story.history.txns[*number].fate == Fate::Committed;
    for number in (0..story.history.txns.len()).filter(sure) {
        for op in story.history.ops(number) {
            if let Op::Count { value: Some(value), .. } = op {
                let sum = &mut sums[op.key().0 as usize];
                sum.read = true;
                sum.odd |= count(story, *value).is_none_or(|n| !(0..=sum.all).contains(&n));
            }
        }
    }
    sums
}

fn count(story: &Story<'_>, value: ValueId) -> Option<i64> {
    match story.history.name_of(value) {
        Value::Int(count) => Some(*count),
        Value::Nil | Value::Text(_) => None,
    }
}
