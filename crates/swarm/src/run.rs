//! One plan: a cluster, its clients, its faults; then peace, and questions.

use crate::boot::NodeBoot;
use crate::client::Client;
use crate::engines::Engines;
use crate::judge::{Finding, Seen};
use crate::plan::Plan;
use crate::report::{Counters, Report, Verdict};
use crate::setup::{Options, Setup};
use crate::shadow::Shadow;
use crate::watch::Watch;
use node::Node;
use sim::{Event, SimDisk, Why, World};
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use stdx::{Duration, Instant, NodeId, Prng};

/// Between two looks of the onlooker.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// A healed cluster has settled, and has answered everything, after this long.
pub(crate) const PEACE: Duration = Duration::from_secs(20);
/// Replicas are compared at every so many indices while they change.
const COMPARE: u64 = 4;

/// The judge of a history gives up after so many steps.
pub(crate) const STEPS: u64 = 3_000_000;

/// What a token stands for; the low bits say of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Tick,
    /// The time of a client's next request.
    Ask(usize),
    /// A probe's next request.
    Probe(usize, u64),
    /// A client's patience is at its end.
    Patience(usize),
    /// The engine of a node has done what it was asked.
    Engine(NodeId),
}

impl Token {
    pub(crate) fn pack(self) -> u64 {
        match self {
            Token::Tick => 0,
            Token::Ask(client) => 1 | (client as u64) << 8,
            Token::Probe(client, round) => 2 | (client as u64) << 8 | round << 24,
            Token::Patience(client) => 3 | (client as u64) << 8,
            Token::Engine(node) => 4 | node.0 << 8,
        }
    }

    fn unpack(token: u64) -> Token {
        let client = usize::try_from(token >> 8 & 0xffff).expect("16 bits");
        match token & 0xff {
            0 => Token::Tick,
            1 => Token::Ask(client),
            2 => Token::Probe(client, token >> 24),
            4 => Token::Engine(NodeId(token >> 8)),
            _ => Token::Patience(client),
        }
    }
}

/// A run under way.
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) setup: Setup,
    pub(crate) world: World<NodeBoot>,
    pub(crate) clients: Vec<Client>,
    pub(crate) seen: Seen,
    pub(crate) watch: Watch,
    pub(crate) counters: Counters,
    pub(crate) prng: Prng,
    pub(crate) conns: u64,
    pub(crate) engines: Engines,
    /// The requests of the plan that were made.
    pub(crate) asked: Vec<usize>,
    /// Clients make requests of their own accord.
    load: bool,
}

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a seed runs on this thread now: its panics become verdicts, and a panic hook need not speak.
pub fn running() -> bool {
    RUNNING.get()
}

/// For work that makes verdicts of panics itself.
pub(crate) fn catching<T>(work: impl FnOnce() -> T) -> T {
    RUNNING.set(true);
    let result = work();
    RUNNING.set(false);
    result
}

/// Runs one seed from start to end.
pub fn run_seed(seed: u64, options: Options) -> Report {
    run_plan(&Plan::of(seed, &options), options.story)
}

/// Runs one plan from start to end, and keeps its last `story` moments. Panics inside the cluster (a failed
/// invariant) become a verdict where panics unwind.
pub fn run_plan(plan: &Plan, story: usize) -> Report {
    ran(plan, story, STEPS).report
}

/// As [`run_plan`], for one who measures: calls `over` when nothing is left but to judge what the clients saw.
pub fn run_plan_telling(plan: &Plan, over: &mut dyn FnMut()) -> Report {
    ran_telling(plan, 0, STEPS, over).report
}

/// A run that is over.
pub(crate) struct Ran {
    pub(crate) report: Report,
    /// The requests of the plan that were made.
    pub(crate) asked: Vec<usize>,
}

pub(crate) fn ran(plan: &Plan, story: usize, steps: u64) -> Ran {
    ran_telling(plan, story, steps, &mut || {})
}

