//! Clients, each with one command under way, and what they learn.

use super::args::{Bench, HistoryMix};
use crate::Failure;
use crate::client::Client;
use check::kv::{Command, KvOp, Reply};
use check::{History, Operation, Outcome};
use clap::ValueEnum;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use stdx::{Bytes, Prng};
use wire::resp::Reply as Wire;

/// A client without a connection tries the next address after this long.
const RECONNECT: Duration = Duration::from_millis(20);
const CLIENTS: u64 = 6;
const KEYS: u64 = 3;
const SECONDS: u64 = 10;

/// What all clients share.
pub(crate) struct Recorder {
    addresses: Vec<String>,
    clients: u64,
    keys: u64,
    mix: HistoryMix,
    seed: u64,
    password: Option<String>,
    patience: Duration,
    origin: Instant,
    until: Instant,
}

type Record = Operation<KvOp, Reply>;

impl Recorder {
    pub(crate) fn new(args: &Bench, addresses: Vec<String>) -> Result<Recorder, Failure> {
        let origin = Instant::now();
        let mix = args.mix.as_deref().unwrap_or("registers");
        let mix = HistoryMix::from_str(mix, false).map_err(|_| {
            format!("--mix {mix}: with --history expected one of registers, counters, appends")
        })?;
        Ok(Recorder {
            addresses,
            clients: args.clients.unwrap_or(CLIENTS),
            keys: args.keys.unwrap_or(KEYS),
            mix,
            seed: args.seed,
            password: args.password.clone(),
            patience: Duration::from_secs(args.patience),
            origin,
            until: origin + Duration::from_secs(args.seconds.unwrap_or(SECONDS)),
        })
    }

    /// Runs all clients, and `meanwhile` beside them; every client reads every key at the end.
    pub(crate) fn run(
        &self,
        meanwhile: impl FnOnce(Instant) -> Result<(), Failure> + Send,
    ) -> Result<History<KvOp, Reply>, Failure> {
        let records = Mutex::new(Vec::new());
        let disturbed = std::thread::scope(|scope| {
            for process in 0..self.clients {
                let records = &records;
                scope.spawn(move || {
                    let done = Caller::new(self, process).run();
                    records.lock().expect("nobody panics with it").extend(done);
                });
            }
            meanwhile(self.until)
        });
        disturbed?;
        let mut operations = records.into_inner().expect("nobody panics with it");
        operations.sort_by_key(|operation: &Record| (operation.invoked, operation.process));
        if operations.iter().all(|operation| !matches!(operation.outcome, Outcome::Ok(_))) {
            return Err(format!("nothing was answered; is a server at {:?}?", self.addresses));
        }
        Ok(History { operations })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

struct Caller<'a> {
    of: &'a Recorder,
    process: u64,
    prng: Prng,
    at: usize,
    number: u64,
    connection: Option<Client>,
    records: Vec<Record>,
}

impl<'a> Caller<'a> {
    fn new(of: &'a Recorder, process: u64) -> Caller<'a> {
        let prng = Prng::new(of.seed).fork(process);
        let at = usize::try_from(process).unwrap_or(0);
        Caller { of, process, prng, at, number: 0, connection: None, records: Vec::new() }
    }

    fn run(mut self) -> Vec<Record> {
        while Instant::now() < self.of.until {
            let op = self.draw();
            self.perform(op, self.of.until);
        }
        let last = self.of.until + self.of.patience;
        for key in 0..self.of.keys {
            self.perform(KvOp::new(format!("k{key}"), Command::Get), last);
        }
        self.records
    }

    fn draw(&mut self) -> KvOp {
        self.number += 1;
        let key = format!("k{}", self.prng.below(self.of.keys));
        // Unique in the whole history: each read names its write.
        let unique = (self.process + 1) * 1_000_000_000 + self.number;
        let text = Bytes::from(unique.to_string().into_bytes());
        let read = self.prng.chance(1, 2);
        let command = match self.of.mix {
            _ if read => Command::Get,
            HistoryMix::Registers => Command::Set(text),
            HistoryMix::Counters => Command::Incr(1),
            HistoryMix::Appends => Command::Append(Bytes::from(format!("{unique} ").into_bytes())),
        };
        KvOp::new(key, command)
    }

    fn perform(&mut self, op: KvOp, until: Instant) {
        while self.connection.is_none() {
            if Instant::now() >= until {
                return;
            }
            let address = &self.of.addresses[self.at % self.of.addresses.len()];
            let password = self.of.password.as_deref();
            self.connection = Client::within(address, password, self.of.patience).ok();
            if self.connection.is_none() {
                self.at += 1;
                std::thread::sleep(RECONNECT);
            }
        }
        let Some(client) = &mut self.connection else { return };
        let words = words(&op);
        let invoked = self.of.now();
        let answer = client.answer(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let returned = self.of.now();
        let outcome = match answer {
            Ok(reply) => meaning(&op, reply),
            Err(_) => {
                self.connection = None;
                self.at += 1;
                Outcome::Unknown
            }
        };
        let returned = (outcome != Outcome::Unknown).then_some(returned);
        self.records.push(Operation { process: self.process, op, invoked, returned, outcome });
        if self.records.last().is_some_and(|record| record.outcome == Outcome::Unknown) {
            // A process has one operation at a time; one whose end nobody knows is still under way.
            self.process += self.of.clients;
        }
    }
}

fn words(op: &KvOp) -> Vec<Vec<u8>> {
    let key = op.key.to_vec();
    match &op.command {
        Command::Set(value) => vec![b"SET".to_vec(), key, value.to_vec()],
        Command::Incr(by) => vec![b"INCRBY".to_vec(), key, by.to_string().into_bytes()],
        Command::Append(text) => vec![b"APPEND".to_vec(), key, text.to_vec()],
        _ => vec![b"GET".to_vec(), key],
    }
}

/// Errors that say the command was not executed: those of Redis, and Atoll's own (docs/compatibility.md).
/// Whatever else a server says leaves the outcome unknown.
const REFUSALS: [&str; 14] = [
    "ERR",
    "WRONGTYPE",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "LOADING",
    "READONLY",
    "MOVED",
    "ASK",
    "OOM",
    "NOAUTH",
    "NOREPLICAS",
    "MASTERDOWN",
    "MISCONF",
    "BUSY",
];

pub(crate) fn meaning(op: &KvOp, reply: Wire) -> Outcome<Reply> {
    match reply {
        Wire::Simple(_) => Outcome::Ok(Reply::Done),
        Wire::Null => Outcome::Ok(Reply::Value(None)),
        Wire::Bulk(bytes) => Outcome::Ok(Reply::Value(Some(bytes))),
        Wire::Int(value) => Outcome::Ok(Reply::Int(value)),
        Wire::Error(text) => {
            let kind = text.split(' ').next().unwrap_or_default();
            if REFUSALS.contains(&kind) { Outcome::Failed } else { Outcome::Unknown }
        }
        _ if op.command == Command::Get => Outcome::Failed,
        _ => Outcome::Unknown,
    }
}
