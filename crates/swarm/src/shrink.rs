//! A failing plan cut down to what still fails: by leaving out, one sort of thing after the other, ever smaller
//! parts (delta debugging, Zeller and Hildebrandt 2002). A smaller plan is taken only if it fails in the same way
//! ([`crate::Verdict::sort`]): one that breaks another promise is another finding, and is left.

use crate::plan::Plan;
use crate::report::{Report, Verdict};
use crate::run::{STEPS, ran, run_plan};
use sim::{Shape, WorldConfig};
use std::collections::BTreeMap;
use stdx::{Duration, NodeId, Prng};

/// How many other draws of chance a small plan is tried with.
const AGAIN: u64 = 3;
/// A cluster has elected leaders after about this long.
const BEGIN: Duration = Duration::from_millis(500);
/// The least size of a log at which seeds have snapshots written.
const SNAPSHOT: u64 = 1 << 10;
/// A candidate that cannot be judged within so many steps is left.
const QUICK: u64 = STEPS / 20;

/// What a search has found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan that was seen to fail, twice in the same way.
    pub plan: Plan,
    /// What its run told.
    pub report: Report,
    /// How many runs the search took.
    pub runs: usize,
    /// Whether nothing more could be left out; else the runs it was given were used up first.
    pub finished: bool,
}

/// The smallest plan found within about `runs` runs that fails as `plan` does; none if `plan` does not fail, or
/// its run ends without a verdict: with fewer steps to judge by, others do so, too.
/// `tick` is told how many runs were made, before each.
pub fn shrink(plan: &Plan, runs: usize, tick: &mut dyn FnMut(usize)) -> Option<Shrunk> {
    let first = ran(plan, 0, STEPS);
    if matches!(first.report.verdict, Verdict::Ok | Verdict::Undecided(_)) {
        return None;
    }
    let sort = first.report.verdict.sort();
    let (best, report) = (plan.clone(), first.report);
    let mut search = Search { best, report, sort, left: runs.div_ceil(2), runs: 1, again: 0, tick };
    search.asked_only(&first.asked);
    search.rounds();
    // What is left is worth some more luck.
    (search.left, search.again) = (search.left + runs / 2, AGAIN);
    search.rounds();
    search.plain();
    let Search { best, sort, left, runs, .. } = search;
    let (report, again) = (run_plan(&best, 0), run_plan(&best, 0));
    assert_eq!(report, again, "a plan ran differently the second time");
    assert_eq!(report.verdict.sort(), sort, "what was found quickly is found with more time, too");
    Some(Shrunk { plan: best, report, runs: runs + 2, finished: left > 0 })
}

struct Search<'a> {
    best: Plan,
    report: Report,
    /// How it must fail.
    sort: String,
    /// Runs that may still be made.
    left: usize,
    runs: usize,
    /// How many other draws of chance are tried where much could be left out.
    again: u64,
    tick: &'a mut dyn FnMut(usize),
}

