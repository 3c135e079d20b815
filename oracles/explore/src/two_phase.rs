//! Two-phase commit as TLA+'s `TwoPhase` has it: messages are facts that stay.

use stateright::{Model, Property};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Working,
    Prepared,
    Committed,
    Aborted,
}

pub struct Commit {
    pub resources: usize,
    /// Whether a message that changes nothing is heard, as in Stateright's own example.
    pub idle: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    manager: Phase,
    /// Whose vote the manager has counted.
    counted: Vec<bool>,
    resources: Vec<Phase>,
    /// Who has said that it is prepared.
    said: Vec<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Decide(Phase),
    Count(usize),
    Enter(usize, Phase),
    Obey(usize),
}

impl Model for Commit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let no = vec![false; self.resources];
        let resources = vec![Phase::Working; self.resources];
        vec![State { manager: Phase::Working, counted: no.clone(), resources, said: no }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let open = state.manager == Phase::Working;
        if open {
            actions.push(Action::Decide(Phase::Aborted));
            if state.counted.iter().all(|counted| *counted) {
                actions.push(Action::Decide(Phase::Committed));
            }
        }
        for (at, phase) in state.resources.iter().enumerate() {
            if open && state.said[at] {
                actions.push(Action::Count(at));
            }
            if !open {
                actions.push(Action::Obey(at));
            }
            if *phase == Phase::Working {
                actions.push(Action::Enter(at, Phase::Prepared));
                actions.push(Action::Enter(at, Phase::Aborted));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Decide(phase) => state.manager = phase,
            Action::Count(at) => state.counted[at] = true,
            Action::Enter(at, phase) => {
                state.resources[at] = phase;
                state.said[at] |= phase == Phase::Prepared;
            }
            Action::Obey(at) => state.resources[at] = state.manager,
        }
        (self.idle || state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::sometimes("all commit", |_, state: &State| {
                state.resources.iter().all(|phase| *phase == Phase::Committed)
            }),
            Property::sometimes("all abort", |_, state: &State| {
                state.resources.iter().all(|phase| *phase == Phase::Aborted)
            }),
            Property::always("consistent", |_, state: &State| {
                let committed = state.resources.contains(&Phase::Committed);
                !(committed && state.resources.contains(&Phase::Aborted))
            }),
        ]
    }
}
