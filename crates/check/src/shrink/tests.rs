use super::*;
use crate::register::{Register, RegisterOp, RegisterResult};
use crate::{History, Verdict, linearizable};
use stdx::Prng;

/// A key that three processes write and read, and of which one read answers what nobody wrote by then.
fn wrong(prng: &mut Prng) -> History<RegisterOp, RegisterResult> {
    let (mut history, mut value) = (History::new(), None);
    let count = prng.range(4, 12);
    let bad = prng.below(count);
    for at in 0..count {
        let from = at * 4;
        let reads = at == bad || prng.chance(1, 2);
        let op = if reads { RegisterOp::Read } else { RegisterOp::Write(at) };
        let number = history.invoked(at % 3, op, from.saturating_sub(prng.below(8)));
        let result = if reads {
            RegisterResult::Value(if at == bad { Some(99) } else { value })
        } else {
            value = Some(at);
            RegisterResult::Done
        };
        if reads || prng.chance(4, 5) {
            history.returned(number, from + prng.below(8), Outcome::Ok(result));
        }
    }
    history
}

/// Where a search was stuck is where most had a place, and the history up to there may well have an order.
#[test]
fn wherever_the_search_was_stuck_a_violation_is_one() {
    let mut ordered = 0;
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let operations = wrong(&mut prng).operations;
        for stuck in 0..operations.len() {
            let beginning = up_to(&Register, operations.clone(), stuck);
            let order = check(&Register, &beginning, &mut Budget::default());
            ordered += usize::from(matches!(order, Found::Order(_)));
            let mut budget = Budget::default();
            let found = smallest(&Register, operations.clone(), stuck, &mut budget);
            assert!(found.stuck < found.operations.len(), "seed {seed}, {stuck}");
            let history = History { operations: found.operations };
            let again = linearizable(&Register, &history, Budget::default());
            assert!(matches!(again, Verdict::Violation(_)), "seed {seed}, {stuck}: {history:?}");
        }
    }
    assert!(ordered > 300, "only {ordered} beginnings had an order");
}
