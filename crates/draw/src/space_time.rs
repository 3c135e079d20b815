//! Space-time diagrams (Lamport 1978, figure 1): processes as lines, time down the page, messages as arrows.
//!
//! The SVG is complete without a script: one row per event, causes above effects, so that nothing overlaps and every
//! arrow points down. `space_time.js` then moves what is there: it zooms, hides and lights, and draws nothing anew.

use crate::Clocks;
use crate::page::{
    Page, arrowheads, escape, json, kind_class, kinds, list, refusal, shorten, time,
};

/// A run: what happened on each process, and the messages between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceTime {
    /// The heading of the page.
    pub title: String,
    /// The names of the processes, in the order of their lines.
    pub processes: Vec<String>,
    /// What happened, in any order.
    pub events: Vec<Event>,
    /// Who told whom.
    pub messages: Vec<Message>,
    /// What was broken for a while: partitions, slow links.
    pub troubles: Vec<Trouble>,
    /// The events that the picture is about, shown as such.
    pub lit: Vec<usize>,
}

/// Something that happened on one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where, as an index into the processes.
    pub process: usize,
    /// When, in nanoseconds.
    pub at: u64,
    /// What sort of thing it is.
    pub kind: EventKind,
    /// A few words beside the mark.
    pub label: String,
    /// All there is to say, shown on demand.
    pub detail: String,
}

/// The sorts of events, each with a mark of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A step that nobody else sees.
    Local,
    /// A message leaves.
    Send,
    /// A message arrives.
    Receive,
    /// Something is broken on purpose: a link, a clock, a disk.
    Fault,
    /// The process dies; its line is dashed until it starts again.
    Crash,
    /// The process comes up.
    Start,
    /// The process stands still until its next event.
    Pause,
    /// A write, a sync or an error of its disk.
    Disk,
    /// A request of a client, or the answer.
    Client,
}

impl EventKind {
    const ALL: [EventKind; 9] = [
        EventKind::Local,
        EventKind::Send,
        EventKind::Receive,
        EventKind::Fault,
        EventKind::Crash,
        EventKind::Start,
        EventKind::Pause,
        EventKind::Disk,
        EventKind::Client,
    ];

    fn name(self) -> &'static str {
        match self {
            EventKind::Local => "local",
            EventKind::Send => "send",
            EventKind::Receive => "receive",
            EventKind::Fault => "fault",
            EventKind::Crash => "crash",
            EventKind::Start => "start",
            EventKind::Pause => "pause",
            EventKind::Disk => "disk",
            EventKind::Client => "client",
        }
    }

    /// The mark, around the origin.
    fn mark(self) -> &'static str {
        match self {
            EventKind::Local => "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0",
            EventKind::Send | EventKind::Receive => "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
            EventKind::Fault => "M0-7L7 6H-7z",
            EventKind::Crash => "M-6-6L6 6M-6 6L6-6",
            EventKind::Start => "M-5-6L7 0L-5 6z",
            EventKind::Pause => "M-3-6V6M3-6V6",
            EventKind::Disk => "M-4-4H4V4H-4z",
            EventKind::Client => "M0-6L6 0L0 6L-6 0z",
        }
    }
}

/// A message from one event to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The event that sends it.
    pub send: usize,
    /// What became of it. A copy that arrives too is a message of its own.
    pub end: End,
    /// Its kind, which gives its colour.
    pub kind: String,
    /// Its content, shown on demand.
    pub text: String,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// This event received it.
    Received(usize),
    /// It will never arrive.
    Lost {
        /// The process it was for.
        to: usize,
        /// Why, if that is known.
        why: String,
    },
    /// It was still under way when the picture ends.
    Flying {
        /// The process it is for.
        to: usize,
    },
}

impl End {
    /// The event that received it, if it was.
    pub fn receive(&self) -> Option<usize> {
        match self {
            End::Received(event) => Some(*event),
            End::Lost { .. } | End::Flying { .. } => None,
        }
    }
}

/// Something that was broken from one event to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The event that broke it.
    pub from: usize,
    /// The event that mended it; none if nothing did.
    pub until: Option<usize>,
    /// Whom it befell; none of them means all.
    pub processes: Vec<usize>,
    /// What it was.
    pub label: String,
}

/// From the left edge to the first line: the times, then the labels left of it.
const LEFT: usize = 240;
const GAP: usize = 190;
const ROW: usize = 26;
const TOP: usize = 24;
/// The width of a trouble beside a line.
const BAND: usize = 26;
/// Characters of a label that fit between two lines.
const LABEL: usize = 26;
/// JavaScript's numbers are exact below this.
const EXACT: u64 = 1 << 53;

