//! Small rules, one at a time, on a core without a host.

use crate::state::Flow;
use crate::{
    Config, Configuration, Entry, Ignored, Kind, LogId, Mark, Message, Output, Raft, Record,
    Refusal, Request,
};
use protocol::{Effects, Input, Instant, NodeId, NodeSet, Now, Position, Prng, Protocol};
use std::time::Duration;
use std::vec::Vec;
use std::{panic, vec};

const ME: NodeId = NodeId(1);
const PEER: NodeId = NodeId(2);

fn voters(count: u64) -> NodeSet {
    (1..=count).map(NodeId).collect()
}

fn members(count: u64) -> Configuration {
    Configuration::of(voters(count))
}

fn at(millis: u64) -> Now {
    Now { mono: Instant(millis * 1_000_000), ..Now::default() }
}

struct Bench {
    core: Raft,
    out: Effects<Raft>,
    log: Vec<(Position, Record)>,
    outputs: Vec<Output>,
    sent: Vec<(NodeId, Message)>,
    now: Now,
}

impl Bench {
    fn new(count: u64) -> Bench {
        Bench::from(count, Vec::new())
    }

    fn from(count: u64, log: Vec<(Position, Record)>) -> Bench {
        let config = Config { keep_bytes: 0, ..Config::new(ME, voters(count)) };
        let end = log.last().map_or(Position(0), |(at, _)| at.next());
        let core = Raft::recover(config, at(0), Prng::new(1), log.iter().cloned());
        core.check();
        Bench { core, out: Effects::new(end), log, outputs: vec![], sent: vec![], now: at(0) }
    }

    /// Steps, and plays a disk that is done at once: self-sends come straight back.
    fn step(&mut self, now: Now, input: Input<Raft>) -> Option<Ignored> {
        let mut inputs = vec![input];
        let mut first = None;
        while !inputs.is_empty() {
            let input = inputs.remove(0);
            let start = self.out.reached();
            self.core.step(now, input, &mut self.out);
            self.core.check();
            first = first.or(Some(self.core.ignored()));
            let drained = self.out.drain();
            assert_eq!(drained.outputs.len(), 0, "raft has no stamped outputs");
            let places = (start.0..).map(Position);
            self.log.extend(places.zip(drained.records));
            self.log.retain(|(at, _)| drained.release.is_none_or(|before| *at >= before));
            self.outputs.extend(drained.early_outputs);
            self.sent.extend(drained.early_sends);
            for (_, to, message) in drained.sends {
                if to == ME {
                    inputs.push(Input::Message { from: ME, message });
                } else {
                    self.sent.push((to, message));
                }
            }
        }
        first.flatten()
    }

    fn hear(&mut self, from: NodeId, message: Message) -> Option<Ignored> {
        self.step(self.now, Input::Message { from, message })
    }

    fn propose(&mut self, context: u64) -> Option<Ignored> {
        let payload = b"x".as_slice().into();
        self.step(at(1000), Input::Request(Request::Propose { context, payload }))
    }

    /// Leads a group of two: elected by its peer.
    fn leader() -> Bench {
        let mut bench = Bench::new(2);
        bench.now = at(1000);
        bench.step(at(1000), Input::Deadline);
        bench.hear(PEER, Message::PreVoteReply { term: 1, granted: true });
        bench.hear(PEER, Message::VoteReply { term: 1, granted: true });
        assert!(bench.core.is_leading());
        bench
    }
}

fn entry(term: u64, index: u64) -> Entry {
    Entry { index, term, kind: Kind::Noop }
}

#[test]
fn a_group_of_one_needs_nobody() {
    let mut bench = Bench::new(1);
    bench.step(at(1000), Input::Deadline);
    assert!(bench.core.is_leading());
    bench.propose(7);
    bench.step(at(1000), Input::Request(Request::Read { context: 8 }));
    assert_eq!(bench.core.commit_index(), 2);
    assert!(bench.outputs.contains(&Output::Appended { context: 7, term: 1, index: 2 }));
    assert!(bench.outputs.contains(&Output::ReadReady { context: 8, index: 2 }));
    assert_eq!(bench.core.quorum_heard(at(9999).mono), 1);
}

