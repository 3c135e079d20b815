//! Configurations that are not drawn: what the simulator's own speed is measured by.

use crate::setup::{Draw, Options, Profile, Setup, Workload};
use node::{Config, Member};
use sim::{NemesisConfig, WorldConfig};
use stdx::{Duration, NodeId, WallClock};

/// A fixed cluster with a fixed load. Only what happens in it is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// 3 nodes, 10 clients that make 10 operations a second each, heartbeats every 50 ms, all kinds of faults:
    /// how much faster than real time is it?
    Steady,
    /// The same cluster without faults, its clients asking all the time: how many messages a second?
    Saturated,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Pace {
    /// What the plan is made from. Without a workload of the caller's, the steady ones go
    /// through all, and the saturated ones read and write registers.
    pub(crate) fn draw(self, seed: u64, options: &Options) -> Draw {
        let counted = usize::try_from(seed % Workload::ALL.len() as u64).expect("few workloads");
        let steady = self == Pace::Steady;
        let usual = if steady { Workload::ALL[counted] } else { Workload::Registers };
        let workload = options.workload.unwrap_or(usual);
        // Where expiry is judged, clocks must not jump.
        let clock_jump = if workload == Workload::Expiry { 0 } else { 2 };
        let faults = NemesisConfig { clock_jump, ..NemesisConfig::default() };
        let world = WorldConfig { planted: options.planted, ..WorldConfig::default() };
        let setup = Setup {
            profile: if steady { Profile::Mixed } else { Profile::Calm },
            workload,
            node: node_config(&world),
            world,
            segment_bytes: 1 << 16,
            length: if steady { ms(60_000) } else { ms(5_000) },
            witness: options.witness,
            read_here: false,
        };
        Draw {
            setup,
            nemesis: steady.then_some(faults),
            lull: Duration::ZERO,
            power: Vec::new(),
            clients: 10,
            // Requests come after five eighths of this on average, and one asks for three things in two. An answer
            // takes two milliseconds: the saturated have a request ready soon after it.
            think: if steady { ms(240) } else { Duration::from_micros(2_000) },
            padding: 0,
        }
    }
}

/// What a user gets who configures nothing, but for the size of snapshots.
fn node_config(world: &WorldConfig) -> Config {
    let member = |node| Member { node: NodeId(node), client: format!("node{node}:6379") };
    Config {
        cluster: "swarm".into(),
        node: NodeId(1),
        members: (1..=world.nodes).map(member).collect(),
        request_timeout: ms(5_000),
        requirepass: None,
        max_value: 1 << 20,
        election: (ms(300), ms(600)),
        heartbeat: ms(50),
        snapshot_bytes: 16 << 10,
        transfer_rate: 0,
        chunk_bytes: 4 << 10,
        default_contract: None,
        misses: (0, 1),
        tables: node::TablesConfig::default(),
        version: "swarm",
        started: WallClock(0),
        planted: world.planted,
    }
}
