//! A trio of nodes in one loop: no faults here (that is `swarm`'s), only what commands mean through the gateway.

use crate::contract::{Contract, TableKind};
use crate::{Config, ConnId, Member, Node, Output, Packet, Request, TablesConfig};
use alloc::collections::VecDeque;
use protocol::{Action, Host};
use sim::disk::SimDisk;
use stdx::{Duration, Instant, NodeId, Now, Planted, Prng, WallClock};
use storage::{Answer, Engine, EngineConfig, Log, LogConfig};
use wire::resp::Args;

mod backup;
mod compare;
mod disks;
mod full;
mod golden;
mod hostile;
mod hostile_again;
mod seals;
mod transfers;
mod upgrades;

struct Trio {
    nodes: Vec<(Host<Node>, Log<SimDisk>)>,
    mail: VecDeque<(NodeId, NodeId, Packet)>,
    replies: Vec<(usize, ConnId, String)>,
    /// What the nodes told their operators.
    events: Vec<(usize, crate::Event)>,
    /// The newest reply's bytes.
    raw: Vec<u8>,
    /// A node that nothing comes from or gets to.
    cut: Option<NodeId>,
    now: u64,
    /// A node whose disk takes nothing, and the write that waits for it.
    stuck: Option<usize>,
    waiting: Option<wire::Batch>,
    /// The engines of tables on disk, and what they have answered that their nodes hear some turns later.
    engines: Vec<Beside>,
}

/// An engine, and its answers with when they are heard.
type Beside = (Engine<SimDisk>, VecDeque<(u64, Answer)>);

fn engine() -> Beside {
    let config =
        EngineConfig { page_bytes: 64 << 10, outline: data::outline, planted: Planted::NONE };
    (Engine::new(SimDisk::default(), config).unwrap(), VecDeque::new())
}

/// The same, with the keys of `default` on disk and hardly any in memory.
fn on_disk(config: Config) -> Config {
    let contract = Contract { table: TableKind::Disk, ..Contract::default() };
    let tables = TablesConfig { memory: 0, cache: 4096 };
    Config { default_contract: Some(contract), tables, misses: (0, 1), ..config }
}

fn config(node: u64) -> Config {
    let member = |n: u64| Member { node: NodeId(n), client: format!("127.0.0.1:{}", 7000 + n) };
    Config {
        cluster: "test".into(),
        node: NodeId(node),
        members: (1..=3).map(member).collect(),
        request_timeout: Duration::from_secs(5),
        requirepass: None,
        max_value: 1 << 20,
        election: (Duration::from_millis(300), Duration::from_millis(600)),
        heartbeat: Duration::from_millis(50),
        snapshot_bytes: 1 << 20,
        transfer_rate: 0,
        chunk_bytes: 4096,
        default_contract: None,
        misses: (1, 3),
        tables: TablesConfig::default(),
        version: "test",
        started: WallClock(0),
        planted: Planted::NONE,
    }
}

impl Trio {
    fn new() -> Trio {
        Trio::with(256 << 10, config)
    }

    fn with(segment_bytes: u64, config: impl Fn(u64) -> Config) -> Trio {
        let nodes = (1..=3)
            .map(|n| {
                let log = LogConfig { segment_bytes, ..LogConfig::default() };
                let now = Now { mono: Instant(1), wall: WallClock(1_000_000), ..Now::default() };
                let opened =
                    crate::open(SimDisk::default(), log, config(n), now, Prng::new(n)).unwrap();
                (opened.host, opened.log)
            })
            .collect();
        let mut trio = Trio {
            nodes,
            mail: VecDeque::new(),
            replies: Vec::new(),
            raw: Vec::new(),
            cut: None,
            now: 1,
            stuck: None,
            waiting: None,
            events: Vec::new(),
            engines: (0..3).map(|_| engine()).collect(),
        };
        for n in 0..3 {
            for conn in 1..=2 {
                let address = format!("10.0.0.1:{conn}");
                trio.ask(n, Request::Open { conn: ConnId(conn), address });
            }
        }
        trio
    }

    fn ask(&mut self, n: usize, request: Request) {
        self.nodes[n].0.request(request).unwrap();
    }