fn ran_telling(plan: &Plan, story: usize, steps: u64, over: &mut dyn FnMut()) -> Ran {
    let (profile, workload) = (plan.setup.profile, plan.setup.workload);
    let mut run = Run::new(plan, story);
    RUNNING.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| run.all()));
    RUNNING.set(false);
    over();
    let finding = match result {
        Ok(Ok(())) => run.seen.judge(workload, run.setup.clock_error(), steps),
        Ok(Err(broken)) => broken.into(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
            let text = text.unwrap_or_else(|| "something without words".into());
            Verdict::Unsafe(format!("an invariant failed: {text}")).into()
        }
    };
    let Finding { verdict, guilty } = finding;
    let related = run.seen.related(&guilty);
    run.finish_counting();
    let moments = run.world.trace().map_or_else(Vec::new, |t| t.moments().cloned().collect());
    let history = &run.seen.history;
    let (all, lap, ok) = (history.len(), history.overlapping(), history.answered());
    let covers = all >= 200 && lap * 3 >= all && ok * 2 >= all;
    let digest = run.world.digest();
    let (seed, counters, asked) = (plan.seed, run.counters, run.asked);
    let report = Report {
        seed,
        profile,
        workload,
        verdict,
        guilty,
        related,
        digest,
        counters,
        covers,
        moments,
    };
    Ran { report, asked }
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, story: usize) -> Run<'a> {
        let setup = plan.setup.clone();
        let boot = NodeBoot {
            config: setup.node.clone(),
            segment_bytes: setup.segment_bytes,
            shadow: Shadow::default(),
            events: Vec::new(),
        };
        let mut world = World::new(plan.seed, setup.world, boot);
        if story > 0 {
            world.trace_on(story);
        }
        let mut run = Run {
            plan,
            clients: Vec::new(),
            seen: Seen::default(),
            watch: Watch::new(setup.witness),
            counters: Counters::default(),
            prng: Prng::new(plan.seed).fork(102),
            conns: 0,
            engines: Engines::new(plan.seed, setup.node.planted),
            asked: Vec::new(),
            load: true,
            setup,
            world,
        };
        for number in plan.clients() {
            let client = run.client(number);
            let own = |(_, request): &(usize, &crate::Request)| request.client == number;
            let script = plan.requests.iter().enumerate().filter(own);
            run.clients[client].script = script.map(|(number, _)| number).collect();
        }
        run
    }

    /// One more client, with nothing to do yet.
    pub(crate) fn client(&mut self, number: u64) -> usize {
        let prng = self.prng.fork(1_000 + number);
        self.clients.push(Client {
            number,
            script: VecDeque::new(),
            prng,
            link: None,
            selected: 0,
            round: 0,
            patience: (Instant(0), false),
            watched: Default::default(),
            probe: None,
        });
        self.clients.len() - 1
    }

    /// All of it, up to the judgement of the history.
    fn all(&mut self) -> Result<(), Verdict> {
        let end = Instant(0) + self.plan.setup.length;
        for (at, fault) in &self.plan.faults {
            self.world.schedule(Instant(0) + *at, fault.clone());
        }
        self.world.at(Instant(0), Token::Tick.pack());
        for client in 0..self.clients.len() {
            self.next_ask(client);
        }
        self.go(end)?;
        self.load = false;
        self.world.calm();
        self.settle()?;
        self.probe()?;
        self.converge()
    }

    pub(crate) fn go(&mut self, until: Instant) -> Result<(), Verdict> {
        while let Some(event) = self.world.run_until(until) {
            self.event(event)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<Node>) -> Result<(), Verdict> {
        match event {
            Event::Output { node, output } => self.output(node, output)?,
            Event::Token(token) => self.token(Token::unpack(token))?,
            Event::Up { node } => {
                self.watch.restarted(node);
                for (node, event) in std::mem::take(&mut self.world.boot_mut().events) {
                    self.told(node, &event)?;
                }
            }
            Event::Down { node, why } => {
                self.engines.gone(node);
                if let Why::BootFailed(reason) = why {
                    self.no_start(node, &reason)?;
                }
                for client in 0..self.clients.len() {
                    let on = self.clients[client].link.as_ref().map(|link| link.node);
                    if on == Some(node) {
                        self.hang_up(client);
                    }
                }
            }
        }
        self.watch
            .look(&self.world, (self.load, COMPARE), &mut self.counters)
            .map_err(Verdict::Unsafe)
    }

    /// Only a full disk may keep a node from starting, and it must say so.
    fn no_start(&mut self, node: NodeId, reason: &str) -> Result<(), Verdict> {
        let full = self.world.disk(node).is_some_and(SimDisk::is_full);
        if full && reason.contains("no space left") {
            self.counters.add("starts refused by a full disk", 1);
            return Ok(());
        }
        Err(Verdict::Unsafe(format!("node {node} does not start again: {reason}")))
    }

    fn token(&mut self, token: Token) -> Result<(), Verdict> {
        match token {
            Token::Tick => {
                self.world.at(self.world.now() + TICK, Token::Tick.pack());
            }
            Token::Ask(client) => self.ask(client),
            Token::Probe(client, round) if self.clients[client].round == round => {
                self.ask_probe(client);
            }
            Token::Probe(..) => {}
            Token::Patience(client) => self.impatient(client),
            Token::Engine(node) => self.engine_done(node),
        }
        Ok(())
    }
}
