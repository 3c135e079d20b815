//! Concurrent clients on all nodes while nodes are killed and restarted, or stopped and continued; the recorded
//! history is judged by `check`, and every acknowledged write of a key that is written once must be found.

use crate::cluster::{Cluster, PATIENCE};
use crate::resp::{self, Client, text};
use check::kv::{Command, Kv, KvOp, Reply};
use check::{Budget, History, Outcome, Verdict, linearizable};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;
use stdx::{Bytes, Prng};

const CLIENTS: u64 = 6;
const ROUNDS: usize = 20;
const PAUSES: usize = 8;
/// A process number beside those of the clients.
const PAUSER: u64 = 99;
/// Operations acknowledged before each kill, and again while the node is down.
const BETWEEN: u64 = 60;
const REGISTERS: [&str; 3] = ["r1", "r2", "r3"];
const COUNTERS: [&str; 2] = ["c1", "c2"];

type Record = (u64, KvOp, u64, Option<u64>, Outcome<Reply>);

/// What clients and the executioner share.
struct Shared {
    origin: Instant,
    stop: AtomicBool,
    acknowledged: Mutex<u64>,
    progress: Condvar,
    nodes: Vec<SocketAddr>,
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).expect("centuries")
    }

    fn acknowledge(&self) {
        *self.acknowledged.lock().expect("nobody panics with it") += 1;
        self.progress.notify_all();
    }

    /// Until `more` further operations are acknowledged.
    fn wait_for(&self, more: u64, cluster: &Cluster) {
        let until = Instant::now() + PATIENCE;
        let mut count = self.acknowledged.lock().expect("nobody panics with it");
        let target = *count + more;
        while *count < target {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "service does not resume; {}", cluster.last_words());
            count = self.progress.wait_timeout(count, left).expect("nobody panics with it").0;
        }
    }
}

/// One client: an endless mix, on its own node while that lives, else on the next.
struct Caller {
    process: u64,
    shared: Arc<Shared>,
    rng: Prng,
    at: usize,
    connection: Option<Client>,
    records: Vec<Record>,
}

impl Caller {
    fn run(mut self) -> Vec<Record> {
        let mut number = 0;
        while !self.shared.stop.load(Ordering::Relaxed) {
            number += 1;
            let unique = Bytes::from(format!("{}.{number}", self.process).into_bytes());
            let op = match self.rng.below(10) {
                0..3 => KvOp::new(self.rng.pick(&REGISTERS), Command::Set(unique)),
                3..6 => KvOp::new(self.rng.pick(&REGISTERS), Command::Get),
                6..8 => KvOp::new(self.rng.pick(&COUNTERS), Command::Incr(1)),
                8 => KvOp::new(self.rng.pick(&COUNTERS), Command::Get),
                _ => KvOp::new(format!("once.{}.{number}", self.process), Command::Set(unique)),
            };
            self.perform(op);
        }
        self.records
    }

    fn perform(&mut self, op: KvOp) {
        while self.connection.is_none() {
            if self.shared.stop.load(Ordering::Relaxed) {
                return;
            }
            self.at = (self.at + 1) % self.shared.nodes.len();
            self.connection = Client::connect(self.shared.nodes[self.at]).ok();
        }
        let client = self.connection.as_mut().expect("connected above");
        let invoked = self.shared.now();
        let answer = client.call(&words(&op));
        let returned = self.shared.now();
        let outcome = match answer {
            Err(_) => {
                self.connection = None;
                Outcome::Unknown
            }
            Ok(reply) => judge(&op, &reply),
        };
        let returned = match &outcome {
            Outcome::Unknown => None,
            Outcome::Ok(_) | Outcome::Failed => Some(returned),
        };
        if let Outcome::Ok(_) = outcome {
            self.shared.acknowledge();
        }
        self.records.push((self.process, op, invoked, returned, outcome));
    }
}