/// The diagram as one HTML page; for a run that [`Clocks::of`] refuses, a page that says why.
pub fn space_time(run: &SpaceTime) -> String {
    let clocks = match Clocks::of(run) {
        Ok(clocks) => clocks,
        Err(why) => return refusal(&run.title, &why),
    };
    let (kind_of, kinds) = kinds(run.messages.iter().map(|message| message.kind.as_str()));
    let layout = Layout::of(run, &clocks);
    let body = body(run, &clocks, &layout, &kind_of, &kinds);
    let data = data(run, &clocks, &kind_of, &kinds);
    let page = Page {
        title: &run.title,
        class: "space-time",
        css: include_str!("space_time.css"),
        js: include_str!("space_time.js"),
        body: &body,
        data: &data,
    };
    page.html()
}

/// Which side of its line an event's label stands on: not where its arrow comes from or goes to.
fn label_left(run: &SpaceTime) -> Vec<bool> {
    let mut left = vec![false; run.events.len()];
    for message in &run.messages {
        let from = run.events[message.send].process;
        let to = toward(run, message);
        left[message.send] |= to > from;
        if let Some(receive) = message.end.receive() {
            left[receive] |= from > to;
        }
    }
    left
}

/// The process a message is for.
fn toward(run: &SpaceTime, message: &Message) -> usize {
    match message.end {
        End::Received(receive) => run.events[receive].process,
        End::Lost { to, .. } | End::Flying { to } => to,
    }
}

struct Layout {
    /// Per event.
    row: Vec<usize>,
    width: usize,
    height: usize,
}

impl Layout {
    fn of(run: &SpaceTime, clocks: &Clocks) -> Layout {
        let mut row = vec![0; run.events.len()];
        for (at, &event) in clocks.order.iter().enumerate() {
            row[event] = at;
        }
        let width = LEFT + GAP * run.processes.len();
        let height = TOP + ROW * (run.events.len() + 1);
        Layout { row, width, height }
    }

    fn x(process: usize) -> usize {
        LEFT + GAP * process
    }

    fn y(&self, event: usize) -> usize {
        TOP + ROW * self.row[event]
    }
}

/// A stretch of a process' line, between two events or the ends of the picture.
struct Stretch {
    process: usize,
    from: Option<usize>,
    to: Option<usize>,
    state: &'static str,
}

/// The lines of the processes, cut where they die, stand still and come back.
fn stretches(run: &SpaceTime, clocks: &Clocks) -> Vec<Stretch> {
    let mut own = vec![Vec::new(); run.processes.len()];
    for &event in &clocks.order {
        own[run.events[event].process].push(event);
    }
    let mut stretches = Vec::new();
    for (process, events) in own.into_iter().enumerate() {
        let starts =
            events.first().is_some_and(|&event| run.events[event].kind == EventKind::Start);
        let mut state = if starts { "down" } else { "up" };
        let mut from = None;
        for event in events {
            let next = match (run.events[event].kind, state) {
                (EventKind::Crash, _) => "down",
                (EventKind::Pause, _) => "paused",
                (EventKind::Start, _) | (_, "paused") => "up",
                (_, state) => state,
            };
            if next != state {
                stretches.push(Stretch { process, from, to: Some(event), state });
                (from, state) = (Some(event), next);
            }
        }
        stretches.push(Stretch { process, from, to: None, state });
    }
    stretches
}

/// A trouble on one process, or on all of them.
struct Band<'a> {
    process: Option<usize>,
    from: usize,
    until: Option<usize>,
    label: &'a str,
}

fn bands(run: &SpaceTime) -> Vec<Band<'_>> {
    let mut bands = Vec::new();
    for Trouble { from, until, processes, label } in &run.troubles {
        let band = |process| Band { process, from: *from, until: *until, label };
        if processes.is_empty() {
            bands.push(band(None));
        }
        bands.extend(processes.iter().map(|process| band(Some(*process))));
    }
    bands
}