#[test]
fn a_recovered_core_is_the_one_that_crashed() {
    let mut bench = Bench::new(1);
    bench.step(at(1000), Input::Deadline);
    for context in 0..10 {
        bench.propose(context);
    }
    let mark = Mark { index: 6, term: 1, configuration: members(1) };
    bench.step(at(1000), Input::Request(Request::Compact { mark: mark.clone() }));
    assert!(bench.log.len() < 9, "records before the mark are released: {:?}", bench.log);
    assert_eq!(Some(bench.log[0].0), bench.core.oldest_record());
    let back = Bench::from(1, bench.log.clone());
    assert_eq!((back.core.term(), back.core.last_index()), (1, bench.core.last_index()));
    assert_eq!((back.core.mark(), back.core.commit_index()), (&mark, 6));
    assert_eq!(back.core.log_bytes(), bench.core.log_bytes());
    assert_eq!(back.core.oldest_record(), bench.core.oldest_record());
}

#[test]
fn reads_share_a_round_and_only_later_answers_count() {
    let mut bench = Bench::leader();
    for context in 1..=2 {
        bench.step(at(1000), Input::Request(Request::Read { context }));
    }
    assert!(bench.outputs.iter().all(|o| !matches!(o, Output::ReadReady { .. })));
    bench.sent.clear();
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    let rounds = |bench: &Bench| {
        bench.sent.iter().filter(|(_, m)| matches!(m, Message::Heartbeat { .. })).count()
    };
    assert_eq!(rounds(&bench), 1, "one round for both, after the no-op: {:?}", bench.sent);
    bench.step(at(1000), Input::Request(Request::Read { context: 3 }));
    assert_eq!(rounds(&bench), 1, "a read that comes later waits for the next round");
    bench.hear(PEER, Message::HeartbeatAck { term: 1, round: 1, priority: 0 });
    assert!(bench.outputs.contains(&Output::ReadReady { context: 2, index: 1 }));
    assert!(!bench.outputs.contains(&Output::ReadReady { context: 3, index: 1 }));
    assert_eq!(
        bench.hear(PEER, Message::HeartbeatAck { term: 1, round: 9, priority: 0 }),
        Some(Ignored::Malformed)
    );
    bench.hear(PEER, Message::HeartbeatAck { term: 1, round: 2, priority: 0 });
    assert!(bench.outputs.contains(&Output::ReadReady { context: 3, index: 1 }));
}

#[test]
fn a_full_window_gathers_one_large_append() {
    let mut bench = Bench::leader();
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    bench.sent.clear();
    for context in 0..40 {
        bench.propose(context);
    }
    assert_eq!(bench.sent.len(), 16, "the window is 16 messages");
    bench.sent.clear();
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 2 });
    let [(_, Message::Append { entries, .. })] = &bench.sent[..] else {
        panic!("one append, not {:?}", bench.sent)
    };
    assert_eq!(entries.len(), 24);
}

#[test]
fn a_leader_that_hears_no_majority_steps_down() {
    let mut bench = Bench::leader();
    bench.step(at(1000), Input::Request(Request::Read { context: 5 }));
    bench.step(at(1050), Input::Deadline);
    assert!(bench.core.is_leading());
    bench.step(at(1700), Input::Deadline);
    assert!(!bench.core.is_leading());
    assert!(bench.outputs.contains(&Output::ReadRefused { context: 5, leader: None }));
    assert_eq!(bench.propose(6), Some(Ignored::WrongRole));
    assert!(bench.outputs.contains(&Output::Refused { context: 6, leader: None }));
}

