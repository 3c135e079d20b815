//! A run as data: everything that is decided before it begins, so that it can be cut down, written to a file and
//! run again. What is left to chance (delays, losses, which sectors a crash tears) comes from generators forked from
//! the plan's seed per link, node and fault: leaving one thing out does not draw the others anew.

use crate::Workload;
use crate::setup::{Draw, Options, Profile, Setup};
use crate::workload::Source;
use sim::{Fault, Nemesis};
use std::collections::BTreeSet;
use stdx::{Duration, Instant, NodeId, Planted, Prng};
use wire::resp::Args;

/// One run. The same plan gives the same run, byte for byte.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is left to chance is drawn from this.
    pub seed: u64,
    /// The constants.
    pub setup: Setup,
    /// What goes wrong, in order of time.
    pub faults: Vec<(Duration, Fault)>,
    /// What is asked, in order of time.
    pub requests: Vec<Request>,
}

/// What a client asks at a time, if it has all its answers and finds a node that is up; else it leaves it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When, from the start.
    pub at: Duration,
    /// Who. A client has one connection.
    pub client: u64,
    /// The database its connection is to select before.
    pub db: u64,
    /// One command, or a pipeline of some: see [`crate::understand`].
    pub commands: Vec<Args>,
}

/// Clients begin at about this time.
const FIRST: Duration = Duration::from_millis(300);
/// A node crashes so long before the end at most.
const LAST_CRASH: Duration = Duration::from_millis(120);
/// And faults at this.
const FAULTS: Duration = Duration::from_millis(400);

impl Plan {
    /// What the seed stands for.
    pub fn of(seed: u64, options: &Options) -> Plan {
        let draw = Draw::of(seed, options);
        let prng = Prng::new(seed).fork(101);
        let faults = faults(&draw, &prng);
        let requests = requests(&draw, &prng);
        Plan { seed, setup: draw.setup, faults, requests }
    }

    /// Plants a bug, or none.
    pub fn plant(&mut self, planted: Planted) {
        self.setup.world.planted = planted;
        self.setup.node.planted = planted;
    }

    /// The clients there are.
    pub fn clients(&self) -> BTreeSet<u64> {
        self.requests.iter().map(|request| request.client).collect()
    }
}

fn faults(draw: &Draw, prng: &Prng) -> Vec<(Duration, Fault)> {
    let start = Instant(0);
    let mut all = Vec::new();
    if let Some(config) = draw.nemesis {
        let ids = (1..=draw.setup.world.nodes).map(NodeId);
        let mut nemesis = Nemesis::new(config, ids, prng.fork(1));
        let until = draw.setup.length.saturating_sub(draw.lull);
        let plan = nemesis.plan(start + FAULTS, start + until);
        all.extend(plan.into_iter().map(|(at, fault)| (at.since(start), fault)));
        // The end mends everything anyhow.
        all.retain(|(at, _)| *at < draw.setup.length);
    }
    if draw.setup.profile == Profile::Damaged {
        // A damaged message is one that was lost: with more of them nothing would move.
        let ppm = prng.fork(3).range(1_000, 60_000);
        all.push((Duration::ZERO, Fault::Damage(ppm)));
    }
    for (at, off) in &draw.power {
        all.extend([(*at, Fault::PowerOff), (*at + *off, Fault::PowerOn)]);
    }
    // The last crash is the one whose traces no later election wipes out.
    if draw.nemesis.is_some_and(|config| config.crash > 0) {
        let mut prng = prng.fork(2);
        let node = NodeId(prng.range(1, draw.setup.world.nodes));
        let before = prng.span(Duration::ZERO, LAST_CRASH);
        all.push((draw.setup.length.saturating_sub(before), Fault::Crash(node)));
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

fn requests(draw: &Draw, prng: &Prng) -> Vec<Request> {
    let workload = draw.setup.workload;
    let mut all = Vec::new();
    for client in 0..draw.clients {
        let mut prng = prng.fork(1_000 + client);
        let db = u64::from(workload == Workload::Keyspaces && prng.chance(1, 3));
        let mut times = prng.fork(1);
        let padding = draw.padding;
        let mut source = Source { workload, prng, client, next: 0, padding };
        let mut at = times.span(FIRST / 4, FIRST);
        while at < draw.setup.length {
            for commands in source.requests(db) {
                all.push(Request { at, client, db, commands });
                at += times.span(draw.think / 4, draw.think);
            }
        }
    }
    all.retain(|request| request.at < draw.setup.length);
    all.sort_by_key(|request| request.at);
    all
}