impl Search<'_> {
    /// Takes the candidate, or one that differs in what is left to chance only, if it fails in the same way.
    fn attempt_again(&mut self, candidate: &Plan, times: u64) -> bool {
        let chance = Prng::new(candidate.seed);
        (0..=times).any(|time| {
            let seed = if time == 0 { candidate.seed } else { chance.fork(time).next_u64() >> 32 };
            self.attempt(Plan { seed, ..candidate.clone() })
        })
    }

    /// Takes the candidate if it fails in the same way.
    fn attempt(&mut self, candidate: Plan) -> bool {
        if self.left == 0 {
            return false;
        }
        (self.tick)(self.runs);
        self.left -= 1;
        self.runs += 1;
        let report = ran(&candidate, 0, QUICK).report;
        let fails = report.verdict.sort() == self.sort;
        if fails {
            (self.best, self.report) = (candidate, report);
        }
        fails
    }

    fn size(&self) -> (usize, usize, u64, Duration) {
        let plan = &self.best;
        (plan.faults.len(), plan.requests.len(), plan.setup.world.nodes, plan.setup.length)
    }

    /// Until a round finds nothing more.
    fn rounds(&mut self) {
        loop {
            let before = self.size();
            self.round();
            if self.left == 0 || self.size() == before {
                return;
            }
        }
    }

    fn round(&mut self) {
        self.end();
        self.faults();
        self.misfortunes();
        self.clients();
        self.requests();
        self.nodes();
        self.earlier();
        self.end();
    }

    /// Without the requests that nobody came to make.
    fn asked_only(&mut self, asked: &[usize]) {
        let mut plan = self.best.clone();
        let all = std::mem::take(&mut plan.requests).into_iter().enumerate();
        let kept = all.filter(|(number, _)| asked.contains(number));
        plan.requests = kept.map(|(_, request)| request).collect();
        self.attempt(plan);
    }

    /// Faults and load end where it failed, or soon after the last of them; sooner yet where that still fails.
    fn end(&mut self) {
        let failed = Duration::from_millis(self.report.counters.get("simulated milliseconds") + 1);
        let last = self.best.requests.iter().map(|request| request.at);
        let last = last.chain(self.best.faults.iter().map(|(at, _)| *at)).max();
        let last = last.unwrap_or_default() + Duration::from_millis(1);
        for length in [failed, last, last / 2] {
            if length < self.best.setup.length {
                let mut plan = self.best.clone();
                plan.setup.length = length;
                plan.faults.retain(|(at, _)| *at < length);
                plan.requests.retain(|request| request.at < length);
                self.attempt(plan);
            }
        }
    }

    /// All of it earlier, where nothing happens at first.
    fn earlier(&mut self) {
        let faults = self.best.faults.iter().map(|(at, _)| *at);
        let first = self.best.requests.iter().map(|request| request.at).chain(faults).min();
        let idle = first.unwrap_or(self.best.setup.length).saturating_sub(BEGIN);
        for by in [idle, idle / 2, idle / 4] {
            if by < BEGIN {
                return;
            }
            let mut plan = self.best.clone();
            plan.setup.length = plan.setup.length.saturating_sub(by);
            plan.faults.iter_mut().for_each(|(at, _)| *at = at.saturating_sub(by));
            plan.requests.iter_mut().for_each(|request| request.at -= by);
            if self.attempt_again(&plan, self.again) {
                return;
            }
        }
    }

    fn faults(&mut self) {
        self.fewest(self.best.faults.len(), |plan, keep| {
            let mut number = 0..;
            plan.faults.retain(|_| number.next().is_some_and(|n| keep[n]));
        });
    }

    fn clients(&mut self) {
        let clients: Vec<u64> = self.best.clients().into_iter().collect();
        self.fewest(clients.len(), |plan, keep| {
            let kept =
                |client: u64| clients.iter().zip(keep).any(|(c, keep)| *c == client && *keep);
            plan.requests.retain(|request| kept(request.client));
        });
    }

    fn requests(&mut self) {
        self.fewest(self.best.requests.len(), |plan, keep| {
            let mut number = 0..;
            plan.requests.retain(|_| number.next().is_some_and(|n| keep[n]));
        });
        // Of pipelines and transactions the single commands.
        let sizes: Vec<usize> = self.best.requests.iter().map(|r| r.commands.len()).collect();
        for (at, size) in sizes.into_iter().enumerate().filter(|(_, size)| *size > 1) {
            for number in (0..size).rev() {
                let mut plan = self.best.clone();
                plan.requests[at].commands.remove(number);
                if crate::understand(&plan.requests[at].commands).is_ok() {
                    self.attempt(plan);
                }
            }
        }
    }

    /// Leaves out ever smaller parts of `count` things, the latest first, until not one of them can be spared.
    fn fewest(&mut self, count: usize, keeping: impl Fn(&mut Plan, &[bool])) {
        let whole = self.best.clone();
        let mut kept: Vec<usize> = (0..count).collect();
        let mut part = count;
        while part > 0 && !kept.is_empty() && self.left > 0 {
            let mut spared = false;
            let mut end = kept.len();
            while end > 0 {
                let start = end.saturating_sub(part);
                let mut fewer = kept.clone();
                fewer.drain(start..end);
                let mut keep = vec![false; count];
                fewer.iter().for_each(|number| keep[*number] = true);
                let mut plan = Plan { seed: self.best.seed, ..whole.clone() };
                keeping(&mut plan, &keep);
                // What is worth much is worth some more luck.
                let again = if part * 4 > kept.len() { self.again } else { 0 };
                if self.attempt_again(&plan, again) {
                    kept = fewer;
                    spared = true;
                }
                end = start;
            }
            if part == 1 && !spared {
                return;
            }
            part = if part == 1 { 1 } else { part.div_ceil(2) };
        }
    }

    /// A world in which nothing goes wrong by chance, in every respect or in single ones.
    fn misfortunes(&mut self) {
        let usual = |plan: &mut Plan, wishes: &[Wish]| {
            let setup = &mut plan.setup;
            wishes.iter().for_each(|wish| wish(&mut setup.world, &WorldConfig::default()));
        };
        // Snapshots that come early need few requests before them.
        let mut plan = self.best.clone();
        plan.setup.node.snapshot_bytes = plan.setup.node.snapshot_bytes.min(SNAPSHOT);
        if plan.setup.node.snapshot_bytes < self.best.setup.node.snapshot_bytes {
            self.attempt_again(&plan, self.again);
        }
        let mut plan = self.best.clone();
        usual(&mut plan, WISHES);
        plan.setup.node.misses = (0, 1);
        plan.setup.node.tables = node::TablesConfig::default();
        if self.attempt(plan) {
            return;
        }
        for wish in WISHES {
            let mut plan = self.best.clone();
            usual(&mut plan, &[*wish]);
            if format!("{:?}", plan.setup) != format!("{:?}", self.best.setup) {
                self.attempt(plan);
            }
        }
    }

    /// Fewer nodes: some of those there are, whichever still fail.
    fn nodes(&mut self) {
        let nodes = self.best.setup.world.nodes;
        for fewer in (1..nodes).filter(|fewer| fewer % 2 == 1) {
            for some in 0_u64..1 << nodes {
                if u64::from(some.count_ones()) != fewer {
                    continue;
                }
                if self.attempt_again(&among(&self.best, some), self.again) {
                    return;
                }
            }
        }
    }

    /// Values without their padding, where that still fails.
    fn plain(&mut self) {
        let mut plan = self.best.clone();
        for command in plan.requests.iter_mut().flat_map(|request| &mut request.commands) {
            let short = |arg: &[u8]| {
                let end = arg.iter().rposition(|byte| *byte != b'.').map_or(0, |last| last + 1);
                arg[..end].to_vec()
            };
            *command = command.iter().map(short).collect();
        }
        self.attempt(plan);
    }
}

