use super::*;

fn me() -> Identity {
    Identity { cluster: "blue".to_owned(), me: NodeId(2) }
}

fn hello() -> (String, NodeId, NodeId, u32) {
    ("blue".to_owned(), NodeId(1), NodeId(2), LINK_VERSION)
}

fn admit((cluster, from, to, version): (String, NodeId, NodeId, u32)) -> Result<NodeId, Refusal> {
    me().admit(Greeting::Hello { cluster, from, to, version }, |n| n.0 <= 3)
}

#[test]
fn golden_bytes() {
    let all = [
        (Identity { cluster: "blue".to_owned(), me: NodeId(1) }.hello(NodeId(2)), {
            &b"\x01\x01\x04blue\x01\x02\x01"[..]
        }),
        (Greeting::Welcome, b"\x02\x01"),
        (Greeting::Refused { reason: "no".to_owned() }, b"\x03\x01\x02no"),
    ];
    for (greeting, bytes) in all {
        assert_eq!(wire::encode(&greeting), bytes);
        assert_eq!(wire::decode_all::<Greeting>(bytes), Ok(greeting));
    }
}

#[test]
fn each_mismatch_is_refused_with_its_own_reason() {
    assert_eq!(admit(hello()), Ok(NodeId(1)));
    let (theirs, ours) = ("red".to_owned(), "blue".to_owned());
    assert_eq!(
        admit((theirs.clone(), NodeId(1), NodeId(2), 1)),
        Err(Refusal::OtherCluster { theirs, ours })
    );
    let other = Refusal::OtherNode { wanted: NodeId(3), here: NodeId(2) };
    assert_eq!(admit(("blue".to_owned(), NodeId(1), NodeId(3), 1)), Err(other));
    let stranger = admit(("blue".to_owned(), NodeId(9), NodeId(2), 1));
    assert_eq!(stranger, Err(Refusal::Stranger(NodeId(9))));
    let oneself = admit(("blue".to_owned(), NodeId(2), NodeId(2), 1));
    assert_eq!(oneself, Err(Refusal::Stranger(NodeId(2))));
    assert_eq!(admit(("blue".to_owned(), NodeId(1), NodeId(2), 7)), Err(Refusal::OtherVersion(7)));
    assert_eq!(me().admit(Greeting::Welcome, |_| true), Err(Refusal::NotAHello));
}
