//! What the clients of a register saw, and whether one order of their operations explains it. It remembers what
//! Stateright's `LinearizabilityTester` does, so that states count alike: per client its operations in order,
//! each with how many of every other client's had returned when it was invoked.

use protocol::NodeId;
use std::collections::BTreeMap;

/// An operation or its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Write(u8),
    Read,
    Wrote,
    Saw(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    op: Op,
    /// Of the others, who had finished how many when this was invoked.
    before: BTreeMap<NodeId, usize>,
    result: Option<Op>,
}

/// What was invoked and returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    calls: BTreeMap<NodeId, Vec<Call>>,
}

impl History {
    pub(crate) fn invoke(&mut self, client: NodeId, op: Op) {
        let finished = |calls: &Vec<Call>| calls.iter().filter(|c| c.result.is_some()).count();
        let others = self.calls.iter().filter(|(id, _)| **id != client);
        let before = others.map(|(id, calls)| (*id, finished(calls)));
        let before = before.filter(|(_, finished)| *finished > 0).collect();
        self.calls.entry(client).or_default().push(Call { op, before, result: None });
    }

    pub(crate) fn finish(&mut self, client: NodeId, result: Op) {
        let calls = self.calls.get_mut(&client).expect("it has invoked something");
        calls.last_mut().expect("it has invoked something").result = Some(result);
    }

    /// Tries every order that respects each client's own and real time.
    pub(crate) fn is_linearizable(&self) -> bool {
        self.explains(&mut BTreeMap::new(), 0)
    }

    fn explains(&self, placed: &mut BTreeMap<NodeId, usize>, value: u8) -> bool {
        let done = |calls: &Vec<Call>, at: usize| calls[at..].iter().all(|c| c.result.is_none());
        let at =
            |placed: &BTreeMap<NodeId, usize>, id: &NodeId| placed.get(id).copied().unwrap_or(0);
        if self.calls.iter().all(|(id, calls)| done(calls, at(placed, id))) {
            return true;
        }
        self.calls.iter().any(|(id, calls)| {
            let next = at(placed, id);
            let Some(call) = calls.get(next) else { return false };
            let late = |(other, finished): (&NodeId, &usize)| at(placed, other) < *finished;
            if call.before.iter().any(late) {
                return false;
            }
            let after = match (call.op, call.result) {
                (Op::Write(value), _) => value,
                (_, Some(Op::Saw(seen))) if seen != value => return false,
                _ => value,
            };
            placed.insert(*id, next + 1);
            let explained = self.explains(placed, after);
            placed.insert(*id, next);
            explained
        })
    }
}
