//! `atoll dev`.

use crate::cluster::{PATIENCE, Process, local};
use crate::resp::Client;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

/// Ports of their own, which `free_port` never gives to other tests: `dev` wants three in a row, and the same
/// at +100 and +200.
fn port_base() -> u16 {
    const FIRST: u16 = 31_000;
    const SLOTS: u16 = 33;
    const BLOCKS: u16 = 5;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 1000).expect("less than 1000");
    for _ in 0..SLOTS * BLOCKS {
        let slot = start + NEXT.fetch_add(1, Ordering::Relaxed);
        let base = FIRST + slot / SLOTS % BLOCKS * 300 + slot % SLOTS * 3;
        let all = [0, 100, 200].into_iter().flat_map(|kind| (0..3).map(move |i| base + kind + i));
        if all.into_iter().all(|port| TcpListener::bind(local(port)).is_ok()) {
            return base;
        }
    }
    panic!("no nine free ports from {FIRST}");
}

fn start(folder: &str, port: u16) -> Process {
    let mut process = Process::start(&["dev", "--dir", folder, "--port", &port.to_string()]);
    let until = Instant::now() + PATIENCE;
    while !process.out.lines().iter().any(|line| line.starts_with("ready in")) {
        let running = process.is_running() && Instant::now() < until;
        assert!(running, "dev does not become ready; {}", process.last_words());
        process.out.wait();
    }
    for (number, line) in (0..3).zip(process.out.lines()) {
        let address = format!("redis://127.0.0.1:{}", port + number);
        assert!(line.contains(&address), "no {address} in `{line}`");
    }
    process
}

#[test]
fn dev_command() {
    let dir = tempfile::Builder::new().prefix("atoll-test-").tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("an ordinary path");
    let port = port_base();
    for (start_number, signal) in [(1, "-INT"), (2, "-TERM"), (3, "-INT")] {
        let mut process = start(folder, port);
        for node in 0..3 {
            let mut client = Client::connect(local(port + node)).expect("a node that is ready");
            if start_number == 1 {
                assert_eq!(client.text(&format!("SET from{node} hello")), "OK");
            }
            // Through any node, what any node was told in this life or an earlier one.
            for other in 0..=(if start_number == 1 { node } else { 2 }) {
                assert_eq!(client.text(&format!("GET from{other}")), "hello");
            }
        }
        process.signal(signal);
        let status = process.ended();
        assert_eq!(status.code(), Some(0), "{signal}; {}", process.last_words());
        assert_eq!(process.err.lines(), Vec::<String>::new(), "complaints on stderr");
    }
}

#[test]
fn dev_command_says_which_port_is_taken() {
    let base = port_base();
    let taken = TcpListener::bind(local(base + 1)).expect("free a moment ago");
    let dir = tempfile::Builder::new().prefix("atoll-test-").tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("an ordinary path");
    let mut process = Process::start(&["dev", "--dir", folder, "--port", &base.to_string()]);
    assert_eq!(process.ended().code(), Some(1));
    let said = process.err_to_the_end();
    assert!(said.contains(&format!("port {}", base + 1)) && said.contains("--port"), "{said}");
    drop(taken);
}
