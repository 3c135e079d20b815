//! kvload: closed-loop load driver for replicated key-value stores, on loopback only.
//!
//! One line of tab-separated figures per run: throughput, latency percentiles, errors, and the
//! processor seconds that client and server processes used inside the measured window.
//! Backends: redis (RESP2, also `--cluster` slot routing and `--wait N`), etcd (v3 gRPC), zk, nats (JetStream KV).
use bytes::{Buf, BytesMut};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type R<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Op {
    Put,
    GetLin,
    GetLocal,
    /// 50 % put, 50 % linearizable get
    Mixed,
}

#[derive(Clone)]
struct Cfg {
    backend: String,
    addrs: Vec<String>,
    op: Op,
    clients: usize,
    conns: usize,
    warm: f64,
    secs: f64,
    keys: u64,
    val: usize,
    wait: u32,
    pipeline: usize,
    cluster: bool,
    readonly: bool,
    pids: Vec<u32>,
    fill: bool,
    /// "set" sends `SET key value`; kept as a string so another RESP server's dialect can be added
    label: String,
    spread: bool,
}

fn crc16(data: &[u8]) -> u16 {
    let mut crc = 0u16;
    for &b in data {
        crc ^= (b as u16) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
        }
    }
    crc
}

// ---------------------------------------------------------------- RESP
struct Resp {
    s: TcpStream,
    rb: BytesMut,
    wb: BytesMut,
}
impl Resp {
    async fn connect(a: &str) -> R<Self> {
        let s = TcpStream::connect(a).await?;
        s.set_nodelay(true)?;
        Ok(Self { s, rb: BytesMut::with_capacity(1 << 16), wb: BytesMut::with_capacity(1 << 14) })
    }
    fn cmd(&mut self, parts: &[&[u8]]) {
        use std::io::Write;
        let mut h = [0u8; 24];
        let mut w = |wb: &mut BytesMut, c: char, n: usize| {
            let mut cur = &mut h[..];
            write!(cur, "{c}{n}\r\n").unwrap();
            let left = cur.len();
            wb.extend_from_slice(&h[..24 - left]);
        };
        w(&mut self.wb, '*', parts.len());
        for p in parts {
            w(&mut self.wb, '$', p.len());
            self.wb.extend_from_slice(p);
            self.wb.extend_from_slice(b"\r\n");
        }
    }
    async fn flush(&mut self) -> R<()> {
        self.s.write_all_buf(&mut self.wb).await?;
        Ok(())
    }
    /// Reads one reply (simple, error, integer or bulk); returns its first byte and payload.
    async fn reply(&mut self) -> R<(u8, Vec<u8>)> {
        loop {
            if let Some(i) = self.rb.windows(2).position(|w| w == b"\r\n") {
                let t = self.rb[0];
                match t {
                    b'+' | b':' => {
                        let v = self.rb[1..i].to_vec();
                        self.rb.advance(i + 2);
                        return Ok((t, v));
                    }
                    b'-' => {
                        let v = String::from_utf8_lossy(&self.rb[1..i]).to_string();
                        self.rb.advance(i + 2);
                        return Err(v.into());
                    }
                    b'$' => {
                        let n: i64 = std::str::from_utf8(&self.rb[1..i])?.parse()?;
                        if n < 0 {
                            self.rb.advance(i + 2);
                            return Ok((b'_', vec![]));
                        }
                        let end = i + 2 + n as usize + 2;
                        if self.rb.len() >= end {
                            let v = self.rb[i + 2..end - 2].to_vec();
                            self.rb.advance(end);
                            return Ok((t, v));
                        }
                    }
                    _ => return Err(format!("unexpected reply byte {t}").into()),
                }
            }
            if self.s.read_buf(&mut self.rb).await? == 0 {
                return Err("closed".into());
            }
        }
    }
}
struct RedisConn {
    nodes: Vec<Resp>,
    cluster: bool,
    wait: u32,
}
impl RedisConn {
    async fn op(&mut self, put: bool, keys: &[Vec<u8>], val: &[u8]) -> R<()> {
        let n = self.nodes.len();
        let mut expect = vec![0usize; n];
        let w = self.wait.to_string();
        for k in keys {
            let i =
                if self.cluster { ((crc16(k) % 16384) as usize * n / 16384).min(n - 1) } else { 0 };
            if put {
                self.nodes[i].cmd(&[b"SET", k, val]);
            } else {
                self.nodes[i].cmd(&[b"GET", k]);
            }
            expect[i] += 1;
        }
        if put && self.wait > 0 {
            for i in 0..n {
                if expect[i] > 0 {
                    self.nodes[i].cmd(&[b"WAIT", w.as_bytes(), b"0"]);
                }
            }
        }
        for i in 0..n {
            if expect[i] > 0 {
                self.nodes[i].flush().await?;
            }
        }
        for i in 0..n {
            for _ in 0..expect[i] {
                let (t, _) = self.nodes[i].reply().await?;
                if !put && t == b'_' {
                    return Err("nil".into());
                }
            }
            if expect[i] > 0 && put && self.wait > 0 {
                let (_, v) = self.nodes[i].reply().await?;
                if String::from_utf8_lossy(&v).parse::<u32>().unwrap_or(0) < self.wait {
                    return Err("WAIT short".into());
                }
            }
        }
        Ok(())
    }
}