#[test]
fn a_vote_is_refused_to_a_shorter_log_and_while_a_leader_lives() {
    let mut bench = Bench::new(3);
    let append = Message::Append {
        term: 1,
        prev: LogId::default(),
        entries: vec![entry(1, 1), entry(1, 2)],
        commit: 0,
    };
    bench.hear(PEER, append);
    let vote =
        |term, index| Message::Vote { term, last: LogId { term: 1, index }, transfer: false };
    assert_eq!(bench.hear(NodeId(3), vote(2, 9)), Some(Ignored::LeaderAlive));
    assert_eq!(bench.core.term(), 1, "and its term is not adopted");
    let later = at(300);
    bench.step(later, Input::Message { from: NodeId(3), message: vote(2, 1) });
    bench.step(later, Input::Message { from: NodeId(3), message: vote(2, 2) });
    let votes: Vec<&Message> = bench
        .sent
        .iter()
        .map(|(_, m)| m)
        .filter(|m| matches!(m, Message::VoteReply { .. }))
        .collect();
    let reply = |granted| Message::VoteReply { term: 2, granted };
    assert_eq!(votes, [&reply(false), &reply(true)]);
}

#[test]
fn entries_in_flight_forgotten_by_a_host_are_probed_for() {
    let mut bench = Bench::leader();
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    bench.propose(1);
    bench.step(at(1000), Input::Request(Request::Unreachable { peer: PEER }));
    let progress = &bench.core.leader_mut().expect("it leads").followers[&PEER];
    assert!(matches!(progress.flow, Flow::Probe { next: 2, .. }));
    bench.sent.clear();
    bench.step(at(1050), Input::Deadline);
    let message = Message::HeartbeatAck { term: 1, round: 1, priority: 0 };
    bench.step(at(1051), Input::Message { from: PEER, message });
    assert!(bench.sent.iter().any(|(_, m)| matches!(m, Message::Append { .. })));
}

#[test]
fn a_snapshot_keeps_a_suffix_that_both_logs_hold() {
    let mut bench = Bench::new(3);
    let entries = vec![entry(1, 1), entry(1, 2), entry(1, 3)];
    let prev = LogId::default();
    bench.hear(PEER, Message::Append { term: 1, prev, entries, commit: 0 });
    let mark = |term| Mark { index: 2, term, configuration: members(3) };
    let mut other = Bench::from(3, bench.log.clone());
    bench.step(at(0), Input::Request(Request::Installed { mark: mark(1) }));
    assert_eq!((bench.core.last_index(), bench.core.commit_index()), (3, 2));
    assert_eq!(Bench::from(3, bench.log.clone()).core.last_index(), 3);
    other.hear(PEER, Message::Heartbeat { term: 2, commit: 0, round: 1 });
    other.step(at(0), Input::Request(Request::Installed { mark: mark(2) }));
    assert_eq!((other.core.last_index(), other.core.commit_index()), (2, 2));
    assert_eq!(Bench::from(3, other.log.clone()).core.last_index(), 2);
    let late = other.step(at(0), Input::Request(Request::Installed { mark: mark(2) }));
    assert_eq!(late, Some(Ignored::UselessMark));
}

#[test]
fn a_follower_commits_no_further_than_it_is_known_to_match() {
    let mut bench = Bench::new(3);
    let append = |term, count, commit| Message::Append {
        term,
        prev: LogId::default(),
        entries: (1..=count).map(|index| entry(1, index)).collect(),
        commit,
    };
    bench.hear(PEER, append(1, 3, 0));
    bench.hear(NodeId(3), append(2, 1, 3));
    assert_eq!((bench.core.commit_index(), bench.core.last_index()), (1, 3));
}

#[test]
fn a_chunk_out_of_order_starts_the_transfer_over() {
    let mut bench = Bench::new(3);
    let mark = Mark { index: 9, term: 1, configuration: members(3) };
    for seq in [0, 2] {
        let bytes = b"z".as_slice().into();
        let mark = mark.clone();
        bench.hear(PEER, Message::Chunk { term: 1, transfer: 1, mark, seq, bytes, last: false });
    }
    let staged = bench.outputs.iter().filter(|o| matches!(o, Output::Chunk { .. })).count();
    assert_eq!(staged, 1, "the one that was next");
    let (_, answer) = bench.sent.last().expect("an answer");
    assert_eq!(*answer, Message::ChunkAck { term: 1, transfer: 1, next: 0 });
}

