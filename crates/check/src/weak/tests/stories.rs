//! Every story of `testdata/causal.txt`. `UPDATE=1 cargo test -p check stories` writes the words anew; read the diff.
#![expect(clippy::disallowed_methods, reason = "UPDATE=1 is the one switch of this test")]

use crate::txn::{Fate, Op, Transactions, Value, ValueId};
use crate::{Budget, Judgement, Level, causal, weak};
use std::fmt::Write;
use stdx::Bytes;

pub(crate) const LEVELS: [(&str, Level); 5] = [
    ("rc", Level::ReadCommitted),
    ("ra", Level::ReadAtomic),
    ("cc", Level::CausalConsistency),
    ("cm", Level::CausalMemory),
    ("ccv", Level::CausalConvergence),
];

pub(crate) fn judge(h: &Transactions, level: Level) -> Judgement {
    match level {
        Level::ReadCommitted | Level::ReadAtomic => weak::judge(h, level, &mut Budget::default()),
        _ => causal::judge(h, level, &mut Budget::default()),
    }
}

fn op(h: &mut Transactions, text: &str) -> Op {
    let (call, answer) = text.split_once('=').map_or((text, ""), |(call, answer)| (call, answer));
    let (name, arguments) = call.strip_suffix(')').and_then(|call| call.split_once('(')).unwrap();
    let arguments: Vec<&str> = arguments.split(',').collect();
    let key = h.key(&Bytes::from(arguments[0].as_bytes()));
    let value = |h: &mut Transactions, text: &str| match text {
        "nil" => ValueId::NIL,
        number => h.value(&Value::Int(number.parse().unwrap())),
    };
    match name {
        "w" => Op::Write { key, value: value(h, arguments[1]) },
        "r" => Op::Read { key, value: Some(value(h, answer)) },
        "a" => Op::Append { key, value: value(h, arguments[1]) },
        "c" => {
            let (from, to) = (value(h, arguments[1]), value(h, arguments[2]));
            Op::Cas { key, from, to, done: Some(answer != "no") }
        }
        "l" => {
            let all = answer.trim_matches(['[', ']']);
            let all = all.split(',').filter(|element| !element.is_empty());
            let all: Vec<ValueId> = all.map(|element| value(h, element)).collect();
            Op::ReadList { key, elements: Some(h.list(all)) }
        }
        other => panic!("no operation `{other}`"),
    }
}

/// The history that lines like `p: w(x,1) / r(x)=2` tell.
pub(crate) fn history<'a>(lines: impl Iterator<Item = &'a str>) -> Transactions {
    let mut h = Transactions::new();
    let mut time = 0;
    for (line, process) in lines.zip(0..) {
        for txn in line.split_once(": ").unwrap().1.split(" / ") {
            let fate = match txn.chars().last() {
                Some('!') => Fate::Aborted,
                Some('?') => Fate::Unknown,
                _ => Fate::Committed,
            };
            let ops: Vec<Op> =
                txn.trim_end_matches(['!', '?']).split(' ').map(|text| op(&mut h, text)).collect();
            h.push(process, (time, time + 1), fate, process as u32 + 1, ops);
            time += 2;
        }
    }
    h
}

/// The lines of each story that are its history.
pub(crate) fn story_lines() -> Vec<Vec<&'static str>> {
    let stories = include_str!("../../../testdata/causal.txt").split("\n== ").skip(1);
    let told = |line: &&str| !line.starts_with(['|', '=']) && !line.is_empty();
    stories.map(|story| story.lines().skip(1).filter(told).collect()).collect()
}

/// Tells all stories: the file as it would be written now, and what is not as it says.
pub(crate) fn tell() -> (String, Vec<String>) {
    let stories = include_str!("../../../testdata/causal.txt");
    let (mut now, mut wrong) = (stories.split("\n== ").next().unwrap().to_string(), Vec::new());
    for story in stories.split("\n== ").skip(1) {
        let kept: Vec<&str> =
            story.lines().filter(|line| !line.starts_with('|') && !line.is_empty()).collect();
        let h = history(kept[1..].iter().copied().filter(|line| !line.starts_with('=')));
        let verdicts = kept.last().unwrap().strip_prefix("= ").unwrap();
        write!(now, "\n== {}\n", kept.join("\n")).unwrap();
        let (mut found, mut words) = (Vec::new(), Vec::new());
        for (name, level) in LEVELS {
            let judgement = judge(&h, level);
            let (what, why) = match &judgement {
                Judgement::Holds => ("ok", String::new()),
                Judgement::Fails(witness) => {
                    (witness.anomaly, format!("{}: {}", witness.anomaly, witness.reason))
                }
                Judgement::Unknown(why) => ("unknown", format!("unknown: {why}")),
                Judgement::NotApplicable(why) => ("not applicable", why.clone()),
            };
            found.push(format!("{name} {what}"));
            if !why.is_empty() && !words.contains(&why) {
                words.push(why);
            }
        }
        if found.join(", ") != verdicts {
            wrong.push(format!("{}\n  {}\n  {words:#?}", kept[0], found.join(", ")));
        }
        words.iter().for_each(|why| writeln!(now, "| {why}").unwrap());
    }
    (now, wrong)
}

#[test]
fn stories_of_causal_levels() {
    let (now, wrong) = tell();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(story_lines().len() > 40);
    if std::env::var("UPDATE").is_ok() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/causal.txt");
        std::fs::write(path, now).expect("testdata can be written");
    } else {
        let then = include_str!("../../../testdata/causal.txt");
        assert!(now == then, "UPDATE=1 and read the diff\n{now}");
    }
}
