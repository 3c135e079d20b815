//! The stories of testdata/order.txt: each anomaly as the smallest history that shows it.

use super::judge;
use crate::format::{self, Options};
use crate::txn::Transactions;
use crate::{Budget, Judgement, Level};

const STORIES: &str = include_str!("../../../testdata/order.txt");

/// The title, what is claimed of each level, and the history.
pub(super) fn stories() -> impl Iterator<Item = (&'static str, Vec<&'static str>, Transactions)> {
    STORIES.split("\n== ").skip(1).map(|story| {
        let (title, rest) = story.split_once('\n').expect("a title and claims");
        let (claims, lines) = rest.split_at(rest.find("\n{").expect("a history") + 1);
        let loaded = format::read(lines.as_bytes(), &Options::default());
        let history = loaded.unwrap_or_else(|why| panic!("{title}: {why:?}")).history;
        (title, claims.lines().filter(|line| !line.is_empty()).collect(), history)
    })
}

/// What is found, as a claim: the level, and `holds`, or the lines of the part that fails and the reason.
fn told(history: &Transactions, level: Level) -> String {
    match judge(history, level, &mut Budget::default()) {
        Judgement::Holds => format!("{level}: holds"),
        Judgement::Fails(witness) => {
            let lines = witness.txns.iter().map(|number| {
                let mark = if witness.stuck == Some(*number) { ">" } else { "" };
                format!("{mark}{}", history.txns[*number].line)
            });
            let lines: Vec<String> = lines.collect();
            format!("{level}: fails {} {}: {}", lines.join(" "), witness.anomaly, witness.reason)
        }
        Judgement::Unknown(why) => format!("{level}: unknown {why}"),
        Judgement::NotApplicable(why) => format!("{level}: - {why}"),
    }
}

#[test]
fn each_story_is_told_as_it_is_written() {
    let mut wrong = String::new();
    for (title, claims, history) in stories() {
        for claim in claims {
            let level = claim.split(':').next().expect("a level").parse().expect("a level");
            let found = told(&history, level);
            if found != claim {
                wrong.push_str(&format!("{title}\n{found}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
