//! Nodes and their peers.

use super::*;

fn pair(clusters: [&str; 2]) -> [(NodeHandle, tempfile::TempDir); 2] {
    let listeners = [(); 2].map(|()| Listeners::bind(&any(), false).unwrap());
    let peers: Vec<Peer> = (1..)
        .zip(&listeners)
        .map(|(n, l)| Peer { node: NodeId(n), address: l.addresses().peer.to_string() })
        .collect();
    let mut nodes = (1..).zip(listeners).map(|(n, listeners)| {
        let dir = tempfile::tempdir().unwrap();
        let cluster = clusters[usize::try_from(n - 1).unwrap()];
        (run(options(cluster, n, dir.path(), peers.clone()), listeners), dir)
    });
    [nodes.next().unwrap(), nodes.next().unwrap()]
}

fn number(stream: &mut TcpStream, command: &str) -> u64 {
    stream.write_all(command.as_bytes()).unwrap();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    String::from_utf8_lossy(&line[1..]).trim().parse().unwrap()
}

#[test]
fn messages_reach_the_peer_once_the_link_is_up() {
    let [(a, _da), (b, _db)] = pair(["test", "test"]);
    let (mut to_a, mut to_b) = (connect(&a), connect(&b));
    // Before the link is up a message is dropped, so tell until one was heard.
    while number(&mut to_b, "HEARD 1\r\n") == 0 {
        talk(&mut to_a, b"TELL 2 hello\r\n", b"+OK\r\n");
    }
    let before = number(&mut to_b, "HEARD 1\r\n");
    let big = format!("*3\r\n$4\r\nTELL\r\n$1\r\n2\r\n$1000000\r\n{}\r\n", "x".repeat(1_000_000));
    for _ in 0..20 {
        talk(&mut to_a, big.as_bytes(), b"+OK\r\n");
    }
    let all = (0..100_000).any(|_| number(&mut to_b, "HEARD 1\r\n") >= before + 20_000_000);
    assert!(all, "messages were lost on a link that was up");
    stop(b);
    stop(a);
}

#[test]
fn a_node_of_another_cluster_is_refused() {
    let [(a, _da), (b, _db)] = pair(["test", "other"]);
    let mut stream = TcpStream::connect(b.addresses().peer).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let identity = crate::greeting::Identity { cluster: "test".to_owned(), me: NodeId(1) };
    let mut bytes = Vec::new();
    let hello = identity.hello(NodeId(2));
    wire::frame::put(1, |body| wire::Wire::encode(&hello, body), &mut bytes);
    stream.write_all(&bytes).unwrap();
    let answer = rest(&mut stream);
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("it is of cluster \"test\", this node of \"other\""), "{text}");
    stop(b);
    stop(a);
}

#[test]
fn garbage_from_a_peer_closes_the_link_and_nothing_else() {
    let (node, _dir) = alone();
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xff\xff\xff\xff\x01\x01", b"\x02\0\0\0\x01\x01\x09\x09"]
    {
        let mut stream = TcpStream::connect(node.addresses().peer).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        assert_eq!(rest(&mut stream), b"");
    }
    talk(&mut connect(&node), b"PING\r\n", b"+PONG\r\n");
    stop(node);
}
