//! Lamport clocks and vector clocks from the order of each process and the messages between them.
//!
//! Lamport, "Time, clocks, and the ordering of events in a distributed system" (1978); Fidge (1988) and Mattern
//! (1989) for the vectors, which tell exactly what happened before what.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{End, SpaceTime};

/// How two events stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// They are one event.
    Same,
    /// The first may have caused the second.
    Before,
    /// The second may have caused the first.
    After,
    /// Neither may have caused the other.
    Concurrent,
}

/// The logical clocks of a run, by event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// All events, causes first; what is free in that order follows time, then the order of the input.
    pub order: Vec<usize>,
    /// The event before this one on its process.
    pub previous: Vec<Option<usize>>,
    /// Lamport's clock: one more than the largest it heard of.
    pub lamport: Vec<u64>,
    /// One count per process: how many of its events this one knows of.
    pub vector: Vec<Vec<u64>>,
}

impl Clocks {
    /// Of a run.
    ///
    /// # Errors
    /// An index that points nowhere, or messages that make an event its own cause.
    pub fn of(run: &SpaceTime) -> Result<Clocks, String> {
        valid(run)?;
        let previous = previous(run);
        let order = order(run, &previous)?;
        let mut sent_to = vec![Vec::new(); run.events.len()];
        for message in &run.messages {
            if let Some(receive) = message.end.receive() {
                sent_to[receive].push(message.send);
            }
        }
        let mut lamport = vec![0; run.events.len()];
        let mut vector = vec![Vec::new(); run.events.len()];
        for &event in &order {
            let mut own = match previous[event] {
                Some(before) => Vec::clone(&vector[before]),
                None => vec![0; run.processes.len()],
            };
            let mut heard = previous[event].map_or(0, |before| lamport[before]);
            for &send in &sent_to[event] {
                heard = heard.max(lamport[send]);
                for (mine, theirs) in own.iter_mut().zip(&vector[send]) {
                    *mine = u64::max(*mine, *theirs);
                }
            }
            own[run.events[event].process] += 1;
            lamport[event] = heard + 1;
            vector[event] = own;
        }
        Ok(Clocks { order, previous, lamport, vector })
    }

    /// How event `a` stands to event `b`. Both must be events of the run.
    pub fn relation(&self, a: usize, b: usize) -> Relation {
        let known = |a: usize, b: usize| {
            self.vector[a].iter().zip(&self.vector[b]).all(|(mine, theirs)| mine <= theirs)
        };
        match (known(a, b), known(b, a)) {
            (true, true) => Relation::Same,
            (true, false) => Relation::Before,
            (false, true) => Relation::After,
            (false, false) => Relation::Concurrent,
        }
    }
}

fn valid(run: &SpaceTime) -> Result<(), String> {
    let is_process = |what: String, process: usize| match process < run.processes.len() {
        true => Ok(()),
        false => Err(format!(
            "{what} process {process}, but there are only {} processes, counted from 0",
            run.processes.len()
        )),
    };
    for (at, event) in run.events.iter().enumerate() {
        is_process(format!("event {at}: it is on"), event.process)?;
    }
    let is_event = |what: String, event: usize| match event < run.events.len() {
        true => Ok(()),
        false => Err(format!(
            "{what} is event {event}, but there are only {} events, counted from 0",
            run.events.len()
        )),
    };
    for (at, message) in run.messages.iter().enumerate() {
        is_event(format!("message {at}: its send"), message.send)?;
        match message.end {
            End::Received(receive) => is_event(format!("message {at}: its receive"), receive)?,
            End::Lost { to, .. } | End::Flying { to } => {
                is_process(format!("message {at}: it is for"), to)?;
            }
        }
        if message.end == End::Received(message.send) {
            return Err(format!(
                "message {at}: event {} both sends and receives it; expected two events",
                message.send
            ));
        }
    }
    for &event in &run.lit {
        is_event("what is lit".to_string(), event)?;
    }
    for (at, trouble) in run.troubles.iter().enumerate() {
        is_event(format!("trouble {at}: its first"), trouble.from)?;
        is_event(format!("trouble {at}: its last"), trouble.until.unwrap_or(trouble.from))?;
        for &process in &trouble.processes {
            is_process(format!("trouble {at}: it befell"), process)?;
        }
    }
    Ok(())
}

fn previous(run: &SpaceTime) -> Vec<Option<usize>> {
    let mut by_time: Vec<usize> = (0..run.events.len()).collect();
    by_time.sort_by_key(|&event| (run.events[event].at, event));
    let mut last = vec![None; run.processes.len()];
    let mut previous = vec![None; run.events.len()];
    for event in by_time {
        previous[event] = last[run.events[event].process].replace(event);
    }
    previous
}

/// Kahn's topological sort, the earliest free event first.
fn order(run: &SpaceTime, previous: &[Option<usize>]) -> Result<Vec<usize>, String> {
    let mut waits = vec![0_usize; run.events.len()];
    let mut then = vec![Vec::new(); run.events.len()];
    let received = run.messages.iter().filter_map(|m| Some((m.send, m.end.receive()?)));
    let followed =
        previous.iter().enumerate().filter_map(|(event, before)| Some(((*before)?, event)));
    for (cause, effect) in received.chain(followed) {
        waits[effect] += 1;
        then[cause].push(effect);
    }
    let key = |event: usize| Reverse((run.events[event].at, event));
    let mut free: BinaryHeap<_> =
        (0..run.events.len()).filter(|&event| waits[event] == 0).map(key).collect();
    let mut order = Vec::with_capacity(run.events.len());
    while let Some(Reverse((_, event))) = free.pop() {
        order.push(event);
        for &effect in &then[event] {
            waits[effect] -= 1;
            if waits[effect] == 0 {
                free.push(key(effect));
            }
        }
    }
    if order.len() == run.events.len() {
        return Ok(order);
    }
    let message = in_circle(run, previous, &waits);
    Err(format!(
        "message {message}: its receive comes before its own cause; expected times that agree with the \
         messages on each process"
    ))
}

/// A message on a circle of causes, of the events that Kahn's sort could not free.
fn in_circle(run: &SpaceTime, previous: &[Option<usize>], waits: &[usize]) -> usize {
    let by_message = |event: usize| {
        run.messages.iter().position(|m| m.end.receive() == Some(event) && waits[m.send] > 0)
    };
    let mut event = waits.iter().position(|&count| count > 0).unwrap_or_default();
    // A stuck event has a stuck cause, so that as many steps back as there are events end on a circle.
    // Every circle holds a message: the order of one process alone has none.
    for step in 0.. {
        match (by_message(event), previous[event].filter(|&before| waits[before] > 0)) {
            (Some(message), _) if step >= waits.len() => return message,
            (_, Some(before)) => event = before,
            (Some(message), None) => event = run.messages[message].send,
            (None, None) => break,
        }
    }
    0
}
