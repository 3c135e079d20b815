//! A cycle of dependencies between transactions (Adya 1999, section 4): boxes around a ring, arrows from what must
//! come first to what must come after it. A ring of them has no first transaction, which is the violation.

use std::collections::BTreeMap;

use crate::page::{
    COLOURS, Page, arrowheads, escape, kind_class, kinds, refusal, shorten, wrapped,
};

/// Transactions and what orders them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// The heading of the page.
    pub title: String,
    /// What is wrong, in a sentence.
    pub reason: String,
    /// Each transaction: its operations, then all else there is to say, shown on demand.
    pub nodes: Vec<(String, String)>,
    /// What must come before what.
    pub edges: Vec<CycleEdge>,
}

/// One transaction must come before another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleEdge {
    /// The earlier one, as an index into the nodes.
    pub from: usize,
    /// The later one.
    pub to: usize,
    /// Why, in a word, which gives the colour: ww, wr, rw, realtime, process.
    pub kind: String,
    /// On which key, with which values.
    pub detail: String,
}

const MARGIN: usize = 24;
const WIDTH: usize = 330;
const LINE: usize = 18;
/// Characters of a line, and lines of a box.
const COLUMNS: usize = 44;
const LINES: usize = 12;
/// Between the two columns; a label stands in it.
const ACROSS: usize = 320;
/// Between two boxes of a column, for one arrow.
const BELOW: usize = 90;
/// Between two arrows that join the same boxes.
const APART: usize = 46;
/// Room beside a column for arrows around a box.
const AROUND: usize = 120;
/// Characters of an arrow's label.
const LABEL: usize = 40;

/// The cycle as one HTML page; for an edge that points nowhere, a page that says so.
pub fn cycle(cycle: &Cycle) -> String {
    if let Err(why) = valid(cycle) {
        return refusal(&cycle.title, &why);
    }
    let layout = Layout::of(cycle);
    let (kind_of, kinds) = kinds(cycle.edges.iter().map(|edge| edge.kind.as_str()));
    let reason = match cycle.reason.as_str() {
        "" => String::new(),
        reason => format!("<p class=\"reason\">{}</p>\n", escape(reason)),
    };
    let mut picture = String::from("<g id=\"nodes\">\n");
    for (node, place) in layout.boxes.iter().enumerate() {
        picture += &transaction(cycle, node, place);
    }
    picture += "</g>\n<g id=\"edges\">\n";
    for (at, edge) in cycle.edges.iter().enumerate() {
        picture += &arrow(edge, &layout.arrow(edge, at), kind_of[at]);
    }
    picture += "</g>\n";
    let (width, height) = (layout.width, layout.height);
    let body = format!(
        "<header>\n<h1>{}</h1>\n{reason}</header>\n<div id=\"view\" tabindex=\"0\">\n\
         <svg id=\"picture\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"cycle of transactions; the list below says the same\">\n<defs>\n{}</defs>\n{picture}</svg>\n\
         </div>\n{}",
        escape(&cycle.title),
        arrowheads(kinds.len()),
        words(cycle),
    );
    let page = Page {
        title: &cycle.title,
        class: "cycle",
        css: include_str!("cycle.css"),
        js: include_str!("cycle.js"),
        body: &body,
        data: "{}",
    };
    page.html()
}

fn valid(cycle: &Cycle) -> Result<(), String> {
    let nodes = cycle.nodes.len();
    for (at, edge) in cycle.edges.iter().enumerate() {
        for (what, node) in [("from", edge.from), ("to", edge.to)] {
            if node >= nodes {
                return Err(format!(
                    "edge {at}: it leads {what} transaction {node}, but there are only {nodes}, counted from 0"
                ));
            }
        }
    }
    Ok(())
}

/// A transaction's place.
struct Place {
    x: usize,
    y: usize,
    height: usize,
    is_right: bool,
    /// Counted from the top of its column.
    rank: usize,
    lines: Vec<String>,
}

/// An arrow's path and where its label stands.
struct Arrow {
    path: String,
    x: usize,
    y: usize,
    anchor: &'static str,
}

