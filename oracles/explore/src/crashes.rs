//! Two-phase commit on disks: what is said leaves when what it rests on is durable, a crash loses the rest. Node 0 is
//! the manager. The disk is that of `protocol::Host`: one write under way, what comes meanwhile is staged.

use crate::two_phase::Phase;
use stateright::{Model, Property};
use std::collections::BTreeSet;

pub struct Commit {
    pub resources: usize,
    pub crashes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Said {
    Prepared,
    Commit,
    Abort,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    up: bool,
    phase: Phase,
    /// The manager's: whose vote it has counted.
    counted: BTreeSet<usize>,
    durable: Vec<Phase>,
    writing: Vec<Phase>,
    staged: Vec<Phase>,
    /// How many records must become durable first; receiver; what.
    held: Vec<(usize, usize, Said)>,
}

impl Node {
    fn start(durable: Vec<Phase>) -> Node {
        let phase = durable.last().copied().unwrap_or(Phase::Working);
        let (writing, staged, held) = (Vec::new(), Vec::new(), Vec::new());
        Node { up: true, phase, counted: BTreeSet::new(), durable, writing, staged, held }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.staged.push(phase);
    }

    fn say(&mut self, to: usize, what: Said) {
        self.held.push((self.writing.len() + self.staged.len(), to, what));
    }

    fn write(&mut self) {
        if self.writing.is_empty() {
            self.writing = std::mem::take(&mut self.staged);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    nodes: Vec<Node>,
    messages: BTreeSet<(usize, usize, Said)>,
    crashes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Hear(usize, usize, Said),
    Enter(usize, Phase),
    Sync(usize),
    Crash(usize),
    Restart(usize),
}

impl Commit {
    fn hear(&self, node: &mut Node, at: usize, from: usize, what: Said) {
        match what {
            Said::Prepared if at == 0 && node.phase == Phase::Working => {
                node.counted.insert(from);
            }
            Said::Prepared => {}
            Said::Commit if node.phase != Phase::Committed => node.enter(Phase::Committed),
            Said::Abort if node.phase != Phase::Aborted => node.enter(Phase::Aborted),
            Said::Commit | Said::Abort => {}
        }
    }

    fn enter(&self, node: &mut Node, at: usize, phase: Phase) {
        node.enter(phase);
        match phase {
            Phase::Prepared => node.say(0, Said::Prepared),
            Phase::Committed => (1..=self.resources).for_each(|to| node.say(to, Said::Commit)),
            Phase::Aborted if at == 0 => {
                (1..=self.resources).for_each(|to| node.say(to, Said::Abort));
            }
            Phase::Aborted | Phase::Working => {}
        }
    }
}

impl Model for Commit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let nodes = (0..=self.resources).map(|_| Node::start(Vec::new())).collect();
        vec![State { nodes, messages: BTreeSet::new(), crashes: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (from, to, what) in &state.messages {
            if state.nodes[*to].up {
                actions.push(Action::Hear(*from, *to, *what));
            }
        }
        for (at, node) in state.nodes.iter().enumerate() {
            if !node.up {
                actions.push(Action::Restart(at));
                continue;
            }
            if node.phase == Phase::Working {
                actions.push(Action::Enter(at, Phase::Aborted));
                if at > 0 {
                    actions.push(Action::Enter(at, Phase::Prepared));
                } else if node.counted.len() == self.resources {
                    actions.push(Action::Enter(at, Phase::Committed));
                }
            }
            if !node.writing.is_empty() {
                actions.push(Action::Sync(at));
            }
            if state.crashes < self.crashes {
                actions.push(Action::Crash(at));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Hear(from, to, what) => {
                self.hear(&mut state.nodes[to], to, from, what);
                if state.nodes[to] == last.nodes[to] {
                    return None;
                }
                state.nodes[to].write();
            }
            Action::Enter(at, phase) => {
                self.enter(&mut state.nodes[at], at, phase);
                state.nodes[at].write();
            }
            Action::Sync(at) => {
                let node = &mut state.nodes[at];
                let written = node.writing.len();
                node.durable.append(&mut node.writing);
                let held = std::mem::take(&mut node.held);
                for (records, to, what) in held {
                    if records <= written {
                        state.messages.insert((at, to, what));
                    } else {
                        node.held.push((records - written, to, what));
                    }
                }
                node.write();
            }
            Action::Crash(at) => {
                let mut node = Node::start(std::mem::take(&mut state.nodes[at].durable));
                // Nothing but the disk is left; what the rest holds is the same for all that are down.
                (node.up, node.phase) = (false, Phase::Working);
                state.nodes[at] = node;
                state.crashes += 1;
            }
            Action::Restart(at) => {
                state.nodes[at] = Node::start(std::mem::take(&mut state.nodes[at].durable));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::sometimes("all commit", |_, state: &State| {
                state.nodes[1..].iter().all(|node| node.up && node.phase == Phase::Committed)
            }),
            Property::sometimes("all abort", |_, state: &State| {
                state.nodes[1..].iter().all(|node| node.up && node.phase == Phase::Aborted)
            }),
            Property::always("consistent", |_, state: &State| {
                let some =
                    |phase| state.nodes[1..].iter().any(|node| node.up && node.phase == phase);
                !(some(Phase::Committed) && some(Phase::Aborted))
            }),
        ]
    }
}
