use crate::markup::elements;
use crate::samples;
use draw::{End, EventKind, SpaceTime};
use std::collections::BTreeSet;

/// The numbers in a text.
fn numbers(text: &str) -> Vec<i64> {
    let parts = text.split(|c: char| !c.is_ascii_digit() && c != '-');
    parts.filter_map(|part| part.parse().ok()).collect()
}

/// The value of an attribute.
fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let (_, after) = tag.split_once(&format!(" {name}=\"")).expect("the attribute");
    after.split('"').next().expect("its value")
}

/// Where each event is drawn, in the order of the input.
fn marks(elements: &[String]) -> Vec<(i64, i64)> {
    let marks = elements.iter().filter(|tag| tag.contains("transform=\"translate("));
    marks
        .map(|tag| {
            let at = numbers(attribute(tag, "transform"));
            (at[0], at[1])
        })
        .collect()
}

fn arrows(elements: &[String]) -> Vec<&String> {
    let is_arrow = |tag: &&String| tag.starts_with("path class=\"m ") && !tag.contains("M1 5H25");
    elements.iter().filter(is_arrow).collect()
}

fn check(run: &SpaceTime) {
    let page = draw::space_time(run);
    let elements = elements(&page);
    let marks = marks(&elements);
    assert_eq!(marks.len(), run.events.len(), "each event is drawn once");
    let rows: BTreeSet<i64> = marks.iter().map(|(_, y)| *y).collect();
    assert_eq!(rows.len(), marks.len(), "on a row of its own");
    let columns: BTreeSet<(usize, i64)> =
        run.events.iter().zip(&marks).map(|(event, (x, _))| (event.process, *x)).collect();
    let processes: BTreeSet<usize> = run.events.iter().map(|event| event.process).collect();
    assert_eq!(columns.len(), processes.len(), "a line for each process");
    let arrows = arrows(&elements);
    assert_eq!(arrows.len(), run.messages.len(), "each message is drawn once");
    for (message, arrow) in run.messages.iter().zip(arrows) {
        let ends = numbers(attribute(arrow, "d"));
        assert_eq!((ends[0], ends[1]), marks[message.send], "it leaves its sender");
        match message.end {
            End::Received(receive) => {
                assert_eq!((ends[2], ends[3]), marks[receive], "it joins its receiver");
                assert!(ends[3] > ends[1], "effects are below causes");
                assert!(arrow.contains("marker-end=\"url(#a"), "a head");
            }
            End::Lost { .. } => assert!(arrow.contains("url(#cross)"), "a cross"),
            End::Flying { .. } => assert!(!arrow.contains("marker-end"), "no end"),
        }
    }
}

#[test]
fn each_event_is_drawn_once_and_arrows_join_their_events() {
    check(&samples::gossip(30));
    check(&samples::gossip(3_000));
}

#[test]
fn lines_break_where_a_process_is_down_or_paused() {
    let run = samples::gossip(500);
    let page = draw::space_time(&run);
    let count = |kind| run.events.iter().filter(|event| event.kind == kind).count();
    let drawn = |state: &str| page.matches(&format!("class=\"life {state}\"")).count();
    // All five nodes start in the picture, and are down above that.
    assert_eq!(drawn("down"), 5 + count(EventKind::Crash));
    assert!(count(EventKind::Crash) > 3 && count(EventKind::Pause) > 3, "the sample shows them");
    assert!(drawn("paused") <= count(EventKind::Pause) && drawn("paused") > 3);
    assert_eq!(page.matches("class=\"trouble\"").count(), run.troubles.len());
}

#[test]
fn messages_have_a_colour_and_a_box_for_each_kind() {
    let mut run = samples::gossip(300);
    for (at, message) in run.messages.iter_mut().enumerate() {
        message.kind = format!("kind {}", at % 13);
    }
    let page = draw::space_time(&run);
    for kind in 0..13 {
        let legend = format!("<input type=\"checkbox\" data-kind=\"{kind}\" checked>");
        assert_eq!(page.matches(&legend).count(), 1, "kind {kind}");
    }
    assert_eq!(page.matches("<marker id=\"a").count(), 10, "as many heads as colours");
    assert!(page.contains("class=\"m k2 again\""), "the thirteenth is dashed");
}

/// Times past what JavaScript counts exactly keep their distances.
#[test]
fn large_times_are_told_from_the_first_on() {
    let mut run = samples::gossip(20);
    let base = u64::MAX - 1_000_000_000;
    run.events.iter_mut().for_each(|event| event.at += base);
    let page = draw::space_time(&run);
    assert!(page.contains(&format!("\"base\":\"{base}\"")));
    check(&run);
}

#[test]
fn a_page_of_3000_events_is_small_enough_to_mail() {
    let page = draw::space_time(&samples::gossip(3_000));
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn what_the_picture_is_about_is_lit_and_must_be_there() {
    let mut run = samples::gossip(30);
    assert_eq!(draw::space_time(&run).matches(" lit\" transform").count(), 0);
    run.lit = vec![3, 7];
    assert_eq!(draw::space_time(&run).matches(" lit\" transform").count(), 2);
    run.lit = vec![99];
    assert!(draw::space_time(&run).contains("what is lit is event 99"));
}
