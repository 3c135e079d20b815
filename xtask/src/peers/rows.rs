//! What is compared with what, and what was asked of it (issue 4, "Fast"; its "must" column is that of
//! shared/reference/baselines.md section 6).

use super::limits::Limits;
use super::load::{Load, Sample};
use std::collections::BTreeMap;

/// Everything measured, in the order of repeats.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) limits: Vec<Limits>,
    /// Systems that did not come through a repeat, and why: their rows have fewer pairs, or are left out.
    pub(crate) failed: Vec<(&'static str, String)>,
    samples: BTreeMap<(&'static str, Load), Vec<Sample>>,
}

impl Figures {
    pub(crate) fn add(&mut self, system: &'static str, load: Load, sample: Sample) {
        self.samples.entry((system, load)).or_default().push(sample);
    }

    pub(crate) fn of(&self, system: &'static str, load: Load) -> Option<&[Sample]> {
        self.samples.get(&(system, load)).map(Vec::as_slice)
    }

    /// All loads of a system.
    pub(crate) fn all(&self, system: &'static str) -> impl Iterator<Item = (Load, &[Sample])> {
        let of = self.samples.iter().filter(move |((name, _), _)| *name == system);
        of.map(|((_, load), samples)| (*load, samples.as_slice()))
    }
}

/// Which way is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// A quotient of two figures of the same repeat.
pub(crate) struct Ratio {
    pub(crate) name: String,
    pub(crate) better: Better,
    /// Of ours and theirs, repeat by repeat.
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
    pub(crate) must: Option<f64>,
    pub(crate) goal: Option<f64>,
}

/// System and load of ours, of the peer, how both are called, what is asked.
type Asked = (&'static str, Load, &'static str, Load, &'static str, Option<f64>, Option<f64>);

const fn put(
    peer: &'static str,
    clients: usize,
    name: &'static str,
    must: f64,
    goal: f64,
) -> Asked {
    ("atoll", Load::Put(clients), peer, Load::Put(clients), name, Some(must), Some(goal))
}

const fn same(
    ours: &'static str,
    peer: &'static str,
    load: Load,
    name: &'static str,
    must: f64,
    goal: f64,
) -> Asked {
    (ours, load, peer, load, name, Some(must), Some(goal))
}

const THROUGHPUT: &[Asked] = &[
    put("etcd", 1, "etcd, 3 nodes", 1.8, 2.4),
    put("etcd", 16, "etcd, 3 nodes", 4.5, 6.5),
    put("etcd", 64, "etcd, 3 nodes", 5.0, 7.0),
    put("etcd", 256, "etcd, 3 nodes", 5.0, 6.5),
    put("redis-wait", 1, "Redis 1+2 always, WAIT 1", 1.0, 1.2),
    put("redis-wait", 16, "Redis 1+2 always, WAIT 1", 1.5, 2.0),
    put("redis-wait", 64, "Redis 1+2 always, WAIT 1", 1.5, 2.0),
    put("redis-wait", 256, "Redis 1+2 always, WAIT 1", 1.7, 2.2),
    put("redis-always", 64, "one Redis, always", 0.6, 0.8),
    put("zookeeper", 64, "ZooKeeper, 3 nodes", 5.0, 7.0),
    put("nats", 64, "NATS KV R3 (does not sync)", 1.8, 2.5),
    same("atoll", "etcd", Load::Get(64), "etcd, linearizable", 6.0, 7.0),
    same("atoll-lease", "etcd", Load::Get(64), "etcd, linearizable", 6.0, 9.0),
    same("atoll", "redis-cluster", Load::Bench("set", 16), "3 Redis masters in memory", 0.6, 0.85),
    same(
        "atoll-lease",
        "redis-cluster",
        Load::Bench("get", 16),
        "3 Redis masters in memory",
        1.5,
        2.0,
    ),
    same("atoll", "redis-cluster", Load::Bench("get", 16), "3 Redis masters in memory", 1.5, 2.0),
    same("atoll-lease", "redis-memory", Load::Bench("get", 1), "Redis in memory", 0.85, 0.9),
    same("atoll", "redis-memory", Load::Bench("get", 1), "Redis in memory", 0.85, 0.9),
];

/// How much of what the machine allows is reached: told, not asked.
const SHARES: &[Load] = &[
    Load::Put(1),
    Load::Put(16),
    Load::Put(64),
    Load::Put(256),
    Load::Bench("set", 16),
    Load::Bench("get", 16),
    Load::Bench("set", 1),
    Load::Bench("get", 1),
];

fn reads_of(system: &str) -> &'static str {
    if system == "atoll-lease" { " (lease)" } else { "" }
}

/// Every ratio whose figures are there.
pub(crate) fn ratios(figures: &Figures) -> Vec<Ratio> {
    let mut found = Vec::new();
    let per_second = |samples: &[Sample]| samples.iter().map(|s| s.per_second).collect();
    for (ours, load, peer, theirs, name, must, goal) in THROUGHPUT {
        let pair = figures.of(ours, *load).zip(figures.of(peer, *theirs));
        let Some((mine, other)) = pair else { continue };
        found.push(Ratio {
            name: format!("{load}{}: throughput / {name}", reads_of(ours)),
            better: Better::More,
            ours: per_second(mine),
            theirs: per_second(other),
            must: *must,
            goal: *goal,
        });
    }
    for clients in [1, 16, 64, 256] {
        let load = Load::Put(clients);
        let pair = figures.of("atoll", load).zip(figures.of("etcd", load));
        let Some((mine, other)) = pair else { continue };
        let p99 = |samples: &[Sample]| samples.iter().map(|s| s.p99).collect();
        let name = format!("{load}: p99 / etcd's");
        let (ours, theirs) = (p99(mine), p99(other));
        let (must, goal) = (None, Some(0.5));
        found.push(Ratio { name, better: Better::Less, ours, theirs, must, goal });
    }
    found.extend(latencies(figures));
    if let Some((away, home)) =
        figures.of("atoll", Load::Away(64)).zip(figures.of("atoll", Load::Put(64)))
    {
        let servers = |samples: &[Sample]| samples.iter().map(|s| s.servers).collect();
        found.push(Ratio {
            name: "SET, 64 clients, forwarded: servers' processor time / at the leader".into(),
            better: Better::Less,
            ours: servers(away),
            theirs: servers(home),
            must: None,
            goal: Some(1.6),
        });
    }
    for load in SHARES {
        let pair = figures.of("atoll", *load).zip(figures.of("floor", *load));
        let Some((mine, other)) = pair else { continue };
        found.push(Ratio {
            name: format!("{load}: throughput / the bare lower bound"),
            better: Better::More,
            ours: per_second(mine),
            theirs: per_second(other),
            must: None,
            goal: None,
        });
    }
    found
}

/// Against F + R of the same repeat.
fn latencies(figures: &Figures) -> Vec<Ratio> {
    type Of = fn(&Sample) -> f64;
    let asked: [(usize, &str, Of, f64, Option<f64>); 4] = [
        (1, "p50", |s| s.p50, 1.8, Some(1.4)),
        (1, "p99", |s| s.p99, 4.0, Some(2.7)),
        (16, "p99", |s| s.p99, 7.0, None),
        (64, "p99", |s| s.p99, 18.0, None),
    ];
    let units: Vec<f64> = figures.limits.iter().map(|l| l.sync + l.round_trip).collect();
    let mut found = Vec::new();
    for (clients, name, of, must, goal) in asked {
        let load = Load::Put(clients);
        let Some(samples) = figures.of("atoll", load) else { continue };
        let name = format!("{load}: {name} / (F + R)");
        let (ours, theirs) = (samples.iter().map(of).collect(), units.clone());
        found.push(Ratio { name, better: Better::Less, ours, theirs, must: Some(must), goal });
    }
    found
}
