//! What had been seen before each write: how many of each process' events, if the reads among these are what counts.
//! Vector clocks (Fidge 1988, Mattern 1989) that advance at reads only.

use super::Why;
use super::story::{Story, What};
use crate::Budget;

/// Why no guarantee but writes-follow-reads is judged then.
pub(super) const CIRCLE: &str = "reads show writes that came after them, round in a circle";
/// Events between two looks at the budget.
const GLANCE: usize = 4_096;
/// Entries of clocks that cost as much as one remembered situation.
const ENTRIES: usize = 64;

/// The clock of each write; a process' writes between two reads share one.
pub(super) struct Clocks {
    all: Vec<Vec<u32>>,
    /// For each event that is a write, the place of its clock.
    of: Vec<u32>,
    /// All events, what was seen before whoever saw it.
    pub(super) order: Vec<u32>,
}

impl Clocks {
    pub(super) fn before(&self, write: u32) -> &[u32] {
        &self.all[self.of[write as usize] as usize]
    }
}

/// Or the reads of a circle: each shows a write that its process made after the next read of the circle. If the clocks
/// are not `kept`, they are empty: only circles are looked for.
pub(super) fn clocks(
    story: &Story<'_>,
    kept: bool,
    budget: &mut Budget,
) -> Result<Result<Clocks, Vec<u32>>, Why> {
    let count = story.processes.len();
    let width = if kept { count } else { 0 };
    let (of, order) = (vec![u32::MAX; story.events.len()], Vec::with_capacity(story.events.len()));
    let mut clocks = Clocks { all: vec![vec![0; width]], of, order };
    let mut now = vec![vec![0; width]; count];
    let mut latest = vec![0; count];
    let mut next = vec![0; count];
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut ready: Vec<usize> = (0..count).collect();
    let mut left = story.events.len();
    while let Some(process) = ready.pop() {
        let before = next[process];
        while let Some(number) = story.processes[process].get(next[process]) {
            let event = &story.events[*number as usize];
            let unborn = |write: &&u32| clocks.of[**write as usize] == u32::MAX;
            if let Some(write) = story.seen(event).iter().find(unborn) {
                waiting[story.events[*write as usize].process as usize].push(process);
                break;
            }
            match event.what {
                What::Write { .. } => clocks.of[*number as usize] = latest[process],
                What::Read { .. } => {
                    for write in story.seen(event) {
                        let clock = clocks.before(*write);
                        now[process].iter_mut().zip(clock).for_each(|(a, b)| *a = (*a).max(*b));
                    }
                    if let Some(own) = now[process].get_mut(process) {
                        *own = event.place + 1;
                    }
                    latest[process] = u32::MAX;
                }
                What::Blank => {}
            }
            let writes = story.processes[process].get(next[process] + 1).is_some_and(|after| {
                matches!(story.events[*after as usize].what, What::Write { .. })
            });
            if writes && !kept {
                // All of them are empty.
                latest[process] = 0;
            } else if writes && latest[process] == u32::MAX {
                latest[process] = super::story::small(clocks.all.len());
                clocks.all.push(now[process].clone());
                if clocks.all.len() * width > budget.memory.saturating_mul(ENTRIES) {
                    return Err(format!("{left} events were left when the memory was used up"));
                }
            }
            clocks.order.push(*number);
            next[process] += 1;
            left -= 1;
            if left.is_multiple_of(GLANCE) && (budget.expired)() {
                return Err(format!("{left} events were left when the time was up"));
            }
        }
        if next[process] > before {
            ready.append(&mut waiting[process]);
        }
    }
    if left == 0 { Ok(Ok(clocks)) } else { Ok(Err(circle(story, &next))) }
}

/// Every process that did not come to its end waits for another such one.
fn circle(story: &Story<'_>, next: &[usize]) -> Vec<u32> {
    let stuck = |process: usize| story.processes[process].get(next[process]).copied();
    let first = (0..next.len()).find(|process| stuck(*process).is_some());
    let mut process = first.expect("somebody is stuck");
    let mut reads = Vec::new();
    loop {
        let read = stuck(process).expect("who waits for an end that came is not stuck");
        if let Some(start) = reads.iter().position(|other| *other == read) {
            return reads.split_off(start);
        }
        reads.push(read);
        let late = |write: &&u32| {
            let writer = &story.events[**write as usize];
            writer.place as usize >= next[writer.process as usize]
        };
        let seen = story.seen(&story.events[read as usize]);
        let write = seen.iter().find(late).expect("it waits for a write");
        process = story.events[*write as usize].process as usize;
    }
}
