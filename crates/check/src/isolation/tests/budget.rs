//! How often the budget is asked while an order is looked for, and what happens when it says that time is up.

use super::*;
use crate::format;
use crate::planted::{self, Bug};
use std::cell::Cell;
use std::fmt::Write;
use stdx::Prng;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
    /// How many questions are answered with no.
    static PATIENCE: Cell<usize> = const { Cell::new(0) };
}

fn expired() -> bool {
    let asked = ASKED.replace(ASKED.get() + 1);
    asked >= PATIENCE.get()
}

/// Transactions that all overlap: each reads two keys, as they were a few versions ago, and sets a third one.
fn stale(count: usize, seed: u64) -> Transactions {
    let keys = (count / 8).max(8);
    let mut prng = Prng::new(seed);
    let mut versions: Vec<Vec<usize>> = (0..keys).map(|key| vec![count + key]).collect();
    let join = |parts: Vec<String>| parts.join(",");
    let sets =
        join((0..keys).map(|key| format!(r#"["set","k{key}","{}"]"#, count + key)).collect());
    let done = join(vec![r#""done""#.into(); keys]);
    let mut text = String::new();
    writeln!(text, r#"{{"process":0,"invoked":0,"returned":1,"op":[{sets}],"ok":[{done}]}}"#)
        .expect("strings take all");
    for i in 0..count {
        // Three that differ.
        let (a, half) = (prng.index(keys), keys / 2);
        let [b, c] = [1, half].map(|from| (a + from + prng.index(half - 1)) % keys);
        let mut old = |key: usize| {
            let all = &versions[key];
            all[all.len().saturating_sub(1 + prng.index(2))]
        };
        let (one, other) = (old(a), old(b));
        let (process, invoked, returned) = (i + 1, i + 2, 10 * count + i);
        let op = format!(r#"["get","k{a}"],["get","k{b}"],["set","k{c}","{i}"]"#);
        let ok = format!(r#"["{one}"],["{other}"],"done""#);
        writeln!(
            text,
            r#"{{"process":{process},"invoked":{invoked},"returned":{returned},"op":[{op}],"ok":[{ok}]}}"#
        )
        .expect("strings take all");
        versions[c].push(i);
    }
    format::read(text.as_bytes(), &format::Options::default()).expect("a history").history
}

/// How often is asked, and what is then not known.
fn asks(history: &Transactions, patience: usize) -> (usize, Vec<Level>) {
    ASKED.set(0);
    PATIENCE.set(patience);
    let mut budget = Budget { steps: u64::MAX, expired, ..Budget::default() };
    let all = judge(history, &Options::default(), &mut budget);
    let unknown = |(level, found)| matches!(found, Judgement::Unknown(_)).then_some(level);
    (ASKED.get(), all.into_iter().filter_map(unknown).collect())
}

#[test]
fn the_budget_is_asked_all_along() {
    for seed in 0..3 {
        let history = stale(400, seed);
        let (asked, _) = asks(&history, usize::MAX);
        assert!(asked > 20, "seed {seed}: {asked} questions");
        for patience in [1, 2, 3, asked / 2] {
            let (asked, unknown) = asks(&history, patience);
            // Each judge that was not at work yet may ask once more.
            assert!(asked <= patience + 8, "seed {seed}: {asked} questions, {patience} answered");
            assert!(unknown.contains(&Level::Serializable), "seed {seed}: {unknown:?}");
        }
        let (few, _) = planted::with(Bug::LooksAreFree, || asks(&history, usize::MAX));
        assert!(few <= 8, "seed {seed}: {few} questions");
    }
}
