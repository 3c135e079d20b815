//! testdata/session.txt: the levels judged alone, with the reasons word for word.

use crate::{Budget, Judgement, Level, Transactions, convergence, format, session, staleness};

/// A story: what it is at which level, its reason, its history.
pub(super) struct Story {
    pub(super) head: String,
    verdicts: Vec<(Level, u64, String)>,
    reason: Option<String>,
    pub(super) history: Transactions,
}

pub(super) fn stories() -> Vec<Story> {
    let text = include_str!("../../testdata/session.txt");
    text.split("\n== ").skip(1).map(story).collect()
}

fn story(text: &str) -> Story {
    let (head, rest) = text.split_once('\n').expect("a head and a history");
    let (verdicts, _) = head.split_once(": ").expect("verdicts, then what happened");
    let verdicts = verdicts.split(", ").map(|verdict| {
        let (level, word) = verdict.split_once(' ').expect("a level and a verdict");
        let (level, bound) = match level.split_once('(') {
            Some((level, bound)) => (level, bound.trim_end_matches(')').parse().expect("a bound")),
            None => (level, 0),
        };
        (level.parse().expect(head), bound, word.to_string())
    });
    let (reason, lines) = match rest.strip_prefix("-> ") {
        Some(rest) => rest.split_once('\n').map(|(reason, lines)| (Some(reason.into()), lines)),
        None => Some((None, rest)),
    }
    .expect("a history");
    let loaded = format::read(lines.as_bytes(), &format::Options::default());
    let history = loaded.unwrap_or_else(|error| panic!("{head}: {error}")).history;
    Story { head: head.to_string(), verdicts: verdicts.collect(), reason, history }
}

#[test]
fn stories_are_judged_as_they_are_told() {
    let stories = stories();
    for story in &stories {
        let mut reason = story.reason.clone();
        for (level, bound, word) in &story.verdicts {
            let (history, budget) = (&story.history, &mut Budget::default());
            let judgement = match level {
                Level::BoundedStaleness => staleness::judge(history, *bound, budget),
                Level::Convergence => convergence::judge(history, budget),
                _ => session::judge(history, *level, budget),
            };
            let (found, why) = match &judgement {
                Judgement::Holds => ("holds", None),
                Judgement::Fails(witness) => ("fails", Some(witness.reason.clone())),
                Judgement::Unknown(why) => ("unknown", Some(why.clone())),
                Judgement::NotApplicable(why) => ("not applicable", Some(why.clone())),
            };
            assert_eq!(found, word, "{level} in {}: {why:?}", story.head);
            if let Some(expected) = reason.take() {
                assert_eq!(why.as_ref(), Some(&expected), "{level} in {}", story.head);
            }
        }
    }
    assert!(stories.len() > 30, "only {} stories", stories.len());
}
