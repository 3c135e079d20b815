//! How a link between two nodes begins: the dialer says who it is and whom it wants, the other side answers.
//! A wrong address, a wrong cluster or a wrong version is found here, by name, and not later by confusion.

use std::fmt;
use stdx::NodeId;
use wire::wire_enum;

/// The version of everything that travels on a link. Frames carry their own version bytes as well; this one
/// lets a node refuse a stranger with a sentence.
pub(crate) const LINK_VERSION: u32 = 1;

/// The kind of a frame that holds a [`Greeting`].
pub(crate) const GREETING: u8 = 1;
/// The kind of a frame that holds a message of the core.
pub(crate) const MESSAGE: u8 = 2;

/// The first frame of either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// From the dialer.
    Hello { cluster: String, from: NodeId, to: NodeId, version: u32 },
    /// The link is up.
    Welcome,
    /// It is not, because.
    Refused { reason: String },
}

wire_enum!(Greeting, version 1 {
    1 => Hello { cluster, from, to, version },
    2 => Welcome,
    3 => Refused { reason },
});

/// What a node checks a greeting against.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) cluster: String,
    pub(crate) me: NodeId,
}

/// Why a greeting was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    OtherCluster { theirs: String, ours: String },
    OtherNode { wanted: NodeId, here: NodeId },
    Stranger(NodeId),
    OtherVersion(u32),
    NotAHello,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::OtherCluster { theirs, ours } => write!(
                f,
                "it is of cluster \"{theirs}\", this node of \"{ours}\": check `cluster` and the \
                 peer addresses in both configurations"
            ),
            Refusal::OtherNode { wanted, here } => write!(
                f,
                "it looks for node {wanted}, but this is node {here}: check the addresses in `join`"
            ),
            Refusal::Stranger(node) => {
                write!(f, "node {node} is not among the members in `join` of this node")
            }
            Refusal::OtherVersion(theirs) => write!(
                f,
                "it speaks version {theirs} of the node protocol, this node version {LINK_VERSION}"
            ),
            Refusal::NotAHello => f.write_str("it did not begin with a hello"),
        }
    }
}

impl Identity {
    /// What this node says first to `to`.
    pub(crate) fn hello(&self, to: NodeId) -> Greeting {
        let (cluster, from) = (self.cluster.clone(), self.me);
        Greeting::Hello { cluster, from, to, version: LINK_VERSION }
    }

    /// Who greets, or why it is refused. `member` says which ids this node knows as peers.
    pub(crate) fn admit(
        &self,
        greeting: Greeting,
        member: impl Fn(NodeId) -> bool,
    ) -> Result<NodeId, Refusal> {
        let Greeting::Hello { cluster, from, to, version } = greeting else {
            return Err(Refusal::NotAHello);
        };
        if version != LINK_VERSION {
            return Err(Refusal::OtherVersion(version));
        }
        if cluster != self.cluster {
            return Err(Refusal::OtherCluster { theirs: cluster, ours: self.cluster.clone() });
        }
        if to != self.me {
            return Err(Refusal::OtherNode { wanted: to, here: self.me });
        }
        if from == self.me || !member(from) {
            return Err(Refusal::Stranger(from));
        }
        Ok(from)
    }
}

#[cfg(test)]
mod tests;
