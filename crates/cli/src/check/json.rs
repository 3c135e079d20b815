//! What was found, for programs: one JSON object.

use super::Findings;
use check::map::Place;
use check::{Judgement, Level};
use serde_json::{Value, json};

pub(super) fn of(findings: &Findings<'_>, limit: Option<&str>) -> Value {
    let history = findings.history();
    let names = |levels: &[Level]| levels.iter().map(|level| level.name()).collect::<Vec<_>>();
    let levels: Vec<Value> =
        findings.levels.iter().map(|(level, place)| one(findings, *level, place)).collect();
    let ignored: Vec<Value> = findings
        .loaded
        .ignored
        .iter()
        .map(|(reason, times)| json!({ "reason": reason, "times": times }))
        .collect();
    json!({
        "file": findings.file,
        "format": findings.loaded.format.name(),
        "transactions": history.txns.len(),
        "operations": history.all_ops().len(),
        "keys": history.keys.len(),
        "left_out": ignored,
        "verdict": findings.verdict().name(),
        "strongest": names(&findings.strongest),
        "levels": levels,
        "limit": limit,
    })
}

fn one(findings: &Findings<'_>, level: Level, place: &Place) -> Value {
    let verdict = match &place.judgement {
        Judgement::Holds => "holds",
        Judgement::Fails(_) => "fails",
        Judgement::Unknown(_) => "unknown",
        Judgement::NotApplicable(_) => "not-applicable",
    };
    let mut found = json!({ "level": level.name(), "verdict": verdict });
    if let Some(from) = place.from {
        found["follows_from"] = json!(from.name());
    }
    match &place.judgement {
        Judgement::Holds => {}
        Judgement::Unknown(why) | Judgement::NotApplicable(why) => found["reason"] = json!(why),
        Judgement::Fails(witness) => {
            let line = |number: usize| findings.history().txns[number].line;
            let lines: Vec<u32> = witness.txns.iter().map(|number| line(*number)).collect();
            found["anomaly"] = json!(witness.anomaly);
            found["reason"] = json!(witness.reason);
            found["lines"] = json!(lines);
            found["stuck_line"] = json!(witness.stuck.map(line));
        }
    }
    found
}
