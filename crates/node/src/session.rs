//! Exactly once: what a retried proposal is answered without being executed again (Ongaro's thesis, 6.3).
//!
//! Part of a group's replicated state: changed by log entries only, kept in snapshots, the same on all replicas.

use crate::proposal::{Outcome, Session};
use alloc::collections::BTreeMap;
use stdx::NodeId;
use wire::wire_struct;

/// The window of each gateway's requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sessions(BTreeMap<NodeId, Window>);

/// One gateway's life. Bounded by what that gateway has outstanding.
#[derive(Clone, Debug, Default, PartialEq)]
struct Window {
    life: u64,
    low_water: u64,
    outcomes: BTreeMap<u64, Outcome>,
}

wire_struct!(Window { life, low_water, outcomes });

impl wire::Wire for Sessions {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(from: &mut wire::Reader<'_>) -> Result<Sessions, wire::WireError> {
        BTreeMap::decode(from).map(Sessions)
    }
}

impl Sessions {
    /// Whether the request must be executed now, or what it was answered before.
    ///
    /// A request of an older life, or below the low-water mark, must not be executed: its gateway has told its
    /// client that the outcome is unknown, or is gone.
    pub(crate) fn admit(&mut self, session: &Session) -> Result<(), Outcome> {
        let window = self.0.entry(session.node).or_default();
        if session.life < window.life {
            return Err(Outcome::Forgotten);
        }
        if session.life > window.life {
            *window = Window { life: session.life, ..Window::default() };
        }
        if session.low_water > window.low_water {
            window.low_water = session.low_water;
            window.outcomes = window.outcomes.split_off(&session.low_water);
        }
        if session.sequence < window.low_water {
            return Err(Outcome::Forgotten);
        }
        window.outcomes.get(&session.sequence).cloned().map_or(Ok(()), Err)
    }

    /// Remembers the outcome of a request that `admit` let through.
    pub(crate) fn remember(&mut self, session: &Session, outcome: &Outcome) {
        let window = self.0.get_mut(&session.node).expect("admitted a moment ago");
        assert_eq!(window.life, session.life, "remembering for another life");
        let before = window.outcomes.insert(session.sequence, outcome.clone());
        assert!(before.is_none(), "request {} executed twice", session.sequence);
    }

    /// Every window holds only what its gateway may still ask about.
    pub(crate) fn check(&self) {
        for window in self.0.values() {
            if let Some((first, _)) = window.outcomes.first_key_value() {
                assert!(*first >= window.low_water, "outcome below the low-water mark");
            }
        }
    }
}
