//! Faults as data: what a nemesis plans and a world carries out.

use crate::{Byzantine, Model, Spread};
use std::fmt;
use stdx::{Duration, NodeId, NodeSet};

/// One thing that goes wrong, or right again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node crashes: at once, or between two actions of one of its next turns, as drawn.
    Crash(NodeId),
    /// The node starts again, if it is down and may.
    Restart(NodeId),
    /// The node crashes and never starts again: not by `Restart`, not by `HealAll`.
    CrashStop(NodeId),
    /// `CrashStop`, and every other node is told, after [`crate::WorldConfig::detect`].
    FailStop(NodeId),
    /// The node takes no turn for a while; from now on or from between two of its next actions, as drawn.
    Pause(NodeId, Duration),
    /// From an input to the turn that takes it, the node needs this long, until healed.
    SlowNode(NodeId, Spread),
    /// Of what the node sends, so many of a million never leave it, until healed.
    SendOmission(NodeId, u64),
    /// Of what arrives at the node, so many of a million are never seen by it, until healed.
    ReceiveOmission(NodeId, u64),
    /// Nothing passes between these nodes and the others, either way.
    Isolate(NodeSet),
    /// Nothing passes from the first to the second; the other way is as it was.
    OneWay(NodeSet, NodeSet),
    /// Two halves that both still talk with the bridge, and not with each other.
    Bridge {
        /// The node both sides see.
        bridge: NodeId,
        /// One half; the other is the rest.
        half: NodeSet,
    },
    /// What one node sends another is held back until the link is released or healed.
    Clog(NodeId, NodeId),
    /// The opposite of `Clog`.
    Release(NodeId, NodeId),
    /// All links lose this many messages of a million, until healed.
    Loss(u64),
    /// All links deliver this many messages of a million twice, until healed.
    Duplicate(u64),
    /// On all links this many messages of a million do not keep their order, until healed.
    Reorder(u64),
    /// Of what all links carry, so many messages of a million arrive with one bit of their payload flipped, until
    /// healed; what a payload is, [`crate::Boot::damage`] says.
    Damage(u64),
    /// All links take this long, until healed.
    Delay(Spread),
    /// What the first sends the second takes this long, until healed.
    SlowLink(NodeId, NodeId, Spread),
    /// The node's disk takes this long to sync, until healed.
    SlowDisk(NodeId, Spread),
    /// The node's next sync fails, if it is up: what it should have persisted never will be.
    FailSync(NodeId),
    /// The files of the node's disk can grow no more, until healed.
    FullDisk(NodeId),
    /// One bit of the node's disk is flipped: this one, counted through all files (modulo their size).
    BitRot(NodeId, u64),
    /// The node's next write lands at this byte, counted through all files (modulo their size), and success
    /// is reported.
    Misdirect(NodeId, u64),
    /// The node's wall clock jumps by so many microseconds.
    ClockJump(NodeId, i64),
    /// The node lies to its peers like this, until healed; it does not know it.
    Byzantine(NodeId, Byzantine),
    /// The power of all nodes fails: all crash, now.
    PowerOff,
    /// The power is back: every node that may starts again.
    PowerOn,
    /// Cuts, clogs, losses, delays, lies, omissions and all that is slow or full end; nodes stay as they are, and
    /// so does what is damaged.
    Heal,
    /// `Heal`, and every node that may is up and runs.
    HealAll,
}

