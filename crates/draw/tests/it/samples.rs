//! Runs and histories to draw, made up from a seed; `examples/samples.rs` writes them as pages.

use draw::{
    Axis, Band, Chart, Cycle, CycleEdge, End, Event, EventKind, Fate, Message, Scale, Series,
    Sheet, SpaceTime, Span, Table, Timeline, Trouble, Unit,
};

/// What an attacker would write into a key.
pub(crate) const NASTY: &str = "</script><script>alert(1)</script>&\"'\u{202e}\u{7}\n]]>";

/// Xorshift (Marsaglia 2003).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A run in the making.
struct Run {
    drawn: SpaceTime,
    now: u64,
}

impl Run {
    fn event(&mut self, process: usize, kind: EventKind, label: &str, detail: &str) -> usize {
        let (label, detail) = (label.to_string(), detail.to_string());
        self.drawn.events.push(Event { process, at: self.now, kind, label, detail });
        self.drawn.events.len() - 1
    }

    fn step(&mut self, chance: &mut Chance) {
        self.now += 100_000 + chance.below(900_000);
    }
}

const KINDS: [&str; 6] =
    ["AppendEntries", "AppendReply", "RequestVote", "VoteReply", "ReadIndex", "Snapshot"];

/// Five nodes and a client that talk at random, with faults, in `count` events or a few more.
pub(crate) fn gossip(count: usize) -> SpaceTime {
    let mut chance = Chance(0x00a7_0110 + count as u64);
    let processes: Vec<String> = ["node 1", "node 2", "node 3", "node 4", "node 5", "client"]
        .map(String::from)
        .into_iter()
        .collect();
    let title = format!("A cluster that talks at random, {count} events");
    let mut run = Run { drawn: SpaceTime { title, processes, ..SpaceTime::default() }, now: 0 };
    for node in 0..5 {
        run.event(node, EventKind::Start, "start", "an empty disk");
    }
    // (when it arrives, send, to, kind)
    let mut flying: Vec<(u64, usize, usize, usize)> = Vec::new();
    let mut down: Option<usize> = None;
    while run.drawn.events.len() < count {
        run.step(&mut chance);
        flying.sort_unstable();
        if let Some(&(at, send, to, kind)) = flying.first().filter(|flight| flight.0 <= run.now) {
            flying.remove(0);
            run.now = run.now.max(at);
            let kind_name = KINDS[kind];
            let end = if Some(to) == down {
                End::Lost { to, why: "the receiver is down".into() }
            } else if chance.below(8) == 0 {
                End::Lost { to, why: "by chance".into() }
            } else {
                let label = format!("got {kind_name}");
                End::Received(run.event(to, EventKind::Receive, &label, ""))
            };
            let text = format!("term {}, index {}", 1 + run.now / 20_000_000, run.now % 97);
            run.drawn.messages.push(Message { send, end, kind: kind_name.into(), text });
            continue;
        }
        let node = chance.below(5) as usize;
        if Some(node) == down {
            run.event(node, EventKind::Start, "restart", "12 entries on its disk");
            down = None;
            continue;
        }
        let crashes = run.drawn.events.len() == 12;
        match chance.below(20) {
            _ if crashes && down.is_none() => {
                run.event(node, EventKind::Crash, "crash", "all that was not synced is lost");
                down = Some(node);
            }
            0 if down.is_none() => {
                run.event(node, EventKind::Crash, "crash", "all that was not synced is lost");
                down = Some(node);
            }
            1 => {
                let from = run.event(node, EventKind::Fault, "cut off", "from all others");
                let label = "cut off".to_string();
                let trouble = Trouble { from, until: None, processes: vec![node], label };
                run.drawn.troubles.push(trouble);
            }
            2 if run.drawn.troubles.iter().any(|trouble| trouble.until.is_none()) => {
                let until = run.event(node, EventKind::Fault, "heal", "all links");
                let open = run.drawn.troubles.iter_mut().filter(|t| t.until.is_none());
                open.for_each(|trouble| trouble.until = Some(until));
            }
            6 => {
                run.event(5, EventKind::Client, "SET cart:17 \"apples\"", "invoked");
            }
            3 => {
                run.event(node, EventKind::Disk, "sync", "4 groups, 812 bytes");
            }
            4 => {
                run.event(node, EventKind::Pause, "pause", "for 40 ms");
            }
            5 => {
                run.event(node, EventKind::Local, "term 4, follower", "");
            }
            _ => {
                let kind = chance.below(KINDS.len() as u64) as usize;
                let to = (node + 1 + chance.below(4) as usize) % 5;
                let send = run.event(node, EventKind::Send, KINDS[kind], "");
                flying.push((run.now + 500_000 + chance.below(6_000_000), send, to, kind));
            }
        }
    }
    for (_, send, to, kind) in flying {
        let (end, kind) = (End::Flying { to }, KINDS[kind].to_string());
        run.drawn.messages.push(Message { send, end, kind, text: String::new() });
    }
    run.drawn
}

fn span(row: usize, from: u64, to: Option<u64>, label: &str) -> Span {
    let fate = if to.is_some() { Fate::Ok } else { Fate::Unknown };
    let (label, detail) = (label.to_string(), format!("line {}", from + 1));
    let (from, to) = (from * 1_000_000, to.map(|to| to * 1_000_000));
    Span { row, from, to, label, detail, fate, point: None, guilty: false }
}

