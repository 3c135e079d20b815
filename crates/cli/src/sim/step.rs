//! `--step`: a run, moment by moment, with the state of the node it touched before and after.

use sim::{Moment, What};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::Range;
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
#[derive(Clone, Debug)]
struct State {
    /// up, down, paused.
    life: &'static str,
    /// What its core holds.
    core: String,
    /// Written and durable up to here.
    log: (u64, u64),
}

impl Default for State {
    /// Nodes are up when a run begins.
    fn default() -> State {
        State { life: "up", core: String::new(), log: (0, 0) }
    }
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

/// What can be asked for.
const PROMPT: &str =
    "Enter, a number of steps, b (back), g NUMBER (go to), /WORDS (on to what says so), q: ";

/// Shows the steps as asked for on stdin; all of them where nobody sits there.
pub(crate) fn walk(report: &Report) {
    let steps = steps(&report.moments);
    let (stdin, mut to) = (std::io::stdin(), std::io::stdout().lock());
    // A reader that went away is no failure.
    let _ = if stdin.is_terminal() {
        by_keys(&steps, &mut stdin.lock(), &mut to)
    } else {
        show(&steps, 0..steps.len(), &mut to)
    };
}

fn show(steps: &[Step], range: Range<usize>, to: &mut impl Write) -> io::Result<()> {
    for (at, step) in steps.iter().enumerate().take(range.end).skip(range.start) {
        write!(to, "{}", shown(at + 1, steps.len(), step))?;
    }
    Ok(())
}

/// The first step, and then what each line of `keys` asks for, until one says q or there are no more.
pub(crate) fn by_keys(
    steps: &[Step],
    keys: &mut impl BufRead,
    to: &mut impl Write,
) -> io::Result<()> {
    let mut next = steps.len().min(1);
    show(steps, 0..next, to)?;
    loop {
        write!(to, "{PROMPT}")?;
        to.flush()?;
        let mut line = String::new();
        if keys.read_line(&mut line)? == 0 {
            // What comes next has a line of its own.
            return writeln!(to);
        }
        if line.trim() == "q" {
            return Ok(());
        }
        match wanted(line.trim(), next, steps) {
            Ok(range) => {
                next = range.end;
                show(steps, range, to)?;
            }
            Err(why) => writeln!(to, "{why}")?,
        }
    }
}

/// Which steps a line asks for, where step `next` (from 0) would follow; or why there are none.
fn wanted(line: &str, next: usize, steps: &[Step]) -> Result<Range<usize>, String> {
    let on = |count: usize| match next == steps.len() {
        true => Err(format!("step {next} is the last one")),
        false => Ok(next..next.saturating_add(count).min(steps.len())),
    };
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    // More than any number of steps is all of them.
    let number = |word: &str| word.parse().unwrap_or(usize::MAX);
    match line {
        "" => on(1),
        "b" if next > 1 => Ok(next - 2..next - 1),
        "b" => Err("there is no step before it".into()),
        count if is_number(count) && number(count) > 0 => on(number(count)),
        _ => {
            if let Some(words) = line.strip_prefix('/') {
                let says = |at: &usize| shown(at + 1, steps.len(), &steps[*at]).contains(words);
                let found = (next..steps.len()).find(says).map(|at| at..at + 1);
                return found.ok_or_else(|| format!("no later step says `{words}`"));
            }
            let to = line.strip_prefix('g').map(str::trim).filter(|word| is_number(word));
            let Some(to) = to else { return Err(format!("`{line}` is none of these")) };
            match number(to) {
                to if (1..=steps.len()).contains(&to) => Ok(to - 1..to),
                _ => Err(format!("there are steps 1 to {}", steps.len())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