type Wish = fn(&mut WorldConfig, &WorldConfig);

const WISHES: &[Wish] = &[
    |world, _| world.net.loss_ppm = 0,
    |world, _| world.net.duplicate_ppm = 0,
    |world, _| world.net.reorder_ppm = 0,
    |world, _| world.net.late_ppm = 0,
    |world, _| world.net.delay.slow_ppm = 0,
    |world, _| world.net.delay.shape = Shape::Uniform,
    |world, usual| world.net.delay = usual.net.delay,
    |world, _| world.disk.fail_ppm = 0,
    |world, _| world.disk.sync.slow_ppm = 0,
    |world, _| world.disk.sync.shape = Shape::Uniform,
    |world, usual| world.disk.sync = usual.disk.sync,
    |world, usual| world.turn = usual.turn,
    |world, _| world.clock.drift_ppm = 0,
    |world, _| world.clock.skew = Duration::ZERO,
    |world, _| world.clock.ntp = None,
];

/// The plan among those nodes whose bits are set in `some`, counted from 1 in their old order.
fn among(plan: &Plan, some: u64) -> Plan {
    let mut plan = plan.clone();
    let old = (0..plan.setup.world.nodes).filter(|bit| some >> bit & 1 == 1);
    let names: BTreeMap<NodeId, NodeId> =
        old.zip(1..).map(|(bit, new)| (NodeId(bit + 1), NodeId(new))).collect();
    let rename = |id: NodeId| names.get(&id).copied();
    plan.setup.world.nodes = names.len() as u64;
    plan.setup.node.members.truncate(names.len());
    let faults = plan.faults.iter();
    plan.faults = faults.filter_map(|(at, f)| Some((*at, f.renamed(&rename)?))).collect();
    plan
}