#[test]
fn a_snapshot_that_came_too_late_is_followed_by_another() {
    let mut bench = Bench::leader();
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    for context in 0..2 {
        bench.propose(context);
    }
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 3 });
    let mark = |index| Mark { index, term: 1, configuration: members(2) };
    bench.step(at(1000), Input::Request(Request::Compact { mark: mark(2) }));
    // As if the follower had been found to need the snapshot up to 2.
    let progress = bench.core.leader_mut().expect("it leads").followers.get_mut(&PEER);
    let progress = progress.expect("the peer");
    progress.matched = 0;
    let now = at(1000).mono;
    bench.core.start_transfer(PEER, now, &mut bench.out);
    bench.out.drain();
    let bytes = b"z".as_slice().into();
    let chunk = Request::Chunk { to: PEER, transfer: 1, mark: mark(2), seq: 0, bytes, last: true };
    assert_eq!(bench.step(at(1000), Input::Request(chunk)), None);
    bench.step(at(1000), Input::Request(Request::Compact { mark: mark(3) }));
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 2 });
    assert!(bench.outputs.contains(&Output::TransferOver { to: PEER, transfer: 1 }));
    assert!(bench.outputs.contains(&Output::NeedChunk { to: PEER, transfer: 2, seq: 0 }));
}

/// Whatever a voter says, true or not, changes the state within its invariants or is ignored.
#[test]
fn nothing_a_peer_says_panics() {
    for seed in 0..400 {
        let mut prng = Prng::new(seed);
        let mut bench = if prng.chance(1, 2) { Bench::leader() } else { Bench::new(3) };
        for step in 0..150 {
            let number = |prng: &mut Prng| match prng.below(6) {
                0 => u64::MAX,
                1 => u64::MAX - 1,
                2 => 1 << 61,
                _ => prng.below(6),
            };
            let mut n = || number(&mut prng);
            let (term, prev, hint) = (n() % 8, LogId { term: n(), index: n() }, n());
            let some = Configuration {
                voters: voters(n() % 4),
                outgoing: voters(n() % 3),
                learners: [NodeId(n() % 6)].into_iter().collect(),
            };
            let configuration = if n() % 2 == 0 { members(3) } else { some.clone() };
            let mark = Mark { index: n(), term: n(), configuration };
            let entries = (0..n() % 3)
                .map(|i| Entry {
                    index: prev.index.wrapping_add(i + 1),
                    term: n() % 4,
                    kind: if n() % 3 == 0 { Kind::Config(some.clone()) } else { Kind::Noop },
                })
                .collect();
            let bytes: stdx::Bytes = b"z".as_slice().into();
            let (commit, last) = (n(), prev);
            let message = match n() % 14 {
                0 => Message::PreVote { term: n(), last },
                1 => Message::PreVoteReply { term, granted: n() % 2 == 0 },
                2 => Message::Vote { term, last, transfer: n() % 2 == 0 },
                3 => Message::VoteReply { term, granted: false },
                4 | 5 => Message::Append { term, prev, entries, commit },
                6 => Message::AppendAck { term, matched: n() },
                7 => Message::AppendReject {
                    term,
                    prev: n(),
                    hint: LogId { term: n(), index: hint },
                },
                8 => Message::Heartbeat { term, commit, round: n() },
                9 => Message::HeartbeatAck { term, round: n(), priority: 1 },
                12 => Message::TimeoutNow { term },
                10 => Message::Chunk {
                    term,
                    transfer: n(),
                    mark: mark.clone(),
                    seq: n(),
                    bytes,
                    last: n() % 2 == 0,
                },
                _ => Message::ChunkAck { term, transfer: n(), next: n() },
            };
            let from = NodeId(2 + n() % 3);
            let now = Now { mono: at(0).mono + Duration::from_millis(step * 7), ..Now::default() };
            bench.step(now, Input::Message { from, message });
            bench.step(now, Input::Deadline);
            let Configuration { voters, learners, .. } = some;
            let request = match step % 4 {
                0 => Request::Change { context: step, voters, learners },
                1 => Request::Transfer { to: from },
                2 => Request::StepDown,
                _ => Request::Compact { mark },
            };
            bench.step(now, Input::Request(request));
        }
    }
}

