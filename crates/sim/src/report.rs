//! What a run tells about itself.

/// How often each thing happened. A campaign that counts zero of something has not tested it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handed to the network.
    pub sent: u64,
    /// Messages that reached a host's queue (duplicates count again).
    pub delivered: u64,
    /// Messages lost by chance, by a cut, by a crash, or because a queue was full.
    pub lost: u64,
    /// Messages put on the way twice.
    pub duplicated: u64,
    /// Messages delivered after a later one of the same link.
    pub reordered: u64,
    /// Messages delivered to a life that is not the one they were sent to, or from a dead sender.
    pub late: u64,
    /// Messages that were held back by a clogged or cut link.
    pub held: u64,
    /// Crashes of running nodes.
    pub crashes: u64,
    /// Crashes that fell between two actions of one turn.
    pub crashes_between_actions: u64,
    /// Crashes after which appended records were missing that had not been synced.
    pub crashes_that_lost: u64,
    /// Starts of nodes after the first.
    pub restarts: u64,
    /// Starts that failed.
    pub boot_failures: u64,
    /// Power failures of all nodes at once.
    pub power_failures: u64,
    /// Pauses.
    pub pauses: u64,
    /// Times that links were cut.
    pub partitions: u64,
    /// Links clogged.
    pub clogs: u64,
    /// Wall clocks set.
    pub clock_jumps: u64,
    /// Nodes that stopped for good.
    pub stops: u64,
    /// Nodes that were told of another's fail-stop.
    pub detections: u64,
    /// Messages lost to send and receive omissions; they count as lost, too.
    pub omitted: u64,
    /// Nodes made slow.
    pub slow_nodes: u64,
    /// Corrections of wall clocks.
    pub corrections: u64,
    /// Disks filled up.
    pub full_disks: u64,
    /// Bits flipped on a disk.
    pub flipped_bits: u64,
    /// Writes set to land elsewhere.
    pub misdirected: u64,
    /// Messages of which some peers were told something else.
    pub equivocations: u64,
    /// Messages that a liar altered.
    pub forgeries: u64,
    /// Messages in the name of another node.
    pub impersonations: u64,
    /// Messages that a liar said again.
    pub replays: u64,
    /// Messages that a liar did not send to those it is silent to; they count as lost, too.
    pub silences: u64,
    /// Messages whose payload was damaged on its way.
    pub damaged: u64,
    /// Batches appended to a log.
    pub writes: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Syncs that failed and stopped a node.
    pub failed_syncs: u64,
    /// Turns of hosts.
    pub turns: u64,
    /// Outputs handed out.
    pub outputs: u64,
}

impl Counters {
    /// Names and values, for a report.
    pub fn rows(&self) -> [(&'static str, u64); 36] {
        [
            ("sent", self.sent),
            ("delivered", self.delivered),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("reordered", self.reordered),
            ("late", self.late),
            ("held", self.held),
            ("crashes", self.crashes),
            ("crashes between actions", self.crashes_between_actions),
            ("crashes that lost unsynced records", self.crashes_that_lost),
            ("restarts", self.restarts),
            ("boot failures", self.boot_failures),
            ("power failures of the whole cluster", self.power_failures),
            ("pauses", self.pauses),
            ("partitions", self.partitions),
            ("clogs", self.clogs),
            ("clock jumps", self.clock_jumps),
            ("stops for good", self.stops),
            ("detections", self.detections),
            ("omissions", self.omitted),
            ("slow nodes", self.slow_nodes),
            ("clock corrections", self.corrections),
            ("full disks", self.full_disks),
            ("flipped bits", self.flipped_bits),
            ("misdirected writes", self.misdirected),
            ("equivocations", self.equivocations),
            ("forgeries", self.forgeries),
            ("impersonations", self.impersonations),
            ("replays", self.replays),
            ("silences", self.silences),
            ("damaged messages", self.damaged),
            ("writes", self.writes),
            ("syncs", self.syncs),
            ("failed syncs", self.failed_syncs),
            ("turns", self.turns),
            ("outputs", self.outputs),
        ]
    }
}
