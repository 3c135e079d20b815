//! After the faults: the healed cluster must settle, answer everybody, and agree.

use crate::report::Verdict;
use crate::run::{PEACE, Run, TICK};
use crate::workload::{Source, keys};
use std::collections::BTreeMap;
use stdx::NodeId;

impl Run {
    /// Waits until every group has one leader that all its members know.
    pub(crate) fn settle(&mut self) -> Result<(), Verdict> {
        let end = self.world.now() + PEACE;
        while self.world.now() < end {
            self.go(self.world.now() + TICK)?;
            if self.quiet() && self.unsettled().is_none() {
                return Ok(());
            }
        }
        let what = self.unsettled().unwrap_or_else(|| "a client still waits".into());
        Err(Verdict::Stuck(format!("{PEACE:?} after the last fault: {what}")))
    }

    /// The nodes that did not stop for good: a majority, which must do without the others.
    fn living(&self) -> Vec<NodeId> {
        self.world.ids().filter(|id| !self.world.is_gone(*id)).collect()
    }

    /// Whether no client waits for anything.
    fn quiet(&self) -> bool {
        let waits = |client: &crate::client::Client| {
            client.link.as_ref().is_some_and(|link| !link.pending.is_empty())
        };
        !self.clients.iter().any(waits)
    }

    /// What is not as it should be.
    fn unsettled(&self) -> Option<String> {
        for id in self.living() {
            let Some(core) = self.world.core(id) else { return Some(format!("node {id} is down")) };
            for (group, replica) in core.groups() {
                if replica.leader_node().is_none() {
                    return Some(format!("node {id} knows no leader of group {group}"));
                }
            }
        }
        None
    }

    /// Every key is read through every node, and every node takes a write.
    pub(crate) fn probe(&mut self) -> Result<(), Verdict> {
        let workload = self.setup.workload;
        let several = workload == crate::setup::Workload::Keyspaces;
        let first = self.clients.len();
        for id in self.living() {
            for db in 0..=u64::from(several) {
                let number = 100 + id.0 * 10 + db;
                let probe = self.client(number, db, Some(id));
                let it = &mut self.clients[probe];
                for (i, (name, key)) in keys(workload, db).into_iter().enumerate() {
                    it.agenda.push(Source::read(name, key.clone()));
                    if i == 0 {
                        let write = it.source.last_write(name, key);
                        it.agenda.push(write);
                    }
                }
                self.next_in(probe, TICK);
            }
        }
        let end = self.world.now() + PEACE;
        while self.world.now() < end {
            self.go(self.world.now() + TICK)?;
            if self.clients[first..].iter().all(|probe| probe.agenda.is_empty()) {
                return Ok(());
            }
        }
        let left = self.clients[first..].iter().find(|probe| !probe.agenda.is_empty());
        let text = left.map_or_else(String::new, |probe| {
            format!("node {:?} has not answered {:?}", probe.home, probe.agenda.last())
        });
        Err(Verdict::Stuck(text))
    }

    /// Every replica of a group reaches the same index, and is then equal (which the onlooker compares).
    pub(crate) fn converge(&mut self) -> Result<(), Verdict> {
        let end = self.world.now() + PEACE;
        while self.world.now() < end {
            self.go(self.world.now() + TICK)?;
            if self.apart().is_none() {
                return self.watch.compare(&self.world, 1).map_err(Verdict::Unsafe);
            }
        }
        let text = self.apart().unwrap_or_default();
        Err(Verdict::Stuck(format!("replicas do not catch up: {text}")))
    }

    fn apart(&self) -> Option<String> {
        let mut applied: BTreeMap<u64, (NodeId, u64)> = BTreeMap::new();
        for id in self.living() {
            let Some(core) = self.world.core(id) else { return Some(format!("node {id} is down")) };
            for (group, replica) in core.groups() {
                let here = replica.machine.applied();
                let (first, there) = *applied.entry(group).or_insert((id, here));
                if there != here {
                    return Some(format!(
                        "group {group}: node {first} applied {there}, node {id} {here}"
                    ));
                }
            }
        }
        None
    }

    /// Puts together what world, history and logs have counted.
    pub(crate) fn finish_counting(&mut self) {
        for (name, times) in self.world.counters().rows() {
            self.counters.add(name, times);
        }
        let truncated = self.world.boot().shadow.truncated;
        let history = &self.seen.history;
        let count = |n: usize| n as u64;
        self.counters.add("uncommitted entries truncated", truncated);
        self.counters.add("simulated milliseconds", self.world.now().0 / 1_000_000);
        self.counters.add("operations", count(history.len()));
        self.counters.add("operations overlapping", count(history.overlapping()));
        self.counters.add("operations answered", count(history.answered()));
    }
}
