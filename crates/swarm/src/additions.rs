//! Keys that only INCRBY by positive numbers and GET touch, judged without a general search: every value that
//! was seen has its place among the others, and so has every addition that was answered (its answer is what it
//! came to). What is left to find is which additions of unknown outcome make up the steps between them ([`fill`]).

use crate::appends::{Place, in_time};
use crate::describe;
use crate::judge::Seen;
use crate::model::{Answer, Command, Part};
use crate::sums::{Filled, Gap, Loose, fill};
use check::Outcome;
use std::collections::BTreeMap;
use stdx::Bytes;

#[cfg(test)]
mod tests;

/// What is known of one key.
#[derive(Default)]
struct Counter {
    places: Vec<Place>,
    loose: Vec<Loose>,
}

type Wrong = (String, Vec<usize>);

impl Seen {
    /// What is wrong with a history of single INCRBYs of positive numbers and GETs, if anything. `None` if it has
    /// other commands, or if more than about `steps` would be needed.
    pub(crate) fn additions(&self, mut steps: u64) -> Option<Result<(), Wrong>> {
        let mut counters: BTreeMap<&Bytes, Counter> = BTreeMap::new();
        let mut no_sum = None;
        for (number, op) in self.history.operations.iter().enumerate() {
            let [part] = op.op.as_slice() else { return None };
            let Part { key, command } = part;
            let amount = match command {
                Command::Get => 0,
                Command::Incr(by) => u64::try_from(*by).ok().filter(|by| *by > 0)?,
                _ => return None,
            };
            let counter = counters.entry(key).or_default();
            let answers = match &op.outcome {
                Outcome::Failed => continue,
                Outcome::Unknown => {
                    if amount > 0 {
                        counter.loose.push(Loose { amount, invoked: op.invoked });
                    }
                    continue;
                }
                Outcome::Ok(answers) => answers,
            };
            let place = total(amount, answers).and_then(|to| Some((to.checked_sub(amount)?, to)));
            let Some((from, to)) = place else {
                let text =
                    format!("no sum answers operation {number}, {}", describe::operation(op));
                // Only once it is known that there are no other commands.
                no_sum.get_or_insert((text, vec![number]));
                continue;
            };
            let returned = op.returned.unwrap_or(u64::MAX);
            counter.places.push(Place { invoked: op.invoked, returned, from, to, number });
        }
        if let Some(wrong) = no_sum {
            return Some(Err(wrong));
        }
        for counter in counters.into_values() {
            match counter.judge(&mut steps)? {
                Ok(()) => {}
                Err(wrong) => return Some(Err(wrong)),
            }
        }
        Some(Ok(()))
    }
}

/// The sum that an answer names.
fn total(amount: u64, answers: &[Answer]) -> Option<u64> {
    match answers {
        [Answer::Int(sum)] if amount > 0 => u64::try_from(*sum).ok(),
        [Answer::Value(None)] if amount == 0 => Some(0),
        [Answer::Value(Some(text))] if amount == 0 => {
            // As INCRBY writes it: no sign, no zeros before it, and nothing added is no value at all.
            let sum: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            let written = sum > 0 && sum.to_string().as_bytes() == &text[..];
            written.then(|| u64::try_from(sum).ok())?
        }
        _ => None,
    }
}

impl Counter {
    fn judge(mut self, steps: &mut u64) -> Option<Result<(), Wrong>> {
        self.places.sort_unstable_by_key(|place| (place.to, place.from, place.number));
        let gaps = match self.gaps() {
            Ok(gaps) => gaps,
            Err(wrong) => return Some(Err(wrong)),
        };
        if let Err(wrong) = in_time(self.places) {
            return Some(Err(wrong));
        }
        match fill(&gaps, &self.loose, steps) {
            Filled::Yes => Some(Ok(())),
            Filled::Unknown => None,
            Filled::No(furthest) => {
                let Gap { size, after, .. } = gaps[furthest];
                let text = format!(
                    "no additions of unknown outcome make up the {size} that were there before operation {after} \
                     and that nothing answered added"
                );
                Some(Err((text, vec![after])))
            }
        }
    }

    /// The steps that no answered addition makes, in their order; or two operations that cannot both be right.
    fn gaps(&self) -> Result<Vec<Gap>, Wrong> {
        // Of a place and all after it, the first to return: what began later is not before it.
        let mut latest: Vec<u64> = self.places.iter().map(|place| place.returned).collect();
        for i in (1..latest.len()).rev() {
            latest[i - 1] = latest[i - 1].min(latest[i]);
        }
        let mut gaps = Vec::new();
        let (mut reached, mut by) = (0, None);
        for (place, latest) in self.places.iter().zip(latest) {
            let Some(size) = place.from.checked_sub(reached) else {
                let other = by.expect("nothing is below zero");
                let text = format!(
                    "operations {other} and {} do not add to one sum: one saw {reached}, the other came from {} \
                     to {}",
                    place.number, place.from, place.to
                );
                return Err((text, vec![other, place.number]));
            };
            if size > 0 {
                gaps.push(Gap { size, latest, after: place.number });
            }
            (reached, by) = (place.to, Some(place.number));
        }
        Ok(gaps)
    }
}
