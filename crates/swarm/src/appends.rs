//! Keys that only APPEND and GET touch, judged without a search: the longest value read names the order of all
//! appends, so every other operation has its place, and only real time is left to compare.

use crate::describe;
use crate::judge::Seen;
use crate::model::{Answer, Command, Part};
use check::Outcome;
use std::collections::BTreeMap;
use stdx::Bytes;

/// An operation's place: it happened when the value had grown from `from` to `to`, in bytes or as a sum.
pub(crate) struct Place {
    pub(crate) invoked: u64,
    pub(crate) returned: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) number: usize,
}

impl Seen {
    /// What is wrong with a history of single APPENDs of unique tokens and GETs, if anything.
    pub(crate) fn appends(&self) -> Result<(), (String, Vec<usize>)> {
        let mut longest: BTreeMap<&Bytes, &[u8]> = BTreeMap::new();
        for op in &self.history.operations {
            if let ([Part { key, .. }], Outcome::Ok(answers)) = (op.op.as_slice(), &op.outcome)
                && let [Answer::Value(Some(value))] = answers.as_slice()
                && longest.get(key).is_none_or(|best| best.len() < value.len())
            {
                longest.insert(key, value);
            }
        }
        // By key and token: where it stands, each time it does.
        let mut stands: BTreeMap<(&Bytes, &[u8]), Vec<usize>> = BTreeMap::new();
        for (key, whole) in &longest {
            let mut at = 0;
            for token in whole.split_inclusive(|byte| *byte == b' ') {
                stands.entry((key, token)).or_default().push(at);
                at += token.len();
            }
        }
        let mut places: BTreeMap<&Bytes, Vec<Place>> = BTreeMap::new();
        for (number, op) in self.history.operations.iter().enumerate() {
            let [part] = op.op.as_slice() else {
                return Err(("not one command on one key".into(), vec![number]));
            };
            let whole = longest.get(&part.key).copied().unwrap_or_default();
            let fail = |what: &str| {
                let text = format!("operation {number}, {}: {what}", describe::operation(op));
                Err((text, vec![number]))
            };
            let place = match (&part.command, &op.outcome) {
                (Command::Get, Outcome::Ok(answers)) => match answers.as_slice() {
                    [Answer::Value(Some(value))] if whole.starts_with(value) => {
                        Some((value.len(), value.len()))
                    }
                    [Answer::Value(None)] => Some((0, 0)),
                    _ => return fail("read what is no prefix of the longest value read"),
                },
                (Command::Get, _) => None,
                (Command::Append(token), outcome) => {
                    let found = stands.get(&(&part.key, &token[..])).map_or(&[][..], Vec::as_slice);
                    let first = found.first().map(|from| (*from, from + token.len()));
                    if found.len() > 1 {
                        return fail("was appended twice");
                    }
                    match (outcome, first) {
                        (Outcome::Failed, Some(_)) => return fail("was refused, and is there"),
                        (Outcome::Ok(_), None) => return fail("was acknowledged, and is lost"),
                        (Outcome::Ok(answers), Some((_, to))) => {
                            let len = i64::try_from(to).unwrap_or(i64::MAX);
                            if answers.as_slice() != [Answer::Int(len)] {
                                return fail("answered another length");
                            }
                        }
                        _ => {}
                    }
                    first
                }
                _ => return fail("is neither APPEND nor GET"),
            };
            if let Some((from, to)) = place {
                let known = matches!(op.outcome, Outcome::Ok(_));
                let returned = op.returned.filter(|_| known).unwrap_or(u64::MAX);
                let (from, to) = (from as u64, to as u64);
                let place = Place { invoked: op.invoked, returned, from, to, number };
                places.entry(&part.key).or_default().push(place);
            }
        }
        places.into_values().try_for_each(in_time)
    }
}

/// Nothing that began after another had ended comes before it.
pub(crate) fn in_time(mut places: Vec<Place>) -> Result<(), (String, Vec<usize>)> {
    let mut ends: Vec<(u64, u64, usize)> =
        places.iter().map(|place| (place.returned, place.to, place.number)).collect();
    ends.sort_unstable();
    places.sort_unstable_by_key(|place| place.invoked);
    let mut ended = ends.into_iter().peekable();
    let mut furthest = (0, 0);
    for place in places {
        while let Some((_, to, number)) = ended.next_if(|(at, ..)| *at < place.invoked) {
            furthest = furthest.max((to, number));
        }
        if place.from < furthest.0 {
            let text = format!(
                "operation {} comes before operation {}, which had ended when it began",
                place.number, furthest.1
            );
            return Err((text, vec![furthest.1, place.number]));
        }
    }
    Ok(())
}
