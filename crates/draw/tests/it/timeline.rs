use crate::markup::elements;
use crate::samples;
use draw::{Fate, Span, Timeline};

fn bars(page: &str) -> Vec<String> {
    elements(page).into_iter().filter(|tag| tag.starts_with("g class=\"s ")).collect()
}

#[test]
fn each_operation_is_drawn_once_and_the_stuck_one_is_marked() {
    let history = samples::stale_read();
    let page = draw::timeline(&history);
    let bars = bars(&page);
    assert_eq!(bars.len(), history.spans.len());
    let guilty: Vec<usize> =
        (0..bars.len()).filter(|&at| bars[at].contains("s ok guilty\"")).collect();
    assert_eq!(guilty, [6]);
    assert!(bars[6].contains("read x -&gt; 1&#10;client 1, from 14 ms, until 18 ms"));
    assert!(bars[6].contains("no place was found for it"));
    assert!(bars[4].contains("outcome unknown: at any later time, or never"));
    assert!(bars[5].contains("class=\"s failed\""));
    assert!(page.contains(&history.reason.replace('>', "&gt;")), "the reason is told");
    assert!(page.contains("8 of 8 operations drawn"));
}

/// Points stand at the earliest time the order permits, numbered by it.
#[test]
fn points_follow_the_order() {
    let history = samples::stale_read();
    let page = draw::timeline(&history);
    let bars = bars(&page);
    let points = page.matches("class=\"point\"").count();
    assert_eq!(points, history.order.len());
    // Third in the order is the write of 2, invoked at 2, after the read of 1, invoked at 5.
    let at = |bar: &str| {
        let (_, after) = bar.split_once("takes effect at ").expect("a point");
        after.split(['&', '"']).next().expect("a time").to_string()
    };
    let times: Vec<String> = history.order.iter().map(|&span| at(&bars[span])).collect();
    assert_eq!(times, ["0 ns", "5 ms", "5 ms", "8 ms", "10 ms", "15 ms"]);
}

#[test]
fn operations_that_overlap_on_a_row_get_lanes() {
    let span = |from, to| Span {
        row: 0,
        from,
        to,
        label: "w".to_string(),
        detail: String::new(),
        fate: Fate::Ok,
        point: None,
        guilty: false,
    };
    let history = Timeline {
        rows: vec!["c".to_string()],
        spans: vec![span(0, Some(10)), span(5, None), span(10, Some(12)), span(13, Some(13))],
        ..Timeline::default()
    };
    let page = draw::timeline(&history);
    let tops: Vec<String> = elements(&page)
        .into_iter()
        .filter(|tag| tag.starts_with("rect x=") && tag.contains("rx=\"4\""))
        .map(|tag| tag.split(" y=\"").nth(1).expect("a top").split('"').next().expect("it").into())
        .collect();
    assert_eq!(tops, ["34", "68", "34", "34"]);
}

#[test]
fn of_a_large_history_the_surroundings_of_the_violation_are_drawn() {
    let history = samples::long_history(20_000);
    let page = draw::timeline(&history);
    assert!(page.contains("400 of 20000 operations drawn"));
    let bars = bars(&page);
    assert_eq!(bars.len(), 400);
    assert_eq!(bars.iter().filter(|bar| bar.contains("guilty")).count(), 1);
    let guilty = &history.spans[10_000];
    for (at, span) in history.spans.iter().enumerate().filter(|(_, span)| {
        let overlaps = span.to >= Some(guilty.from) && Some(span.from) <= guilty.to;
        overlaps && !span.guilty
    }) {
        let label = format!("data-tip=\"{}&#10;", span.label);
        assert!(page.contains(&label), "operation {at} overlaps the guilty one");
    }
    assert!(page.len() < 500_000, "{} bytes", page.len());
}

#[test]
fn without_a_violation_the_end_is_drawn() {
    let mut history = samples::long_history(1_000);
    history.spans.iter_mut().for_each(|span| span.guilty = false);
    let page = draw::timeline(&history);
    let last = history.spans.iter().max_by_key(|span| span.from).expect("a span");
    assert!(page.contains(&format!("data-tip=\"{}&#10;", last.label)));
    assert_eq!(bars(&page).len(), 400);
}

#[test]
fn what_makes_no_sense_is_named() {
    let refused = |change: fn(&mut Timeline), why: &str| {
        let mut history = samples::stale_read();
        change(&mut history);
        let page = draw::timeline(&history);
        assert!(page.contains(&format!("Nothing to draw: {why}")), "{why}");
        elements(&page);
    };
    refused(|h| h.spans[2].row = 7, "operation 2: there is no row 7, only 3 of them");
    refused(|h| h.spans[0].from = 5_000_000, "operation 0: answered at 4000000 ns, before it");
    refused(|h| h.order[1] = 8, "place 1 of the order: there is no operation 8, only 8");
    refused(|h| h.order[1] = 0, "place 1 of the order: operation 0 is there already");
}
