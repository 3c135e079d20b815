//! The explorer against a twin that shares nothing with it but the host: every schedule of a tiny world, each taken
//! from the start in [`sim::script::World`], with no memory of what was seen.

use crate::two_phase::{Bug, Request, TwoPhase, World};
use protocol::{Digest, Mutant, NodeId, NodeSet, Planted, Prng, Protocol, Renaming};
use sim::explore::{Limits, Model, Scope, View, explore};
use sim::script;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::Hasher;

/// Of each node its core's digest, if it is up, and whether it writes; and what is in flight.
type Seen = (Vec<(Option<u64>, bool)>, Vec<(NodeId, NodeId, Vec<u8>)>);

fn digest(core: Option<&TwoPhase>) -> Option<u64> {
    let core = core?;
    let mut digest = Digest::default();
    core.digest(&Renaming::default(), &mut digest);
    Some(digest.finish())
}

/// A world that writes down each state that the explorer judges.
struct Spy {
    world: World,
    seen: RefCell<BTreeSet<Seen>>,
}

impl Model for Spy {
    type Core = TwoPhase;
    type Ghost = ();

    fn nodes(&self) -> NodeSet {
        self.world.nodes()
    }

    fn config(&self, id: NodeId) -> crate::two_phase::Config {
        self.world.config(id)
    }

    fn ghost(&self) {}

    fn requests(&self, id: NodeId, core: &TwoPhase, asked: u32) -> Vec<Request> {
        self.world.requests(id, core, asked)
    }

    fn invariant(&self, view: &View<'_, Spy>) -> Result<(), String> {
        let nodes = view.cores().map(|(_, core)| digest(core)).zip(view.writing()).collect();
        let wire = view.messages().map(|(from, to, message)| (from, to, wire::encode(message)));
        let mut flight: Vec<_> = wire.collect();
        flight.sort();
        self.seen.borrow_mut().insert((nodes, flight));
        Ok(())
    }
}

/// One step of the twin.
#[derive(Clone, Debug)]
enum Step {
    Deliver(NodeId, NodeId, usize),
    Ask(NodeId, usize),
    Sync(NodeId),
    Crash(NodeId),
    Restart(NodeId),
}

struct Twin {
    world: World,
    crashes: usize,
    depth: usize,
    seen: BTreeSet<Seen>,
    schedules: u64,
}

impl Twin {
    /// The world after a schedule.
    fn after(&self, schedule: &[Step]) -> script::World<TwoPhase> {
        let resources = self.world.resources;
        let configure = move |id| World { resources, bug: Bug::None }.config(id);
        let (nodes, none) = (self.world.nodes(), Planted::NONE);
        let mut world = script::World::new(&nodes, configure, Prng::new(0), none);
        for step in schedule {
            let done = match *step {
                Step::Deliver(from, to, place) => world.deliver(from, to, place),
                Step::Ask(id, nth) => {
                    let core = world.core(id).expect("it is up");
                    let request = self.world.requests(id, core, 0).remove(nth);
                    world.request(id, request)
                }
                Step::Sync(id) => world.sync(id),
                Step::Crash(id) => world.crash(id),
                Step::Restart(id) => world.restart(id),
            };
            assert!(done, "{step:?} cannot be taken in {schedule:?}");
        }
        world
    }

    fn steps(&self, world: &script::World<TwoPhase>, schedule: &[Step]) -> Vec<Step> {
        let mut steps = Vec::new();
        for ((from, to), count) in world.links() {
            steps.extend((0..count).map(|place| Step::Deliver(from, to, place)));
        }
        let crashed = schedule.iter().filter(|step| matches!(step, Step::Crash(_))).count();
        for id in world.nodes() {
            let Some(core) = world.core(id) else {
                steps.push(Step::Restart(id));
                continue;
            };
            let offered = self.world.requests(id, core, 0).len();
            steps.extend((0..offered).map(|nth| Step::Ask(id, nth)));
            if world.is_writing(id) {
                steps.push(Step::Sync(id));
            }
            if crashed < self.crashes {
                steps.push(Step::Crash(id));
            }
        }
        steps
    }

    fn walk(&mut self, schedule: &mut Vec<Step>) {
        self.schedules += 1;
        let world = self.after(schedule);
        let nodes =
            world.nodes().map(|id| (digest(world.core(id)), world.is_writing(id))).collect();
        let mut flight: Vec<_> = world
            .links()
            .flat_map(|((from, to), _)| {
                world.in_flight(from, to).map(move |message| (from, to, wire::encode(message)))
            })
            .collect();
        flight.sort();
        self.seen.insert((nodes, flight));
        if schedule.len() == self.depth {
            return;
        }
        for step in self.steps(&world, schedule) {
            schedule.push(step);
            self.walk(schedule);
            schedule.pop();
        }
    }
}

fn explored(resources: u64, depth: usize, planted: Planted) -> BTreeSet<Seen> {
    let spy = Spy { world: World::of(resources), seen: RefCell::default() };
    let scope = Scope { slow_disk: true, crashes: Some(1), planted, ..Scope::calm() };
    let depth = u32::try_from(depth).expect("short");
    let limits = Limits { depth, ..Limits::states(u64::MAX) };
    let report = explore(&spy, &scope, &limits, &mut |_| false);
    assert_eq!(report.progress.depth, depth, "{report}");
    spy.seen.into_inner()
}

fn taken(resources: u64, depth: usize) -> (BTreeSet<Seen>, u64) {
    let world = World::of(resources);
    let mut twin = Twin { world, crashes: 1, depth, seen: BTreeSet::new(), schedules: 0 };
    twin.walk(&mut Vec::new());
    (twin.seen, twin.schedules)
}

#[test]
fn the_explorer_sees_what_all_schedules_see() {
    for (resources, depth) in [(1, 9), (2, 6)] {
        let (seen, schedules) = taken(resources, depth);
        assert!(schedules > 4_000, "{schedules} schedules prove little");
        assert!(explored(resources, depth, Planted::NONE) == seen, "{resources} to {depth}");
    }
}

#[test]
fn the_twin_finds_an_explorer_that_forgets() {
    let (seen, _) = taken(1, 8);
    for mutant in [Mutant::ForgetFlight, Mutant::CrashKeepsWrite] {
        assert!(explored(1, 8, Planted::one(mutant)) != seen, "{mutant:?}");
    }
}
