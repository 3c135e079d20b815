//! Published checkers and Atoll's on the same generated histories in the same run: do they agree, and how long does
//! each take? `cargo run --release -p checkers` prints a Markdown table for docs/benchmarks.md and fails if two
//! verdicts differ.
//!
//! Each peer and size is a child process: what does not end within [`LIMIT`] is ended, and shown as such.

mod graphs;
mod orders;

use check::Transactions;
use check::generate::{Flaw, Kind, Shape, World, history, plant};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use stdx::Prng;

const LIMIT: Duration = Duration::from_secs(20);

/// Yes, no, or no verdict.
pub type Verdict = Option<bool>;

/// A peer on one family of histories, ours on the same beside it.
pub struct Match {
    name: &'static str,
    peer: &'static str,
    shape: fn(usize) -> Shape,
    sizes: &'static [usize],
    seeds: u64,
    /// Planted into every second history.
    flaw: Flaw,
    ours: fn(&Transactions) -> Verdict,
    /// What the peer needs is made from the history before the clock starts.
    peers: fn(&Transactions) -> Box<dyn FnOnce() -> Verdict>,
}

fn one_register(txns: usize) -> Shape {
    let shape = Shape::new(Kind::Register, txns);
    Shape { keys: 1, unknown: 50, ..shape }
}

fn registers(txns: usize) -> Shape {
    Shape { clients: 10, keys: 10, ..Shape::new(Kind::Register, txns) }
}

/// As Porcupine's `test_data/jepsen`.
fn etcd(txns: usize) -> Shape {
    let shape = Shape::new(Kind::CasRegister, txns);
    Shape { keys: 1, reads: 333, unknown: 200, failed: 0, values: Some(4), ..shape }
}

/// As Porcupine's `test_data/kv`.
fn strings(clients: u64, txns: usize) -> Shape {
    let shape = Shape::new(Kind::Text, txns);
    Shape { clients, keys: 10, unknown: 0, failed: 0, retire: None, ..shape }
}

fn transactions(kind: Kind, world: World, txns: usize) -> Shape {
    Shape { clients: 20, keys: 20, ..Shape::new(kind, txns).of(world) }
}

