//! Makes nodes for the world, as the server does by [`node::start`].

use crate::describe::describe;
use crate::shadow::Shadow;
use node::{Config, Content, Event, Group, GroupId, Node, Packet, Record};
use sim::{Boot, BootFailed, Booted, Start};
use stdx::{Bytes, NodeId, Planted, Position, Prng};
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
}

impl Boot for NodeBoot {
    type Core = Node;

    fn boot(&mut self, start: Start) -> Result<Booted<Node>, BootFailed> {
        let config = Config { node: start.node, ..self.config.clone() };
        // A start that failed has told nobody anything: it may be tried again as if it had never been.
        let before = start.disk.clone();
        let failed = |error: &dyn std::fmt::Display| BootFailed {
            reason: error.to_string(),
            disk: Some(Box::new(before.clone())),
        };
        let opened = Log::open(start.disk, self.log_config());
        let recovered = opened.map_err(|error| failed(&error))?;
        // What a node has, after a crash, is what its log gives back.
        self.shadow.forget(start.node);
        let witness = &mut |at, record: &Record| self.shadow.record(start.node, at, record);
        let opened = node::start(recovered, config, start.now, start.rng, witness);
        let mut opened = opened.map_err(|error| failed(&error))?;
        self.events.extend(opened.events.drain(..).map(|event| (start.node, event)));
        let durable = opened.host.durable();
        assert!(durable.0 > 0, "a start writes one record at least");
        // One record, the raised life, was written by the start itself.
        let recovered = Position(durable.0 - 1);
        Ok(Booted { core: opened.host.into_core(), log: opened.log, recovered, durable })
    }

    fn wrote(&mut self, node: NodeId, batch: &Batch) {
        for (at, _, bytes) in batch.records() {
            if let Ok(record) = wire::decode_all(bytes) {
                self.shadow.record(node, at, &record);
            }
        }
    }

    fn damage(&self, packet: &mut Packet, prng: &mut Prng) -> bool {
        let Content::Raft { message, .. } = &mut packet.content else { return false };
        let payload = match message {
            raft::Message::Append { entries, .. } => {
                entries.iter_mut().find_map(|entry| match &mut entry.kind {
                    raft::Kind::Command(payload) => Some(payload),
                    raft::Kind::Noop | raft::Kind::Config(_) => None,
                })
            }
            raft::Message::Chunk { bytes, .. } => Some(bytes),
            _ => None,
        };
        let Some(payload) = payload else { return false };
        let mut bytes = payload.to_vec();
        let bit = prng.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        *payload = Bytes::from(bytes);
        true
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
