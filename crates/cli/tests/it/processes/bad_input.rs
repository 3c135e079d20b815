//! Clients that mean harm or do not know better. Afterwards the same process still serves, and rightly.

use crate::cluster::Cluster;
use crate::resp::{Client, command, text};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;
use stdx::Prng;
use wire::resp::Reply;

const MIB: u64 = 1 << 20;
const IDLE: usize = 2000;

fn raw(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the node runs");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

/// Sends and reads to the end; an abortive close counts as an end.
fn answer_to(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = raw(address);
    // The node may have closed before it read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn protocol_errors(address: SocketAddr) {
    let cases = [
        ("*1\r\n$99999999999\r\n", "-ERR Protocol error: invalid bulk length"),
        ("*1\r\n$-7\r\n", "-ERR Protocol error: invalid bulk length"),
        ("*2\r\n$3\r\nGET\r\n$16777217\r\n", "-ERR Protocol error: invalid bulk length"),
        ("*2147483648\r\n", "-ERR Protocol error: invalid multibulk length"),
        ("*1\r\n!4\r\nPING\r\n", "-ERR Protocol error: expected '$', got '!'"),
        ("SET \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request"),
    ];
    for (bytes, expected) in cases {
        let answer = answer_to(address, bytes.as_bytes());
        assert!(answer.starts_with(expected), "{bytes:?} answers {answer:?}");
    }
    let endless = vec![b'x'; 256 << 10];
    let answer = answer_to(address, &endless);
    assert!(answer.starts_with("-ERR Protocol error: too big inline request"), "{answer:?}");
    let good_then_bad = [command(&["PING"]), b"*1\r\n$zz\r\n".to_vec()].concat();
    let answer = answer_to(address, &good_then_bad);
    assert!(answer.starts_with("+PONG\r\n-ERR Protocol error"), "{answer:?}");
}

fn garbage(address: SocketAddr) {
    let mut rng = Prng::new(5);
    for _ in 0..300 {
        let len = rng.range(1, 3000);
        let mut bytes: Vec<u8> = (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
        if rng.chance(1, 2) {
            bytes.splice(0..0, *b"*3\r\n$3\r\n");
        }
        answer_to(address, &bytes);
    }
}

fn half_sent(address: SocketAddr) {
    let whole = command(&["SET", "half", "sent"]);
    for cut in 1..whole.len() {
        let mut stream = raw(address);
        stream.write_all(&whole[..cut]).expect("the node reads");
    }
    let large = b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$16777216\r\nabc";
    for _ in 0..200 {
        raw(address).write_all(large).expect("the node reads");
    }
}

fn slow_reader(cluster: &mut Cluster, address: SocketAddr) {
    let mut client = Client::connect(address).expect("the node runs");
    let big = "s".repeat(1 << 20);
    assert_eq!(client.call(&["SET", "big", &big]).map(|r| text(&r)).expect("answered"), "OK");
    let before = cluster.process(1).memory().0;
    let slow: Vec<Client> = (0..4)
        .map(|_| {
            let mut slow = Client::connect(address).expect("the node runs");
            slow.send(&command(&["GET", "big"]).repeat(2000)).expect("a few KiB fit the buffers");
            slow
        })
        .collect();
    for number in 0..200 {
        assert_eq!(client.text(&format!("SET during {number}")), "OK");
        assert_eq!(client.text("GET during"), number.to_string());
    }
    let (now, peak) = cluster.process(1).memory();
    assert!(
        peak < before + 600 * MIB,
        "4 slow readers cost {} MiB at the peak, {} MiB now",
        peak.saturating_sub(before) / MIB,
        now.saturating_sub(before) / MIB
    );
    drop(slow);
}

fn pipeline(address: SocketAddr) {
    const COMMANDS: i64 = 100_000;
    let mut client = Client::connect(address).expect("the node runs");
    let mut sender = client.stream.try_clone().expect("a socket");
    let writer = std::thread::spawn(move || {
        let many = command(&["INCR", "piped"]).repeat(usize::try_from(COMMANDS).expect("fits"));
        sender.write_all(&many).expect("the node reads");
    });
    for expected in 1..=COMMANDS {
        assert_eq!(client.receive().expect("the node answers"), Reply::Int(expected));
    }
    writer.join().expect("everything was sent");
}

#[test]
fn bad_input() {
    // The limit of this process is inherited by the node: both need a descriptor for each connection.
    let limit = format!("--nofile={}:", 2 * IDLE + 500);
    let raised = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), &limit])
        .status()
        .is_ok_and(|status| status.success());
    let mut cluster = Cluster::start("log-level = \"error\"");
    let address = cluster.client_address(1);
    let mut bystander = cluster.client(1);
    assert_eq!(bystander.text("SET kept safe"), "OK");
    let start = cluster.process(1).memory().0;

    protocol_errors(address);
    garbage(address);
    half_sent(address);
    let after_garbage = cluster.process(1).memory().0;
    assert!(
        after_garbage < start + 64 * MIB,
        "garbage costs {} MiB",
        (after_garbage - start) / MIB
    );

    let idle_count = if raised { IDLE } else { 400 };
    let idle: Vec<TcpStream> = (0..idle_count).map(|_| raw(address)).collect();
    assert_eq!(bystander.text("PING"), "PONG");
    let last = idle[idle_count - 1].try_clone().expect("ours");
    let mut last = Client::over(last).expect("a socket");
    assert_eq!(last.text("GET kept"), "safe");
    let with_idle = cluster.process(1).memory().0;
    let cost = with_idle.saturating_sub(after_garbage);
    assert!(cost < 64 * MIB, "{idle_count} idle connections cost {} MiB", cost / MIB);
    drop(idle);

    pipeline(address);
    slow_reader(&mut cluster, address);

    assert!(cluster.process(1).is_running());
    assert_eq!(bystander.text("GET kept"), "safe");
    assert_eq!(bystander.ask("GET half"), Reply::Null, "a half-sent command was carried out");
    for node in 1..=3 {
        assert_eq!(cluster.client(node).text("GET piped"), "100000");
    }
    cluster.terminate();
}