fn change(to: u64, learners: &[u64]) -> Request {
    let learners = learners.iter().copied().map(NodeId).collect();
    Request::Change { context: 5, voters: voters(to), learners }
}

fn refused(bench: &Bench) -> Option<Refusal> {
    match bench.outputs.last() {
        Some(Output::ChangeRefused { context: 5, reason }) => Some(*reason),
        _ => None,
    }
}

#[test]
fn a_change_is_refused_by_name() {
    let mut bench = Bench::new(2);
    let ask = |bench: &mut Bench, request| {
        bench.step(at(1000), Input::Request(request));
        refused(bench)
    };
    assert_eq!(ask(&mut bench, change(3, &[])), Some(Refusal::NotLeading(None)));
    let mut bench = Bench::leader();
    assert_eq!(ask(&mut bench, change(1, &[])), Some(Refusal::TermNotCommitted));
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    assert_eq!(ask(&mut bench, change(0, &[2])), Some(Refusal::NoVoters));
    assert_eq!(ask(&mut bench, change(2, &[2])), Some(Refusal::VoterAndLearner(PEER)));
    assert_eq!(ask(&mut bench, change(2, &[])), Some(Refusal::Unchanged));
    assert_eq!(ask(&mut bench, change(3, &[])), Some(Refusal::NotCaughtUp(NodeId(3))));
    assert_eq!(ask(&mut bench, change(2, &[3])), None);
    assert_eq!(ask(&mut bench, change(1, &[])), Some(Refusal::Underway));
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 2 });
    assert!(bench.core.is_settled(), "learners need no joint step");
    assert_eq!(ask(&mut bench, change(3, &[])), Some(Refusal::NotCaughtUp(NodeId(3))));
    bench.hear(NodeId(3), Message::AppendAck { term: 1, matched: 2 });
    bench.step(at(1000), Input::Request(Request::Transfer { to: PEER }));
    assert_eq!(ask(&mut bench, change(3, &[])), Some(Refusal::HandingOver));
}

/// Rounds of replication (section 4.2.1): a slow one does not count, and one that lasts too long takes it back.
#[test]
fn a_learner_has_caught_up_when_a_round_was_short() {
    let mut bench = Bench::leader();
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    bench.step(at(1000), Input::Request(change(2, &[3])));
    let learner = NodeId(3);
    let caught_up = |bench: &Bench, millis| bench.core.is_caught_up(at(millis).mono, learner);
    let ack = |bench: &mut Bench, millis, matched| {
        let message = Message::AppendAck { term: 1, matched };
        bench.step(at(millis), Input::Message { from: learner, message });
    };
    ack(&mut bench, 1400, 2);
    assert!(!caught_up(&bench, 1400), "that round took 400 ms");
    ack(&mut bench, 1450, 2);
    assert!(caught_up(&bench, 1450) && caught_up(&bench, 2000));
    assert!(!caught_up(&bench, 2050), "it has been silent for an election timeout");
    ack(&mut bench, 2060, 2);
    bench.step(
        at(2060),
        Input::Request(Request::Propose { context: 0, payload: b"x".as_slice().into() }),
    );
    ack(&mut bench, 2070, 2);
    assert!(caught_up(&bench, 2300), "a round of 240 ms so far");
    assert!(!caught_up(&bench, 2400), "a round of 330 ms, and it has not ended");
}

#[test]
fn who_was_told_to_stand_ends_every_lease_of_the_term() {
    let mut bench = Bench::leader();
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    bench.step(at(1000), Input::Request(Request::Transfer { to: PEER }));
    assert!(bench.sent.contains(&(PEER, Message::TimeoutNow { term: 1 })));
    assert_eq!(bench.propose(1), Some(Ignored::HandingOver));
    bench.hear(PEER, Message::HeartbeatAck { term: 1, round: 0, priority: 0 });
    bench.step(at(1400), Input::Deadline);
    let leader = bench.core.leader_mut().expect("the transfer was given up");
    assert!(leader.handover.is_none() && leader.lease.is_given_up());
    assert_eq!(bench.propose(2), None);
}

