//! After the faults: the healed cluster must settle, answer everybody, and agree.

use crate::client::Probe;
use crate::report::Verdict;
use crate::run::{PEACE, Run, TICK};
use crate::workload::{Source, args, keys};
use std::collections::BTreeMap;
use stdx::NodeId;

impl Run<'_> {
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
        self.clients.iter().all(|client| !client.waits())
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
                let client = self.client(number);
                let prng = self.clients[client].prng.fork(1);
                let mut source = Source { workload, prng, client: number, next: 0, padding: 0 };
                let mut agenda = Vec::new();
                for (i, name) in keys(workload, db).iter().enumerate() {
                    agenda.push(args(&[b"GET", name.as_bytes()]));
                    if i == 0 {
                        agenda.push(source.last_write(name.as_bytes()));
                    }
                }
                self.clients[client].probe = Some(Probe { home: id, db, source, agenda });
                self.probe_in(client, TICK);
            }
        }
        let end = self.world.now() + PEACE;
        while self.world.now() < end {
            self.go(self.world.now() + TICK)?;
            if self.unanswered(first).is_none() {
                return Ok(());
            }
        }
        Err(Verdict::Stuck(self.unanswered(first).unwrap_or_default()))
    }

    /// A probe, from the `first` on, that still has something to ask.
    fn unanswered(&self, first: usize) -> Option<String> {
        let probes = self.clients[first..].iter().filter_map(|client| client.probe.as_ref());
        let mut left = probes.filter_map(|probe| Some((probe.home, probe.agenda.last()?)));
        left.next().map(|(home, asked)| format!("node {home} has not answered {asked:?}"))
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