    /// One turn of each node, then the time of one millisecond.
    fn turn(&mut self) {
        self.now += 1_000_000;
        let wall = WallClock(1_000_000 + self.now / 1_000);
        let now = Now { mono: Instant(self.now), wall, ..Now::default() };
        for (from, to, packet) in core::mem::take(&mut self.mail) {
            let bytes = wire::encode(&packet);
            let packet = wire::decode_all(&bytes).unwrap();
            if from != to && [Some(from), Some(to)].contains(&self.cut) {
                continue;
            }
            self.nodes[to.0 as usize - 1].0.receive(from, packet);
        }
        for n in 0..3 {
            let due = |answer: &mut (u64, Answer)| answer.0 <= self.now;
            while let Some((_, answer)) = self.engines[n].1.pop_front_if(due) {
                self.nodes[n].0.request(Request::Table(answer)).unwrap();
            }
            let mut actions = VecDeque::new();
            let (host, log) = &mut self.nodes[n];
            host.turn(&mut || now, &mut actions);
            while let Some(action) = actions.pop_front() {
                match action {
                    Action::Send { to, message } => {
                        self.mail.push_back((NodeId(n as u64 + 1), to, message));
                    }
                    Action::Write(batch) if self.stuck == Some(n) => self.waiting = Some(batch),
                    Action::Write(batch) => {
                        log.append(&batch).unwrap();
                        let durable = log.sync().unwrap();
                        host.synced(durable, &mut actions);
                    }
                    Action::Release(before) => log.release(before),
                    Action::Output(Output::Reply { conn, bytes, .. }) => {
                        let text = String::from_utf8_lossy(&bytes).replace("\r\n", " ");
                        self.replies.push((n, conn, text.trim_end().to_string()));
                        self.raw = bytes;
                    }
                    Action::Output(Output::Event(event)) => self.events.push((n, event)),
                    Action::Output(Output::Table(ask)) => {
                        let (engine, answers) = &mut self.engines[n];
                        let heard = self.now + 10_000_000;
                        answers.extend(engine.carry_out(ask).unwrap().map(|a| (heard, a)));
                    }
                    Action::Output(_) => {}
                }
            }
        }
    }

    /// Sends command lines to one node and returns the replies once all are answered.
    fn run(&mut self, n: usize, conn: u64, lines: &[&str]) -> String {
        let conn = ConnId(conn);
        let commands =
            lines.iter().map(|line| line.split(' ').map(str::as_bytes).collect::<Args>()).collect();
        self.run_all(n, conn, commands)
    }

    /// The same, of any bytes.
    fn run_all(&mut self, n: usize, conn: ConnId, commands: Vec<Args>) -> String {
        let lines = commands.clone();
        self.replies.clear();
        self.ask(n, Request::Commands { conn, commands });
        for _ in 0..20_000 {
            self.turn();
            let mine = self.replies.iter().filter(|(at, c, _)| (*at, *c) == (n, conn));
            let texts: Vec<String> = mine.map(|(_, _, text)| text.clone()).collect();
            if self.nodes[n].0.core().waits(conn) {
                continue;
            }
            return texts.join(" ");
        }
        panic!(
            "no answer to {lines:?}; status {:?}",
            self.nodes[n].0.core().status(Now::default())
        );
    }
}

impl Node {
    fn waits(&self, conn: ConnId) -> bool {
        let conn = &self.gateway.conns[&conn];
        conn.busy.is_some() || !conn.queue.is_empty()
    }
}

#[test]
fn any_node_serves_any_command() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    assert_eq!(trio.run(1, 1, &["GET a"]), "$1 1");
    assert_eq!(trio.run(2, 1, &["INCR a", "GET a", "PING", "APPEND a x"]), ":2 $1 2 +PONG :2");
    assert_eq!(trio.run(0, 1, &["MGET a b"]), "*2 $2 2x $-1");
    assert_eq!(
        trio.run(0, 1, &["NOSUCH a b"]),
        "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b'"
    );
}

#[test]
fn transactions_are_whole_or_nothing() {
    let mut trio = Trio::new();
    let replies = trio.run(1, 1, &["MULTI", "SET a 1", "INCR a", "PING", "EXEC"]);
    assert_eq!(replies, "+OK +QUEUED +QUEUED +QUEUED *3 +OK :2 +PONG");
    assert_eq!(trio.run(1, 1, &["WATCH a", "MULTI", "GET a"]), "+OK +OK +QUEUED");
    assert_eq!(trio.run(2, 1, &["SET a 9"]), "+OK");
    assert_eq!(trio.run(1, 1, &["EXEC"]), "*-1");
    assert_eq!(trio.run(1, 1, &["WATCH a", "MULTI", "SET a 10", "EXEC"]), "+OK +OK +QUEUED *1 +OK");
    let spoiled = trio.run(1, 1, &["MULTI", "NOSUCH", "EXEC"]);
    assert!(spoiled.contains("-EXECABORT"), "{spoiled:?}");
    assert_eq!(trio.run(1, 1, &["EXEC"]), "-ERR EXEC without MULTI");
}

