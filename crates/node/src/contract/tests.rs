use super::*;
use stdx::Prng;

const TABLE: &str = include_str!("../../testdata/contracts.txt");

fn words(text: &str) -> Vec<&str> {
    text.split_ascii_whitespace().collect()
}

fn canonical(text: &str) -> String {
    let contract = parse(&words(text), 3).unwrap_or_else(|error| panic!("`{text}`: {error}"));
    contract.to_string()
}

fn verdict(text: &str) -> String {
    let contract = match parse(&words(text), 3) {
        Ok(contract) => contract,
        Err(ContractError { code: Code::Invalid, clause, nearest, .. }) => {
            return format!("invalid {clause} -> {}", nearest.expect("invalid names the nearest"));
        }
        Err(error) => {
            assert_eq!(error.nearest, None);
            return format!("{} {}", error.code.as_str(), error.clause);
        }
    };
    let class = format!("{} {}", contract.cap(), contract.pacelc());
    match built(&contract, 3) {
        Ok(()) => format!("ok {class}"),
        Err(error) => format!("{} {} {class}", error.code.as_str(), error.clause),
    }
}

#[test]
fn the_table_of_verdicts() {
    let mut counts = [0; 4];
    let mut wrong = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let (text, expected) = line.split_once("=>").expect("words => verdict");
        let mut expected = expected.trim().to_string();
        if let Some((refused, nearest)) = expected.clone().split_once(" -> ") {
            expected = format!("{refused} -> {}", canonical(nearest));
        }
        let kind = ["ok ", "not-built ", "invalid ", "syntax "]
            .iter()
            .position(|kind| expected.starts_with(kind))
            .unwrap_or_else(|| panic!("unknown verdict in `{line}`"));
        counts[kind] += 1;
        let got = verdict(text);
        if got != expected {
            wrong.push(format!("{text}\n  expected {expected}\n  got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts.iter().all(|count| *count >= 5), "verdicts covered: {counts:?}");
}

#[test]
fn the_reasons_carry_the_arithmetic() {
    let reason = |text: &str| parse(&words(text), 3).expect_err("refused").message;
    assert!(
        reason("CONSISTENCY linearizable REPLICATION quorum N=3 R=1 W=1")
            .starts_with("R+W=2 <= N=3")
    );
    assert!(
        reason("REPLICATION quorum N=4 R=2 W=2").contains("half of an even N is not a majority")
    );
    assert!(reason("READS lease").contains("READS lease DRIFT=500ppm if no node's clock"));
    assert!(reason("READS lease DRIFT=200000ppm").contains("more than 100000ppm"));
    assert!(reason("REPLICATION pbft N=3").contains("N=3 < 3f+1 = 4"));
    assert!(reason("REPLICATION quorum CONFLICT lww CAS").contains("last write wins"));
}

#[test]
fn the_default_follows_the_size_of_the_cluster() {
    for (members, n) in [(0, 1), (1, 1), (2, 2), (3, 3), (7, 3)] {
        let contract = parse::<&str>(&[], members).expect("the default contract");
        assert_eq!(contract.replication, Replication::Raft { n });
        assert_eq!(contract, Contract::standard(members));
        assert_eq!(built(&contract, members), Ok(()));
    }
    let one = parse(&words("REPLICATION raft N=1"), 3).expect("valid");
    let refused = built(&one, 3).expect_err("not the cluster's default");
    assert_eq!((refused.code, refused.clause), (Code::NotBuilt, Clause::Replication));
    assert_eq!(refused.nearest, Some(canonical("")));
}

/// Every contract of a small universe, valid or not.
fn universe(visit: &mut dyn FnMut(&Contract)) {
    let consistencies = text::CONSISTENCIES.iter().map(|(_, consistency)| *consistency);
    let replications = replications();
    let conflicts = [None, Some(Conflict::Lww), Some(Conflict::Merge("m".into()))];
    let stalenesses = [
        None,
        Some(Staleness::Age(Duration::ZERO)),
        Some(Staleness::Age(Duration::from_millis(1500))),
        Some(Staleness::Versions(0)),
        Some(Staleness::Versions(9)),
    ];
    let faults = [0, 1, 2, u16::MAX].map(|f| Faults::Byzantine { f });
    let leases = [0, 500, u32::MAX].map(|drift_ppm| Reads::Lease { drift_ppm });
    for reads in leases {
        for replication in &replications {
            for consistency in [Consistency::Linearizable, Consistency::Causal] {
                let replication = *replication;
                visit(&Contract { reads, replication, consistency, ..Contract::default() });
            }
        }
    }
    for consistency in consistencies {
        for replication in &replications {
            for staleness in stalenesses {
                for conflict in &conflicts {
                    for faults in faults.into_iter().chain([Faults::Crash]) {
                        for session in
                            [Session::NONE, Session::RYW.with(Session::WFR), Session::ALL]
                        {
                            visit(&Contract {
                                consistency,
                                replication: *replication,
                                partitions: 1,
                                partition_by: PartitionBy::Ring,
                                table: TableKind::Disk,
                                reads: Reads::Index,
                                session,
                                staleness,
                                conflict: conflict.clone(),
                                faults,
                            });
                        }
                    }
                }
            }
        }
    }
}

fn replications() -> Vec<Replication> {
    let mut all = Vec::new();
    for n in [0, 1, 2, 3, 4, 5, 7, u16::MAX] {
        all.extend([Replication::Raft { n }, Replication::Paxos { n }, Replication::Pbft { n }]);
        all.push(Replication::Multileader { n });
        for acks in
            [Acks::Async, Acks::Semisync(0), Acks::Semisync(1), Acks::Semisync(9), Acks::Sync]
        {
            all.push(Replication::Leader { n, acks });
        }
        for (r, w) in [(0, 1), (1, 1), (1, 3), (2, 2), (3, 2), (u16::MAX, u16::MAX)] {
            all.push(Replication::Abd { n, r, w });
            for (_, mode) in text::QUORUM_MODES {
                all.push(Replication::Quorum { n, r, w, mode: *mode });
            }
        }
    }
    all
}

#[test]
fn all_of_a_small_universe_is_settled() {
    let (mut valid, mut refused) = (0u32, 0u32);
    universe(&mut |contract| {
        // None of these may overflow or panic, valid or not: a peer's bytes can say anything.
        let (shown, _, _) = (contract.to_string(), contract.cap(), contract.pacelc());
        let _ = (contract.warnings(), built(contract, 3));
        assert_eq!(wire::decode_all(&wire::encode(contract)), Ok(contract.clone()));
        match contract.violation() {
            None => {
                valid += 1;
                assert_eq!(
                    parse(&words(&shown), 3),
                    Ok(contract.clone()),
                    "round trip of `{shown}`"
                );
            }
            Some(violation) => {
                refused += 1;
                let error = valid::refusal(violation);
                let nearest = error.nearest.expect("invalid names the nearest");
                assert_eq!(canonical(&nearest), nearest, "nearest to `{shown}`");
            }
        }
    });
    assert!(valid > 200 && refused > valid, "{valid} valid, {refused} refused");
}

#[test]
fn valid_contracts_keep_the_arithmetic_of_their_papers() {
    universe(&mut |contract| {
        if contract.violation().is_some() {
            return;
        }
        let available = contract.cap() == Cap::Ap;
        match (contract.replication, contract.faults) {
            (Replication::Abd { n, r, w }, _) => assert!(r + w > n && 2 * w > n && !available),
            (Replication::Quorum { n, r, w, mode: QuorumMode::Strict }, _) => {
                assert!(r + w > n && 2 * w > n && !available);
            }
            (Replication::Pbft { n }, Faults::Byzantine { f }) => assert!(f > 0 && n > 3 * f),
            (_, faults) => assert_eq!(faults, Faults::Crash),
        }
        let strong = contract.consistency <= Consistency::Sequential;
        assert!(!(strong && available), "{contract}: consistent and available in a partition");
        assert_eq!(contract.consistency == Consistency::Bounded, contract.staleness.is_some());
    });
}

#[test]
fn garbage_never_panics() {
    let vocabulary: Vec<&str> = TABLE.split_ascii_whitespace().collect();
    let mut accepted = 0;
    for seed in 0..20_000 {
        let mut prng = Prng::new(seed);
        let length = prng.index(12);
        let mut garbage: Vec<Vec<u8>> = Vec::new();
        for _ in 0..length {
            let mut word = prng.pick(&vocabulary).as_bytes().to_vec();
            if prng.chance(1, 8) && !word.is_empty() {
                let at = prng.index(word.len());
                word[at] = u8::try_from(prng.below(256)).expect("a byte");
            }
            garbage.push(word);
        }
        match parse(&garbage, 3) {
            Ok(contract) => {
                accepted += 1;
                assert_eq!(parse(&[contract.to_string()], 5), Ok(contract), "seed {seed}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(accepted > 100, "only {accepted} accepted: the garbage tests nothing");
    assert!(parse(&vec!["x"; 10_000], 3).is_err());
    assert!(parse(&["x".repeat(1 << 20)], 3).is_err());
    assert!(parse(&[[0xff, 0xfe]], 3).is_err());
}

#[test]
fn bytes_never_change() {
    // kind, version; consistency; replication; partitions; by; table; session; staleness; conflict; faults.
    let golden = [
        ("", "0101010101010301010101010000000101"),
        ("REPLICATION pbft", "010101010301040101010101000000020101"),
        ("REPLICATION leader semisync 1 N=3", "0101040104010302010101010101010000000101"),
        ("REPLICATION abd N=5", "01010101070105030301040101010000000101"),
        (
            "REPLICATION quorum N=4 R=2 W=3 SLOPPY SESSION mr,mw TABLE disk PARTITIONS 300 CONFLICT lww",
            "0101050106010402030201ac020401020106000101010101",
        ),
        (
            "REPLICATION multileader STALENESS 5s CONFLICT merge cart PARTITION BY directory",
            "0101030105010301030101010001010180e497d01201040104636172740101",
        ),
        ("STALENESS 7 versions PARTITION BY range", "0101030101010301020101010001020107000101"),
        // Version 2: reads at the end.
        ("READS lease DRIFT=500ppm", "01020101010103010101010100000001010201f403"),
    ];
    for (text, expected) in golden {
        let contract = parse(&words(text), 3).expect("valid");
        let bytes = wire::encode(&contract);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected, "`{text}`");
        assert_eq!(wire::decode_all(&bytes), Ok(contract));
        for cut in 0..bytes.len() {
            assert!(wire::decode_all::<Contract>(&bytes[..cut]).is_err());
        }
    }
    assert_eq!(
        wire::decode_all::<Contract>(&[1, 3]),
        Err(wire::WireError::UnknownVersion("Contract", 3))
    );
    assert_eq!(
        wire::decode_all::<Contract>(&[9, 1]),
        Err(wire::WireError::UnknownKind("Contract", 9))
    );
}

#[test]
fn an_unknown_session_guarantee_is_refused() {
    let mut bytes = wire::encode(&Contract::default());
    let session = 12;
    assert_eq!(bytes[session], 0);
    bytes[session] = 16;
    assert!(wire::decode_all::<Contract>(&bytes).is_err());
}

#[test]
fn ages_are_what_they_say() {
    let age = |text: &str| parse(&["STALENESS", text], 3).expect("valid").staleness;
    let is = |nanos: u64| Some(Staleness::Age(Duration::from_nanos(nanos)));
    assert_eq!(age("250ms"), is(250_000_000));
    assert_eq!(age("5S"), is(5_000_000_000));
    assert_eq!(age("2m"), is(120_000_000_000));
    assert_eq!(age("1h"), is(3_600_000_000_000));
    assert_eq!((age("7us"), age("7ns")), (is(7_000), is(7)));
    assert_eq!(
        (age("7versions"), age("1 VERSION")),
        (Some(Staleness::Versions(7)), Some(Staleness::Versions(1)))
    );
}

#[test]
fn bytes_of_a_stranger_never_panic() {
    for seed in 0..20_000 {
        let mut prng = Prng::new(seed);
        let length = prng.index(30);
        let mut bytes = vec![1, 1];
        bytes.extend((0..length).map(|_| u8::try_from(prng.below(8)).expect("a byte")));
        if let Ok(contract) = wire::decode_all::<Contract>(&bytes) {
            let _ = (contract.to_string(), contract.violation(), built(&contract, 3));
            let _ = (contract.cap(), contract.pacelc(), contract.warnings());
        }
    }
}

#[test]
fn names_of_keyspaces() {
    for good in ["a", "account", "a-b_c.d9", "db", "dbx", "db1x", "Default", &"n".repeat(64)] {
        assert_eq!(check_name(good), Ok(()), "{good}");
        assert_eq!(keyspace_of(format!("{good}:7").as_bytes()), Some(good));
    }
    for bad in ["", "9a", "_a", "a b", "a:b", "é", "{a}", &"n".repeat(65)] {
        assert_eq!(check_name(bad).expect_err(bad).code, Code::Syntax);
    }
    for reserved in ["default", "catalog", "db0", "db17"] {
        assert_eq!(check_name(reserved).expect_err(reserved).code, Code::Invalid);
    }
}

#[test]
fn keys_that_name_a_keyspace() {
    assert_eq!(keyspace_of(b"account:7:x"), Some("account"));
    assert_eq!(keyspace_of(b"a:"), Some("a"));
    let nowhere: [&[u8]; 7] = [b"", b":", b":7", b"account", b"{a}:7", b"{account:7}", b"a\xff:7"];
    for key in nowhere {
        assert_eq!(keyspace_of(key), None, "{key:?}");
    }
    assert_eq!(keyspace_of(format!("{}:", "n".repeat(65)).as_bytes()), None);
}

#[test]
fn warnings_name_the_arithmetic() {
    let warnings = |text: &str| parse(&words(text), 3).expect("valid").warnings().join("; ");
    assert!(warnings("REPLICATION raft N=4").contains("survives 1 failures, no more than N=3"));
    assert!(warnings("REPLICATION raft N=2").contains("survives 0 failures"));
    assert!(warnings("REPLICATION quorum CONFLICT lww").contains("lost is counted"));
    assert_eq!(warnings(""), "");
}