struct Layout {
    boxes: Vec<Place>,
    /// Per edge, its number among those that join the same two, and how many they are.
    nth: Vec<(usize, usize)>,
    width: usize,
    height: usize,
}

impl Layout {
    /// Two columns, clockwise: the first node on the left, the next ones down on the right, the rest up on the left.
    fn of(cycle: &Cycle) -> Layout {
        let ring = ring(cycle);
        let nth = nth(cycle);
        let most = nth.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let gap = BELOW + APART * (most / 2);
        let mut boxes: Vec<Place> = cycle
            .nodes
            .iter()
            .map(|(label, _)| {
                let lines = wrapped(label, COLUMNS, LINES);
                let height = (LINE * lines.len() + 20).max(APART * most + 16);
                Place { x: 0, y: 0, height, is_right: false, rank: 0, lines }
            })
            .collect();
        let right = ring.len().div_ceil(2).min(ring.len().saturating_sub(1));
        let mut columns = [Vec::new(), Vec::new()];
        columns[0].extend(ring.first().copied());
        columns[0].extend(ring.iter().skip(right + 1).rev());
        columns[1].extend(ring.iter().skip(1).take(right));
        let length = |column: &[usize]| {
            let boxes: usize = column.iter().map(|&node| boxes[node].height).sum();
            boxes + gap * column.len().saturating_sub(1)
        };
        let longest = length(&columns[0]).max(length(&columns[1]));
        let slack = columns.each_ref().map(|column| longest - length(column));
        let is_loop = cycle.edges.iter().any(|edge| edge.from == edge.to);
        let left = MARGIN + if is_loop || columns[0].len() > 2 { AROUND } else { 0 };
        for (side, column) in columns.iter().enumerate() {
            // What one column lacks to the other goes between its boxes, or around its only one.
            let more = slack[side] / column.len().saturating_sub(1).max(1);
            let mut y = MARGIN + if column.len() == 1 { slack[side] / 2 } else { 0 };
            for (rank, &node) in column.iter().enumerate() {
                let place = &mut boxes[node];
                (place.x, place.y) = (left + side * (WIDTH + ACROSS), y);
                (place.is_right, place.rank) = (side == 1, rank);
                y += place.height + gap + more;
            }
        }
        let sides = if columns[1].is_empty() { WIDTH } else { WIDTH * 2 + ACROSS };
        let width = left + sides + MARGIN + AROUND;
        Layout { boxes, nth, width, height: longest + MARGIN * 2 }
    }

    fn arrow(&self, edge: &CycleEdge, at: usize) -> Arrow {
        let (from, to) = (&self.boxes[edge.from], &self.boxes[edge.to]);
        let (number, count) = self.nth[at];
        // Each of the arrows between the same two has a way of its own, around the middle.
        let aside = |middle: usize| middle + APART * number - APART * (count - 1) / 2;
        if from.is_right != to.is_right {
            let (start, end) =
                if to.is_right { (from.x + WIDTH, to.x - 3) } else { (from.x, to.x + WIDTH + 3) };
            let middle = |place: &Place| {
                let middle = aside(place.y + place.height / 2);
                // Clockwise: out above and in below on the left, the other way round on the right.
                if count > 1 {
                    middle
                } else if to.is_right {
                    middle - 12
                } else {
                    middle + 12
                }
            };
            let (down, up) = (middle(from), middle(to));
            let path = format!("M{start} {down}L{end} {up}");
            // The label stands above a level arrow, and on one that slopes.
            let y = if down == up { down - 8 } else { down.midpoint(up) + 4 };
            return Arrow { path, x: start.midpoint(end), y, anchor: "middle" };
        }
        if from.rank.abs_diff(to.rank) == 1 {
            let is_down = to.rank > from.rank;
            let (start, end) = if is_down {
                (from.y + from.height, to.y - 3)
            } else {
                (from.y, to.y + to.height + 3)
            };
            let x = aside(from.x + WIDTH / 2);
            // Labels of neighbouring arrows stand on either side, the later pairs below.
            let y = start.midpoint(end) + 34 * (number / 2);
            let is_left = count > 1 && number % 2 == 0;
            let (dx, anchor) = if is_left { (x - 10, "end") } else { (x + 10, "start") };
            return Arrow { path: format!("M{x} {start}V{end}"), x: dx, y, anchor };
        }
        let outer = if from.is_right { from.x + WIDTH } else { from.x };
        let bent = |by: usize| if from.is_right { outer + by } else { outer - by };
        let (down, up) = (aside(from.y + from.height / 2), aside(to.y + to.height / 2));
        // From a box to itself: out at its upper half, in at its lower.
        let (down, up) = if edge.from == edge.to { (down - 14, up + 14) } else { (down, up) };
        let bend = bent(AROUND - 20);
        let path = format!("M{outer} {down}C{bend} {down} {bend} {up} {} {up}", bent(3));
        Arrow { path, x: bent(AROUND * 3 / 5), y: down.midpoint(up), anchor: "middle" }
    }
}

