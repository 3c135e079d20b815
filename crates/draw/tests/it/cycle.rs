use crate::markup::elements;
use crate::samples;
use draw::{Cycle, CycleEdge};

/// Left, top, right and bottom of each box, in the order of the nodes.
fn boxes(elements: &[String]) -> Vec<[i64; 4]> {
    let rects =
        elements.iter().filter(|tag| tag.starts_with("rect x=") && tag.contains("rx=\"7\""));
    rects
        .map(|tag| {
            let number = |name: &str| -> i64 {
                let (_, after) = tag.split_once(&format!("{name}=\"")).expect("the attribute");
                after.split('"').next().expect("a value").parse().expect("a number")
            };
            let (x, y) = (number("x"), number(" y"));
            [x, y, x + number("width"), y + number("height")]
        })
        .collect()
}

/// The first and the last point of each arrow.
fn arrows(page: &str) -> Vec<[(i64, i64); 2]> {
    let paths = page.split("<path d=\"").skip(1).filter_map(|part| part.split('"').next());
    paths
        .map(|path| {
            let parts = path.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
            let at: Vec<i64> = parts.map(|part| part.parse().expect("a number")).collect();
            let last = if path.contains('V') {
                (at[0], at[2])
            } else {
                (at[at.len() - 2], at[at.len() - 1])
            };
            [(at[0], at[1]), last]
        })
        .collect()
}

/// Whether a point is on the border of a box, or a few pixels outside.
fn touches(point: (i64, i64), [left, top, right, bottom]: [i64; 4]) -> bool {
    let (x, y) = point;
    let inside = x > left && x < right && y > top && y < bottom;
    !inside && x >= left - 4 && x <= right + 4 && y >= top - 4 && y <= bottom + 4
}

#[test]
fn boxes_do_not_overlap_and_arrows_join_them() {
    for length in 1..=9 {
        let mut cycle = samples::ring(length);
        if length > 3 {
            // A chord, and a second arrow beside a first.
            let edge = |from, to| CycleEdge { from, to, ..cycle.edges[0].clone() };
            let more = [edge(0, 2), edge(1, 0), edge(3, 1)];
            cycle.edges.extend(more);
        }
        let page = draw::cycle(&cycle);
        let elements = elements(&page);
        let boxes = boxes(&elements);
        assert_eq!(boxes.len(), length);
        for (at, a) in boxes.iter().enumerate() {
            for b in &boxes[at + 1..] {
                assert!(
                    a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1],
                    "ring of {length}"
                );
            }
        }
        let arrows = arrows(&page);
        assert_eq!(arrows.len(), cycle.edges.len());
        for (edge, [start, end]) in cycle.edges.iter().zip(arrows) {
            assert!(touches(start, boxes[edge.from]), "ring of {length}: {edge:?} at {start:?}");
            assert!(touches(end, boxes[edge.to]), "ring of {length}: {edge:?} at {end:?}");
        }
        assert_eq!(page.matches("<li>").count(), cycle.edges.len(), "and in words");
    }
}

/// In the order of the edges around the ring, whatever the order of the nodes.
#[test]
fn neighbours_on_the_ring_are_neighbours_in_the_picture() {
    let node = |name: &str| (name.to_string(), String::new());
    let edge = |from, to| CycleEdge { from, to, kind: "ww".into(), detail: String::new() };
    let cycle = Cycle {
        nodes: vec![node("a"), node("b"), node("c"), node("d"), node("e"), node("f")],
        edges: vec![edge(0, 3), edge(3, 1), edge(1, 5), edge(5, 2), edge(2, 4), edge(4, 0)],
        ..Cycle::default()
    };
    let page = draw::cycle(&cycle);
    // A straight line each: none has to lead around a box.
    assert!(
        !page.contains('C')
            || !page
                .split("<path d=\"")
                .skip(1)
                .any(|path| { path.split('"').next().is_some_and(|path| path.contains('C')) })
    );
}

#[test]
fn an_edge_to_nowhere_is_named() {
    let mut cycle = samples::ring(3);
    cycle.edges[1].to = 9;
    let page = draw::cycle(&cycle);
    let why =
        "Nothing to draw: edge 1: it leads to transaction 9, but there are only 3, counted from 0";
    assert!(page.contains(why));
}
