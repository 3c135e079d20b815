use crate::judge::Seen;
use crate::model::{Answer, Command, Part, Strings};
use check::{Budget, History, Outcome, linearizable};
use stdx::{Bytes, Prng};

type Operations = History<Vec<Part>, Vec<Answer>>;

const ENOUGH: u64 = 10_000_000;

fn part(command: Command) -> Vec<Part> {
    vec![Part { key: Bytes::from(&b"k"[..]), command }]
}

fn seen(history: &Operations) -> Seen {
    Seen { history: history.clone(), expiries: Vec::new() }
}

/// What a key would answer.
fn answer(amount: u64, sum: u64) -> Vec<Answer> {
    if amount > 0 {
        return vec![Answer::Int(i64::try_from(sum).expect("small sums"))];
    }
    let text = (sum > 0).then(|| Bytes::from(sum.to_string().into_bytes()));
    vec![Answer::Value(text)]
}

/// What can go wrong in a drawn history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// One answer is another sum.
    Sum,
    /// One answered addition did not happen.
    Lost,
    /// One addition is seen before it begins.
    Early,
    /// One addition happens twice.
    Twice,
}

/// A history of one key: each operation happens at a moment within its time, some never.
fn draw(prng: &mut Prng, most: u64, flaw: Flaw) -> Operations {
    let count = prng.range(3, 11);
    let mut plans: Vec<(u64, u64, u64, u64, bool)> = Vec::new();
    for _ in 0..count {
        let begin = prng.below(40);
        let end = begin + prng.range(1, 16);
        let amount = if prng.chance(1, 3) { 0 } else { prng.range(1, most) };
        let unknown = prng.chance(2, 5);
        let at = if unknown { prng.range(begin, 60) } else { prng.range(begin, end) };
        plans.push((at, begin, end, amount, unknown));
    }
    plans.sort_unstable();
    let guilty = prng.index(plans.len());
    let (mut history, mut sum) = (Operations::default(), 0);
    for (i, (at, begin, end, amount, unknown)) in plans.into_iter().enumerate() {
        let flaw = if i == guilty { flaw } else { Flaw::None };
        let never = (unknown && at > 50) || flaw == Flaw::Lost;
        sum += if never { 0 } else { amount };
        sum += if flaw == Flaw::Twice { amount } else { 0 };
        let begin = if flaw == Flaw::Early { end.max(begin + 8) } else { begin };
        let command = match i64::try_from(amount).expect("small amounts") {
            0 => Command::Get,
            by => Command::Incr(by),
        };
        let number = history.invoked(i as u64, part(command), begin);
        if !unknown {
            let said = if flaw == Flaw::Sum { sum + prng.range(1, most) } else { sum };
            history.returned(number, end.max(begin), Outcome::Ok(answer(amount, said)));
        }
    }
    history
}

#[test]
fn the_verdict_is_that_of_a_search() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..4_000 {
        let mut prng = Prng::new(seed);
        let flaws = [Flaw::None, Flaw::Sum, Flaw::Lost, Flaw::Early, Flaw::Twice];
        let flaw = *prng.pick(&flaws);
        let most = *prng.pick(&[2, 4, 9, 1 << 40]);
        let history = draw(&mut prng, most, flaw);
        let budget = Budget { steps: ENOUGH, memory: 1_000_000, ..Budget::default() };
        let slow = match linearizable(&Strings, &history, budget) {
            check::Verdict::Ok => true,
            check::Verdict::Violation(_) => false,
            check::Verdict::Unknown { .. } => panic!("seed {seed}: the twin needs more steps"),
        };
        let fast = seen(&history).additions(ENOUGH).expect("additions only");
        assert_eq!(fast.is_ok(), slow, "seed {seed}, {flaw:?}: {fast:?}\n{history:#?}");
        assert!(slow || flaw != Flaw::None, "seed {seed}: nothing was wrong");
        *(if slow { &mut good } else { &mut bad }) += 1;
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad");
}