fn words(op: &KvOp) -> Vec<Vec<u8>> {
    let key = op.key.to_vec();
    match &op.command {
        Command::Get => vec![b"GET".to_vec(), key],
        Command::Set(value) => vec![b"SET".to_vec(), key, value.to_vec()],
        Command::Incr(by) => vec![b"INCRBY".to_vec(), key, by.to_string().into_bytes()],
        other => panic!("no client asks {other:?}"),
    }
}

fn judge(op: &KvOp, reply: &wire::resp::Reply) -> Outcome<Reply> {
    use wire::resp::Reply as Wire;
    match reply {
        Wire::Error(text) if text.starts_with("CLUSTERDOWN no quorum") => Outcome::Failed,
        Wire::Error(text) if text.starts_with("UNKNOWN outcome") => Outcome::Unknown,
        Wire::Simple(_) => Outcome::Ok(Reply::Done),
        Wire::Null => Outcome::Ok(Reply::Value(None)),
        Wire::Bulk(bytes) => Outcome::Ok(Reply::Value(Some(bytes.clone()))),
        Wire::Int(value) => Outcome::Ok(Reply::Int(*value)),
        other => panic!("{op:?} answers {}", text(other)),
    }
}

/// Kills and restarts; answers how many of the killed led at that moment.
fn executioner(cluster: &mut Cluster, shared: &Shared) -> (usize, Vec<Record>) {
    let mut rng = Prng::new(9);
    let mut leaders = 0;
    for round in 0..ROUNDS {
        shared.wait_for(BETWEEN, cluster);
        let leader = cluster.leader();
        let victim = if round % 2 == 0 { leader } else { *rng.pick(&[1, 2, 3]) };
        leaders += usize::from(victim == leader);
        cluster.kill(victim);
        // Every third round the node is back before anybody has noticed.
        if round % 3 > 0 {
            shared.wait_for(BETWEEN, cluster);
        }
        cluster.launch(victim);
        cluster.wait_ready(victim);
    }
    shared.wait_for(BETWEEN, cluster);
    (leaders, Vec::new())
}

/// Stops the leader until the others have another and go on, then lets it wake up in the past.
///
/// What it finds when it wakes up are reads that began after the others had moved on.
fn pauser(cluster: &mut Cluster, shared: &Shared) -> (usize, Vec<Record>) {
    let mut records = Vec::new();
    for _ in 0..PAUSES {
        shared.wait_for(BETWEEN, cluster);
        let leader = cluster.leader();
        cluster.process(leader).signal("-STOP");
        let others: Vec<usize> = (1..=3).filter(|node| *node != leader).collect();
        assert_ne!(cluster.leader_among(&others), leader, "a stopped node was elected");
        shared.wait_for(BETWEEN, cluster);
        let reads: Vec<(KvOp, Client, u64)> = REGISTERS
            .map(|key| {
                let op = KvOp::new(key, Command::Get);
                // The machine accepts for a stopped process and keeps what is sent.
                let mut client = cluster.client(leader);
                let invoked = shared.now();
                client.send(&resp::command(&words(&op))).expect("the machine keeps it");
                (op, client, invoked)
            })
            .into();
        cluster.process(leader).signal("-CONT");
        for (op, mut client, invoked) in reads {
            let outcome = judge(&op, &client.receive().expect("the node goes on"));
            records.push((PAUSER, op, invoked, Some(shared.now()), outcome));
        }
        cluster.wait_ready(leader);
    }
    (PAUSES, records)
}

