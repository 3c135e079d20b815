//! Operations as bars per client (Herlihy and Wing 1990, figure 1): each takes effect at one point inside its bar.
//! One whose outcome nobody knows may take effect at any later time, so its bar fades out to the right.

use crate::page::{Page, escape, json, list, refusal, shorten, time};
use crate::timeline_context::Context;

/// The operations of some clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The heading of the page.
    pub title: String,
    /// What is wrong, or why it is right, in a sentence.
    pub reason: String,
    /// The names of the clients.
    pub rows: Vec<String>,
    /// The operations, in any order.
    pub spans: Vec<Span>,
    /// The operations in the order they took effect; may be empty.
    pub order: Vec<usize>,
}

/// An operation from its invocation to its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whose, as an index into the rows.
    pub row: usize,
    /// Its invocation, in nanoseconds.
    pub from: u64,
    /// Its answer; none if there was none.
    pub to: Option<u64>,
    /// A few words inside the bar.
    pub label: String,
    /// All there is to say, shown on demand.
    pub detail: String,
    /// What became of it.
    pub fate: Fate,
    /// When it took effect. Without it, a place in the order gives the earliest time that order permits.
    pub point: Option<u64>,
    /// It is the one, or one of those, for which no place was found.
    pub guilty: bool,
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It took effect.
    Ok,
    /// It certainly did not.
    Failed,
    /// It may have, or may still.
    Unknown,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Fate::Ok => "ok",
            Fate::Failed => "failed",
            Fate::Unknown => "unknown",
        }
    }
}

const LEFT: usize = 130;
const STEP: usize = 58;
const LANE: usize = 34;
const BAR: usize = 24;
const TOP: usize = 34;

/// The timeline as one HTML page. Of a large history, what lies around the guilty operations. An index that points
/// nowhere, an operation twice in the order, or one answered before it is invoked, gives a page that says so.
pub fn timeline(history: &Timeline) -> String {
    if let Err(why) = valid(history) {
        return refusal(&history.title, &why);
    }
    let context = Context::of(history);
    let layout = Layout::of(&context);
    let title = escape(&history.title);
    let reason = match history.reason.as_str() {
        "" => String::new(),
        reason => format!("<p class=\"reason\">{}</p>\n", escape(reason)),
    };
    let (width, height) = (layout.width(), layout.height);
    let (drawn, of) = (context.shown.spans.len(), context.of);
    let body = format!(
        "<header>\n<h1>{title}</h1>\n{reason}<p class=\"soft\">{drawn} of {of} operations drawn</p>\n{}</header>\n\
         <div id=\"view\" tabindex=\"0\">\n\
         <svg id=\"picture\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"timeline per client\">\n\
         <defs><linearGradient id=\"fade\"><stop offset=\".35\" class=\"near\"/><stop offset=\"1\" class=\"far\"/>\
         </linearGradient></defs>\n{}</svg>\n</div>\n",
        include_str!("timeline_tools.html"),
        picture(&context, &layout),
    );
    let page = Page {
        title: &history.title,
        class: "timeline",
        css: include_str!("timeline.css"),
        js: include_str!("timeline.js"),
        body: &body,
        data: &data(&context.shown, &layout),
    };
    page.html()
}

fn valid(history: &Timeline) -> Result<(), String> {
    for (at, span) in history.spans.iter().enumerate() {
        if span.row >= history.rows.len() {
            return Err(format!(
                "operation {at}: there is no row {}, only {} of them, counted from 0",
                span.row,
                history.rows.len()
            ));
        }
        if let Some(to) = span.to.filter(|&to| to < span.from) {
            return Err(format!(
                "operation {at}: answered at {to} ns, before it was invoked at {} ns",
                span.from
            ));
        }
    }
    let mut placed = vec![false; history.spans.len()];
    for (place, &span) in history.order.iter().enumerate() {
        let Some(placed) = placed.get_mut(span) else {
            return Err(format!(
                "place {place} of the order: there is no operation {span}, only {}, counted from 0",
                history.spans.len()
            ));
        };
        if std::mem::replace(placed, true) {
            return Err(format!(
                "place {place} of the order: operation {span} is there already, expected it once"
            ));
        }
    }
    Ok(())
}