// ---------------------------------------------------------------- all backends
enum Conn {
    Redis(RedisConn),
    Etcd(etcd_client::KvClient),
    Zk(zookeeper_client::Client),
    Nats(async_nats::Client),
}
impl Conn {
    async fn op(&mut self, cfg: &Cfg, op: Op, keys: &[Vec<u8>], val: &[u8]) -> R<()> {
        match self {
            Conn::Redis(c) => c.op(op == Op::Put, keys, val).await,
            Conn::Etcd(c) => {
                let k = keys[0].as_slice();
                if op == Op::Put {
                    c.put(k, val, None).await?;
                } else {
                    let o = if op == Op::GetLocal {
                        Some(etcd_client::GetOptions::new().with_serializable())
                    } else {
                        None
                    };
                    if c.get(k, o).await?.kvs().is_empty() {
                        return Err("missing".into());
                    }
                }
                Ok(())
            }
            Conn::Zk(c) => {
                let p = format!("/kvload/{}", String::from_utf8_lossy(&keys[0]));
                if op == Op::Put {
                    if cfg.fill {
                        let o = zookeeper_client::CreateMode::Persistent
                            .with_acls(zookeeper_client::Acls::anyone_all());
                        match c.create(&p, val, &o).await {
                            Ok(_) | Err(zookeeper_client::Error::NodeExists) => {}
                            Err(e) => return Err(e.into()),
                        }
                    } else {
                        c.set_data(&p, val, None).await?;
                    }
                } else {
                    if op == Op::GetLin {
                        // sync + read, sent back to back: ZooKeeper's nearest to a linearizable read
                        let (s, d) = (c.sync(&p), c.get_data(&p));
                        let (s, d) = tokio::join!(s, d);
                        s?;
                        d?;
                    } else {
                        c.get_data(&p).await?;
                    }
                }
                Ok(())
            }
            Conn::Nats(c) => {
                // plain requests, so that an old server's replies need no typed decoding
                let k = String::from_utf8_lossy(&keys[0]).to_string();
                let (subject, body) = match op {
                    Op::Put => (format!("$KV.kvload.{k}"), val.to_vec()),
                    // answered by the stream leader (the nearest that NATS 2.9 has to a linearizable read)
                    Op::GetLin => (
                        "$JS.API.STREAM.MSG.GET.KV_kvload".into(),
                        format!("{{\"last_by_subj\":\"$KV.kvload.{k}\"}}").into_bytes(),
                    ),
                    _ => (format!("$JS.API.DIRECT.GET.KV_kvload.$KV.kvload.{k}"), vec![]),
                };
                let m = c.request(subject, body.into()).await?;
                if m.status.is_some_and(|s| s.as_u16() >= 300)
                    || m.payload.windows(8).take(120).any(|w| w == b"\"error\":")
                {
                    return Err(String::from_utf8_lossy(&m.payload).to_string().into());
                }
                Ok(())
            }
        }
    }
}