#[test]
fn a_replica_that_joins_neither_stands_nor_compacts_before_it_knows_the_members() {
    let config = Config { keep_bytes: 0, ..Config::new(ME, NodeSet::new()) };
    let core = Raft::recover(config, at(0), Prng::new(1), core::iter::empty());
    let mut bench = Bench { core, ..Bench::new(1) };
    bench.step(at(9000), Input::Deadline);
    assert_eq!((bench.core.term(), bench.sent.len()), (0, 0));
    let prev = LogId::default();
    bench.hear(PEER, Message::Append { term: 1, prev, entries: vec![entry(1, 1)], commit: 1 });
    let mark = Mark { index: 1, term: 1, configuration: Configuration::default() };
    let compacted = bench.step(at(0), Input::Request(Request::Compact { mark }));
    assert_eq!(compacted, Some(Ignored::Malformed));
    let kind = Kind::Config(Configuration { learners: [ME].into_iter().collect(), ..members(0) });
    let absurd = vec![Entry { kind, ..entry(1, 2) }];
    let prev = LogId { term: 1, index: 1 };
    let heard = bench.hear(PEER, Message::Append { term: 1, prev, entries: absurd, commit: 1 });
    assert_eq!(heard, Some(Ignored::Malformed), "a configuration in which nobody votes");
}

impl Bench {
    /// A leader of two that has asked its follower to be quiet.
    fn resting() -> Bench {
        let mut bench = Bench::leader();
        bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
        bench.now = at(2000);
        bench.hear(PEER, Message::HeartbeatAck { term: 1, round: 0, priority: 0 });
        assert_eq!(bench.step(at(2000), Input::Request(Request::GoQuiet)), None);
        bench
    }
}

#[test]
fn who_hands_over_does_not_go_quiet() {
    for request in [Request::Transfer { to: PEER }, Request::StepDown] {
        let mut bench = Bench::resting();
        bench.step(at(2000), Input::Request(request));
        assert_eq!(bench.sent.last(), Some(&(PEER, Message::TimeoutNow { term: 1 })));
        bench.hear(PEER, Message::QuietAck { term: 1, index: 1 });
        assert!(!bench.core.is_quiet());
    }
}

#[test]
fn a_snapshot_ends_an_attempt_to_stand() {
    for candidate in [false, true] {
        let mut bench = Bench::new(3);
        let configuration = Configuration::of([NodeId(2), NodeId(3)].into_iter().collect());
        let mark = Mark { index: 5, term: 1, configuration };
        let (mark, bytes) = (mark, b"s".as_slice().into());
        let chunk =
            Message::Chunk { term: 1, transfer: 1, mark: mark.clone(), seq: 0, bytes, last: true };
        bench.hear(PEER, chunk);
        bench.now = at(5000);
        bench.step(at(5000), Input::Deadline);
        if candidate {
            bench.hear(PEER, Message::PreVoteReply { term: 2, granted: true });
        }
        bench.step(at(5000), Input::Request(Request::Installed { mark }));
        assert_eq!(bench.core.commit_index(), 5);
        bench.hear(NodeId(3), Message::VoteReply { term: 2, granted: true });
        assert!(!bench.core.is_leading(), "a group that has removed it");
    }
}

#[test]
fn a_quiet_hour_is_no_fault_of_the_disk() {
    let mut bench = Bench::new(3);
    let peers = [PEER, NodeId(3)];
    bench.now = at(1000);
    bench.step(at(1000), Input::Deadline);
    bench.hear(PEER, Message::PreVoteReply { term: 1, granted: true });
    bench.hear(PEER, Message::VoteReply { term: 1, granted: true });
    for peer in peers {
        bench.hear(peer, Message::AppendAck { term: 1, matched: 1 });
    }
    bench.step(at(1500), Input::Deadline);
    bench.now = at(2000);
    for peer in peers {
        bench.hear(peer, Message::HeartbeatAck { term: 1, round: 0, priority: 0 });
    }
    bench.step(at(2000), Input::Request(Request::GoQuiet));
    for peer in peers {
        bench.hear(peer, Message::QuietAck { term: 1, index: 1 });
    }
    assert!(bench.core.is_quiet());
    // Its own disk takes longer than a heartbeat, those of the others do not.
    let propose = Request::Propose { context: 1, payload: b"x".as_slice().into() };
    let hour = at(3_600_000);
    bench.core.step(hour, Input::Request(propose), &mut bench.out);
    for from in peers {
        let message = Message::AppendAck { term: 1, matched: 2 };
        bench.core.step(hour, Input::Message { from, message }, &mut bench.out);
    }
    bench.core.step(at(3_600_050), Input::Deadline, &mut bench.out);
    assert!(bench.core.is_leading(), "a disk that owes for 50 ms only");
}