#[test]
fn a_keyspace_is_declared_and_its_keys_move_in() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["KEYSPACE CREATE account"]), "+OK");
    assert_eq!(trio.run(1, 1, &["SET account:1 x", "GET account:1"]), "+OK $1 x");
    assert_eq!(trio.run(2, 1, &["GET account:1", "DBSIZE"]), "$1 x :0");
    assert_eq!(trio.run(2, 1, &["SELECT account", "DBSIZE", "SELECT 0"]), "+OK :1 +OK");
    assert_eq!(trio.run(0, 1, &["MSET account:1 y b 2"])[..10], *"-CROSSSLOT");
    assert_eq!(trio.run(0, 1, &["SET b 2", "MGET account:1 b c"]), "+OK *3 $1 x $1 2 $-1");
    assert_eq!(trio.run(0, 1, &["DEL account:1 b c"]), ":2");
    assert_eq!(trio.run(0, 1, &["SET user:1 x"]), "+OK");
    let refused = trio.run(1, 1, &["KEYSPACE CREATE user"]);
    assert!(refused.contains("1 keys of keyspace default"), "{refused:?}");
    assert_eq!(trio.run(1, 1, &["GET user:1"]), "$1 x");
    let exists = trio.run(1, 1, &["KEYSPACE CREATE account"]);
    assert!(exists.contains("exists"), "{exists:?}");
    assert_eq!(trio.run(1, 1, &["KEYSPACE LIST"]), "*2 $7 account $7 default");
}

#[test]
fn numbered_keyspaces_appear_on_the_first_write() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SELECT 5", "GET a", "DBSIZE"]), "+OK $-1 :0");
    assert_eq!(trio.run(0, 1, &["KEYSPACE LIST"]), "*1 $7 default");
    assert_eq!(trio.run(0, 1, &["SET a 5", "GET a"]), "+OK $1 5");
    assert_eq!(trio.run(1, 1, &["GET a"]), "$-1");
    assert_eq!(trio.run(1, 1, &["SELECT 5", "GET a"]), "+OK $1 5");
    assert_eq!(
        trio.run(2, 1, &["SELECT 5", "WATCH a", "MULTI", "INCR a", "EXEC"]),
        "+OK +OK +OK +QUEUED *1 :6"
    );
    assert_eq!(trio.run(1, 1, &["SELECT nowhere"])[..21], *"-ERR no such keyspace");
}

#[test]
fn a_pause_holds_what_it_names_and_nothing_else() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1", "CLIENT PAUSE 500 WRITE"]), "+OK +OK");
    assert_eq!(trio.run(0, 2, &["GET a"]), "$1 1");
    let before = trio.now;
    assert_eq!(trio.run(0, 2, &["GET a", "SET a 2", "GET a"]), "$1 1 +OK $1 2");
    assert!(trio.now - before > 400_000_000, "the write waited");
    assert_eq!(trio.run(0, 1, &["CLIENT PAUSE 100000", "CLIENT UNPAUSE", "GET a"]), "+OK +OK $1 2");
    assert!(trio.run(0, 1, &["CLIENT PAUSE x"]).starts_with("-ERR timeout is not an integer"));
}

#[test]
fn keys_expire_by_the_groups_time() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1 PX 50", "SET b 1"]), "+OK +OK");
    for _ in 0..60 {
        trio.turn();
    }
    assert_eq!(trio.run(1, 1, &["GET a", "GET b", "DBSIZE"]), "$-1 $1 1 :1");
}

#[test]
fn a_follower_answers_reads_that_are_let_to_it() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["SET a 1", "SET due 1 PX 40"]), "+OK +OK");
    for n in 0..3 {
        let forwarded = trio.nodes[n].0.core().gateway.counters.forwarded;
        assert_eq!(trio.run(n, 1, &["READONLY", "GET a", "MGET a b"]), "+OK $1 1 *2 $1 1 $-1");
        let core = trio.nodes[n].0.core();
        assert_eq!(core.gateway.counters.forwarded, forwarded, "node {n} asked another to read");
        assert!(core.groups().all(|(_, group)| group.reads.is_empty()));
    }
    // What was written through any node is seen through any other, at once.
    for round in 0..20 {
        let set = format!("SET a {round}");
        assert_eq!(trio.run(round % 3, 1, &[&set]), "+OK");
        let seen = trio.run((round + 1) % 3, 1, &["GET a"]);
        assert_eq!(seen, format!("${} {round}", round.to_string().len()));
    }
    // A key that is due is the leader's to remove.
    for _ in 0..60 {
        trio.turn();
    }
    assert_eq!(trio.run(1, 1, &["GET due"]), "$-1");
    assert_eq!(trio.run(2, 1, &["READWRITE", "GET a"]), "+OK $2 19");
}