impl Fault {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Restart(_) => "restart",
            Fault::Release(..) => "release",
            Fault::PowerOff => "power off",
            Fault::PowerOn => "power on",
            Fault::Heal => "heal",
            Fault::HealAll => "heal all",
            _ => self.model().map_or("fault", Model::name),
        }
    }

    /// The failure model it belongs to; none for what mends.
    pub fn model(&self) -> Option<Model> {
        match self {
            Fault::Crash(_) | Fault::PowerOff => Some(Model::CrashRecovery),
            Fault::CrashStop(_) => Some(Model::CrashStop),
            Fault::FailStop(_) => Some(Model::FailStop),
            Fault::Pause(..) => Some(Model::Pause),
            Fault::SlowNode(..) => Some(Model::SlowProcess),
            Fault::SendOmission(..) => Some(Model::SendOmission),
            Fault::ReceiveOmission(..) => Some(Model::ReceiveOmission),
            Fault::Isolate(_) => Some(Model::Partition),
            Fault::OneWay(..) => Some(Model::AsymmetricPartition),
            Fault::Bridge { .. } => Some(Model::PartialPartition),
            Fault::Clog(..) => Some(Model::CloggedLink),
            Fault::Loss(_) => Some(Model::Loss),
            Fault::Duplicate(_) => Some(Model::Duplication),
            Fault::Reorder(_) => Some(Model::Reordering),
            Fault::Damage(_) => Some(Model::DamagedMessage),
            Fault::Delay(_) => Some(Model::Delay),
            Fault::SlowLink(..) => Some(Model::SlowLink),
            Fault::SlowDisk(..) => Some(Model::SlowDisk),
            Fault::FailSync(_) => Some(Model::FailingSync),
            Fault::FullDisk(_) => Some(Model::FullDisk),
            Fault::BitRot(..) => Some(Model::BitRot),
            Fault::Misdirect(..) => Some(Model::MisdirectedWrite),
            Fault::ClockJump(..) => Some(Model::ClockJump),
            Fault::Byzantine(..) => Some(Model::Byzantine),
            Fault::Restart(_)
            | Fault::Release(..)
            | Fault::PowerOn
            | Fault::Heal
            | Fault::HealAll => None,
        }
    }

    /// The same among nodes with other numbers; none if it befalls nobody who is still there.
    pub fn renamed(&self, name: &dyn Fn(NodeId) -> Option<NodeId>) -> Option<Fault> {
        let some = |nodes: &NodeSet| -> Option<NodeSet> {
            let nodes: NodeSet = nodes.iter().filter_map(name).collect();
            (!nodes.is_empty()).then_some(nodes)
        };
        Some(match self {
            Fault::Crash(node) => Fault::Crash(name(*node)?),
            Fault::Restart(node) => Fault::Restart(name(*node)?),
            Fault::CrashStop(node) => Fault::CrashStop(name(*node)?),
            Fault::FailStop(node) => Fault::FailStop(name(*node)?),
            Fault::Pause(node, span) => Fault::Pause(name(*node)?, *span),
            Fault::SlowNode(node, spread) => Fault::SlowNode(name(*node)?, *spread),
            Fault::SendOmission(node, ppm) => Fault::SendOmission(name(*node)?, *ppm),
            Fault::ReceiveOmission(node, ppm) => Fault::ReceiveOmission(name(*node)?, *ppm),
            Fault::Isolate(side) => Fault::Isolate(some(side)?),
            Fault::OneWay(from, to) => Fault::OneWay(some(from)?, some(to)?),
            Fault::Bridge { bridge, half } => {
                Fault::Bridge { bridge: name(*bridge)?, half: some(half)? }
            }
            Fault::Clog(from, to) => Fault::Clog(name(*from)?, name(*to)?),
            Fault::Release(from, to) => Fault::Release(name(*from)?, name(*to)?),
            Fault::SlowLink(from, to, spread) => Fault::SlowLink(name(*from)?, name(*to)?, *spread),
            Fault::SlowDisk(node, spread) => Fault::SlowDisk(name(*node)?, *spread),
            Fault::FailSync(node) => Fault::FailSync(name(*node)?),
            Fault::FullDisk(node) => Fault::FullDisk(name(*node)?),
            Fault::BitRot(node, bit) => Fault::BitRot(name(*node)?, *bit),
            Fault::Misdirect(node, byte) => Fault::Misdirect(name(*node)?, *byte),
            Fault::ClockJump(node, micros) => Fault::ClockJump(name(*node)?, *micros),
            Fault::Byzantine(node, how) => {
                let silent_to = how.silent_to.iter().filter_map(name).collect();
                Fault::Byzantine(name(*node)?, Byzantine { silent_to, ..how.clone() })
            }
            Fault::Loss(_)
            | Fault::Duplicate(_)
            | Fault::Reorder(_)
            | Fault::Damage(_)
            | Fault::Delay(_)
            | Fault::PowerOff
            | Fault::PowerOn
            | Fault::Heal
            | Fault::HealAll => self.clone(),
        })
    }

    /// The one node it befalls, if it is one.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Fault::Crash(node)
            | Fault::Restart(node)
            | Fault::CrashStop(node)
            | Fault::FailStop(node)
            | Fault::Pause(node, _)
            | Fault::SlowNode(node, _)
            | Fault::SendOmission(node, _)
            | Fault::ReceiveOmission(node, _)
            | Fault::Clog(node, _)
            | Fault::Release(node, _)
            | Fault::SlowLink(node, ..)
            | Fault::SlowDisk(node, _)
            | Fault::FailSync(node)
            | Fault::FullDisk(node)
            | Fault::BitRot(node, _)
            | Fault::Misdirect(node, _)
            | Fault::ClockJump(node, _)
            | Fault::Byzantine(node, _) => Some(*node),
            Fault::Isolate(_)
            | Fault::OneWay(..)
            | Fault::Bridge { .. }
            | Fault::Loss(_)
            | Fault::Duplicate(_)
            | Fault::Reorder(_)
            | Fault::Damage(_)
            | Fault::Delay(_)
            | Fault::PowerOff
            | Fault::PowerOn
            | Fault::Heal
            | Fault::HealAll => None,
        }
    }
}