fn picture(run: &SpaceTime, clocks: &Clocks, layout: &Layout, kind_of: &[usize]) -> String {
    let mut out = String::from("<g id=\"troubles\">\n");
    for band in bands(run) {
        let (x, width) = match band.process {
            Some(process) => (Layout::x(process) - BAND / 2, BAND),
            None => (LEFT - GAP / 4, layout.width - LEFT),
        };
        let y = layout.y(band.from);
        let height = band.until.map_or(layout.height, |event| layout.y(event)).saturating_sub(y);
        out += &format!(
            "<rect class=\"trouble\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>\n"
        );
    }
    out += "</g>\n<g id=\"lines\">\n";
    for Stretch { process, from, to, state } in stretches(run, clocks) {
        let x = Layout::x(process);
        let from = from.map_or(0, |event| layout.y(event));
        let to = to.map_or(layout.height, |event| layout.y(event));
        out += &format!("<path class=\"life {state}\" d=\"M{x} {from}V{to}\"/>\n");
    }
    out += "</g>\n<g id=\"messages\">\n";
    for (message, kind) in run.messages.iter().zip(kind_of) {
        out += &arrow(run, layout, message, *kind);
    }
    out += "</g>\n<g id=\"lit\"></g>\n<g id=\"events\">\n";
    let left = label_left(run);
    for (at, event) in run.events.iter().enumerate() {
        let (x, y) = (Layout::x(event.process), layout.y(at));
        let lit = if run.lit.contains(&at) { " lit" } else { "" };
        let (side, dx) = if left[at] { (" class=\"l\"", -11) } else { ("", 11) };
        out += &format!(
            "<g class=\"e {}{lit}\" transform=\"translate({x},{y})\"><path d=\"{}\"/>\
             <text{side} x=\"{dx}\" y=\"4\">{}</text></g>\n",
            event.kind.name(),
            event.kind.mark(),
            escape(&shorten(&event.label, LABEL)),
        );
    }
    out += "</g>\n<g id=\"axis\">\n";
    for (row, &event) in clocks.order.iter().enumerate().step_by(2) {
        let (y, at) = (TOP + ROW * row + 4, time(run.events[event].at));
        out += &format!("<text x=\"6\" y=\"{y}\">{at}</text>\n");
    }
    out + "</g>\n"
}

fn arrow(run: &SpaceTime, layout: &Layout, message: &Message, kind: usize) -> String {
    let class = kind_class(kind);
    let from = run.events[message.send].process;
    let (x, y) = (Layout::x(from), layout.y(message.send));
    let Some(receive) = message.end.receive() else {
        // A short arrow the way it was going, and a cross where it was lost.
        let to = toward(run, message);
        let end = if to < from { x - GAP * 2 / 5 } else { x + GAP * 2 / 5 };
        let path = format!("d=\"M{x} {y}L{end} {}\"", y + ROW);
        return match message.end {
            End::Flying { .. } => format!("<path class=\"m flying {class}\" {path}/>\n"),
            _ => format!("<path class=\"m lost {class}\" {path} marker-end=\"url(#cross)\"/>\n"),
        };
    };
    let (end, down) = (Layout::x(run.events[receive].process), layout.y(receive));
    let shape = if end == x {
        format!("M{x} {y}Q{} {} {x} {down}", x + 40, y.midpoint(down))
    } else {
        format!("M{x} {y}L{end} {down}")
    };
    let head = kind % crate::page::COLOURS;
    format!("<path class=\"m {class}\" d=\"{shape}\" marker-end=\"url(#a{head})\"/>\n")
}

fn body(
    run: &SpaceTime,
    clocks: &Clocks,
    layout: &Layout,
    kind_of: &[usize],
    kinds: &[&str],
) -> String {
    let Layout { width, height, .. } = layout;
    let lost = run.messages.iter().filter(|m| matches!(m.end, End::Lost { .. })).count();
    let mut heads = String::new();
    for (process, name) in run.processes.iter().enumerate() {
        let (x, name) = (Layout::x(process), escape(&shorten(name, LABEL)));
        heads += &format!("<text class=\"process\" x=\"{x}\" y=\"20\">{name}</text>\n");
    }
    format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"soft\">{events} events on {processes} processes, {messages} messages, \
         {lost} of them lost</p>\n{tools}</header>\n<main>\n<div id=\"view\" tabindex=\"0\">\n\
         <svg id=\"heads\" width=\"{width}\" height=\"30\">\n{heads}</svg>\n\
         <svg id=\"picture\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"space-time diagram\">\n\
         <defs>\n{arrows}\
         <marker id=\"cross\" viewBox=\"-6 -6 12 12\" markerWidth=\"12\" markerHeight=\"12\" \
         markerUnits=\"userSpaceOnUse\"><path class=\"cross\" d=\"M-5-5L5 5M-5 5L5-5\"/></marker>\n</defs>\n\
         {picture}</svg>\n</div>\n<aside>\n{aside}</aside>\n</main>\n",
        title = escape(&run.title),
        events = run.events.len(),
        processes = run.processes.len(),
        messages = run.messages.len(),
        tools = include_str!("space_time_tools.html"),
        arrows = arrowheads(kinds.len()),
        picture = picture(run, clocks, layout, kind_of),
        aside = aside(run, kinds),
    )
}

