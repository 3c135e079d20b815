//! What the operations on one key say, and who listens.

use crate::level::EdgeKind;
use crate::txn::{KeyId, ValueId};

/// One transaction depends on another through one key (Adya 1999, section 3.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Dependency {
    pub(super) kind: EdgeKind,
    pub(super) key: KeyId,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) value: ValueId,
    pub(super) next: ValueId,
}

/// Somebody who read a version that others wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reader {
    /// Which: its place in the order of a list, or the number of a write to a register; 0 is the initial one.
    pub(super) version: u32,
    pub(super) txn: u32,
    /// Whether it then wrote the same key.
    pub(super) wrote: bool,
}

/// Who installed a version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) txn: u32,
    pub(super) value: ValueId,
}

/// What is wrong without any cycle, or with one that needs no search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Anomaly {
    /// A list has an element twice that was appended once.
    DuplicateElements,
    /// The assumed order of the versions of a register goes in a circle.
    CyclicVersions,
    /// What an aborted transaction wrote was read.
    G1a,
    /// A committed append lies on top of an aborted one.
    DirtyUpdate,
    /// What nobody wrote was read.
    GarbageRead,
    /// Something was read that its writer overwrote before it committed.
    G1b,
    /// Two reads of a list are not prefixes of one another.
    IncompatibleOrder,
    /// A transaction read what it wrote only later.
    FutureRead,
    /// A transaction did not read what it had itself read or written.
    Internal,
    /// Two transactions read the same version and both wrote the next.
    LostUpdate,
}

impl Anomaly {
    pub(super) const ALL: [Anomaly; 10] = [
        Anomaly::DuplicateElements,
        Anomaly::CyclicVersions,
        Anomaly::G1a,
        Anomaly::DirtyUpdate,
        Anomaly::GarbageRead,
        Anomaly::G1b,
        Anomaly::IncompatibleOrder,
        Anomaly::FutureRead,
        Anomaly::Internal,
        Anomaly::LostUpdate,
    ];

    /// As Elle names it; `garbage-read` as in its paper.
    pub(super) fn name(self) -> &'static str {
        match self {
            Anomaly::DuplicateElements => "duplicate-elements",
            Anomaly::CyclicVersions => "cyclic-versions",
            Anomaly::G1a => "G1a",
            Anomaly::DirtyUpdate => "dirty-update",
            Anomaly::GarbageRead => "garbage-read",
            Anomaly::G1b => "G1b",
            Anomaly::IncompatibleOrder => "incompatible-order",
            Anomaly::FutureRead => "future-read",
            Anomaly::Internal => "internal",
            Anomaly::LostUpdate => "lost-update",
        }
    }
}

/// Takes what is found.
pub(super) trait Sink {
    /// A dependency; both ends differ.
    fn dependency(&mut self, dependency: Dependency);

    /// Each of `readers` read a version with `value` that each of `writers`, but itself, overwrote.
    fn overwritten(&mut self, key: KeyId, value: ValueId, readers: &[Reader], writers: &[Writer]);

    /// An anomaly, of these transactions and for this reason.
    fn anomaly(&mut self, anomaly: Anomaly, txns: &[u32], reason: &dyn Fn() -> String);

    /// Nothing certain can be said of the versions of a key, and why.
    fn obscure(&mut self, key: KeyId, reason: &dyn Fn() -> String);

    /// Operation `read` of a register saw what operation `write` wrote; `None`: the initial value.
    fn source(&mut self, read: u32, write: Option<u32>);
}
