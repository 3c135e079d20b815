//! What happened, in order, in words: of a run's moments those that matter for its verdict. Not a log: a log is
//! [`Report::lines`].

use crate::describe::LEADS;
use crate::plan::Plan;
use crate::report::Report;
use sim::{Moment, What};
use std::collections::BTreeSet;
use stdx::{Instant, NodeId};

/// A story is told in about so many lines, its heading and the verdict apart.
const LINES: usize = 36;

/// How much a line matters: faults and the operations that the verdict is about, then who leads, then other
/// operations on the same keys, then all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Guilty,
    Fault,
    Leader,
    Related,
    Other,
}

struct Line {
    at: Instant,
    weight: Weight,
    text: String,
}

/// The story of a run of `plan`, whose moments were kept.
pub fn story(plan: &Plan, report: &Report) -> Vec<String> {
    let mut lines = lines(plan, report);
    if let Some(last) = lines.iter().rposition(|line| line.weight == Weight::Guilty) {
        // What came later, and what was asked of other keys, has no part in it.
        lines.truncate(last + 1);
        lines.retain(|line| line.weight != Weight::Other);
    }
    let all = lines.len();
    let mut left_out = BTreeSet::new();
    for weight in [Weight::Other, Weight::Related, Weight::Leader, Weight::Fault, Weight::Guilty] {
        // What comes last is nearest to the failure.
        let mut spare = lines.len().saturating_sub(LINES);
        lines.retain(|line| {
            let drop = spare > 0 && line.weight == weight;
            spare -= usize::from(drop);
            if drop {
                left_out.insert(weight);
            }
            !drop
        });
    }
    let mut told = vec![heading(plan, report)];
    told.extend(lines.iter().map(|line| {
        let (micros, text) = (line.at.0 / 1_000, without_padding(&line.text));
        format!("{:>4}.{:06} s  {text}", micros / 1_000_000, micros % 1_000_000)
    }));
    if !left_out.is_empty() {
        let whats: Vec<&str> = left_out.into_iter().map(Weight::name).collect();
        told.push(format!(
            "({} earlier lines are left out: {})",
            all - lines.len(),
            whats.join(", ")
        ));
    }
    told.extend(verdict(report));
    told
}

/// The verdict; of a long sub-history the end.
fn verdict(report: &Report) -> Vec<String> {
    let text = without_padding(&format!("verdict: {}", report.verdict));
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    if lines.len() > LINES / 2 {
        let spare = lines.len() - LINES / 2;
        lines.drain(1..=spare);
        lines.insert(1, format!("  ({spare} earlier operations are left out)"));
    }
    lines
}

impl Weight {
    fn name(self) -> &'static str {
        match self {
            Weight::Guilty | Weight::Related => "requests on the same keys",
            Weight::Fault => "faults",
            Weight::Leader => "leaders",
            Weight::Other => "other requests and events",
        }
    }
}

/// Values are padded with dots, which nobody wants to read.
fn without_padding(text: &str) -> String {
    const LEAST: usize = 4;
    let mut short = String::new();
    let mut dots = 0;
    for c in text.chars().chain(['\n']) {
        if c == '.' {
            dots += 1;
            continue;
        }
        match std::mem::take(&mut dots) {
            dots @ 0..LEAST => short.push_str(&".".repeat(dots)),
            _ => short.push('…'),
        }
        short.push(c);
    }
    short.pop();
    short
}

fn heading(plan: &Plan, report: &Report) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let nodes = usize::try_from(plan.setup.world.nodes).unwrap_or(usize::MAX);
    format!(
        "chance from seed {}, profile {:?}, workload {:?}: {}, {}, {}, {}",
        plan.seed,
        report.profile,
        report.workload,
        count(nodes, "node"),
        count(plan.clients().len(), "client"),
        count(plan.requests.len(), "request"),
        count(plan.faults.len(), "fault"),
    )
}

fn lines(plan: &Plan, report: &Report) -> Vec<Line> {
    let end = Instant(0) + plan.setup.length;
    let mut lines: Vec<Line> = Vec::new();
    let mut mended = false;
    for moment in &report.moments {
        if moment.at >= end && !std::mem::replace(&mut mended, true) {
            let text = "from here on nothing goes wrong, and progress is demanded".into();
            lines.push(Line { at: end, weight: Weight::Fault, text });
        }
        let Some((weight, text)) = line(moment, report, mended) else { continue };
        // The same node's leaderships of several groups, begun at one moment.
        if let (Some(last), Weight::Leader) = (lines.last_mut(), weight)
            && last.at == moment.at
            && last.weight == Weight::Leader
        {
            last.text.push_str("; ");
            last.text.push_str(&text);
            continue;
        }
        lines.push(Line { at: moment.at, weight, text });
    }
    lines
}

fn line(moment: &Moment, report: &Report, mended: bool) -> Option<(Weight, String)> {
    let node = moment.node.unwrap_or(NodeId(0));
    let of = |number: &Option<usize>| match number {
        Some(number) if report.guilty.contains(number) => Weight::Guilty,
        Some(number) if report.related.contains(number) => Weight::Related,
        _ => Weight::Other,
    };
    match &moment.what {
        What::Fault { name: "heal all", .. } if mended => None,
        What::Fault { text, .. } => Some((Weight::Fault, text.clone())),
        What::Down(sim::Why::Crash) => {
            Some((Weight::Fault, format!("node {node} is down: its memory is gone")))
        }
        What::Down(sim::Why::DiskFailed) => {
            Some((Weight::Fault, format!("node {node} stops: its disk has failed")))
        }
        What::Down(sim::Why::BootFailed(why)) => {
            Some((Weight::Fault, format!("node {node} cannot start: {why}")))
        }
        What::Up { starts: 1.. } => {
            Some((Weight::Fault, format!("node {node} starts again from its disk")))
        }
        What::Paused(span) => Some((Weight::Fault, format!("node {node} pauses for {span:.1?}"))),
        What::Note(text) if text.starts_with(LEADS) => {
            Some((Weight::Leader, format!("node {node} {text}")))
        }
        What::Note(text) if text.contains("snapshot") || text.contains("torn") => {
            Some((Weight::Other, format!("node {node} {text}")))
        }
        What::Request { client, number, text } => {
            Some((of(number), format!("client {client} asks node {node}: {text}{}", tag(*number))))
        }
        What::Reply { client, number, text } => Some((
            of(number),
            format!("client {client} is answered by node {node}: {text}{}", tag(*number)),
        )),
        _ => None,
    }
}

fn tag(number: Option<usize>) -> String {
    number.map_or_else(String::new, |number| format!(" (operation {number})"))
}
