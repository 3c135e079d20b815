//! The systems side by side: how each is started on loopback, its data below one folder, and when it is ready.

use super::tools::Tools;
use crate::measure::cluster::{Client, Cluster, Node, free_ports, local};
use crate::measure::tell;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Added to the configuration of every node of `atoll-lease`: reads by lease, the drift bound declared.
const LEASES: &str = "default-contract = \"READS lease DRIFT=500ppm\"\n";
/// After their ports are open, these elect a leader for so long.
const SETTLE: Duration = Duration::from_secs(3);
const SETTLE_NATS: Duration = Duration::from_secs(8);

/// A system under test, running; it ends with its processes.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) pids: Vec<u32>,
    /// The backend of kvload and its addresses, leader first.
    pub(crate) backend: &'static str,
    pub(crate) addresses: Vec<SocketAddr>,
    /// Further words for kvload and for redis-benchmark.
    pub(crate) load: &'static [&'static str],
    pub(crate) bench: &'static [&'static str],
    _cluster: Option<Cluster>,
    _processes: Vec<Node>,
}

/// All there are, in the order in which they take turns.
pub(crate) const NAMES: [&str; 10] = [
    "atoll",
    "atoll-lease",
    "floor",
    "redis-wait",
    "redis-always",
    "redis-memory",
    "redis-cluster",
    "etcd",
    "zookeeper",
    "nats",
];

/// Starts the system of this name with its data below `folder`, which is fresh.
pub(crate) fn start(name: &'static str, tools: &Tools, folder: &Path) -> Result<System, String> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    match name {
        "atoll" => atoll(name, tools, &folder, ""),
        "atoll-lease" => atoll(name, tools, &folder, LEASES),
        "floor" => floor(name, tools, &folder),
        "redis-wait" => redis_wait(name, &folder),
        "redis-always" => {
            one_redis(name, &folder, &["--appendonly", "yes", "--appendfsync", "always"])
        }
        "redis-memory" => one_redis(name, &folder, &["--appendonly", "no"]),
        "redis-cluster" => redis_cluster(name, &folder),
        "etcd" => etcd(name, &folder),
        "zookeeper" => zookeeper(name, &folder),
        "nats" => nats(name, &folder),
        _ => Err(format!("no system `{name}`; there are {}", NAMES.join(", "))),
    }
}

fn system(name: &'static str, backend: &'static str, processes: Vec<Node>) -> System {
    let pids = processes.iter().map(Node::pid).collect();
    let (addresses, load, bench) = (Vec::new(), &[][..], &[][..]);
    System { name, pids, backend, addresses, load, bench, _cluster: None, _processes: processes }
}

fn atoll(name: &'static str, tools: &Tools, folder: &Path, lines: &str) -> Result<System, String> {
    let cluster = Cluster::start_with(&tools.atoll, folder, lines)?;
    let leader = cluster.leader()?;
    let mut addresses = cluster.clients.clone();
    addresses.rotate_left(leader);
    let pids = cluster.pids();
    Ok(System { addresses, pids, _cluster: Some(cluster), ..system(name, "redis", Vec::new()) })
}

/// `program` with `words`, its words on the way kept in a file.
fn spawn(program: &Path, words: &[&str], log: &Path) -> Result<Node, String> {
    let out = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let too = out.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
    Node::spawn(Command::new(program).args(words).stdout(Stdio::from(out)).stderr(too))
}

fn open(at: SocketAddr) -> Result<(), String> {
    Cluster::wait(&format!("{at} is open"), || TcpStream::connect(at).is_ok())
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| "a folder whose name is no text".to_owned())
}

