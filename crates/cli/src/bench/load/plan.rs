//! The command line, checked: whatever could be wrong with it is found before anything starts.

use super::choice::Distribution;
use super::workload::{Mix, Sizes};
use crate::Failure;
use crate::bench::args::Bench;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

const CLIENTS: u64 = 50;
const KEYS: u64 = 100_000;
const SECONDS: u64 = 10;
/// YCSB's record is 10 fields of 100 bytes; ours is one value as long.
const YCSB_VALUE: &str = "1000";
const VALUE: &str = "256";

/// A run of load.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Of YCSB's, or `mix`.
    pub(crate) workload: &'static str,
    pub(crate) mix: Mix,
    pub(crate) distribution: Distribution,
    pub(crate) sizes: Sizes,
    pub(crate) prefix: String,
    pub(crate) keys: u64,
    pub(crate) clients: usize,
    pub(crate) pipeline: usize,
    pub(crate) threads: usize,
    /// Arrivals a second over all clients; none for a closed loop.
    pub(crate) rate: Option<u64>,
    /// An arrival waits for a free client at most so long.
    pub(crate) backlog: Duration,
    pub(crate) load: bool,
    pub(crate) warm_up: Duration,
    /// For how long, unless so many requests are over before.
    pub(crate) length: Length,
    pub(crate) patience: Duration,
    pub(crate) password: Option<String>,
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Time(Duration),
    Requests(u64),
}

impl Plan {
    pub(crate) fn of(args: &Bench) -> Result<Plan, Failure> {
        let mix = args.mix.as_deref().unwrap_or("get=90,set=10");
        let (workload, mix, distribution, value) = match args.workload {
            Some(ycsb) => (ycsb.name(), ycsb.mix(), ycsb.distribution(), YCSB_VALUE),
            None => {
                let mix = Mix::parse(mix).map_err(|why| format!("--mix {mix}: {why}"))?;
                ("mix", mix, Distribution::Uniform, VALUE)
            }
        };
        let value = args.value.as_deref().unwrap_or(value);
        let sizes = Sizes::parse(value).map_err(|why| format!("--value {value}: {why}"))?;
        let whole = |what: u64| usize::try_from(what).unwrap_or(usize::MAX);
        let plan = Plan {
            workload,
            mix,
            distribution: args.keys_by.unwrap_or(distribution),
            sizes,
            prefix: args.prefix.clone(),
            keys: args.keys.unwrap_or(KEYS),
            clients: whole(args.clients.unwrap_or(CLIENTS)),
            pipeline: whole(args.pipeline),
            threads: whole(args.threads),
            rate: args.rate,
            backlog: Duration::from_secs(args.backlog),
            load: args.load,
            warm_up: Duration::from_secs(args.warm_up),
            length: match (args.requests, args.seconds) {
                (Some(requests), _) => Length::Requests(requests),
                (None, seconds) => Length::Time(Duration::from_secs(seconds.unwrap_or(SECONDS))),
            },
            patience: Duration::from_secs(args.patience),
            password: args.password.clone(),
            seed: args.seed,
        };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), Failure> {
        if self.threads > self.clients {
            let (threads, clients) = (self.threads, self.clients);
            return Err(format!(
                "--threads {threads}: expected at most as many as --clients, which is {clients}"
            ));
        }
        if self.length == Length::Time(Duration::ZERO) {
            return Err("--seconds 0: expected at least 1".into());
        }
        if self.prefix.len() > 1024 {
            return Err("--prefix: expected at most 1024 bytes".into());
        }
        Ok(())
    }

    pub(crate) fn loop_name(&self) -> String {
        match self.rate {
            None => "closed".into(),
            Some(rate) => format!("open, {rate}/s"),
        }
    }
}

/// The addresses that the names stand for, in their order.
pub(crate) fn resolve(names: &[String]) -> Result<Vec<SocketAddr>, Failure> {
    let one = |name: &String| {
        let expected = "expected HOST:PORT, such as 127.0.0.1:7001";
        let mut found =
            name.to_socket_addrs().map_err(|e| format!("--addr {name}: {e}; {expected}"))?;
        found.next().ok_or(format!("--addr {name}: no such host; {expected}"))
    };
    names.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