/// A register whose last read is stale: no place is found for it.
pub(crate) fn stale_read() -> Timeline {
    let mut spans = vec![
        span(0, 0, Some(4), "write x 1"),
        span(1, 2, Some(9), "write x 2"),
        span(2, 5, Some(7), "read x -> 1"),
        span(0, 8, Some(12), "read x -> 2"),
        span(2, 10, None, "write x 3"),
        span(1, 11, Some(13), "write x 4 failed"),
        span(0, 14, Some(18), "read x -> 1"),
        span(1, 15, Some(17), "read x -> 3"),
    ];
    spans[5].fate = Fate::Failed;
    spans[6].guilty = true;
    Timeline {
        title: "Not linearizable: register x".to_string(),
        reason: "read x -> 1 of client 1 has no place: the value was overwritten before it began."
            .to_string(),
        rows: vec!["client 1".into(), "client 2".into(), "client 3".into()],
        spans,
        order: vec![0, 2, 1, 3, 4, 7],
    }
}

/// A history of `count` operations with one guilty one in the middle.
pub(crate) fn long_history(count: usize) -> Timeline {
    let mut chance = Chance(count as u64 + 9);
    let mut free = [0_u64; 6];
    let mut spans = Vec::new();
    for at in 0..count {
        let row = chance.below(6) as usize;
        let from = free[row] + 1 + chance.below(3);
        let to = from + 2 + chance.below(6);
        free[row] = to + 1;
        spans.push(span(row, from, Some(to), &format!("write k{} {at}", chance.below(9))));
    }
    spans[count / 2].guilty = true;
    let mut order: Vec<usize> = (0..count).filter(|&at| at != count / 2).collect();
    order.sort_by_key(|&at| (spans[at].to, at));
    Timeline {
        title: format!("A history of {count} operations"),
        reason: String::new(),
        rows: (1..=6).map(|client| format!("client {client}")).collect(),
        spans,
        order,
    }
}

/// A ring of transactions with an edge of each kind, `length` long.
pub(crate) fn ring(length: usize) -> Cycle {
    let kinds = ["rw", "ww", "wr", "realtime", "process"];
    let node = |at: usize| {
        let label = format!("T{at}: read x{at} -> [1 2], append x{} {at}", (at + 1) % length);
        (label, format!("line {}, process {at}", at * 3 + 1))
    };
    let edge = |at: usize| CycleEdge {
        from: at,
        to: (at + 1) % length,
        kind: kinds[at % kinds.len()].to_string(),
        detail: format!("on x{}: {at} after [1 2]", (at + 1) % length),
    };
    Cycle {
        title: format!("G2-item: a cycle of {length}"),
        reason: "Each read misses what the next transaction wrote.".to_string(),
        nodes: (0..length).map(node).collect(),
        edges: (0..length).map(edge).collect(),
    }
}

/// Every text of a run replaced by a nasty one.
pub(crate) fn nasty_run() -> SpaceTime {
    let mut run = gossip(30);
    run.title = NASTY.to_string();
    run.processes.iter_mut().for_each(|name| *name = format!("{NASTY}{name}"));
    for event in &mut run.events {
        (event.label, event.detail) = (NASTY.to_string(), NASTY.to_string());
    }
    for message in &mut run.messages {
        (message.kind, message.text) = (NASTY.to_string(), NASTY.to_string());
        if let End::Lost { why, .. } = &mut message.end {
            *why = NASTY.to_string();
        }
    }
    run.troubles.iter_mut().for_each(|trouble| trouble.label = NASTY.to_string());
    run
}

/// The same for a timeline.
pub(crate) fn nasty_timeline() -> Timeline {
    let mut history = stale_read();
    (history.title, history.reason) = (NASTY.to_string(), NASTY.to_string());
    history.rows.iter_mut().for_each(|name| *name = NASTY.to_string());
    for span in &mut history.spans {
        (span.label, span.detail) = (NASTY.to_string(), NASTY.to_string());
    }
    history
}

/// The same for a cycle.
pub(crate) fn nasty_cycle() -> Cycle {
    let mut cycle = ring(3);
    (cycle.title, cycle.reason) = (NASTY.to_string(), NASTY.to_string());
    cycle.nodes.iter_mut().for_each(|node| *node = (NASTY.to_string(), NASTY.to_string()));
    for edge in &mut cycle.edges {
        (edge.kind, edge.detail) = (NASTY.to_string(), NASTY.to_string());
    }
    cycle
}

/// A report of a minute with a fault, all of its texts `text`.
pub(crate) fn report(text: &str) -> Sheet {
    let mut chance = Chance(7);
    let rate = |at: u64, chance: &mut Chance| match at {
        20..=24 => (at as f64, None),
        _ => (at as f64, Some(9_000.0 + chance.below(2_000) as f64)),
    };
    let throughput = Chart {
        title: text.into(),
        x: Axis { label: text.into(), ..Axis::default() },
        y: Axis { label: text.into(), ..Axis::default() },
        series: (0..12)
            .map(|_| Series {
                name: text.into(),
                points: (0..60).map(|at| rate(at, &mut chance)).collect(),
            })
            .collect(),
        bands: vec![Band { from: 20.0, to: 25.0, label: text.into() }],
    };
    let curve = Chart {
        x: Axis { scale: Scale::Nines, unit: Unit::Percent, ..Axis::default() },
        y: Axis { scale: Scale::Log, unit: Unit::Time, ..Axis::default() },
        series: vec![Series {
            name: text.into(),
            points: (0..40)
                .map(|step| f64::from(step) / 10.0)
                .map(|nines| (1.0 - 10_f64.powf(-nines), Some(1e5 * (1.0 + nines.powi(4)))))
                .collect(),
        }],
        ..Chart::default()
    };
    Sheet {
        title: text.into(),
        about: text.into(),
        notes: vec![text.into(), text.into()],
        tables: vec![Table {
            title: text.into(),
            head: vec![text.into(), "p50".into()],
            rows: vec![vec![text.into(), "1.2 ms".into()]],
        }],
        charts: vec![throughput, curve, Chart::default()],
    }
}
