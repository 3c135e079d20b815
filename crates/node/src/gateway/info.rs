//! INFO: what Redis clients and tools look for, and what an operator of this node wants to know.

use super::local::REDIS_VERSION;
use crate::state::Node;
use core::fmt::Write;
use stdx::Now;
use wire::resp::Args;

const SECTIONS: [&str; 9] = [
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "cluster",
    "keyspace",
    "atoll",
];

impl Node {
    /// The sections asked for, or all.
    pub(crate) fn info(&self, now: Now, args: &Args) -> String {
        let every = ["all", "default", "everything"];
        let all = args.len() == 1 || (1..args.len()).any(|i| every.iter().any(|w| args.is(i, w)));
        let mut text = String::new();
        for section in SECTIONS {
            if all || (1..args.len()).any(|i| args.is(i, section)) {
                if !text.is_empty() {
                    text.push_str("\r\n");
                }
                let mut title = section.to_string();
                title[..1].make_ascii_uppercase();
                let _ = write!(text, "# {title}\r\n");
                self.section(section, now, &mut text);
            }
        }
        text
    }

    fn section(&self, section: &str, now: Now, text: &mut String) {
        let mut row = |name: &str, value: &dyn core::fmt::Display| {
            let _ = write!(text, "{name}:{value}\r\n");
        };
        let counters = &self.gateway.counters;
        match section {
            "server" => {
                let up = now.wall.0.saturating_sub(self.config.started.0) / 1_000_000;
                row("redis_version", &REDIS_VERSION);
                row("redis_mode", &"standalone");
                row("atoll_version", &self.config.version);
                row("arch_bits", &64);
                row("run_id", &format!("{:040x}", self.identity.disk));
                row("server_time_usec", &now.wall.0);
                row("uptime_in_seconds", &up);
                row("uptime_in_days", &(up / 86_400));
            }
            "clients" => {
                row("connected_clients", &self.gateway.conns.len());
                row("blocked_clients", &0);
            }
            "memory" => {
                row("used_memory", &self.used);
                row("maxmemory", &self.config.tables.memory);
                row("maxmemory_policy", &"noeviction");
            }
            "persistence" => {
                row("loading", &0);
                row("aof_enabled", &1);
                row("rdb_bgsave_in_progress", &0);
            }
            "stats" => {
                row("total_connections_received", &counters.connections);
                row("total_commands_processed", &counters.commands);
                row("atoll_requests_forwarded", &counters.forwarded);
                row("atoll_errors_no_quorum", &counters.no_quorum);
                row("atoll_errors_unknown_outcome", &counters.unknown);
            }
            "replication" => {
                row("role", &"master");
                row("connected_slaves", &0);
                row("master_replid", &format!("{:040x}", self.identity.cluster));
                row("master_repl_offset", &0);
            }
            "cluster" => row("cluster_enabled", &0),
            "keyspace" => self.keyspace_rows(&mut row),
            _ => self.atoll_rows(now, &mut row),
        }
    }

    /// `db0` is `default`; numbered keyspaces keep their number; others appear under their name.
    fn keyspace_rows(&self, row: &mut dyn FnMut(&str, &dyn core::fmt::Display)) {
        for group in self.groups.values() {
            let Some(keys) = group.machine.keys() else { continue };
            let name = &group.info.keyspace.name;
            let name = if name == "default" { "db0" } else { name };
            let (count, expires) = (keys.db.len(), keys.db.expiring());
            if count > 0 {
                row(name, &format!("keys={count},expires={expires},avg_ttl=0"));
            }
        }
    }

    fn atoll_rows(&self, now: Now, row: &mut dyn FnMut(&str, &dyn core::fmt::Display)) {
        row("cluster", &self.config.cluster);
        row("node", &self.identity.node);
        row("life", &self.identity.life);
        row("catalog_epoch", &self.catalog().epoch);
        for member in &self.config.members {
            row(&format!("member_{}", member.node), &member.client);
        }
        for group in self.groups.values() {
            let (heard, of, needs) = group.quorum(now);
            let leader = group.leader_node().map_or("none".into(), |node| node.to_string());
            row(
                &format!("keyspace_{}", group.info.keyspace.name),
                &format!(
                    "group={},term={},leader={leader},applied={},heard={heard}/{of},needs={needs}",
                    group.info.group,
                    group.raft.term(),
                    group.machine.applied()
                ),
            );
        }
    }
}
