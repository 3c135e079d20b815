//! `--step`: a run, moment by moment, with the state of the node it touched before and after.

use sim::{Moment, What};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write};
use stdx::NodeId;
use swarm::Report;

/// One thing that happened, and the states it led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// When, where and what.
    text: String,
    /// Of the node it touched, before and after; none if it touched none.
    pub(crate) change: Option<(NodeId, String, String)>,
    /// Of all nodes, after it.
    pub(crate) states: BTreeMap<NodeId, String>,
}

/// What is known of a node.
#[derive(Clone, Debug, Default)]
struct State {
    /// up, down, paused.
    life: &'static str,
    /// What its core holds.
    core: String,
    /// Written and durable up to here.
    log: (u64, u64),
}

impl State {
    fn after(&mut self, what: &What) {
        match what {
            What::Up { .. } => (self.life, self.log.0) = ("up", self.log.1),
            What::Down(_) => {
                self.life = "down";
                self.core.clear();
            }
            What::Paused(_) => self.life = "paused",
            What::Resumed => self.life = "up",
            What::Write { upto, .. } => self.log.0 = upto.0,
            What::Synced { upto } => self.log = (self.log.0.max(upto.0), upto.0),
            What::State(core) => self.core.clone_from(core),
            _ => {}
        }
    }

    fn text(&self) -> String {
        let (written, durable) = self.log;
        let mut text = format!("{}, log written to {written}, durable to {durable}", self.life);
        if !self.core.is_empty() {
            let _ = write!(text, "; {}", self.core);
        }
        text
    }
}

/// The steps of a run: each moment but a change of state, which belongs to the moment before it.
pub(crate) fn steps(moments: &[Moment]) -> Vec<Step> {
    let mut states: BTreeMap<NodeId, State> = BTreeMap::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut moments = moments.iter().peekable();
    while let Some(moment) = moments.next() {
        let mut text = moment.to_string();
        let change = moment.node.map(|node| {
            let state = states.entry(node).or_default();
            let before = state.text();
            state.after(&moment.what);
            if let What::State(_) = moment.what {
                text = format!("{:?} {node:?} takes a turn", moment.at);
            }
            // What the node holds after its turn.
            let same = |next: &&Moment| {
                let here = next.node == Some(node) && next.at == moment.at;
                here && matches!(next.what, What::State(_))
            };
            if let Some(next) = moments.next_if(|next| same(next)) {
                state.after(&next.what);
            }
            (node, before, state.text())
        });
        let states = states.iter().map(|(node, state)| (*node, state.text())).collect();
        steps.push(Step { text, change, states });
    }
    steps
}

/// A step as it is shown, numbered from 1.
fn shown(number: usize, of: usize, step: &Step) -> String {
    let mut text = format!("step {number}/{of}: {}\n", step.text);
    let touched = step.change.as_ref().map(|(node, ..)| *node);
    match &step.change {
        Some((node, before, after)) if before == after => {
            let _ = writeln!(text, "  node {node} as before: {after}");
        }
        Some((node, before, after)) => {
            let _ = writeln!(text, "  node {node} before: {before}\n  node {node} after:  {after}");
        }
        None => {}
    }
    for (node, state) in step.states.iter().filter(|(node, _)| Some(**node) != touched) {
        let _ = writeln!(text, "  node {node}: {state}");
    }
    text
}

/// Shows the steps as asked for on stdin; all of them where nobody sits there.
pub(crate) fn walk(report: &Report) {
    let steps = steps(&report.moments);
    let stdin = std::io::stdin();
    let asks = stdin.is_terminal();
    let (mut next, mut wanted) = (0, if asks { 1 } else { steps.len() });
    let mut to = std::io::stdout().lock();
    while next < steps.len() {
        let end = steps.len().min(next + wanted);
        for (at, step) in steps.iter().enumerate().take(end).skip(next) {
            if write!(to, "{}", shown(at + 1, steps.len(), step)).is_err() {
                return;
            }
        }
        next = end;
        if next == steps.len() {
            return;
        }
        let _ = write!(to, "Enter, a number of steps, or q: ").and_then(|()| to.flush());
        let mut line = String::new();
        match stdin.lock().read_line(&mut line) {
            Ok(1..) => {}
            _ => return,
        }
        match line.trim() {
            "" => wanted = 1,
            "q" => return,
            word => wanted = word.parse().unwrap_or(1),
        }
    }
}
