//! Clusters of one register: a value's write and its reads, and which clusters must come before which.

use super::end;
use crate::txn::{KeyId, Op, Transactions, Txn, ValueId};
use crate::{Fate, Witness};
use std::collections::BTreeMap;

/// The operations on one value.
#[derive(Clone, Debug, Default)]
struct Cluster {
    /// None: the value that was there at first.
    write: Option<usize>,
    reads: Vec<usize>,
}

/// One cluster must come after another if the other has ended somewhere before it began somewhere.
#[derive(Clone, Copy, Debug)]
struct Zone {
    value: ValueId,
    /// The earliest end of one of its operations, and that one.
    ended: (i128, Option<usize>),
    /// The latest beginning, of reads moved earlier, and whose.
    began: (i128, Option<usize>),
}

impl Zone {
    fn before(&self, other: &Zone) -> bool {
        self.ended.0 < other.began.0
    }

    /// Something of it ended before something of it began: it held for a while.
    fn is_forward(&self) -> bool {
        self.before(self)
    }
}

/// The clusters of one register.
#[derive(Clone, Debug, Default)]
pub(super) struct Zones {
    clusters: BTreeMap<ValueId, Cluster>,
}

impl Zones {
    pub(super) fn add(&mut self, number: usize, op: &Op, txn: &Txn) {
        match *op {
            Op::Write { value, .. } => {
                self.clusters.entry(value).or_default().write = Some(number);
            }
            Op::Read { value: Some(value), .. } if txn.fate == Fate::Committed => {
                self.clusters.entry(value).or_default().reads.push(number);
            }
            _ => {}
        }
    }

    /// Two clusters each of which must come before the other, or a read before its write.
    pub(super) fn judge(&self, history: &Transactions, key: KeyId, bound: u64) -> Option<Witness> {
        let teller = Teller { history, key, bound, zones: self };
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        for (value, cluster) in &self.clusters {
            if let Some(witness) = teller.future(cluster, *value) {
                return Some(witness);
            }
            let Some(zone) = zone(history, cluster, *value, bound) else { continue };
            if zone.is_forward() { forward.push(zone) } else { backward.push(zone) }
        }
        forward.sort_by_key(|zone: &Zone| zone.ended.0);
        for pair in forward.windows(2) {
            if pair[1].before(&pair[0]) {
                return Some(teller.conflict(&pair[0], &pair[1]));
            }
        }
        // Forward zones do not overlap, so of those that must come before this one the last reaches furthest.
        backward.iter().find_map(|zone| {
            let count = forward.partition_point(|other| other.ended.0 < zone.began.0);
            let other = forward[..count].last().filter(|other| zone.before(other))?;
            Some(teller.conflict(other, zone))
        })
    }
}

/// None if nobody knows whether the value was ever there.
fn zone(history: &Transactions, cluster: &Cluster, value: ValueId, bound: u64) -> Option<Zone> {
    let txn = |number: usize| &history.txns[number];
    if cluster.reads.is_empty() && cluster.write.is_none_or(|w| txn(w).fate == Fate::Unknown) {
        return None;
    }
    let mut zone = match cluster.write {
        None => Zone { value, ended: (i128::MIN, None), began: (i128::MIN, None) },
        Some(write) => Zone {
            value,
            ended: (end(txn(write)), Some(write)),
            began: (i128::from(txn(write).invoked), Some(write)),
        },
    };
    for read in &cluster.reads {
        zone.ended = zone.ended.min((end(txn(*read)), Some(*read)));
        let began = i128::from(txn(*read).invoked) - i128::from(bound);
        zone.began = zone.began.max((began, Some(*read)));
    }
    Some(zone)
}

struct Teller<'a> {
    history: &'a Transactions,
    key: KeyId,
    bound: u64,
    zones: &'a Zones,
}

impl Teller<'_> {
    fn line(&self, number: usize) -> String {
        format!("(line {})", self.history.txns[number].line)
    }

    fn value(&self, value: ValueId) -> String {
        let name = self.history.key_name(self.key);
        if value == ValueId::NIL {
            return format!("nothing in {name}");
        }
        format!("{name} = {}", self.history.shown(value))
    }

    /// A read that was over before its write was invoked.
    fn future(&self, cluster: &Cluster, value: ValueId) -> Option<Witness> {
        let write = cluster.write?;
        let invoked = self.history.txns[write].invoked;
        let early = |read: &&usize| self.history.txns[**read].returned < invoked;
        let read = *cluster.reads.iter().find(early)?;
        let reason = format!(
            "process {} saw {} {} before process {} was about to write it {}.",
            self.history.txns[read].process,
            self.value(value),
            self.line(read),
            self.history.txns[write].process,
            self.line(write),
        );
        Some(witness(reason, vec![write, read], read))
    }

    fn conflict(&self, one: &Zone, two: &Zone) -> Witness {
        let (stale, missed) = if self.is_older(one, two) { (one, two) } else { (two, one) };
        let read = stale.began.1.expect("the older is still there when somebody reads it");
        let txn = &self.history.txns[read];
        let write = self.zones.clusters[&missed.value].write.expect("the newer was written");
        let since = missed.ended.1.expect("the newer has come somewhere");
        let proof = if since == write {
            String::new()
        } else {
            let reader = self.history.txns[since].process;
            format!(" and process {reader} had seen it {}", self.line(since))
        };
        let lag = stale.began.0 + i128::from(self.bound) - missed.ended.0;
        let reason = format!(
            "process {} saw {} {} although process {} had written {} {}{proof}: the read began {lag} after \
             that, and may lag by {}.",
            txn.process,
            self.value(stale.value),
            self.line(read),
            self.history.txns[write].process,
            self.value(missed.value),
            self.line(write),
            self.bound,
        );
        let of = |zone: &Zone| [zone.ended.1, zone.began.1, self.zones.clusters[&zone.value].write];
        let txns = of(one).into_iter().chain(of(two)).flatten().collect();
        witness(reason, txns, read)
    }

    /// Whether the first is the one to be called stale: its write was over before the other's began, or its reads are
    /// the less late.
    fn is_older(&self, one: &Zone, two: &Zone) -> bool {
        let write = |zone: &Zone| self.zones.clusters[&zone.value].write;
        let read = |zone: &Zone| zone.began.1.filter(|began| Some(*began) != write(zone));
        let ends = |zone: &Zone| write(zone).map_or(i128::MIN, |w| end(&self.history.txns[w]));
        let begins = |zone: &Zone| {
            write(zone).map_or(i128::MIN, |w| i128::from(self.history.txns[w].invoked))
        };
        match (read(one), read(two)) {
            (None, _) => false,
            (_, None) => true,
            _ if ends(one) < begins(two) => true,
            _ if ends(two) < begins(one) => false,
            _ => one.began.0 - two.ended.0 <= two.began.0 - one.ended.0,
        }
    }
}

fn witness(reason: String, mut txns: Vec<usize>, stuck: usize) -> Witness {
    txns.sort_unstable();
    txns.dedup();
    let (order, cycle) = (Vec::new(), Vec::new());
    Witness { anomaly: "stale-read", reason, txns, stuck: Some(stuck), order, cycle }
}