/// Every key through every node, as further operations; missing acknowledged writes fail at once.
fn read_back(cluster: &Cluster, shared: &Shared, records: &mut Vec<Record>) {
    let mut once: BTreeMap<Bytes, (Bytes, bool)> = BTreeMap::new();
    for (_, op, _, _, outcome) in records.iter() {
        if let (true, Command::Set(value)) = (op.key.starts_with(b"once."), &op.command) {
            let acknowledged = matches!(outcome, Outcome::Ok(_));
            once.insert(op.key.clone(), (value.clone(), acknowledged));
        }
    }
    assert!(once.len() > 100, "only {} keys were written once", once.len());
    let shared_keys = REGISTERS.iter().chain(&COUNTERS).map(|key| Bytes::from(key.as_bytes()));
    let keys: Vec<Bytes> = shared_keys.chain(once.keys().cloned()).collect();
    for node in 1..=3 {
        let mut client = cluster.client(node);
        for key in &keys {
            let op = KvOp { key: key.clone(), command: Command::Get };
            let invoked = shared.now();
            let reply = client.call(&words(&op)).expect("all nodes run");
            let outcome = judge(&op, &reply);
            if let Some((value, true)) = once.get(key) {
                let found = Outcome::Ok(Reply::Value(Some(value.clone())));
                assert_eq!(outcome, found, "node {node} lost an acknowledged write of {key:?}");
            }
            let process = 100 + node as u64;
            records.push((process, op, invoked, Some(shared.now()), outcome));
        }
    }
}

#[test]
fn kill_nine() {
    let (leaders, unknown, summary) = campaign(executioner);
    report(&format!("{ROUNDS} kills, {leaders} of them of the leader: {summary}"));
    assert!(leaders >= 7, "only {leaders} of {ROUNDS} kills hit the leader");
    assert!(unknown > 0, "no kill met an operation under way: {summary}");
}

#[test]
fn pauses() {
    let (leaders, _, summary) = campaign(pauser);
    report(&format!("{leaders} pauses of the leader: {summary}"));
}

/// Clients while `disturb` does its work, then the verdict. Answers what `disturb` does, how many outcomes were
/// unknown, and a line for people.
fn campaign(disturb: fn(&mut Cluster, &Shared) -> (usize, Vec<Record>)) -> (usize, usize, String) {
    let mut cluster = Cluster::start("log-level = \"warn\"");
    let shared = Arc::new(Shared {
        origin: Instant::now(),
        stop: AtomicBool::new(false),
        acknowledged: Mutex::new(0),
        progress: Condvar::new(),
        nodes: (1..=3).map(|node| cluster.client_address(node)).collect(),
    });
    let callers: Vec<_> = (0..CLIENTS)
        .map(|process| Caller {
            process,
            shared: Arc::clone(&shared),
            rng: Prng::new(41).fork(process),
            at: usize::try_from(process).expect("small"),
            connection: None,
            records: Vec::new(),
        })
        .map(|caller| std::thread::spawn(move || caller.run()))
        .collect();
    let (leaders, own) = disturb(&mut cluster, &shared);
    shared.stop.store(true, Ordering::Relaxed);
    let ends = callers.into_iter().map(|caller| caller.join().expect("no surprising answer"));
    let mut records: Vec<Record> = ends.flatten().chain(own).collect();
    read_back(&cluster, &shared, &mut records);

    let count = |wanted: fn(&Outcome<Reply>) -> bool| {
        records.iter().filter(|(_, _, _, _, outcome)| wanted(outcome)).count()
    };
    let unknown = count(|outcome| matches!(outcome, Outcome::Unknown));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed));
    let mut history = History::new();
    history.operations = records
        .into_iter()
        .map(|(process, op, invoked, returned, outcome)| check::Operation {
            process,
            op,
            invoked,
            returned,
            outcome,
        })
        .collect();
    let summary = format!(
        "{} operations, {} answered, {failed} failed, {unknown} unknown, {} overlapping; {:?}",
        history.len(),
        history.answered(),
        history.overlapping(),
        shared.origin.elapsed()
    );
    let verdict = linearizable(&Kv, &history, Budget::default());
    match verdict {
        Verdict::Ok => {}
        Verdict::Violation(violation) => {
            panic!("not linearizable: {}\n{:#?}\n{summary}", violation.reason, violation.operations)
        }
        Verdict::Unknown { judged, of, reached } => {
            let operation = &history.operations[reached];
            panic!("no verdict: {judged} of {of} judged, stopped at {operation:?}\n{summary}")
        }
    }
    (leaders, unknown, summary)
}

#[expect(clippy::print_stderr, reason = "shown by `cargo test -- --nocapture`")]
fn report(summary: &str) {
    eprintln!("processes: {summary}");
}