const MATCHES: &[Match] = &[
    Match {
        name: "one register, linearizable",
        peer: "stateright 0.31",
        shape: one_register,
        sizes: &[8, 12, 16, 24],
        seeds: 100,
        flaw: Flaw::StaleRead,
        ours: orders::linearizable,
        peers: orders::stateright_linearizable,
    },
    Match {
        name: "one register, sequential",
        peer: "stateright 0.31",
        shape: one_register,
        sizes: &[6, 8, 10, 14],
        seeds: 100,
        flaw: Flaw::FromNowhere,
        ours: orders::sequential,
        peers: orders::stateright_sequential,
    },
    Match {
        name: "registers, linearizable, peer by key",
        peer: "todc-utils 0.1.1 (WGL)",
        shape: registers,
        sizes: &[100, 1_000, 10_000],
        seeds: 20,
        flaw: Flaw::StaleRead,
        ours: orders::linearizable,
        peers: orders::todc_by_key,
    },
    Match {
        name: "etcd logs of Jepsen (90 operations as theirs)",
        peer: "todc-utils 0.1.1 (WGL)",
        shape: etcd,
        sizes: &[90, 120],
        seeds: 102,
        flaw: Flaw::FromNowhere,
        ours: orders::linearizable,
        peers: orders::todc_whole,
    },
    Match {
        name: "strings, 10 clients, peer without partitioning",
        peer: "todc-utils 0.1.1 (WGL)",
        shape: |n| strings(10, n),
        sizes: &[50, 100, 350],
        seeds: 10,
        flaw: Flaw::StaleRead,
        ours: orders::linearizable,
        peers: orders::todc_whole,
    },
    Match {
        name: "strings, 50 clients, peer by key",
        peer: "todc-utils 0.1.1 (WGL)",
        shape: |n| strings(50, n),
        sizes: &[350, 2_000],
        seeds: 10,
        flaw: Flaw::StaleRead,
        ours: orders::linearizable,
        peers: orders::todc_by_key,
    },
    Match {
        name: "list-append, strict serializable",
        peer: "adya 0.1.0",
        shape: |n| transactions(Kind::List, World::Serial, n),
        sizes: &[50, 100, 1_000, 10_000, 100_000],
        seeds: 10,
        flaw: Flaw::LostUpdate,
        ours: graphs::strict,
        peers: graphs::adya_strict,
    },
    Match {
        name: "list-append, snapshot isolation",
        peer: "adya 0.1.0",
        shape: |n| transactions(Kind::List, World::Snapshot, n),
        sizes: &[50, 100, 1_000, 10_000],
        seeds: 20,
        flaw: Flaw::FracturedRead,
        ours: graphs::snapshot,
        peers: graphs::adya_snapshot,
    },
    Match {
        name: "list-append of snapshots, serializable",
        peer: "adya 0.1.0",
        shape: |n| transactions(Kind::List, World::Snapshot, n),
        sizes: &[20, 50, 100, 1_000],
        seeds: 100,
        flaw: Flaw::AbortedRead,
        ours: graphs::serializable,
        peers: graphs::adya_serializable,
    },
    Match {
        name: "list-append of read committed, serializable",
        peer: "adya 0.1.0",
        shape: |n| transactions(Kind::List, World::ReadCommitted, n),
        sizes: &[20, 50, 100],
        seeds: 100,
        flaw: Flaw::AbortedRead,
        ours: graphs::serializable,
        peers: graphs::adya_serializable,
    },
    Match {
        name: "rw-register, strict serializable",
        peer: "adya 0.1.0",
        shape: |n| transactions(Kind::Register, World::Serial, n),
        sizes: &[50, 100, 1_000, 10_000],
        seeds: 10,
        flaw: Flaw::LostUpdate,
        ours: graphs::strict,
        peers: graphs::adya_strict,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [number, size] = words.as_slice() {
        play(&MATCHES[number.parse::<usize>().expect("a number")], size.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    println!(
        "| history | peer | transactions | histories | bad ones | agree | differ | ours | peer | ratio |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut differ = 0;
    for (number, of) in MATCHES.iter().enumerate() {
        for size in of.sizes {
            differ += row(number, of, *size);
        }
    }
    if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Each history judged by both; a line each.
fn play(of: &Match, size: usize) {
    let shape = (of.shape)(size);
    for seed in 0..of.seeds {
        let mut history = history(&shape, seed);
        let bad = seed % 2 == 1 && plant(&mut history, of.flaw, &mut Prng::new(seed)).is_some();
        let start = Instant::now();
        let ours = (of.ours)(&history);
        let our_time = start.elapsed().as_nanos();
        let peers = (of.peers)(&history);
        println!("{seed} {bad} {} {our_time}", word(ours));
        let start = Instant::now();
        let theirs = peers();
        println!("{seed} {} {}", word(theirs), start.elapsed().as_nanos());
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Some(true) => "holds",
        Some(false) => "fails",
        None => "unknown",
    }
}

/// Prints one row; answers how often the two differ.
fn row(number: usize, of: &Match, size: usize) -> u64 {
    let this = std::env::current_exe().expect("a path");
    let file = std::env::temp_dir().join(format!("checkers-{}", std::process::id()));
    let output = std::fs::File::create(&file).expect("a temporary file");
    let mut child = Command::new(this)
        .args([number.to_string(), size.to_string()])
        .stdout(Stdio::from(output))
        .spawn()
        .expect("this program runs");
    let start = Instant::now();
    let mut ended = false;
    while !ended && start.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(5));
        ended = child.try_wait().expect("a child").is_some();
    }
    drop(child.kill());
    drop(child.wait());
    let text = std::fs::read_to_string(&file).expect("what was written");
    drop(std::fs::remove_file(&file));
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let (mut both, mut bad, mut agree, mut differ) = (0_u64, 0, 0, 0);
    let (mut ours, mut theirs) = (0_u64, 0_u64);
    let mut open = 0;
    for pair in lines.chunks(2) {
        let [our, their] = pair else {
            // The peer was at this one when the time was up.
            open = pair[0][3].parse().expect("nanoseconds");
            break;
        };
        both += 1;
        bad += u64::from(our[1] == "true");
        agree += u64::from(our[2] == their[1]);
        if our[2] != their[1] && our[2] != "unknown" && their[1] != "unknown" {
            differ += 1;
            eprintln!(
                "{}: {size} transactions, seed {}: {} and {}",
                of.name, our[0], our[2], their[1]
            );
        }
        ours += our[3].parse::<u64>().expect("nanoseconds");
        theirs += their[2].parse::<u64>().expect("nanoseconds");
    }
    let mean = |sum: u64| Duration::from_nanos(sum / both.max(1));
    let (our, their) = (mean(ours), mean(theirs));
    let shown = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1e3);
    let ratio = theirs as f64 / ours.max(1) as f64;
    let (our, their, ratio) = match ended {
        true => (shown(our), shown(their), format!("{ratio:.0}")),
        false => {
            let our = if both == 0 { Duration::from_nanos(open) } else { our };
            (shown(our), format!("not within {} s", LIMIT.as_secs()), "-".into())
        }
    };
    println!(
        "| {} | {} | {size} | {both} of {} | {bad} | {agree} | {differ} | {our} | {their} | {ratio} |",
        of.name, of.peer, of.seeds
    );
    differ
}
