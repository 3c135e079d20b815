//! A replay file: a plan in JSON lines, to be read, edited and run again (docs/simulator.md has an example). Blank
//! lines and lines that begin with `#` are passed over.

use super::words::{FaultWords, Name, NtpWords, Span, SpreadWords, command, spoken};
use crate::{Failure, nodes};
use node::contract::{Contract, Reads, TableKind};
use serde::{Deserialize, Serialize};
use sim::{ClockConfig, DiskConfig, Fault, NetConfig, Ntp, Spread, WorldConfig};
use std::path::Path;
use stdx::{NodeId, Planted, WallClock};
use swarm::{Plan, Profile, Report, Request, Setup, Workload};

/// The form of the file.
const VERSION: u64 = 1;
/// A log's header and a record of some size have room in so many bytes.
const LEAST_SEGMENT: u64 = 1 << 12;

/// A plan, and what came of it when it was written.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) head: Head,
    pub(crate) plan: Plan,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Replay(Head),
    Run(RunLine),
    Network(Network),
    Disks(Disks),
    Clocks(Clocks),
    Nodes(Nodes),
    Fault(FaultLine),
    Request(RequestLine),
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    /// Of the file's form.
    pub(crate) version: u64,
    /// What wrote it: a plan means what it means in one version only.
    pub(crate) atoll: String,
    /// What is left to chance is drawn from this.
    pub(crate) seed: u64,
    /// Of the run, when it was written.
    pub(crate) digest: String,
    /// The same.
    pub(crate) verdict: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunLine {
    profile: Name<Profile>,
    workload: Name<Workload>,
    length: Span,
    witness: bool,
    /// Whether every second client lets replicas of its node answer its reads.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    read_here: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    #[serde(with = "SpreadWords")]
    delay: Spread,
    loss_ppm: u64,
    duplicate_ppm: u64,
    reorder_ppm: u64,
    late_ppm: u64,
    /// Messages that one link holds back at most.
    held: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disks {
    #[serde(with = "SpreadWords")]
    sync: Spread,
    fail_ppm: u64,
    #[serde(with = "SpreadWords")]
    restart: Spread,
    segment_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clocks {
    drift_ppm: u64,
    skew: Span,
    wall_error: Span,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ntp: Option<NtpLine>,
}

#[derive(Serialize, Deserialize)]
struct NtpLine(#[serde(with = "NtpWords")] Ntp);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nodes {
    count: u64,
    #[serde(with = "SpreadWords")]
    turn: Spread,
    #[serde(with = "SpreadWords")]
    detect: Spread,
    inbox: usize,
    request_timeout: Span,
    election: (Span, Span),
    heartbeat: Span,
    max_value: usize,
    snapshot_bytes: u64,
    chunk_bytes: usize,
    #[serde(default)]
    transfer_rate: u64,
    misses: (u64, u64),
    /// Where the keys are, if not in memory: on disk, with so many bytes of memory for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_disk: Option<u64>,
    /// Whether reads of `default` are by lease, with the bound that the clocks keep to.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    leases: bool,
}

impl Nodes {
    /// The field that no cluster can have so, and what is expected of it.
    fn impossible(&self) -> Option<(&'static str, &'static str)> {
        let wrong = [
            (!(1..=64).contains(&self.count), "count", "1 to 64 nodes"),
            (self.inbox == 0, "inbox", "1 at least"),
            (self.heartbeat.0.is_zero(), "heartbeat", "a time that is not zero"),
            (self.election.0.0.is_zero(), "election", "times that are not zero"),
            (self.election.0.0 > self.election.1.0, "election", "the shorter time first"),
            (self.chunk_bytes == 0, "chunk_bytes", "1 at least"),
            (self.misses.1 == 0, "misses", "a share such as [1,4]"),
        ];
        wrong.into_iter().find(|(wrong, ..)| *wrong).map(|(_, field, expected)| (field, expected))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultLine {
    at: Span,
    #[serde(with = "FaultWords")]
    what: Fault,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    at: Span,
    client: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    db: u64,
    ask: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The file of a plan and of what came of it.
pub(crate) fn text(plan: &Plan, report: &Report) -> String {
    let head = Head {
        version: VERSION,
        atoll: nodes::VERSION.into(),
        seed: plan.seed,
        digest: format!("{:016x}", report.digest),
        verdict: report.verdict.to_string(),
    };
    let mut lines = vec![Line::Replay(head)];
    lines.extend(setup(&plan.setup));
    let mut timed: Vec<(u128, Line)> = Vec::new();
    for (at, what) in &plan.faults {
        let line = FaultLine { at: Span(*at), what: what.clone() };
        timed.push((at.as_nanos(), Line::Fault(line)));
    }
    for Request { at, client, db, commands } in &plan.requests {
        let ask = commands.iter().map(spoken).collect();
        let line = RequestLine { at: Span(*at), client: *client, db: *db, ask };
        timed.push((at.as_nanos(), Line::Request(line)));
    }
    timed.sort_by_key(|(at, _)| *at);
    lines.extend(timed.into_iter().map(|(_, line)| line));
    lines.iter().map(|line| serde_json::to_string(line).expect("plain data") + "\n").collect()
}

fn setup(setup: &Setup) -> [Line; 5] {
    let Setup { profile, workload, world, node, segment_bytes, length, witness, read_here } = setup;
    let told = |what: fn(&Contract) -> bool| node.default_contract.as_ref().is_some_and(what);
    let NetConfig { delay, loss_ppm, duplicate_ppm, reorder_ppm, late_ppm } = world.net;
    let DiskConfig { sync, fail_ppm, restart } = world.disk;
    let ClockConfig { drift_ppm, skew, wall_error, ntp } = world.clock;
    [
        Line::Run(RunLine {
            profile: Name(*profile),
            workload: Name(*workload),
            length: Span(*length),
            witness: *witness,
            read_here: *read_here,
        }),
        Line::Network(Network {
            delay,
            loss_ppm,
            duplicate_ppm,
            reorder_ppm,
            late_ppm,
            held: world.held,
        }),
        Line::Disks(Disks { sync, fail_ppm, restart, segment_bytes: *segment_bytes }),
        Line::Clocks(Clocks {
            drift_ppm,
            skew: Span(skew),
            wall_error: Span(wall_error),
            ntp: ntp.map(NtpLine),
        }),
        Line::Nodes(Nodes {
            count: world.nodes,
            turn: world.turn,
            detect: world.detect,
            inbox: world.inbox,
            request_timeout: Span(node.request_timeout),
            election: (Span(node.election.0), Span(node.election.1)),
            heartbeat: Span(node.heartbeat),
            max_value: node.max_value,
            snapshot_bytes: node.snapshot_bytes,
            chunk_bytes: node.chunk_bytes,
            transfer_rate: node.transfer_rate,
            misses: node.misses,
            on_disk: told(|contract| contract.table == TableKind::Disk)
                .then_some(node.tables.cache),
            leases: told(|contract| matches!(contract.reads, Reads::Lease { .. })),
        }),
    ]
}

/// Reads a replay file.
pub(crate) fn read(path: &Path) -> Result<Replay, Failure> {
    let named = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    parse(&text).map_err(named)
}

/// The parts of a file, as far as they were met.
#[derive(Default)]
struct Parts {
    head: Option<Head>,
    run: Option<RunLine>,
    network: Option<Network>,
    disks: Option<Disks>,
    clocks: Option<Clocks>,
    nodes: Option<Nodes>,
    /// With the numbers of their lines.
    faults: Vec<(usize, Fault, Span)>,
    requests: Vec<Request>,
}

/// A plan from its file's text.
///
/// # Errors
/// Where it cannot be understood, by line and column, and what was expected.
pub(crate) fn parse(text: &str) -> Result<Replay, String> {
    let mut parts = Parts::default();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = serde_json::from_str(line).map_err(|error| {
            let (text, column) = (error.to_string(), error.column());
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
            format!("line {number}, column {column}: {text}")
        })?;
        parts.add(parsed, number, line)?;
    }
    let count = text.lines().count();
    let missing =
        |what: &str| format!("line {count}, column 1: expected a line {{\"{what}\":...}}");
    let head = parts.head.ok_or_else(|| missing("replay"))?;
    let run = parts.run.ok_or_else(|| missing("run"))?;
    let network = parts.network.ok_or_else(|| missing("network"))?;
    let disks = parts.disks.ok_or_else(|| missing("disks"))?;
    let clocks = parts.clocks.ok_or_else(|| missing("clocks"))?;
    let nodes = parts.nodes.ok_or_else(|| missing("nodes"))?;
    let here = |id: NodeId| (1..=nodes.count).contains(&id.0).then_some(id);
    for (number, fault, _) in &parts.faults {
        if fault.renamed(&here).as_ref() != Some(fault) {
            let line = text.lines().nth(number - 1).unwrap_or_default();
            let column = column(line, "\"what\"");
            let nodes = nodes.count;
            return Err(format!(
                "line {number}, column {column}: expected nodes from 1 to {nodes}"
            ));
        }
    }
    let mut faults: Vec<_> = parts.faults.into_iter().map(|(_, what, at)| (at.0, what)).collect();
    faults.sort_by_key(|(at, _)| *at);
    let mut requests = parts.requests;
    requests.sort_by_key(|request| request.at);
    let setup = made(&run, &network, &disks, &clocks, &nodes);
    let plan = Plan { seed: head.seed, setup, faults, requests };
    Ok(Replay { head, plan })
}

fn column(line: &str, what: &str) -> usize {
    line.find(what).map_or(1, |at| at + 1)
}

impl Parts {
    fn add(&mut self, parsed: Line, number: usize, line: &str) -> Result<(), String> {
        let at = |word: &str, text: String| {
            Err(format!("line {number}, column {}: {text}", column(line, word)))
        };
        let again = match parsed {
            Line::Replay(head) if head.version != VERSION => {
                return at("\"version\"", format!("expected version {VERSION}"));
            }
            Line::Replay(head) => self.head.replace(head).is_some(),
            Line::Run(run) => self.run.replace(run).is_some(),
            Line::Network(network) => self.network.replace(network).is_some(),
            Line::Disks(disks) if disks.segment_bytes < LEAST_SEGMENT => {
                let text = format!("expected {LEAST_SEGMENT} bytes at least");
                return at("\"segment_bytes\"", text);
            }
            Line::Disks(disks) => self.disks.replace(disks).is_some(),
            Line::Clocks(clocks) => self.clocks.replace(clocks).is_some(),
            Line::Nodes(nodes) => {
                if let Some((field, expected)) = nodes.impossible() {
                    return at(&format!("\"{field}\""), format!("expected {expected}"));
                }
                self.nodes.replace(nodes).is_some()
            }
            Line::Fault(FaultLine { at, what }) => {
                self.faults.push((number, what, at));
                false
            }
            Line::Request(RequestLine { at: when, client, db, ask }) => {
                let commands = ask.iter().map(|text| command(text)).collect::<Result<Vec<_>, _>>();
                let commands = match commands {
                    Ok(commands) => commands,
                    Err(why) => return at("\"ask\"", why),
                };
                if let Err((which, why)) = swarm::understand(&commands) {
                    return at("\"ask\"", format!("command {}: {why}", which + 1));
                }
                self.requests.push(Request { at: when.0, client, db, commands });
                false
            }
        };
        if again { at("{", "expected this part once only".into()) } else { Ok(()) }
    }
}

fn made(run: &RunLine, net: &Network, disks: &Disks, clocks: &Clocks, nodes: &Nodes) -> Setup {
    let world = WorldConfig {
        nodes: nodes.count,
        net: NetConfig {
            delay: net.delay,
            loss_ppm: net.loss_ppm,
            duplicate_ppm: net.duplicate_ppm,
            reorder_ppm: net.reorder_ppm,
            late_ppm: net.late_ppm,
        },
        disk: DiskConfig { sync: disks.sync, fail_ppm: disks.fail_ppm, restart: disks.restart },
        clock: ClockConfig {
            drift_ppm: clocks.drift_ppm,
            skew: clocks.skew.0,
            wall_error: clocks.wall_error.0,
            ntp: clocks.ntp.as_ref().map(|ntp| ntp.0),
        },
        turn: nodes.turn,
        detect: nodes.detect,
        inbox: nodes.inbox,
        held: net.held,
        planted: Planted::NONE,
    };
    let member =
        |number| node::Member { node: NodeId(number), client: format!("node{number}:6379") };
    let leased = nodes.leases.then(|| swarm::leased(&world));
    let node = node::Config {
        cluster: "swarm".into(),
        node: NodeId(1),
        members: (1..=nodes.count).map(member).collect(),
        request_timeout: nodes.request_timeout.0,
        requirepass: None,
        max_value: nodes.max_value,
        election: (nodes.election.0.0, nodes.election.1.0),
        heartbeat: nodes.heartbeat.0,
        snapshot_bytes: nodes.snapshot_bytes,
        chunk_bytes: nodes.chunk_bytes,
        transfer_rate: nodes.transfer_rate,
        default_contract: match nodes.on_disk {
            Some(_) => Some(swarm::on_disk(leased, &world)),
            None => leased,
        },
        misses: nodes.misses,
        tables: nodes.on_disk.map_or_else(node::TablesConfig::default, |cache| {
            node::TablesConfig { memory: 0, cache }
        }),
        version: "swarm",
        started: WallClock(0),
        planted: Planted::NONE,
    };
    Setup {
        profile: run.profile.0,
        workload: run.workload.0,
        world,
        node,
        segment_bytes: disks.segment_bytes,
        length: run.length.0,
        witness: run.witness,
        read_here: run.read_here,
    }
}

#[cfg(test)]
mod tests;