#[test]
fn default_may_be_founded_with_leases() {
    let contract = crate::contract::parse(&["READS lease DRIFT=500ppm"], 3).unwrap();
    let leased = |n| Config { default_contract: Some(contract.clone()), ..config(n) };
    let mut trio = Trio::with(256 << 10, leased);
    assert_eq!(trio.run(0, 1, &["SET a 1"]), "+OK");
    let shown = trio.run(1, 1, &["KEYSPACE SHOW default"]);
    assert!(shown.contains("TABLE memory READS lease DRIFT=500ppm SESSION none"), "{shown}");
    let leader = (0..3).find(|n| {
        let group = trio.nodes[*n].0.core().group(crate::DEFAULT_GROUP);
        group.is_some_and(|group| group.raft.is_leading())
    });
    let leader = leader.expect("somebody leads");
    for _ in 0..200 {
        trio.turn();
    }
    // The answer leaves with the turn in which the question came, and no message does.
    let commands = vec![["GET", "a"].iter().map(|word| word.as_bytes()).collect::<Args>()];
    trio.ask(leader, Request::Commands { conn: ConnId(1), commands });
    let mut actions = VecDeque::new();
    let wall = WallClock(1_000_000 + trio.now / 1_000);
    let now = Now { mono: Instant(trio.now), wall, ..Now::default() };
    trio.nodes[leader].0.turn(&mut || now, &mut actions);
    assert!(actions.iter().any(|a| matches!(a, Action::Output(Output::Reply { .. }))));
    assert!(!actions.iter().any(|action| matches!(action, Action::Send { .. })), "{actions:?}");
    // Another contract is another cluster.
    let digest = |config: &Config| crate::open::cluster_digest(config);
    assert_ne!(digest(&config(1)), digest(&leased(1)));
    let standard = Some(Contract::standard(3));
    assert_eq!(digest(&config(1)), digest(&Config { default_contract: standard, ..config(1) }));
}

#[test]
fn idle_groups_say_nothing_and_wake() {
    let mut trio = Trio::new();
    assert_eq!(trio.run(0, 1, &["KEYSPACE CREATE account", "SET account:1 x"]), "+OK +OK");
    let awake = |trio: &Trio| -> usize {
        let groups = trio.nodes.iter().flat_map(|(host, _)| host.core().groups());
        groups.filter(|(_, group)| !group.raft.is_quiet()).count()
    };
    for _ in 0..3_000 {
        trio.turn();
    }
    assert_eq!(awake(&trio), 0, "the catalog, default and account are idle");
    let alive = |packet: &Packet| {
        let content = crate::Content::Applying { group: crate::peers::ALIVE };
        packet.content == content
    };
    let mut said = 0;
    for _ in 0..200 {
        trio.turn();
        assert!(trio.mail.iter().all(|(_, _, packet)| alive(packet)), "{:?}", trio.mail);
        said += trio.mail.len();
    }
    let leading = |(host, _): &&(Host<Node>, _)| {
        host.core().groups().any(|(_, group)| group.raft.is_leading())
    };
    let leaders = trio.nodes.iter().filter(leading).count();
    // Each leader to both others, every 50 ms, whatever the number of groups; the others now and then.
    let (least, most) = (4 * 2 * leaders, 4 * 2 * leaders + 2 * (3 - leaders));
    assert!((least..=most).contains(&said), "{said} packets of {leaders} leaders");
    // What is asked wakes one group, and is answered as ever; the others sleep on.
    assert_eq!(trio.run(1, 1, &["SET account:1 y", "GET account:1"]), "+OK $1 y");
    assert!((1..=3).contains(&awake(&trio)), "{} replicas are awake", awake(&trio));
    // A node that falls silent is missed, and its groups are led by others.
    for _ in 0..3_000 {
        trio.turn();
    }
    let leads = |trio: &Trio, n: usize, group| {
        trio.nodes[n].0.core().group(group).is_some_and(|group| group.raft.is_leading())
    };
    let group = crate::DEFAULT_GROUP;
    let leader = (0..3).find(|n| leads(&trio, *n, group)).expect("somebody leads");
    for _ in 0..2_000 {
        trio.mail.retain(|(from, to, _)| from.0 != leader as u64 + 1 && to.0 != leader as u64 + 1);
        trio.turn();
    }
    assert!((0..3).any(|n| n != leader && leads(&trio, n, group)), "nobody missed the leader");
}