/// In words.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Crash(node) => write!(f, "node {node} crashes, now or within its next actions"),
            Fault::Restart(node) => write!(f, "node {node} may start again"),
            Fault::CrashStop(node) => write!(f, "node {node} stops for good"),
            Fault::FailStop(node) => write!(f, "node {node} stops for good, and all are told"),
            Fault::Byzantine(node, _) => write!(f, "node {node} turns Byzantine"),
            Fault::Pause(node, span) => write!(f, "node {node} takes no turn for {span:.1?}"),
            Fault::SlowNode(node, slow) => write!(f, "node {node} is slow: a turn takes {slow}"),
            Fault::SendOmission(node, ppm) => {
                write!(f, "node {node} omits to send {} of its messages", percent(*ppm))
            }
            Fault::ReceiveOmission(node, ppm) => {
                write!(f, "node {node} omits to receive {} of its messages", percent(*ppm))
            }
            Fault::Isolate(side) => write!(f, "{} cut off from the others", are(side)),
            Fault::OneWay(from, to) => write!(f, "{} not heard by {}", are(from), names(to)),
            Fault::Bridge { bridge, half } => {
                write!(f, "{} cut off from all others but node {bridge}", are(half))
            }
            Fault::Clog(from, to) => write!(f, "the link from node {from} to node {to} is clogged"),
            Fault::Release(from, to) => {
                write!(f, "the link from node {from} to node {to} is released")
            }
            Fault::Loss(ppm) => write!(f, "all links lose {} of their messages", percent(*ppm)),
            Fault::Duplicate(ppm) => {
                write!(f, "all links deliver {} of their messages twice", percent(*ppm))
            }
            Fault::Reorder(ppm) => {
                write!(f, "on all links {} of the messages overtake others", percent(*ppm))
            }
            Fault::Damage(ppm) => write!(f, "all links damage {} of their messages", percent(*ppm)),
            Fault::Delay(slow) => write!(f, "all links are slow: a message takes {slow}"),
            Fault::SlowLink(from, to, slow) => {
                write!(f, "the link from node {from} to node {to} is slow: a message takes {slow}")
            }
            Fault::SlowDisk(node, slow) => {
                write!(f, "node {node} has a slow disk: a sync takes {slow}")
            }
            Fault::FailSync(node) => write!(f, "the next sync of node {node} fails"),
            Fault::FullDisk(node) => write!(f, "the disk of node {node} is full"),
            Fault::BitRot(node, bit) => write!(f, "bit {bit} of the disk of node {node} flips"),
            Fault::Misdirect(node, byte) => {
                write!(f, "the next write of node {node} lands at byte {byte}")
            }
            Fault::ClockJump(node, micros) => {
                write!(f, "the wall clock of node {node} jumps by {} ms", micros / 1_000)
            }
            Fault::PowerOff => f.write_str("the power of all nodes fails"),
            Fault::PowerOn => f.write_str("the power is back"),
            Fault::Heal => f.write_str("links, disks and speeds are as they should be again"),
            Fault::HealAll => f.write_str("all is healed"),
        }
    }
}

fn percent(ppm: u64) -> String {
    format!("{}%", ppm / 10_000)
}

fn names(nodes: &NodeSet) -> String {
    let names: Vec<String> = nodes.iter().map(|node| node.to_string()).collect();
    match names.as_slice() {
        [one] => format!("node {one}"),
        _ => format!("nodes {}", names.join(", ")),
    }
}

fn are(nodes: &NodeSet) -> String {
    format!("{} {}", names(nodes), if nodes.len() == 1 { "is" } else { "are" })
}
