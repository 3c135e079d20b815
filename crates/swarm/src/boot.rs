//! Makes nodes for the world, exactly as the server does: by [`node::open`].

use crate::describe::describe;
use crate::shadow::Shadow;
use node::{Config, Content, Event, Group, GroupId, Node, Packet};
use sim::{Boot, BootFailed, Booted, SimDisk, Start};
use stdx::{NodeId, Planted, Position};
use storage::{Log, LogConfig};
use wire::Batch;

/// Starts nodes of one cluster and remembers what their logs hold.
#[derive(Debug)]
pub(crate) struct NodeBoot {
    /// `node` is filled in at each start.
    pub(crate) config: Config,
    pub(crate) segment_bytes: u64,
    /// What each node's log says of each group.
    pub(crate) shadow: Shadow,
    /// What starts have reported.
    pub(crate) events: Vec<(NodeId, Event)>,
}

impl NodeBoot {
    fn log_config(&self) -> LogConfig {
        let planted: Planted = self.config.planted;
        LogConfig { segment_bytes: self.segment_bytes, planted }
    }

    /// What a node has, after a crash, is what its log gives back.
    fn read(&mut self, node: NodeId, disk: SimDisk) -> Result<(), BootFailed> {
        self.shadow.forget(node);
        let (mut log, _) = Log::open(disk, self.log_config()).map_err(failed)?;
        log.replay(&mut |at, _, bytes| self.shadow.record(node, at, bytes)).map_err(failed)
    }
}

fn failed(error: impl std::fmt::Display) -> BootFailed {
    BootFailed { reason: error.to_string(), disk: None }
}

impl Boot for NodeBoot {
    type Core = Node;

    fn boot(&mut self, start: Start) -> Result<Booted<Node>, BootFailed> {
        let config = Config { node: start.node, ..self.config.clone() };
        let before = start.disk.clone();
        self.read(start.node, start.disk.clone())?;
        let opened = node::open(start.disk, self.log_config(), config, start.now, start.rng);
        // A start that failed has told nobody anything: it may be tried again as if it had never been.
        let mut opened =
            opened.map_err(|error| BootFailed { disk: Some(Box::new(before)), ..failed(error) })?;
        self.events.extend(opened.events.drain(..).map(|event| (start.node, event)));
        let durable = opened.host.durable();
        assert!(durable.0 > 0, "a start writes one record at least");
        // One record, the raised life, was written by the start itself.
        let recovered = Position(durable.0 - 1);
        let core = opened.host.core().clone();
        Ok(Booted { core, log: opened.log, recovered, durable })
    }

    fn wrote(&mut self, node: NodeId, batch: &Batch) {
        for (at, _, bytes) in batch.records() {
            self.shadow.record(node, at, bytes);
        }
    }

    fn kind(&self, packet: &Packet) -> String {
        let text = match &packet.content {
            Content::Raft { message, .. } => format!("{message:?}"),
            content => format!("{content:?}"),
        };
        text.chars().take_while(char::is_ascii_alphanumeric).collect()
    }

    fn describe(&self, packet: &Packet) -> String {
        describe(&packet.content)
    }

    fn state(&self, core: &Node) -> String {
        let replica = |(group, replica): (GroupId, &Group)| {
            let raft = &replica.raft;
            let role = match (raft.is_leading(), raft.leader()) {
                (true, _) => "leads".to_string(),
                (false, Some(leader)) => format!("follows {leader:?}"),
                (false, None) => "knows no leader".to_string(),
            };
            format!(
                "group {group}: {role}, term {}, log {}, committed {}, applied {}",
                raft.term(),
                raft.last_index(),
                raft.commit_index(),
                replica.machine.applied(),
            )
        };
        core.groups().map(replica).collect::<Vec<_>>().join("; ")
    }
}