fn floor(name: &'static str, tools: &Tools, folder: &Path) -> Result<System, String> {
    let base = free_ports(3);
    let ports: Vec<String> = (0..3).map(|n| (base + n).to_string()).collect();
    let file = |n: &str| folder.join(format!("{n}.log"));
    let mut processes = Vec::new();
    for port in &ports[1..] {
        let log = file(port);
        let words = ["follower", port, text(&log)?];
        processes.push(spawn(&tools.floor, &words, &folder.join("words"))?);
    }
    // A follower serves one connection after the other: the look at its port is the first.
    (1..3).try_for_each(|n| open(local(base + n)))?;
    let log = file(&ports[0]);
    let words = ["leader", &ports[0], text(&log)?, &ports[1], &ports[2]];
    processes.push(spawn(&tools.floor, &words, &folder.join("words"))?);
    open(local(base))?;
    Ok(System { addresses: vec![local(base)], ..system(name, "redis", processes) })
}

fn redis(port: u16, folder: &Path, words: &[&str]) -> Result<Node, String> {
    let dir = folder.join(port.to_string());
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let port = port.to_string();
    let mut all = vec!["--port", &port, "--bind", "127.0.0.1", "--dir", text(&dir)?];
    all.extend(["--save", "", "--daemonize", "no"]);
    all.extend_from_slice(words);
    spawn(Path::new("redis-server"), &all, &dir.join("words"))
}

fn one_redis(name: &'static str, folder: &Path, words: &[&str]) -> Result<System, String> {
    let port = free_ports(1);
    let processes = vec![redis(port, folder, words)?];
    open(local(port))?;
    Ok(System { addresses: vec![local(port)], ..system(name, "redis", processes) })
}

/// One primary, two replicas, each syncing its own file; the client asks for one replica's acknowledgement.
fn redis_wait(name: &'static str, folder: &Path) -> Result<System, String> {
    let base = free_ports(3);
    let always = ["--appendonly", "yes", "--appendfsync", "always"];
    let primary = format!("127.0.0.1 {base}");
    let first = [&always[..], &["--repl-diskless-sync-delay", "0"]].concat();
    let mut processes = vec![redis(base, folder, &first)?];
    open(local(base))?;
    for port in [base + 1, base + 2] {
        let words = [&always[..], &["--replicaof", &primary]].concat();
        processes.push(redis(port, folder, &words)?);
    }
    Cluster::wait("two replicas are online", || {
        let info = Client::connect(local(base)).and_then(|mut c| c.call(&["INFO", "replication"]));
        info.is_ok_and(|info| info.matches("state=online").count() == 2)
    })?;
    let (addresses, load) = (vec![local(base)], &["--wait", "1"][..]);
    Ok(System { addresses, load, ..system(name, "redis", processes) })
}

/// Three masters in memory, unreplicated.
fn redis_cluster(name: &'static str, folder: &Path) -> Result<System, String> {
    let base = free_ports(3);
    let addresses: Vec<SocketAddr> = (base..base + 3).map(local).collect();
    let words = ["--cluster-enabled", "yes", "--appendonly", "no"];
    let started = (base..base + 3).map(|port| redis(port, folder, &words));
    let processes = started.collect::<Result<Vec<Node>, String>>()?;
    addresses.iter().try_for_each(|at| open(*at))?;
    let names: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    let mut create = Command::new("redis-cli");
    tell(create.args(["--cluster", "create"]).args(names).arg("--cluster-yes"))?;
    for at in &addresses {
        Cluster::wait("the Redis cluster is formed", || {
            let info = Client::connect(*at).and_then(|mut c| c.call(&["CLUSTER", "INFO"]));
            info.is_ok_and(|info| info.contains("cluster_state:ok"))
        })?;
    }
    let (load, bench) = (&["--cluster"][..], &["--cluster"][..]);
    Ok(System { addresses, load, bench, ..system(name, "redis", processes) })
}

