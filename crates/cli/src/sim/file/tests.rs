use super::{parse, text};
use crate::sim::words::{Span, command, spoken};
use crate::sim::{diagram, step};
use std::time::Duration;
use stdx::Prng;
use swarm::{Options, Plan, run_plan};

fn written(plan: &Plan) -> String {
    text(plan, &run_plan(plan, 0))
}

#[test]
fn what_is_written_is_read_again_to_the_nanosecond() {
    for seed in 0..12 {
        let plan = Plan::of(seed, &Options::default());
        let report = run_plan(&plan, 0);
        let file = text(&plan, &report);
        let read = parse(&file).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(format!("{:?}", read.plan), format!("{plan:?}"), "seed {seed}");
        assert_eq!(read.head.digest, format!("{:016x}", report.digest));
        assert_eq!(text(&read.plan, &report), file, "seed {seed}");
    }
    let plan = Plan::of(41, &Options::default());
    let read = parse(&written(&plan)).unwrap();
    assert_eq!(run_plan(&read.plan, 0), run_plan(&plan, 0));
}

#[test]
fn comments_blank_lines_and_any_order_of_lines_are_fine() {
    let plan = Plan::of(2, &Options::default());
    let file = written(&plan);
    let mut lines: Vec<&str> = file.lines().collect();
    lines[6..].reverse();
    let again = format!("# what I tried\n\n{}\n", lines.join("\n"));
    let read = parse(&again).unwrap().plan;
    assert_eq!(read.requests.len(), plan.requests.len());
    assert!(read.requests.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(read.faults.windows(2).all(|pair| pair[0].0 <= pair[1].0));
}

/// A file of a line more, and what is said of it.
fn refused(line: &str) -> String {
    let plan =
        Plan { faults: Vec::new(), requests: Vec::new(), ..Plan::of(0, &Options::default()) };
    parse(&format!("{}{line}\n", written(&plan))).unwrap_err()
}

#[test]
fn what_cannot_be_read_is_named_by_line_and_column() {
    let cases = [
        (
            "{\"fault\":{\"at\":\"1 s\",\"what\":{\"crush\":1}}}",
            "line 7, column 36: unknown variant `crush`",
        ),
        ("{\"fault\":{\"at\":\"soon\",\"what\":\"heal\"}}", "expected a time such as \"1.25 s\""),
        ("{\"fault\":{\"at\":\"1.0000000001 s\",\"what\":\"heal\"}}", "expected a time such as"),
        (
            "{\"fault\":{\"at\":\"1 s\",\"what\":{\"crash\":9}}}",
            "line 7, column 22: expected nodes from 1 to",
        ),
        ("{\"fault\":{\"at\":\"1 s\",\"what\":{\"isolate\":[1,9]}}}", "expected nodes from 1 to"),
        (
            "{\"request\":{\"at\":\"1 s\",\"client\":1,\"ask\":[\"FLUSHALL\"]}}",
            "line 7, column 35: command 1:",
        ),
        ("{\"request\":{\"at\":\"1 s\",\"client\":1,\"ask\":[\"GET k\",\"EXEC\"]}}", "command 2:"),
        (
            "{\"request\":{\"at\":\"1 s\",\"client\":1,\"ask\":[\"MULTI\"]}}",
            "MULTI without its EXEC",
        ),
        (
            "{\"request\":{\"at\":\"1 s\",\"client\":1,\"ask\":[\"GET \\\"k\"]}}",
            "expected a command such as",
        ),
        (
            "{\"request\":{\"at\":\"1 s\",\"client\":1,\"ask\":[\"*1\"]}}",
            "expected a command such as",
        ),
        ("{\"request\":{\"at\":\"1 s\",\"client\":1,\"ask\":[]}}", "expected a command"),
        (
            "{\"request\":{\"at\":\"1 s\",\"who\":1,\"ask\":[\"GET k\"]}}",
            "line 7, column 28: unknown field `who`",
        ),
        (
            "{\"run\":{\"profile\":\"Calm\",\"workload\":\"Append\",\"length\":\"1 s\",\"witness\":true}}",
            "once only",
        ),
        ("{\"run\":{\"profile\":\"Bad\"", "\"Bad\": expected one of Rough, "),
        (
            "{\"replay\":{\"version\":2,\"atoll\":\"\",\"seed\":1,\"digest\":\"\",\"verdict\":\"\"}}",
            "expected version 1",
        ),
        ("what", "line 7, column 1: expected value"),
    ];
    for (line, expected) in cases {
        let said = refused(line);
        assert!(said.starts_with("line 7, column "), "{line}: {said}");
        assert!(said.contains(expected), "{line}: {said}");
    }
    assert_eq!(parse("").unwrap_err(), "line 0, column 1: expected a line {\"replay\":...}");
}

#[test]
fn a_plan_that_no_cluster_can_have_is_refused() {
    let file = written(&Plan::of(0, &Options::default()));
    for (from, to) in [
        ("\"count\":", "\"count\":99"),
        ("\"misses\":[", "\"misses\":[0,"),
        ("\"chunk_bytes\":", "\"chunk_bytes\":0,\"x\":"),
    ] {
        let at = file.find(from).expect("it is written");
        let broken = format!("{}{to}{}", &file[..at], &file[at + from.len()..]);
        assert!(parse(&broken).unwrap_err().starts_with("line 6, column "), "{to}");
    }
    let none = file.replace("\"chunk_bytes\":", "\"chunk_bytes\":0}}\n#");
    assert!(parse(&none).unwrap_err().contains("line 6"));
}

#[test]
fn times_and_commands_survive_being_written() {
    for seed in 0..2_000 {
        let prng = &mut Prng::new(seed);
        let nanos = prng.next_u64() >> prng.range(0, 63);
        let span = Span(Duration::from_nanos(nanos));
        let json = serde_json::to_string(&span).unwrap();
        assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span, "seed {seed}: {json}");
        let word = |prng: &mut Prng| -> Vec<u8> {
            (0..prng.index(8)).map(|_| u8::try_from(prng.below(256)).unwrap()).collect()
        };
        let words: Vec<Vec<u8>> = (0..3).map(|_| word(prng)).collect();
        let args = std::iter::once(b"SET".to_vec()).chain(words).collect();
        let line = spoken(&args);
        assert_eq!(command(&line).as_ref(), Ok(&args), "seed {seed}: {line}");
    }
    assert_eq!(Span(Duration::from_micros(1_673_467)).text(), "1.673467 s");
    assert_eq!(Span(Duration::ZERO).text(), "0 s");
}

