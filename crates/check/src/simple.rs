//! Checks that need no search: weaker than linearizability, but with a message that says it all.

use crate::kv::{Command, KvOp, Reply};
use crate::{History, Key, Outcome};
use std::collections::BTreeMap;

/// For keys that only INCR by a positive number and GET touch: a value read or answered after another one
/// returned is never smaller. Answers the pair of operations that went back, if any.
pub fn reads_never_go_back(history: &History<KvOp, Reply>) -> Option<(usize, usize)> {
    let number = |reply: &Reply| match reply {
        Reply::Int(n) => Some(*n),
        Reply::Value(None) => Some(0),
        Reply::Value(Some(text)) => std::str::from_utf8(text).ok()?.parse().ok(),
        Reply::Done | Reply::Refused => None,
    };
    let mut growing: BTreeMap<&Key, bool> = BTreeMap::new();
    for op in &history.operations {
        let grows = match op.op.command {
            Command::Get => true,
            Command::Incr(by) => by >= 0,
            _ => false,
        };
        *growing.entry(&op.op.key).or_insert(true) &= grows;
    }
    // (time, returns first, number of the operation)
    let mut events = Vec::new();
    for (i, op) in history.operations.iter().enumerate() {
        if let (Outcome::Ok(reply), Some(end), true) =
            (&op.outcome, op.returned, growing[&op.op.key])
            && let Some(n) = number(reply)
        {
            events.push((op.invoked, false, i, n));
            events.push((end, true, i, n));
        }
    }
    events.sort_unstable();
    let mut highest: BTreeMap<&Key, (i64, usize)> = BTreeMap::new();
    let mut floor: Vec<Option<(i64, usize)>> = vec![None; history.len()];
    for (_, returns, i, n) in events {
        let key = &history.operations[i].op.key;
        if !returns {
            floor[i] = highest.get(key).copied();
            continue;
        }
        if let Some((_, earlier)) = floor[i].filter(|(least, _)| n < *least) {
            return Some((earlier, i));
        }
        let best = highest.entry(key).or_insert((n, i));
        if n > best.0 {
            *best = (n, i);
        }
    }
    None
}