/// What was chosen, and the legends, which are the filters.
fn aside(run: &SpaceTime, kinds: &[&str]) -> String {
    let mut out = String::from(include_str!("space_time_chosen.html"));
    out += "<h2>Processes</h2>\n<div class=\"legend\">\n";
    for (at, name) in run.processes.iter().enumerate() {
        let name = escape(name);
        out += &format!(
            "<label><input type=\"checkbox\" data-process=\"{at}\" checked>{name}</label>\n"
        );
    }
    out += "</div>\n<h2>Messages</h2>\n<div class=\"legend\">\n";
    for (at, name) in kinds.iter().enumerate() {
        let (class, name) = (kind_class(at), escape(name));
        out += &format!(
            "<label><input type=\"checkbox\" data-kind=\"{at}\" checked><svg width=\"26\" height=\"10\">\
             <path class=\"m {class}\" d=\"M1 5H25\"/></svg>{name}</label>\n"
        );
    }
    out += "</div>\n<h2>Events</h2>\n<div class=\"legend\">\n";
    for kind in EventKind::ALL {
        if run.events.iter().any(|event| event.kind == kind) {
            let (name, mark) = (kind.name(), kind.mark());
            out += &format!(
                "<label><input type=\"checkbox\" data-event=\"{name}\" checked>\
                 <svg width=\"26\" height=\"18\" viewBox=\"-13 -9 26 18\"><g class=\"e {name}\"><path d=\"{mark}\"/>\
                 </g></svg>{name}</label>\n"
            );
        }
    }
    out + "</div>\n"
}

/// What the script needs besides the picture. Vector clocks are told by what an event learned beyond its predecessor
/// on the same process: `[process, count, ...]`; its own count is always one more.
fn data(run: &SpaceTime, clocks: &Clocks, kind_of: &[usize], kinds: &[&str]) -> String {
    let first = run.events.iter().map(|event| event.at).min().unwrap_or_default();
    let last = run.events.iter().map(|event| event.at).max().unwrap_or_default();
    let base = if last < EXACT { 0 } else { first };
    let learned = (0..run.events.len()).map(|event| {
        let before = clocks.previous[event].map(|before| &clocks.vector[before]);
        let mut pairs = Vec::new();
        for (process, &count) in clocks.vector[event].iter().enumerate() {
            let known = before.map_or(0, |before| before[process]);
            if count != known && process != run.events[event].process {
                pairs.extend([process.to_string(), count.to_string()]);
            }
        }
        list(pairs)
    });
    let lives = stretches(run, clocks).into_iter().map(|stretch| {
        let end = |event: Option<usize>| event.map_or(-1, |event| event as i64);
        format!("[{},{},{}]", stretch.process, end(stretch.from), end(stretch.to))
    });
    let messages = run.messages.iter().zip(kind_of).map(|(message, kind)| {
        let receive = message.end.receive().map_or(-1, |event| event as i64);
        let why = match &message.end {
            End::Received(_) => String::new(),
            End::Flying { .. } => "under way when the picture ends".to_string(),
            End::Lost { why, .. } => format!("lost {why}").trim_end().to_string(),
        };
        let (text, to) = (json(&message.text), toward(run, message));
        format!("[{},{receive},{kind},{text},{to},{}]", message.send, json(&why))
    });
    let troubles = bands(run).into_iter().map(|band| {
        let process = band.process.map_or(-1, |process| process as i64);
        let until = band.until.map_or(-1, |event| event as i64);
        format!("[{process},{},{until},{}]", band.from, json(band.label))
    });
    let events = run.events.iter().zip(learned).enumerate().map(|(at, (event, learned))| {
        format!(
            "[{},{},{},{},{},{learned}]",
            event.process,
            event.at - base,
            json(&event.label),
            json(&event.detail),
            clocks.lamport[at],
        )
    });
    format!(
        "{{\"base\":\"{base}\",\"processes\":{},\"kinds\":{},\n\"events\":{},\n\"messages\":{},\n\
         \"lives\":{},\n\"troubles\":{},\n\"order\":{}}}",
        list(run.processes.iter().map(|name| json(name))),
        list(kinds.iter().map(|name| json(name))),
        list(events),
        list(messages),
        list(lives),
        list(troubles),
        list(&clocks.order),
    )
}
