//! What people and pictures are told.

use super::*;
use check::{Budget, Edge, EdgeKind};

const STALE: &str = r#"{"process":1,"invoked":0,"returned":10,"op":["set","x","1"],"ok":"done"}
{"process":1,"invoked":11,"returned":20,"op":["set","x","2"],"ok":"done"}
{"process":2,"invoked":32,"returned":41,"op":["get","x"],"ok":["1"]}
{"process":2,"invoked":42,"op":["get","x"],"unknown":true}
"#;

fn loaded() -> Loaded {
    format::read(STALE.as_bytes(), &format::Options::default()).expect("a good history")
}

fn findings(loaded: &Loaded) -> Findings<'_> {
    let options = map::Options { staleness: Some(5), ..map::Options::default() };
    let map = map::map(&loaded.history, &options, Budget::default());
    let levels = map.levels().map(|(level, place)| (level, place.clone())).collect();
    Findings { file: "f".into(), loaded, model: None, levels, strongest: map.strongest() }
}

#[test]
fn the_map_is_aligned_and_names_every_level_once() {
    let loaded = loaded();
    let findings = findings(&loaded);
    let text = report::text(&findings, Some("time"));
    let marks = ['✓', '✗', '?', '·'];
    for level in Level::ALL {
        let names = |line: &&str| line.split_whitespace().any(|word| word == level.name());
        let lines: Vec<&str> =
            text.lines().filter(|line| line.contains("  ") && names(line)).collect();
        let line = lines.first().unwrap_or_else(|| panic!("no {level} in {text}"));
        let mark = line.chars().position(|c| marks.contains(&c));
        assert_eq!(mark, Some(11), "{line}");
        let word: String = line.chars().skip(34).take_while(|c| !c.is_whitespace()).collect();
        assert!(["holds", "fails", "unknown", "-"].contains(&word.as_str()), "{line}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 112), "{text}");
    assert!(text.contains("--time gives more"), "{text}");
    assert!(text.contains("[1] not "), "{text}");
    assert!(text.contains("line 3  process 2  32..41"), "{text}");
}

#[test]
fn a_map_is_as_good_as_its_worst_level() {
    let loaded = loaded();
    let place = |judgement| Place { judgement, from: None };
    let of = |judgements: &[Judgement]| {
        let levels = Level::ALL.into_iter().zip(judgements.iter().cloned().map(place)).collect();
        Findings { levels, ..findings(&loaded) }.verdict()
    };
    let (unknown, other) =
        (Judgement::Unknown("why".into()), Judgement::NotApplicable("why".into()));
    let fails = Judgement::Fails(Box::new(witness()));
    assert_eq!(of(&[Judgement::Holds, other.clone()]), Verdict::Ok);
    assert_eq!(of(&[Judgement::Holds, unknown.clone()]), Verdict::Unknown);
    assert_eq!(of(&[unknown, fails, Judgement::Holds]), Verdict::Violation);
    assert_eq!(of(&[other]), Verdict::Unknown);
}

fn witness() -> Witness {
    Witness {
        anomaly: "stale-read",
        reason: "because".into(),
        txns: vec![0, 1, 2],
        stuck: Some(2),
        order: vec![1, 0, 3],
        cycle: Vec::new(),
    }
}

#[test]
fn points_are_numbered_among_what_is_drawn() {
    let history = loaded().history;
    let timeline = picture::timeline(&history, &witness(), "t".into());
    assert_eq!(timeline.rows, ["process 1", "process 2"]);
    assert_eq!(timeline.order, [1, 0], "transaction 3 is not drawn");
    let guilty: Vec<bool> = timeline.spans.iter().map(|span| span.guilty).collect();
    assert_eq!(guilty, [false, false, true]);
    let all = Witness { txns: vec![0, 3], ..witness() };
    let spans = picture::timeline(&history, &all, "t".into()).spans;
    assert_eq!((spans[1].to, spans[1].fate), (None, draw::Fate::Unknown));
    assert!(picture::draw(&history, &witness(), "t").contains("because"));
}

#[test]
fn a_cycle_has_a_box_for_each_transaction_and_says_why() {
    let history = loaded().history;
    let key = Some(history.ops(0)[0].key());
    let check::Op::Write { value, .. } = history.ops(0)[0] else { panic!("it writes") };
    let edge = |from, to, kind| Edge { from, to, kind, key, value: Some(value), next: None };
    let cycle = vec![edge(0, 2, EdgeKind::Wr), edge(2, 1, EdgeKind::Rw), edge(1, 0, EdgeKind::Ww)];
    let drawn = picture::cycle(&history, &Witness { cycle, ..witness() }, "t".into());
    assert_eq!(drawn.nodes.len(), 3);
    let edges: Vec<_> = drawn.edges.iter().map(|e| (e.from, e.to, e.kind.as_str())).collect();
    assert_eq!(edges, [(0, 1, "wr"), (1, 2, "rw"), (2, 0, "ww")]);
    assert_eq!(drawn.edges[0].detail, "x: 1");
}