#[test]
fn a_late_word_of_quiet_is_ignored() {
    let mut bench = Bench::new(2);
    let prev = LogId::default();
    let entries = vec![entry(1, 1), entry(1, 2)];
    bench.hear(PEER, Message::Append { term: 1, prev, entries, commit: 0 });
    let late = bench.hear(PEER, Message::Quiet { term: 1, index: 1 });
    assert_eq!(late, Some(Ignored::StaleReply));
    assert!(!bench.core.is_quiet(), "its leader has said more since");
    assert_eq!(bench.hear(PEER, Message::Quiet { term: 1, index: 2 }), None);
    assert!(bench.core.is_quiet());
}

#[test]
fn a_removed_member_does_not_wake_a_quiet_leader() {
    let quiet = || {
        let mut bench = Bench::resting();
        bench.hear(PEER, Message::QuietAck { term: 1, index: 1 });
        assert!(bench.core.is_quiet());
        bench
    };
    let (behind, level) = (LogId { term: 0, index: 0 }, LogId { term: 1, index: 1 });
    let asks = |from, last| {
        let mut bench = quiet();
        bench.hear(from, Message::PreVote { term: 2, last });
        bench.core.is_quiet()
    };
    assert!(asks(NodeId(3), behind), "a stranger who cannot win");
    assert!(!asks(NodeId(3), level), "a member of whom this log does not know");
    assert!(!asks(PEER, behind), "a follower that misses its leader");
}

#[test]
fn a_quiet_learner_keeps_its_leader() {
    let mut bench = Bench::new(0);
    let kind = Kind::Config(Configuration {
        learners: [ME].into_iter().collect(),
        ..Configuration::of([PEER].into_iter().collect())
    });
    let entries = vec![Entry { kind, ..entry(1, 1) }];
    let prev = LogId::default();
    bench.hear(PEER, Message::Append { term: 1, prev, entries, commit: 1 });
    bench.hear(PEER, Message::Quiet { term: 1, index: 1 });
    bench.step(at(2000), Input::Request(Request::PeerDown { peer: PEER }));
    bench.step(at(9000), Input::Deadline);
    assert_eq!((bench.core.is_quiet(), bench.core.leader()), (true, Some(PEER)));
}

#[test]
fn a_learner_answers_for_nobody_but_is_waited_for() {
    let (mut bench, learner) = (Bench::leader(), NodeId(3));
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 1 });
    bench.step(at(1000), Input::Request(change(2, &[3])));
    bench.hear(PEER, Message::AppendAck { term: 1, matched: 2 });
    bench.hear(learner, Message::AppendAck { term: 1, matched: 2 });
    bench.step(at(1000), Input::Request(Request::Read { context: 9 }));
    bench.hear(learner, Message::HeartbeatAck { term: 1, round: 1, priority: 0 });
    let ready = Output::ReadReady { context: 9, index: 2 };
    assert!(!bench.outputs.contains(&ready), "confirmed by a learner");
    bench.now = at(2000);
    bench.hear(PEER, Message::HeartbeatAck { term: 1, round: 1, priority: 0 });
    assert!(bench.outputs.contains(&ready));
    bench.hear(learner, Message::HeartbeatAck { term: 1, round: 1, priority: 0 });
    assert_eq!(bench.step(at(2000), Input::Request(Request::GoQuiet)), None);
    bench.hear(PEER, Message::QuietAck { term: 1, index: 2 });
    assert!(!bench.core.is_quiet(), "its learner is not");
    bench.hear(learner, Message::QuietAck { term: 1, index: 2 });
    assert!(bench.core.is_quiet());
}
