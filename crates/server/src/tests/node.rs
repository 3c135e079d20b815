//! A node and its clients.

use super::*;
use std::net::Shutdown;

#[test]
fn replies_come_in_order_for_commands_in_any_pieces() {
    let (node, _dir) = alone();
    let mut stream = connect(&node);
    talk(&mut stream, b"PING\r\n", b"+PONG\r\n");
    talk(&mut stream, b"KEEP a\r\nKEPT\r\nNOPE\r\n", b"+OK\r\n:1\r\n-ERR unknown command\r\n");
    for byte in b"*1\r\n$4\r\nPIN" {
        stream.write_all(&[*byte]).unwrap();
    }
    talk(&mut stream, b"G\r\n", b"+PONG\r\n");
    let pipeline = b"*2\r\n$4\r\nKEEP\r\n$1\r\nb\r\n".repeat(5000);
    let mut other = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || other.write_all(&pipeline).unwrap());
    talk(&mut stream, b"", &b"+OK\r\n".repeat(5000));
    writer.join().unwrap();
    talk(&mut stream, b"KEPT\r\n", b":5001\r\n");
    stop(node);
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let (node, dir) = alone();
    talk(&mut connect(&node), b"KEEP a\r\nKEEP b\r\n", b"+OK\r\n+OK\r\n");
    stop(node);
    let listeners = Listeners::bind(&any(), false).unwrap();
    let node = run(options("test", 1, dir.path(), Vec::new()), listeners);
    talk(&mut connect(&node), b"KEPT\r\n", b":2\r\n");
    stop(node);
}

#[test]
fn a_folder_in_use_is_refused() {
    let (node, dir) = alone();
    let listeners = Listeners::bind(&any(), false).unwrap();
    let second = start_with::<Core, Log<crate::FileDisk>>(
        options("test", 2, dir.path(), Vec::new()),
        listeners,
        |_, _, _, _| unreachable!("the folder is locked"),
    );
    assert!(matches!(second, Err(StartError::Folder(_))));
    stop(node);
}

#[test]
fn a_protocol_error_is_told_after_the_replies_before_it() {
    let (node, _dir) = alone();
    let mut stream = connect(&node);
    stream.write_all(b"LATE 20\r\n*1\r\n$x\r\nPING\r\n").unwrap();
    assert_eq!(rest(&mut stream), b"+LATE\r\n-ERR Protocol error: invalid bulk length\r\n");
    let mut stream = connect(&node);
    stream.write_all(b"*1\r\n$2000000\r\n").unwrap();
    assert_eq!(rest(&mut stream), b"-ERR Protocol error: invalid bulk length\r\n");
    stop(node);
}

#[test]
fn a_client_that_closed_its_half_still_gets_its_answers() {
    let (node, _dir) = alone();
    let mut stream = connect(&node);
    stream.write_all(b"LATE 20\r\nKEEP a\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answers = rest(&mut stream);
    assert_eq!(answers.len(), b"+LATE\r\n+OK\r\n".len(), "{answers:?}");
    let mut other = connect(&node);
    // The node was told that the first one is gone.
    let told = (0..10_000).any(|_| number(&mut other) == 1);
    assert!(told, "the node still counts a client that is gone");
    stop(node);
}

fn number(stream: &mut TcpStream) -> u8 {
    stream.write_all(b"OPEN\r\n").unwrap();
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).unwrap();
    reply[1] - b'0'
}

#[test]
fn quit_closes_after_its_answer() {
    let (node, _dir) = alone();
    let mut stream = connect(&node);
    stream.write_all(b"PING\r\nQUIT\r\n").unwrap();
    assert_eq!(rest(&mut stream), b"+PONG\r\n+OK\r\n");
    stop(node);
}

#[test]
fn a_slow_reader_is_held_back_and_one_far_behind_is_closed() {
    let (node, _dir) = alone();
    let mut slow = connect(&node);
    // A read of 100 commands makes 25 MiB: below the limit, so they wait for their reader.
    slow.write_all(&b"BIG 250000\r\n".repeat(100)).unwrap();
    talk(&mut connect(&node), b"PING\r\n", b"+PONG\r\n");
    talk(&mut slow, b"PING\r\n", &[&b"x".repeat(25_000_000)[..], b"+PONG\r\n"].concat());
    let mut slower = connect(&node);
    slower.write_all(&b"BIG 3000000\r\n".repeat(100)).unwrap();
    let got = rest(&mut slower).len();
    assert!(got < 300_000_000, "the node kept {got} bytes for a client that did not read");
    talk(&mut connect(&node), b"PING\r\n", b"+PONG\r\n");
    stop(node);
}

#[test]
fn clients_beyond_the_limit_are_told_so_and_idle_ones_cost_little() {
    let (node, _dir) = alone();
    let mut clients: Vec<TcpStream> = (0..200).map(|_| connect(&node)).collect();
    for client in &mut clients {
        talk(client, b"PING\r\n", b"+PONG\r\n");
    }
    assert_eq!(rest(&mut connect(&node)), b"-ERR max number of clients reached\r\n");
    clients.pop();
    loop {
        let mut again = connect(&node);
        again.write_all(b"PING\r\n").unwrap();
        let mut first = [0];
        again.read_exact(&mut first).unwrap();
        if first == *b"+" {
            break;
        }
    }
    stop(node);
}

#[test]
fn draining_answers_what_was_asked_and_then_closes() {
    let (node, _dir) = alone();
    let (mut waits, mut idle) = (connect(&node), connect(&node));
    talk(&mut idle, b"PING\r\n", b"+PONG\r\n");
    talk(&mut waits, b"PING\r\nLATE 100\r\n", b"+PONG\r\n");
    node.stop();
    assert_eq!(rest(&mut waits), b"+LATE\r\n");
    assert_eq!(rest(&mut idle), b"");
    node.join().unwrap();
}

#[test]
fn http_pages() {
    let (node, _dir) = alone();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(node.addresses().http.unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).unwrap();
        String::from_utf8(rest(&mut stream)).unwrap()
    };
    assert!(get("/livez").starts_with("HTTP/1.1 200 OK"));
    assert!(get("/readyz").ends_with("ready\n"));
    talk(&mut connect(&node), b"KEEP a\r\n", b"+OK\r\n");
    let metrics = get("/metrics");
    assert!(metrics.contains("\natoll_commands_total 1\n"), "{metrics}");
    assert!(metrics.contains("\natoll_log_syncs_total 1\n"), "{metrics}");
    assert!(get("/nope").starts_with("HTTP/1.1 404"));
    stop(node);
}

#[test]
fn an_open_address_needs_a_password_and_a_taken_one_is_named() {
    let open = Addresses { client: "0.0.0.0:0".parse().unwrap(), ..any() };
    let refused = Listeners::bind(&open, false).unwrap_err().to_string();
    assert!(refused.contains("requirepass"), "{refused}");
    Listeners::bind(&open, true).unwrap();
    let first = Listeners::bind(&any(), false).unwrap();
    let taken = Addresses { client: first.addresses().client, ..any() };
    let error = Listeners::bind(&taken, false).unwrap_err().to_string();
    let port = taken.client.port();
    assert!(error.contains(&format!("port {port} is taken")), "{error}");
}
