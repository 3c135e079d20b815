//! Who belongs to a group and whose agreement counts (chapter 4), as pure arithmetic: no messages and no time.

use alloc::vec::Vec;
use protocol::{NodeId, NodeSet, quorum};
use wire::wire_struct;

/// The members of a group. While `outgoing` is not empty it is a joint configuration, C(old,new) of section 4.3:
/// whatever needs a majority needs one of `voters` and one of `outgoing`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// Who votes; while joint, the new half.
    pub voters: NodeSet,
    /// The old half while joint, else empty.
    pub outgoing: NodeSet,
    /// Who receives the log without a vote (section 4.2.1). One that is also in `outgoing` votes there until the
    /// joint configuration is left.
    pub learners: NodeSet,
}
wire_struct!(Configuration { voters, outgoing, learners });

/// `2,3,4 from 1,2,3 learning 5`.
impl core::fmt::Display for Configuration {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let parts =
            [("", &self.voters), (" from ", &self.outgoing), (" learning ", &self.learners)];
        for (word, members) in parts.into_iter().filter(|(_, members)| !members.is_empty()) {
            f.write_str(word)?;
            for (nth, id) in members.iter().enumerate() {
                write!(f, "{}{id}", if nth == 0 { "" } else { "," })?;
            }
        }
        Ok(())
    }
}

impl Configuration {
    /// Voters, and nobody else.
    pub fn of(voters: NodeSet) -> Configuration {
        Configuration { voters, ..Configuration::default() }
    }

    /// Whether there are only voters: all that release 0.1 could say.
    pub fn is_plain(&self) -> bool {
        self.outgoing.is_empty() && self.learners.is_empty()
    }

    /// Whether it is the way from one set of voters to another.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Somebody votes, and nobody is voter and learner of the same half.
    pub fn is_valid(&self) -> bool {
        !self.voters.is_empty() && self.voters.overlap(&self.learners) == 0
    }

    /// Whether `id` votes, in either half.
    pub fn votes(&self, id: NodeId) -> bool {
        self.voters.contains(id) || self.outgoing.contains(id)
    }

    /// Whether `id` is a member of any kind.
    pub fn contains(&self, id: NodeId) -> bool {
        self.votes(id) || self.learners.contains(id)
    }

    /// All members.
    pub fn members(&self) -> NodeSet {
        self.electors().iter().chain(self.learners.iter()).collect()
    }

    /// Who votes, in either half.
    pub fn electors(&self) -> NodeSet {
        self.voters.iter().chain(self.outgoing.iter()).collect()
    }

    /// Whether `acks` holds a majority of each half. Members without a vote do not count.
    pub fn reached(&self, acks: &NodeSet) -> bool {
        let old = self.outgoing.is_empty() || quorum::reached(&self.outgoing, acks);
        old && quorum::reached(&self.voters, acks)
    }

    /// The highest value that a majority of each half has reached; 0 if nobody votes.
    pub fn agreed(&self, value: impl Fn(NodeId) -> u64) -> u64 {
        let of = |half: &NodeSet| {
            let mut values: Vec<u64> = half.iter().map(&value).collect();
            quorum::committed(&mut values)
        };
        let new = of(&self.voters);
        if self.outgoing.is_empty() { new } else { new.min(of(&self.outgoing)) }
    }

    /// The configuration that begins the change to `voters` and `learners`: a joint one, unless the voters stay.
    /// A change that is under way must have ended.
    pub fn towards(&self, voters: NodeSet, learners: NodeSet) -> Configuration {
        assert!(!self.is_joint(), "a change begun within another");
        let outgoing = if voters == self.voters { NodeSet::new() } else { self.voters.clone() };
        Configuration { voters, outgoing, learners }
    }

    /// What a joint configuration leads to: its new half.
    pub fn left(&self) -> Configuration {
        assert!(self.is_joint(), "nothing to leave");
        Configuration { outgoing: NodeSet::new(), ..self.clone() }
    }
}
