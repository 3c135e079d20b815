//! Disks that hang, that are lost, and that are put back from an older copy.

use super::*;
use crate::{DEFAULT_GROUP, Event};
use stdx::Mutant;

impl Trio {
    pub(super) fn led_by(&self) -> Option<usize> {
        // Of two, the one in the later term: the other may not know yet.
        let led = (0..3).filter_map(|n| {
            let raft = &self.nodes[n].0.core().groups[&DEFAULT_GROUP].raft;
            raft.is_leading().then_some((raft.term(), n))
        });
        led.max().map(|(_, n)| n)
    }

    pub(super) fn turns(&mut self, turns: usize) {
        (0..turns).for_each(|_| self.turn());
    }

    /// The disk goes on where it hung.
    pub(super) fn unstick(&mut self) {
        let n = self.stuck.take().expect("one is stuck");
        let Some(batch) = self.waiting.take() else { return };
        let (host, log) = &mut self.nodes[n];
        log.append(&batch).unwrap();
        let mut actions = VecDeque::new();
        host.synced(log.sync().unwrap(), &mut actions);
        // What the sync lets go leaves with the next turn; a further write must not be lost.
        for action in actions {
            match action {
                Action::Send { to, message } => {
                    self.mail.push_back((NodeId(n as u64 + 1), to, message));
                }
                Action::Write(batch) => {
                    log.append(&batch).unwrap();
                    let mut more = VecDeque::new();
                    host.synced(log.sync().unwrap(), &mut more);
                    assert!(!more.iter().any(|action| matches!(action, Action::Write(_))));
                    self.mail.extend(more.into_iter().filter_map(|action| match action {
                        Action::Send { to, message } => Some((NodeId(n as u64 + 1), to, message)),
                        _ => None,
                    }));
                }
                Action::Release(_) | Action::Output(_) => {}
            }
        }
    }

    /// Starts a node anew on this disk, whatever it had.
    fn start_on(&mut self, n: usize, disk: SimDisk) {
        self.nodes.remove(n);
        let now = Now { mono: Instant(self.now), wall: WallClock(1_000_000), ..Now::default() };
        let log = LogConfig { segment_bytes: 256 << 10, ..LogConfig::default() };
        let seed = Prng::new(1_000 + self.now);
        let opened = crate::open(disk, log, config(n as u64 + 1), now, seed).unwrap();
        self.nodes.insert(n, (opened.host, opened.log));
    }

    fn refusals(&self, of: usize) -> Vec<&str> {
        let mut reasons = Vec::new();
        for told in &self.events {
            if let Event::PeerRefused { peer, reason } = &told.1
                && peer.0 == of as u64 + 1
            {
                reasons.push(reason.as_str());
            }
        }
        reasons
    }
}

/// Writes go on through the other two while a leader's disk hangs; how long it leads on, in milliseconds.
fn leads_on(planted: Planted) -> Option<u64> {
    let mut trio = Trio::with(256 << 10, |n| Config { planted, ..config(n) });
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    let sick = trio.led_by().expect("one leads");
    let (other, hung) = ((sick + 1) % 3, trio.now);
    trio.stuck = Some(sick);
    for i in 0..10_000 {
        if i % 50 == 0 && !trio.nodes[other].0.core().waits(ConnId(1)) {
            trio.commands(other, 1, &[&format!("SET k{i} v")]);
        }
        trio.turn();
        if trio.led_by() != Some(sick) {
            break;
        }
    }
    if trio.led_by() == Some(sick) {
        return None;
    }
    let led = (trio.now - hung) / 1_000_000;
    // Another leads, soon; the sick one does not come back while its disk hangs, nor drives terms up.
    trio.turns(3_000);
    let healthy = trio.led_by().expect("another leads");
    let term = trio.nodes[healthy].0.core().groups[&DEFAULT_GROUP].raft.term();
    trio.turns(10_000);
    assert_eq!(trio.led_by(), Some(healthy));
    assert_eq!(trio.nodes[healthy].0.core().groups[&DEFAULT_GROUP].raft.term(), term);
    assert_eq!(trio.run(healthy, 2, &["SET b 2", "GET b"]), "+OK $1 2");
    // Its disk works again: it follows.
    trio.unstick();
    trio.turns(3_000);
    let applied = |n: usize| trio.nodes[n].0.core().groups[&DEFAULT_GROUP].machine.applied();
    assert_eq!(applied(sick), applied(healthy));
    Some(led)
}

#[test]
fn a_leader_whose_disk_hangs_lets_another_lead() {
    let led = leads_on(Planted::NONE).expect("it leads no more");
    assert!((2_400..3_200).contains(&led), "{led} ms: four of the longest election timeouts");
    assert_eq!(leads_on(Planted::one(Mutant::LeadWithoutDisk)), None);
}

#[test]
fn a_lost_disk_is_refused_and_told() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    let n = (trio.led_by().expect("one leads") + 1) % 3;
    trio.start_on(n, SimDisk::default());
    trio.turns(3_000);
    let refusals = trio.refusals(n);
    assert!(!refusals.is_empty(), "nobody was told");
    assert!(refusals[0].contains("must come back under a new id"), "{refusals:?}");
    // It hears the others, who do not listen: it gives no vote and no acknowledgement.
    let other = (n + 1) % 3;
    assert_eq!(trio.run(other, 1, &["SET b 2", "GET a"]), "+OK $1 1");
    trio.stuck = Some((n + 2) % 3);
    trio.turns(1_000);
    trio.commands(other, 1, &["SET c 3"]);
    trio.turns(3_000);
    assert!(
        trio.nodes[other].0.core().waits(ConnId(1))
            || trio.replies.iter().any(|(_, _, text)| {
                text.starts_with("-CLUSTERDOWN") || text.starts_with("-UNKNOWN")
            }),
        "one disk of three committed: {:?}",
        trio.replies
    );
}

/// A copy is refused if its node has started twice or more since it was made: its life is then over.
#[test]
fn an_older_copy_of_a_disk_is_refused_and_told() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    let n = (trio.led_by().expect("one leads") + 1) % 3;
    let disk = |trio: &Trio| trio.nodes[n].1.disk().clone();
    let copy = disk(&trio);
    for _ in 0..2 {
        let own = disk(&trio);
        trio.start_on(n, own);
        trio.turns(1_000);
    }
    assert!(trio.refusals(n).is_empty(), "a restart is no loss");
    trio.start_on(n, copy);
    trio.turns(5_000);
    assert!(trio.refusals(n).is_empty(), "packets of a life that is over may be late ones");
    trio.turns(8_000);
    let refusals = trio.refusals(n);
    assert!(!refusals.is_empty(), "nobody was told");
    assert!(refusals[0].contains("restored from an older copy"), "{refusals:?}");
    assert_eq!(trio.run((n + 1) % 3, 1, &["SET b 2", "GET a"]), "+OK $1 1");
}