async fn connect(cfg: &Cfg) -> R<Vec<Conn>> {
    let mut v = vec![];
    match cfg.backend.as_str() {
        "redis" => {
            for i in 0..cfg.clients {
                let mut nodes = vec![];
                if cfg.cluster {
                    for a in &cfg.addrs {
                        nodes.push(Resp::connect(a).await?);
                    }
                } else {
                    let a =
                        if cfg.spread { &cfg.addrs[i % cfg.addrs.len()] } else { &cfg.addrs[0] };
                    nodes.push(Resp::connect(a).await?);
                }
                if cfg.readonly {
                    for n in &mut nodes {
                        n.cmd(&[b"READONLY"]);
                        n.flush().await?;
                        n.reply().await?;
                    }
                }
                v.push(Conn::Redis(RedisConn { nodes, cluster: cfg.cluster, wait: cfg.wait }));
            }
        }
        "etcd" => {
            let mut cl = vec![];
            for i in 0..cfg.conns.min(cfg.clients) {
                let a = if cfg.spread { &cfg.addrs[i % cfg.addrs.len()] } else { &cfg.addrs[0] };
                cl.push(etcd_client::Client::connect([format!("http://{a}")], None).await?);
            }
            for i in 0..cfg.clients {
                v.push(Conn::Etcd(cl[i % cl.len()].kv_client()));
            }
        }
        "zk" => {
            let mut cl = vec![];
            for i in 0..cfg.conns.min(cfg.clients) {
                let a = if cfg.spread {
                    cfg.addrs[i % cfg.addrs.len()].clone()
                } else {
                    cfg.addrs[0].clone()
                };
                cl.push(zookeeper_client::Client::connect(&a).await?);
            }
            if cfg.fill {
                let o = zookeeper_client::CreateMode::Persistent
                    .with_acls(zookeeper_client::Acls::anyone_all());
                let _ = cl[0].create("/kvload", b"", &o).await;
            }
            for i in 0..cfg.clients {
                v.push(Conn::Zk(cl[i % cl.len()].clone()));
            }
        }
        "nats" => {
            let mut cl = vec![];
            for i in 0..cfg.conns.min(cfg.clients) {
                let a = if cfg.spread {
                    cfg.addrs[i % cfg.addrs.len()].clone()
                } else {
                    cfg.addrs[0].clone()
                };
                let c = async_nats::connect(format!("nats://{a}")).await?;
                if cfg.fill && i == 0 {
                    let j = format!(
                        "{{\"name\":\"KV_kvload\",\"subjects\":[\"$KV.kvload.>\"],\"retention\":\"limits\",\"discard\":\"new\",\"storage\":\"file\",\"num_replicas\":{},\"max_msgs_per_subject\":1,\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"allow_rollup_hdrs\":true,\"deny_delete\":true,\"allow_direct\":true}}",
                        cfg.addrs.len()
                    );
                    let m = c.request("$JS.API.STREAM.CREATE.KV_kvload", j.into()).await?;
                    eprintln!("{}", String::from_utf8_lossy(&m.payload));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                cl.push(c);
            }
            for i in 0..cfg.clients {
                v.push(Conn::Nats(cl[i % cl.len()].clone()));
            }
        }
        b => return Err(format!("unknown backend {b}").into()),
    }
    Ok(v)
}

fn cpu_of(pid: u32) -> f64 {
    let s = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some(i) = s.rfind(')') else { return 0.0 };
    let f: Vec<&str> = s[i + 1..].split_whitespace().collect();
    let hz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    f.get(11).and_then(|x| x.parse::<f64>().ok()).unwrap_or(0.0) / hz
        + f.get(12).and_then(|x| x.parse::<f64>().ok()).unwrap_or(0.0) / hz
}

/// Processor seconds that the whole machine was busy for; less our own and the servers' share, it shows others' work.
fn busy() -> f64 {
    let s = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let hz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let f: Vec<f64> = s
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(1)
        .filter_map(|x| x.parse().ok())
        .collect();
    // user, nice, system (4th and 5th are idle and iowait), irq, softirq
    [0, 1, 2, 5, 6].iter().filter_map(|i| f.get(*i)).sum::<f64>() / hz
}

fn key(i: u64) -> Vec<u8> {
    format!("key-{i:012}").into_bytes() // 16 B
}

fn main() -> R<()> {
    let mut a = std::env::args().skip(1);
    let mut m: HashMap<String, String> = HashMap::new();
    while let Some(k) = a.next() {
        let k = k.trim_start_matches("--").to_string();
        if ["cluster", "readonly", "fill", "spread"].contains(&k.as_str()) {
            m.insert(k, "1".into());
        } else {
            m.insert(k, a.next().ok_or("missing value")?);
        }
    }
    let g = |k: &str, d: &str| m.get(k).cloned().unwrap_or(d.to_string());
    let cfg = Cfg {
        backend: g("backend", "redis"),
        addrs: g("addrs", "127.0.0.1:6379").split(',').map(|s| s.to_string()).collect(),
        op: match g("op", "put").as_str() {
            "put" => Op::Put,
            "get" => Op::GetLin,
            "getlocal" => Op::GetLocal,
            "mixed" => Op::Mixed,
            o => return Err(format!("bad op {o}").into()),
        },
        clients: g("clients", "1").parse()?,
        conns: g("conns", "16").parse()?,
        warm: g("warm", "0.5").parse()?,
        secs: g("secs", "2.5").parse()?,
        keys: g("keys", "10000").parse()?,
        val: g("val", "256").parse()?,
        wait: g("wait", "0").parse()?,
        pipeline: g("pipeline", "1").parse()?,
        cluster: m.contains_key("cluster"),
        readonly: m.contains_key("readonly"),
        pids: g("pids", "").split(',').filter_map(|s| s.parse().ok()).collect(),
        fill: m.contains_key("fill"),
        label: g("label", ""),
        spread: m.contains_key("spread"),
    };
    for ad in &cfg.addrs {
        if !(ad.starts_with("127.") || ad.starts_with("localhost:") || ad.starts_with("[::1]")) {
            return Err("loopback addresses only".into());
        }
    }
    let rt = if g("threads", "1") == "1" {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(g("threads", "2").parse()?)
            .enable_all()
            .build()?
    };
    rt.block_on(run(Arc::new(cfg)))
}

async fn run(cfg: Arc<Cfg>) -> R<()> {
    let conns = connect(&cfg).await?;
    let n = conns.len();
    if cfg.fill {
        let t = Instant::now();
        let mut hs = vec![];
        for (i, mut c) in conns.into_iter().enumerate() {
            let cfg = cfg.clone();
            hs.push(tokio::spawn(async move {
                let val = vec![b'v'; cfg.val];
                let mut k = i as u64;
                while k < cfg.keys {
                    c.op(&cfg, Op::Put, &[key(k)], &val).await?;
                    k += n as u64;
                }
                R::Ok(())
            }));
        }
        for h in hs {
            h.await??;
        }
        eprintln!("filled {} keys in {:.2}s", cfg.keys, t.elapsed().as_secs_f64());
        return Ok(());
    }
    let start = Instant::now() + Duration::from_millis(20);
    let t0 = start + Duration::from_secs_f64(cfg.warm);
    let t1 = t0 + Duration::from_secs_f64(cfg.secs);
    let mut hs = vec![];
    for (i, mut c) in conns.into_iter().enumerate() {
        let cfg = cfg.clone();
        hs.push(tokio::spawn(async move {
            let mut h = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
            let mut rng = 0x9E3779B97F4A7C15u64.wrapping_mul(i as u64 + 1) | 1;
            let mut next = || {
                rng ^= rng << 13;
                rng ^= rng >> 7;
                rng ^= rng << 17;
                rng
            };
            let val: Vec<u8> = (0..cfg.val).map(|_| b'a' + (next() % 26) as u8).collect();
            let mut errs = 0u64;
            let mut last = String::new();
            tokio::time::sleep_until(start.into()).await;
            loop {
                let keys: Vec<Vec<u8>> =
                    (0..cfg.pipeline).map(|_| key(next() % cfg.keys)).collect();
                let op = if cfg.op == Op::Mixed {
                    if next() & 8 == 0 { Op::Put } else { Op::GetLin }
                } else {
                    cfg.op
                };
                let s = Instant::now();
                if s >= t1 {
                    break;
                }
                let r = c.op(&cfg, op, &keys, &val).await;
                let e = Instant::now();
                match r {
                    Ok(()) => {
                        if s >= t0 && e <= t1 {
                            h.record_n((e - s).as_nanos() as u64, cfg.pipeline as u64).unwrap();
                        }
                    }
                    Err(e) => {
                        errs += 1;
                        last = e.to_string();
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
            (h, errs, last)
        }));
    }
    tokio::time::sleep_until(t0.into()).await;
    let me = std::process::id();
    let f0 = busy();
    let (s0, c0): (f64, f64) = (cfg.pids.iter().map(|p| cpu_of(*p)).sum(), cpu_of(me));
    tokio::time::sleep_until(t1.into()).await;
    let (s1, c1): (f64, f64) = (cfg.pids.iter().map(|p| cpu_of(*p)).sum(), cpu_of(me));
    let f1 = busy();
    let mut h = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let (mut errs, mut last) = (0, String::new());
    for x in hs {
        let (hh, e, l) = x.await?;
        h.add(&hh)?;
        errs += e;
        if !l.is_empty() {
            last = l;
        }
    }
    let us = |q: f64| h.value_at_quantile(q) as f64 / 1e3;
    println!(
        "{}\t{:?}\tclients={}\tpipe={}\tops/s={:.0}\tp50us={:.0}\tp99us={:.0}\tp999us={:.0}\tmaxus={:.0}\terrs={}\tsrvcpu={:.2}\tclicpu={:.2}\tforeign={:.2}\t{}",
        cfg.label,
        cfg.op,
        cfg.clients,
        cfg.pipeline,
        h.len() as f64 / cfg.secs,
        us(0.5),
        us(0.99),
        us(0.999),
        h.max() as f64 / 1e3,
        errs,
        (s1 - s0) / cfg.secs,
        (c1 - c0) / cfg.secs,
        ((f1 - f0) - (s1 - s0) - (c1 - c0)).max(0.0) / cfg.secs,
        last
    );
    Ok(())
}