/// A moment that gets a column of its own: its time, then invocations before points before answers, then its place in
/// the order.
type Moment = (u64, u8, usize);

struct Layout {
    /// All moments, sorted: their indices are the columns.
    moments: Vec<Moment>,
    /// Per span, when it takes effect, if it does.
    point: Vec<Option<Moment>>,
    /// Per span, counted from the top of the picture.
    lane: Vec<usize>,
    /// Per row, its first lane and how many it has.
    rows: Vec<(usize, usize)>,
    height: usize,
}

impl Layout {
    fn of(context: &Context) -> Layout {
        let spans = &context.shown.spans;
        let numbered = spans.iter().zip(&context.number);
        let point: Vec<Option<Moment>> =
            numbered.map(|(span, number)| Some((span.point?, 1, number.unwrap_or(0)))).collect();
        let ends = spans.iter().flat_map(|span| [from(span)].into_iter().chain(to(span)));
        let mut moments: Vec<Moment> = ends.chain(point.iter().flatten().copied()).collect();
        moments.sort_unstable();
        moments.dedup();
        let (lane, rows) = lanes(&context.shown);
        let lanes: usize = rows.iter().map(|(_, count)| count).sum();
        Layout { moments, point, lane, rows, height: TOP + LANE * lanes + 16 }
    }

    fn width(&self) -> usize {
        LEFT + STEP * (self.moments.len() + 2)
    }

    fn column(&self, moment: Moment) -> usize {
        self.moments.partition_point(|other| *other < moment)
    }

    fn end(&self, span: &Span) -> usize {
        to(span).map_or(self.moments.len() + 1, |to| self.column(to))
    }

    fn y(lane: usize) -> usize {
        TOP + LANE * lane
    }
}

fn from(span: &Span) -> Moment {
    (span.from, 0, 0)
}

/// An unknown operation has no end, whatever its client heard.
fn to(span: &Span) -> Option<Moment> {
    span.to.filter(|_| span.fate != Fate::Unknown).map(|to| (to, 2, 0))
}

/// Operations of one row that overlap get lanes below each other.
fn lanes(history: &Timeline) -> (Vec<usize>, Vec<(usize, usize)>) {
    let mut of_row = vec![Vec::new(); history.rows.len()];
    for (at, span) in history.spans.iter().enumerate() {
        of_row[span.row].push(at);
    }
    let mut lane = vec![0; history.spans.len()];
    let mut rows = Vec::new();
    let mut first = 0;
    for mut spans in of_row {
        spans.sort_by_key(|&at| (history.spans[at].from, at));
        let mut busy_until: Vec<Option<Moment>> = Vec::new();
        for at in spans {
            let span = &history.spans[at];
            let is_free = |until: &Option<Moment>| until.is_some_and(|until| until.0 <= span.from);
            let free = busy_until.iter().position(is_free).unwrap_or(busy_until.len());
            busy_until.resize(busy_until.len().max(free + 1), None);
            busy_until[free] = to(span);
            lane[at] = first + free;
        }
        let count = busy_until.len().max(1);
        rows.push((first, count));
        first += count;
    }
    (lane, rows)
}

