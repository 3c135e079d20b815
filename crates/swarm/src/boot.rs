//! Makes nodes for the world, exactly as the server does: by [`node::open`].

use crate::shadow::Shadow;
use node::{Config, Event, Node, Packet};
use sim::{Boot, BootFailed, Booted, Start};
use stdx::{NodeId, Planted, Position};
use storage::LogConfig;
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
        let opened = node::open(start.disk, self.log_config(), config, start.now, start.rng);
        let mut opened = opened
            .map_err(|error| BootFailed { reason: error.to_string(), disk: None })?;
        self.events.extend(opened.events.drain(..).map(|event| (start.node, event)));
        self.shadow.forget(start.node);
        let shadow = &mut self.shadow;
        let replayed = opened.log.replay(&mut |at, _, bytes| shadow.record(start.node, at, bytes));
        if let Err(error) = replayed {
            return Err(BootFailed { reason: error.to_string(), disk: None });
        }
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

    fn describe(&self, packet: &Packet) -> String {
        let text = format!("{:?}", packet.content);
        text.chars().take(300).collect()
    }
}
