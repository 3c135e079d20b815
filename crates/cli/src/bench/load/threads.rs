//! Runs a plan: its threads, the seconds they hand in while they go on, and the sum at the end.

use super::choice::Chooser;
use super::driver::{Driver, Lateness, Rules};
use super::pace::{Pace, Schedule};
use super::plan::{Length, Plan};
use super::sockets::Sockets;
use super::source::{Drawn, Inserts, Source};
use super::tally::{SECOND, Second, Tally};
use super::workload::{Kind, Mix};
use crate::Failure;
use crate::sim::stopwatch::Stopwatch;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use stdx::Prng;

/// What all threads counted.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) tally: Tally,
    /// By number, as far as the run went.
    pub(crate) seconds: Vec<Second>,
    /// How long was counted, in nanoseconds.
    pub(crate) length: u64,
    pub(crate) lateness: Lateness,
    /// Connections that ended before the run did.
    pub(crate) lost: u64,
    /// How much of their time the busiest of the client's own threads had a core, from 0 to 1.
    pub(crate) busy: f64,
}

/// What one thread does.
struct Part {
    rules: Rules,
    source: Source,
    pace: Pace,
    /// Its lanes: the first one's number over all threads, and how many.
    lanes: (usize, usize),
    patience: Duration,
}

/// What one thread counted in the end.
struct End {
    tally: Tally,
    lateness: Lateness,
    lost: u64,
    busy: f64,
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Sets all keys once.
pub(crate) fn load(
    plan: &Plan,
    addresses: &[SocketAddr],
    each: impl FnMut(u64, &Second),
) -> Result<Counted, Failure> {
    let parts = parts(plan, |thread, threads| {
        // Its own inserts, one after the other, up to where the next thread begins.
        let at = |thread: u64| plan.keys * thread / threads;
        let (from, to) = (at(thread), at(thread + 1));
        let inserts = Arc::new(Inserts::after(from));
        let (mix, pace) = (Mix::only(Kind::Insert), Pace::Closed);
        let rules = Rules { warm: 0, end: u64::MAX, requests: to - from, ..rules(plan) };
        (rules, mix, inserts, pace, Chooser::Uniform)
    });
    run(parts, addresses, None, each)
}

/// The run itself. `each` hears of every second that is over on all threads.
pub(crate) fn measure(
    plan: &Plan,
    addresses: &[SocketAddr],
    each: impl FnMut(u64, &Second),
) -> Result<Counted, Failure> {
    let inserts = Arc::new(Inserts::after(plan.keys));
    let chooser = Chooser::new(plan.distribution, plan.keys);
    let warm = nanos(plan.warm_up);
    let length = match plan.length {
        Length::Time(time) => Some(nanos(time)),
        Length::Requests(_) => None,
    };
    let parts = parts(plan, |thread, threads| {
        let requests = match plan.length {
            Length::Time(_) => u64::MAX,
            Length::Requests(all) => all * (thread + 1) / threads - all * thread / threads,
        };
        let end = length.map_or(u64::MAX, |length| warm + length);
        let pace = plan.rate.map_or(Pace::Closed, |rate| {
            Pace::Open(Schedule::new(rate, thread, threads, nanos(plan.backlog)))
        });
        let rules = Rules { warm, end, requests, ..rules(plan) };
        (rules, plan.mix.clone(), Arc::clone(&inserts), pace, chooser.clone())
    });
    run(parts, addresses, length, each)
}

fn rules(plan: &Plan) -> Rules {
    Rules {
        warm: 0,
        end: u64::MAX,
        requests: u64::MAX,
        pipeline: plan.pipeline,
        patience: nanos(plan.patience),
        password: plan.password.clone(),
    }
}

fn parts(
    plan: &Plan,
    part: impl Fn(u64, u64) -> (Rules, Mix, Arc<Inserts>, Pace, Chooser),
) -> Vec<Part> {
    let share = |thread: usize| plan.clients * thread / plan.threads;
    let prng = Prng::new(plan.seed);
    let one = |thread: usize| {
        let (rules, mix, inserts, pace, chooser) = part(thread as u64, plan.threads as u64);
        let (sizes, prefix) = (plan.sizes.clone(), plan.prefix.clone());
        let drawn = Drawn { mix, chooser, sizes, prefix, inserts };
        let source = Source::new(prng.fork(thread as u64), drawn);
        let lanes = (share(thread), share(thread + 1) - share(thread));
        Part { rules, source, pace, lanes, patience: plan.patience }
    };
    (0..plan.threads).map(one).collect()
}

fn run(
    parts: Vec<Part>,
    addresses: &[SocketAddr],
    length: Option<u64>,
    mut each: impl FnMut(u64, &Second),
) -> Result<Counted, Failure> {
    let threads = parts.len();
    let origin = Instant::now();
    let (send, seconds) = channel::<(u64, Second)>();
    let mut all: BTreeMap<u64, (usize, Second)> = BTreeMap::new();
    let ends: Vec<Result<End, Failure>> = std::thread::scope(|scope| {
        let spawn = |part: Part| {
            let send = send.clone();
            scope.spawn(move || part.run(addresses, origin, &send))
        };
        let handles: Vec<_> = parts.into_iter().map(spawn).collect();
        drop(send);
        for (number, second) in seconds {
            let (heard, sum) = all.entry(number).or_default();
            sum.merge(&second);
            *heard += 1;
            if *heard == threads {
                each(number, sum);
            }
        }
        handles.into_iter().map(|handle| handle.join().expect("a panic ends the process")).collect()
    });
    let mut counted = Counted::default();
    for end in ends {
        let end = end?;
        counted.tally.merge(&end.tally);
        counted.lateness.longest = counted.lateness.longest.max(end.lateness.longest);
        counted.lateness.dropped += end.lateness.dropped;
        counted.lateness.left += end.lateness.left;
        counted.lost += end.lost;
        counted.busy = counted.busy.max(end.busy);
    }
    counted.length = length.unwrap_or(counted.tally.last).max(1);
    let whole = usize::try_from(counted.length.div_ceil(SECOND)).unwrap_or(usize::MAX);
    counted.seconds = all.into_values().take(whole).map(|(_, second)| second).collect();
    Ok(counted)
}

impl Part {
    fn run(
        self,
        addresses: &[SocketAddr],
        origin: Instant,
        send: &Sender<(u64, Second)>,
    ) -> Result<End, Failure> {
        let (first, lanes) = self.lanes;
        let mut driver = Driver::new(self.rules, self.source, self.pace, lanes);
        let mut sockets = Sockets::new(addresses, lanes, first, self.patience, origin)?;
        let watch = Stopwatch::start();
        let hand_in = |seconds: Vec<(u64, Second)>| {
            for second in seconds {
                // Nobody listens only when another thread has failed.
                let _ = send.send(second);
            }
        };
        sockets.run(&mut driver, |driver| hand_in(driver.tally.take_seconds(false)))?;
        let took = origin.elapsed().as_secs_f64();
        hand_in(driver.tally.take_seconds(true));
        let (lateness, lost) = (driver.lateness(), sockets.lost);
        let busy = watch.elapsed().as_secs_f64() / took.max(1e-9);
        Ok(End { tally: driver.tally, lateness, lost, busy })
    }
}