fn picture(context: &Context, layout: &Layout) -> String {
    let history = &context.shown;
    let mut out = String::from("<g id=\"rows\">\n");
    let mut clients = String::from("<g id=\"clients\">\n");
    let (width, bottom) = (layout.width(), layout.height - 16);
    for (name, (first, count)) in history.rows.iter().zip(&layout.rows) {
        let (y, height) = (Layout::y(*first) - 4, LANE * count - 2);
        out += &format!(
            "<rect class=\"row\" x=\"0\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>\n"
        );
        let name = escape(&shorten(name, 17));
        clients += &format!("<text class=\"client\" x=\"8\" y=\"{}\">{name}</text>\n", y + 21);
    }
    out += "</g>\n<g id=\"grid\">\n";
    for (column, moment) in layout.moments.iter().enumerate() {
        let x = LEFT + STEP * column;
        let told = if column % 2 == 0 { time(moment.0) } else { String::new() };
        out += &format!(
            "<g transform=\"translate({x},0)\"><path d=\"M0 24V{bottom}\"/><text y=\"16\">{told}</text></g>\n"
        );
    }
    out += "</g>\n<path id=\"way\" d=\"";
    for (place, &at) in history.order.iter().enumerate() {
        if let Some(point) = layout.point[at] {
            let (x, y) = (LEFT + STEP * layout.column(point), Layout::y(layout.lane[at]) + BAR / 2);
            out += &format!("{}{x} {y}", if place == 0 { "M" } else { "L" });
        }
    }
    out += "\"/>\n<g id=\"spans\">\n";
    for (at, span) in history.spans.iter().enumerate() {
        out += &bar(context, layout, at, span);
    }
    out + "</g>\n" + &clients + "</g>\n"
}

fn bar(context: &Context, layout: &Layout, at: usize, span: &Span) -> String {
    let (start, end) = (layout.column(from(span)), layout.end(span));
    let (x, y) = (LEFT + STEP * start, Layout::y(layout.lane[at]));
    let width = (STEP * (end - start)).max(6);
    let guilty = if span.guilty { " guilty" } else { "" };
    let mut point = String::new();
    if let Some(moment) = layout.point[at] {
        let x = LEFT + STEP * layout.column(moment);
        let number = context.number[at].map_or(String::new(), |place| place.to_string());
        let (half, low) = (8.max(4 + 3 * number.len()), BAR / 2 + 3);
        point = format!(
            "<g class=\"point\" transform=\"translate({x},{y})\"><path d=\"M0-3V{}\"/>\
             <rect x=\"-{half}\" y=\"{}\" width=\"{}\" height=\"16\" rx=\"8\"/><text y=\"{low}\">{number}</text></g>",
            BAR + 3,
            BAR / 2 - 8,
            half * 2,
        );
    }
    format!(
        "<g class=\"s {}{guilty}\" data-tip=\"{}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" \
         rx=\"4\"/><text x=\"{}\" y=\"{}\">{}</text>{point}</g>\n",
        span.fate.name(),
        escape(&tip(&context.shown, span)),
        x + 12,
        y + 16,
        escape(&shorten(&span.label, (width.saturating_sub(20) / 7).max(1))),
    )
}

/// All there is to say about an operation.
fn tip(history: &Timeline, span: &Span) -> String {
    let ends = match (to(span), span.fate) {
        (Some(to), _) => format!("until {}", time(to.0)),
        (None, Fate::Unknown) => "outcome unknown: at any later time, or never".to_string(),
        (None, _) => "no answer".to_string(),
    };
    let client = &history.rows[span.row];
    let mut tip = format!("{}\n{client}, from {}, {ends}", span.label, time(span.from));
    if !span.detail.is_empty() {
        tip = format!("{tip}\n{}", span.detail);
    }
    if let Some(point) = span.point {
        tip = format!("{tip}\ntakes effect at {}", time(point));
    }
    if span.guilty {
        tip = format!("{tip}\nno place was found for it");
    }
    tip
}

/// Where the script places things: columns, and times from the first moment on.
fn data(history: &Timeline, layout: &Layout) -> String {
    let first = layout.moments.first().map_or(0, |moment| moment.0);
    let spans = history.spans.iter().enumerate().map(|(at, span)| {
        let point = layout.point[at].map_or(-1, |point| layout.column(point) as i64);
        let (start, end) = (layout.column(from(span)), layout.end(span));
        format!("[{start},{end},{point},{},{}]", layout.lane[at], json(&span.label))
    });
    format!(
        "{{\"first\":\"{first}\",\"moments\":{},\"spans\":{},\"order\":{}}}",
        list(layout.moments.iter().map(|moment| moment.0 - first)),
        list(spans),
        list(&history.order),
    )
}