/// Many additions of unknown outcome, and then two reads: every second one has happened before the first, and
/// some more before the second.
fn many(count: u64, wrong_by: u64) -> Operations {
    let mut prng = Prng::new(count);
    let mut history = Operations::default();
    let mut sums = [wrong_by, wrong_by];
    for i in 0..count {
        let amount = prng.range(1, 1 << 40);
        history.invoked(i, part(Command::Incr(i64::try_from(amount).expect("small"))), i);
        sums[0] += if i % 2 == 0 { amount } else { 0 };
        sums[1] += if i % 4 < 3 { amount } else { 0 };
    }
    for sum in sums {
        let at = history.operations.iter().filter_map(|op| op.returned).max().unwrap_or(count);
        let read = history.invoked(count, part(Command::Get), at + 1);
        history.returned(read, at + 2, Outcome::Ok(answer(0, sum)));
    }
    history
}

#[test]
fn many_additions_of_unknown_outcome_have_a_verdict() {
    let steps = crate::run::STEPS;
    for count in [12, 24, 36] {
        assert_eq!(seen(&many(count, 0)).additions(steps), Some(Ok(())), "{count}");
        let wrong = seen(&many(count, 1)).additions(steps);
        let (text, guilty) = wrong.expect("a verdict").expect_err("no such sum");
        assert!(text.contains("make up"), "{text}");
        assert_eq!(guilty, [usize::try_from(count).expect("few")]);
    }
    // What the general search made of it.
    let budget = Budget { steps, memory: 300_000, ..Budget::default() };
    let verdict = linearizable(&Strings, &many(36, 1), budget);
    assert!(matches!(verdict, check::Verdict::Unknown { .. }), "{verdict:?}");
    assert_eq!(seen(&many(36, 1)).additions(1_000), None, "too few steps");
}

#[test]
fn what_is_no_addition_is_left_to_the_search() {
    for command in [Command::Incr(0), Command::Incr(-1), Command::Del] {
        let mut history = Operations::default();
        history.invoked(0, part(command), 0);
        assert_eq!(seen(&history).additions(ENOUGH), None);
    }
}

/// A history of operations that all answered: process, from, to, what, answer.
fn answered(all: &[(u64, u64, u64, Command, Answer)]) -> Operations {
    let mut history = Operations::default();
    for (process, from, to, command, answer) in all {
        let number = history.invoked(*process, part(command.clone()), *from);
        history.returned(number, *to, Outcome::Ok(vec![answer.clone()]));
    }
    history
}

#[test]
fn a_sum_is_written_as_incrby_writes_it() {
    let text = |text: &[u8]| Answer::Value(Some(Bytes::from(text)));
    for wrong in ["0", "+5", "005", "-5", " 5", "18446744073709551615"] {
        let all = [
            (1, 0, 1, Command::Incr(5), Answer::Int(5)),
            (1, 2, 3, Command::Get, text(wrong.as_bytes())),
        ];
        let verdict = seen(&answered(&all)).additions(ENOUGH);
        assert!(matches!(verdict, Some(Err(_))), "{wrong}: {verdict:?}");
    }
    let nothing = answered(&[(1, 0, 1, Command::Get, text(b"0"))]);
    assert!(
        matches!(seen(&nothing).additions(ENOUGH), Some(Err(_))),
        "0 of what was never added to"
    );
    let right = [
        (1, 0, 1, Command::Get, Answer::Value(None)),
        (1, 2, 3, Command::Incr(5), Answer::Int(5)),
        (1, 4, 5, Command::Get, text(b"5")),
    ];
    assert_eq!(seen(&answered(&right)).additions(ENOUGH), Some(Ok(())));
}

#[test]
fn other_commands_are_left_to_the_search() {
    let all = [
        (1, 0, 3, Command::Incr(5), Answer::Int(3)),
        (2, 1, 2, Command::Incr(-2), Answer::Int(-2)),
    ];
    assert_eq!(seen(&answered(&all)).additions(ENOUGH), None);
}
