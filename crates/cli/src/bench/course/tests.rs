use super::*;
use check::Operation;
use check::kv::Command;

const MS: u64 = 1_000_000;

fn get(at: u64, outcome: Outcome<Reply>) -> Operation<KvOp, Reply> {
    let returned = (outcome != Outcome::Unknown).then_some(at + MS);
    Operation { process: 0, op: KvOp::new("k", Command::Get), invoked: at, returned, outcome }
}

#[test]
fn gaps_answers_and_errors_are_counted_where_they_were() {
    let ok = || Outcome::Ok(Reply::Value(None));
    let mut operations: Vec<_> = (0..10).map(|n| get(n * 50 * MS, ok())).collect();
    operations.push(get(500 * MS, Outcome::Unknown));
    operations.push(get(600 * MS, Outcome::Failed));
    operations.extend((0..10).map(|n| get((1_500 + n * 50) * MS, ok())));
    let errors = [(Error::Unknown, 900 * MS), (Error::NoQuorum, 601 * MS)];
    let done = [Done { what: "node 1: kill -9".into(), from: 500 * MS, to: 1_400 * MS }];
    let course = Course::of(&History { operations }, &errors, &done);
    assert_eq!((course.operations, course.answered), (22, 20));
    assert_eq!(course.gaps, [(451 * MS, 1_501 * MS)]);
    assert_eq!(course.answers, [4, 4, 2, 0, 0, 0, 0, 2, 4, 4]);
    assert_eq!(course.failures[3].no_quorum + course.failures[4].unknown, 2);
    let text = course.text();
    assert!(text.contains("without any answer   1.05 s in 1 gaps"), "{text}");
    let page = course.page();
    assert!(page.contains("node 1: kill -9") && page.contains("no quorum"));
    let empty = Course::of(&History { operations: Vec::new() }, &[], &[]);
    assert!(empty.page().contains("answers over time"));
}
