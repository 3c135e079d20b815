//! Leader leases (section 6.4.1): reads that a leader answers by itself, because nobody else can lead yet.
//!
//! **What carries them.** A replica grants neither vote nor pre-vote within the shortest election timeout `E` of
//! hearing a leader, on its own clock, whatever term it has adopted meanwhile (`Raft::leader_is_alive`). One that
//! was recovered acts as if it had heard one just then. So when a majority has answered a round of heartbeats, no
//! other leader is elected before the first of them is free again: `E` after it *received* the heartbeat, and it
//! received it no earlier than the leader *sent* it. The lease therefore runs from the sending of the newest round
//! that a majority has answered; when the answers came says nothing.
//!
//! **For how long.** Each clock gains or loses at most `d` parts in one against true time. A follower's `E` lasts at
//! least `E / (1 + d)` of it, a leader's `L` at most `L / (1 - d)`. The lease is over before the promise if
//!
//! ```text
//! L / (1 - d) <= E / (1 + d),    that is    L = E * (1 - d) / (1 + d)
//! ```
//!
//! less a little for the grain of both clocks. All replicas must have the same `E`, and clocks that count through a
//! suspended machine. There is no default for `d`: without a declared bound there is no lease.
//!
//! **What ends it.** A lease is a leader's: it is gone with the role. Whoever lets another stand before its time
//! ([`Raft::give_up_lease`], leadership transfer) has none for the rest of the term, since the word that lets it
//! stand may arrive late. `now` is read after a batch was taken (`protocol::Host`), so a pause before a read counts.
//!
//! **Configurations.** The majority is that of the leader's newest configuration (of both, if it is joint): who
//! stands by the one before, or by the next, needs a majority that meets it. A lease lives on through a change though
//! its round was answered before: who stands by C(new) alone needs a majority of it, and one has acknowledged
//! C(old,new), hence heard this leader, after that round was sent.
//!
//! Not extended by AppendAck: it names an index and not the message it answers, and an index acknowledged may have
//! been learned of long before (a chunk's acknowledgement names the commit index). Heartbeats go out under load too.

use crate::{Config, Raft};
use alloc::collections::VecDeque;
use protocol::{Instant, Mutant};
use stdx::Duration;

/// What is left out of a lease for the grain of two clocks.
const GRAIN: Duration = Duration::from_micros(1);

/// A bound on the rate of every replica's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// It gains or loses no more than so many parts of a million against true time.
    pub ppm: u32,
}

impl Drift {
    /// How long a lease lasts whose followers promise `promise`, each by its own clock.
    pub fn lease(self, promise: Duration) -> Duration {
        const MILLION: u128 = 1_000_000;
        let drift = u128::from(self.ppm).min(MILLION);
        let nanos = promise.as_nanos() * (MILLION - drift) / (MILLION + drift);
        let lease = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let lease = lease.saturating_sub(GRAIN);
        assert!(lease <= promise, "a lease of {lease:?} on a promise of {promise:?}");
        lease
    }
}

/// What a leader knows about its lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lease {
    /// Rounds that no majority has answered yet, and when each was sent.
    sent: VecDeque<(u64, Instant)>,
    /// When the newest round was sent that a majority has answered.
    since: Option<Instant>,
    /// When the newest round of all was sent.
    latest: Instant,
    /// No lease in this term any more.
    given_up: bool,
}

impl Lease {
    /// A round leaves.
    pub(crate) fn sent(&mut self, round: u64, now: Instant, config: &Config) {
        self.latest = now;
        let Some(drift) = config.lease else { return };
        assert!(self.sent.back().is_none_or(|(last, _)| *last < round), "round {round} again");
        let lease = drift.lease(config.election.0);
        while self.sent.front().is_some_and(|(_, at)| now.since(*at) >= lease) {
            self.sent.pop_front(); // Whoever answers it now gives nothing.
        }
        assert!(self.sent.back().is_none_or(|(_, at)| *at <= now), "time goes back");
        self.sent.push_back((round, now));
    }

    /// A majority has answered `round`.
    pub(crate) fn answered(&mut self, round: u64, now: Instant, config: &Config) {
        while self.sent.front().is_some_and(|(sent, _)| *sent <= round) {
            let (_, at) = self.sent.pop_front().expect("looked at it");
            let answer = config.planted.is(Mutant::LeaseFromAnswer);
            let at = if answer { now } else { at };
            assert!(self.since.is_none_or(|before| before <= at), "a lease that goes back");
            assert!(at <= now, "a round from the future");
            self.since = Some(at);
        }
    }

    fn holds(&self, now: Instant, config: &Config) -> bool {
        let (Some(drift), Some(since)) = (config.lease, self.since) else { return false };
        let careless = config.planted.is(Mutant::LeaseIgnoresDrift);
        let lease = if careless { config.election.0 } else { drift.lease(config.election.0) };
        // Planted: as of the newest round, whatever time has passed since.
        let now = if config.planted.is(Mutant::LeaseAcrossPause) { self.latest } else { now };
        !self.given_up && now.since(since) < lease
    }

    /// Rounds in order, and none of the future.
    pub(crate) fn check(&self, round: u64) {
        assert!(self.sent.iter().is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "rounds mixed up");
        assert!(self.sent.back().is_none_or(|(last, _)| *last <= round), "a round of the future");
    }

    /// Whether there is none any more in this term.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// What its future depends on, but for times.
    pub(crate) fn facts(&self) -> (usize, bool, bool) {
        (self.sent.len(), self.since.is_some(), self.given_up)
    }
}

impl Raft {
    /// Whether this replica leads and nobody else can yet.
    pub(crate) fn lease_holds(&self, now: Instant) -> bool {
        self.leads().is_some_and(|leader| leader.lease.holds(now, &self.config))
    }

    /// No lease in this term any more: another may be let to stand before its time. A no-op for who does not lead.
    pub fn give_up_lease(&mut self) {
        let kept = self.config.planted.is(Mutant::LeaseKeptInTransfer);
        if let Ok(leader) = self.leader_mut() {
            leader.lease.given_up = !kept;
        }
    }
}