fn etcd(name: &'static str, folder: &Path) -> Result<System, String> {
    let base = free_ports(3);
    let url = |port: u16| format!("http://{}", local(port));
    let members: Vec<String> = (0..3).map(|n| format!("e{n}={}", url(base + 100 + n))).collect();
    let members = members.join(",");
    let mut processes = Vec::new();
    for n in 0..3 {
        let (client, peer) = (url(base + n), url(base + 100 + n));
        let (member, data) = (format!("e{n}"), folder.join(format!("e{n}")));
        let words = [
            ["--name", &member],
            ["--data-dir", text(&data)?],
            ["--listen-client-urls", &client],
            ["--advertise-client-urls", &client],
            ["--listen-peer-urls", &peer],
            ["--initial-advertise-peer-urls", &peer],
            ["--initial-cluster", &members],
            ["--initial-cluster-state", "new"],
            ["--log-level", "error"],
        ];
        let log = folder.join(format!("{n}.words"));
        processes.push(spawn(Path::new("etcd"), &words.concat(), &log)?);
    }
    let mut addresses: Vec<SocketAddr> = (base..base + 3).map(local).collect();
    addresses.iter().try_for_each(|at| open(*at))?;
    std::thread::sleep(SETTLE);
    let endpoints = addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
    let mut status = Command::new("etcdctl");
    status.env("ETCDCTL_API", "3").arg(format!("--endpoints={endpoints}"));
    let told = tell(status.args(["endpoint", "status"]))?;
    // Address, id, version, size, whether it leads.
    let leads = |line: &str| line.split(", ").nth(4) == Some("true");
    let leader = told.lines().find(|line| leads(line)).ok_or("etcd has no leader")?;
    let leader = leader.split(", ").next().and_then(|at| at.parse::<SocketAddr>().ok());
    addresses.sort_by_key(|at| Some(*at) != leader);
    Ok(System { addresses, ..system(name, "etcd", processes) })
}

fn write(path: &Path, content: &str) -> Result<(), String> {
    let parent = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(parent).and_then(|()| fs::write(path, content));
    written.map_err(|e| format!("{}: {e}", path.display()))
}

fn zookeeper(name: &'static str, folder: &Path) -> Result<System, String> {
    let base = free_ports(3);
    let mut servers = String::new();
    for n in 0..3 {
        let (quorum, election) = (base + 100 + n, base + 200 + n);
        writeln!(servers, "server.{}=127.0.0.1:{quorum}:{election}", n + 1).expect("a string");
    }
    let mut processes = Vec::new();
    for n in 0..3 {
        let dir = folder.join(n.to_string());
        write(&dir.join("myid"), &(n + 1).to_string())?;
        let settings = format!(
            "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={}\nclientPort={}\n\
             clientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n{servers}",
            dir.display(),
            base + n
        );
        let config = dir.join("zoo.cfg");
        write(&config, &settings)?;
        let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
        let words =
            ["-Xmx1g", "-cp", "/etc/zookeeper/conf:/usr/share/java/*", main, text(&config)?];
        processes.push(spawn(Path::new("java"), &words, &dir.join("words"))?);
    }
    let addresses: Vec<SocketAddr> = (base..base + 3).map(local).collect();
    addresses.iter().try_for_each(|at| open(*at))?;
    std::thread::sleep(SETTLE);
    let load = &["--spread"][..];
    Ok(System { addresses, load, ..system(name, "zk", processes) })
}

/// Three replicas in files; this version does not sync each write.
fn nats(name: &'static str, folder: &Path) -> Result<System, String> {
    let base = free_ports(3);
    let routes: Vec<String> = (0..3).map(|n| format!("nats://{}", local(base + 100 + n))).collect();
    let mut processes = Vec::new();
    for n in 0..3 {
        let dir: PathBuf = folder.join(n.to_string());
        let settings = format!(
            "server_name: n{n}\nlisten: {}\njetstream {{ store_dir: {:?}, max_mem: 1G, max_file: 8G }}\n\
             cluster {{ name: C, listen: {}, routes: [ {} ] }}\n",
            local(base + n),
            dir.join("js"),
            local(base + 100 + n),
            routes.join(", ")
        );
        let config = dir.join("nats.conf");
        write(&config, &settings)?;
        let words = ["-c", text(&config)?];
        processes.push(spawn(Path::new("nats-server"), &words, &dir.join("words"))?);
    }
    let addresses: Vec<SocketAddr> = (base..base + 3).map(local).collect();
    addresses.iter().try_for_each(|at| open(*at))?;
    std::thread::sleep(SETTLE_NATS);
    let load = &["--spread"][..];
    Ok(System { addresses, load, ..system(name, "nats", processes) })
}
