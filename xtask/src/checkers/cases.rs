//! What is measured.

use check::Level;
use check::generate::{Flaw, Kind, Shape, World};

/// Who judges.
#[derive(Clone, Copy)]
pub(super) enum By {
    Order(Level),
    /// All levels of isolation at once; the verdict shown is that of this one.
    Isolation(Level),
    Weak(Level),
    Causal(Level),
    Session(Level),
    Staleness(u64),
    Convergence,
}

impl By {
    pub(super) fn name(self) -> String {
        match self {
            By::Order(level) | By::Weak(level) | By::Causal(level) | By::Session(level) => {
                level.to_string()
            }
            By::Isolation(level) => format!("isolation, all levels; {level}"),
            By::Staleness(bound) => format!("bounded-staleness {bound}"),
            By::Convergence => Level::Convergence.to_string(),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) by: By,
    pub(super) shape: fn(usize) -> Shape,
    pub(super) flaw: Option<Flaw>,
    /// How many transactions.
    pub(super) sizes: &'static [usize],
    /// How many histories of each size; none: as many as are enough.
    pub(super) seeds: Option<usize>,
}

const TO_MILLION: &[usize] = &[100, 1_000, 10_000, 100_000, 1_000_000];
const TO_TEN_THOUSAND: &[usize] = &[100, 1_000, 10_000];

const fn case(name: &'static str, by: By, shape: fn(usize) -> Shape) -> Case {
    Case { name, by, shape, flaw: None, sizes: TO_MILLION, seeds: None }
}

const fn with(flaw: Flaw, of: Case) -> Case {
    Case { flaw: Some(flaw), ..of }
}

const fn up_to(sizes: &'static [usize], of: Case) -> Case {
    Case { sizes, ..of }
}

const LINEARIZABLE: By = By::Order(Level::Linearizable);

fn registers(clients: u64, unknown: u64, txns: usize) -> Shape {
    Shape { clients, unknown, keys: 10, ..Shape::new(Kind::Register, txns) }
}

/// As a register of etcd in Jepsen's first test of it: Porcupine's `test_data/jepsen`.
fn etcd(txns: usize) -> Shape {
    Shape {
        keys: 1,
        reads: 333,
        unknown: 200,
        failed: 0,
        values: Some(4),
        ..Shape::new(Kind::CasRegister, txns)
    }
}

/// As Porcupine's `test_data/kv`: strings that only grow, ten keys, every outcome known.
fn strings(clients: u64, txns: usize) -> Shape {
    let shape = Shape::new(Kind::Text, txns);
    Shape { clients, keys: 10, unknown: 0, failed: 0, retire: None, ..shape }
}

/// The same with a tenth of the writes setting the whole string.
fn puts(clients: u64, unknown: u64, txns: usize) -> Shape {
    Shape { puts: 100, unknown, ..strings(clients, txns) }
}

fn transactions(kind: Kind, world: World, txns: usize) -> Shape {
    Shape { clients: 20, keys: 20, ..Shape::new(kind, txns).of(world) }
}

/// As Plume's histories: twenty operations each.
fn large(world: World, txns: usize) -> Shape {
    let keys = (txns as u64 / 100).clamp(50, 10_000);
    let shape = Shape { clients: 50, keys, unknown: 0, ..Shape::new(Kind::Register, txns) };
    Shape { ops: (20, 20), world, ..shape }
}

fn plain(kind: Kind, txns: usize) -> Shape {
    Shape { clients: 10, keys: 10, ..Shape::new(kind, txns) }
}

pub(super) const CASES: &[Case] = &[
    case("registers, 1 client", LINEARIZABLE, |n| registers(1, 10, n)),
    case("registers, 10 clients", LINEARIZABLE, |n| registers(10, 10, n)),
    case("registers, 50 clients", LINEARIZABLE, |n| registers(50, 10, n)),
    case("registers, 50 clients, 20 % unknown", LINEARIZABLE, |n| registers(50, 200, n)),
    with(
        Flaw::StaleRead,
        case("registers, 50 clients, a stale read", LINEARIZABLE, |n| registers(50, 10, n)),
    ),
    Case {
        seeds: Some(102),
        sizes: &[90, 200],
        ..case("etcd logs of Jepsen: 5 clients, 5 values, 20 % unknown", LINEARIZABLE, etcd)
    },
    up_to(
        TO_TEN_THOUSAND,
        with(
            Flaw::StaleRead,
            case("CAS registers, 10 clients, a stale read", LINEARIZABLE, |n| {
                plain(Kind::CasRegister, n)
            }),
        ),
    ),
    case("CAS registers, 10 clients", LINEARIZABLE, |n| plain(Kind::CasRegister, n)),
    Case {
        seeds: Some(20),
        sizes: &[350],
        ..case("strings, 10 clients, 10 keys", LINEARIZABLE, |n| strings(10, n))
    },
    Case {
        seeds: Some(20),
        sizes: &[2_000],
        ..case("strings, 50 clients, 10 keys", LINEARIZABLE, |n| strings(50, n))
    },
    Case {
        seeds: Some(20),
        sizes: &[350, 2_000],
        ..case("strings with puts, 10 clients, 10 keys", LINEARIZABLE, |n| puts(10, 0, n))
    },
    Case {
        seeds: Some(20),
        sizes: &[2_000, 20_000],
        ..case("strings with puts, 50 clients, 10 keys", LINEARIZABLE, |n| puts(50, 0, n))
    },
    Case {
        seeds: Some(20),
        sizes: &[2_000, 20_000],
        ..case("strings with puts, 50 clients, 10 keys, 20 % unknown", LINEARIZABLE, |n| {
            puts(50, 200, n)
        })
    },
    Case {
        seeds: Some(20),
        sizes: &[2_000],
        ..with(
            Flaw::StaleRead,
            case("strings with puts, 50 clients, 10 keys, a stale read", LINEARIZABLE, |n| {
                puts(50, 10, n)
            }),
        )
    },
    case("counters, 10 clients", LINEARIZABLE, |n| plain(Kind::Counter, n)),
    case("sets, 10 clients", LINEARIZABLE, |n| plain(Kind::Set, n)),
    case("lists, 10 clients", LINEARIZABLE, |n| plain(Kind::List, n)),
    case("queues, 10 clients", LINEARIZABLE, |n| plain(Kind::Queue, n)),
    up_to(
        TO_TEN_THOUSAND,
        case("registers of lagging followers", By::Order(Level::Sequential), |n| Shape {
            ops: (1, 1),
            ..plain(Kind::Register, n).of(World::Lagging)
        }),
    ),
    case("list-append, serial", By::Isolation(Level::StrictSerializable), |n| {
        transactions(Kind::List, World::Serial, n)
    }),
    with(
        Flaw::LostUpdate,
        case("list-append, a lost update", By::Isolation(Level::SnapshotIsolation), |n| {
            transactions(Kind::List, World::Serial, n)
        }),
    ),
    case("list-append, snapshots", By::Isolation(Level::SnapshotIsolation), |n| {
        transactions(Kind::List, World::Snapshot, n)
    }),
    case("rw-register, serial", By::Isolation(Level::StrictSerializable), |n| {
        transactions(Kind::Register, World::Serial, n)
    }),
    case("20 operations each, read committed", By::Weak(Level::ReadCommitted), |n| {
        large(World::ReadCommitted, n)
    }),
    case("20 operations each, replicas", By::Weak(Level::ReadAtomic), |n| {
        large(World::CausalConvergence, n)
    }),
    case("20 operations each, replicas", By::Causal(Level::CausalConsistency), |n| {
        large(World::CausalConvergence, n)
    }),
    with(
        Flaw::UnseenCause,
        case("20 operations each, an unseen cause", By::Causal(Level::CausalConsistency), |n| {
            large(World::CausalConvergence, n)
        }),
    ),
    case("20 operations each, replicas", By::Causal(Level::CausalConvergence), |n| {
        large(World::CausalConvergence, n)
    }),
    up_to(
        TO_TEN_THOUSAND,
        case("20 operations each, CM replicas", By::Causal(Level::CausalMemory), |n| {
            large(World::CausalMemory, n)
        }),
    ),
    case("registers, 10 clients", By::Session(Level::ReadYourWrites), |n| registers(10, 10, n)),
    case("registers, 10 clients", By::Session(Level::MonotonicReads), |n| registers(10, 10, n)),
    case("registers, 10 clients", By::Session(Level::MonotonicWrites), |n| registers(10, 10, n)),
    case("registers, 10 clients", By::Session(Level::WritesFollowReads), |n| registers(10, 10, n)),
    case("registers, 10 clients", By::Staleness(0), |n| registers(10, 10, n)),
    case("eventual registers", By::Convergence, |n| Shape {
        ops: (1, 1),
        ..plain(Kind::Register, n).of(World::Eventual)
    }),
];