#[test]
fn every_step_says_what_its_node_was_and_is() {
    let report = run_plan(&Plan::of(1, &Options::default()), 4_000);
    let steps = step::steps(&report.moments);
    assert!(steps.len() > 1_000, "only {} steps", steps.len());
    let mut known = std::collections::BTreeMap::new();
    for step in &steps {
        if let Some((node, before, after)) = &step.change {
            let was = known.insert(*node, after.clone()).unwrap_or_else(|| before.clone());
            assert_eq!(&was, before, "{step:?}");
            assert_eq!(step.states.get(node), Some(after));
        }
    }
}

#[test]
fn real_runs_can_be_drawn_and_all_messages_find_their_ends() {
    for seed in 0..3 {
        let plan = Plan::of(seed, &Options::default());
        let report = run_plan(&plan, usize::MAX);
        let run = diagram::of(&plan, &report);
        let clocks = draw::Clocks::of(&run).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(clocks.order.len(), run.events.len());
        let delivered = report.counters.get("delivered");
        let nodes =
            |m: &&draw::Message| !m.kind.starts_with("request") && !m.kind.starts_with("answer");
        let received = run.messages.iter().filter(nodes).filter(|m| m.end.receive().is_some());
        assert_eq!(received.count() as u64, delivered, "seed {seed}");
    }
}