/// The nodes in the order of the ring: each followed by one it points to, as far as that goes.
fn ring(cycle: &Cycle) -> Vec<usize> {
    let mut then = vec![Vec::new(); cycle.nodes.len()];
    for edge in &cycle.edges {
        then[edge.from].push(edge.to);
    }
    let mut is_in = vec![false; cycle.nodes.len()];
    let mut ring = Vec::new();
    for first in 0..cycle.nodes.len() {
        let mut next = Some(first).filter(|&node| !is_in[node]);
        while let Some(node) = next {
            is_in[node] = true;
            ring.push(node);
            next = then[node].iter().copied().find(|&node| !is_in[node]);
        }
    }
    ring
}

fn nth(cycle: &Cycle) -> Vec<(usize, usize)> {
    let pair = |edge: &CycleEdge| (edge.from.min(edge.to), edge.from.max(edge.to));
    let mut count: BTreeMap<_, usize> = BTreeMap::new();
    let number: Vec<usize> = cycle
        .edges
        .iter()
        .map(|edge| {
            let count = count.entry(pair(edge)).or_default();
            *count += 1;
            *count - 1
        })
        .collect();
    number.into_iter().zip(&cycle.edges).map(|(n, edge)| (n, count[&pair(edge)])).collect()
}

fn transaction(cycle: &Cycle, node: usize, place: &Place) -> String {
    let (label, detail) = &cycle.nodes[node];
    let Place { x, y, height, lines, .. } = place;
    let first = y + (height - LINE * lines.len()) / 2 + 13;
    let text: String = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            format!("<text x=\"{}\" y=\"{}\">{}</text>", x + 12, first + LINE * at, escape(line))
        })
        .collect();
    format!(
        "<g class=\"t\" data-node=\"{node}\" data-tip=\"{}\"><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" \
         height=\"{height}\" rx=\"7\"/>{text}</g>\n",
        escape(format!("{label}\n{detail}").trim_end()),
    )
}

fn arrow(edge: &CycleEdge, arrow: &Arrow, kind: usize) -> String {
    let Arrow { path, x, y, anchor } = arrow;
    let CycleEdge { from, to, kind: name, detail } = edge;
    let (class, head) = (kind_class(kind), kind % COLOURS);
    format!(
        "<g class=\"d {class}\" data-edge=\"{from} {to}\" data-tip=\"{}\"><path d=\"{path}\" \
         marker-end=\"url(#a{head})\"/><text text-anchor=\"{anchor}\" x=\"{x}\" y=\"{y}\">\
         <tspan class=\"why\">{}</tspan><tspan> {}</tspan></text></g>\n",
        escape(format!("{name} {detail}").trim_end()),
        escape(name),
        escape(&shorten(detail, LABEL)),
    )
}

/// The same in words, for who does not see the picture.
fn words(cycle: &Cycle) -> String {
    let mut out = String::from("<ol id=\"words\">\n");
    for edge in &cycle.edges {
        let [from, to] = [edge.from, edge.to].map(|node| escape(&cycle.nodes[node].0));
        let why = escape(format!("{} {}", edge.kind, edge.detail).trim_end());
        out +=
            &format!("<li><b>{why}</b>: \u{201c}{from}\u{201d} before \u{201c}{to}\u{201d}</li>\n");
    }
    out + "</ol>\n"
}
