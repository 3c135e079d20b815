use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: Bench,
}

fn plan(words: &str) -> Result<Plan, String> {
    let line = Line::try_parse_from(std::iter::once("bench").chain(words.split_whitespace()));
    Plan::of(&line.map_err(|error| error.to_string())?.bench)
}

#[test]
fn a_workload_brings_its_mix_keys_and_values_and_flags_win() {
    let a = plan("--workload a").unwrap();
    assert_eq!(
        (a.workload, a.mix.text().as_str(), a.sizes.text().as_str()),
        ("ycsb-a", "get=50,set=50", "1000")
    );
    assert_eq!((a.distribution, a.keys, a.clients), (Distribution::Zipfian, 100_000, 50));
    let d = plan("--workload d --keys-by uniform --value 10..20 --keys 5").unwrap();
    assert_eq!(
        (d.distribution, d.sizes.text().as_str(), d.keys),
        (Distribution::Uniform, "10..20", 5)
    );
    let free = plan("--requests 9").unwrap();
    assert_eq!((free.workload, free.length), ("mix", Length::Requests(9)));
    assert_eq!(free.mix.text(), "get=90,set=10");
}

#[test]
fn what_is_wrong_is_told_exactly() {
    for (words, why) in [
        (
            "--mix get=1,put=2",
            "--mix get=1,put=2: `put`: expected one of get, set, insert, incr, del, scan, rmw",
        ),
        ("--value 9..1", "--value 9..1: `9..1`: expected the smaller size first"),
        (
            "--threads 9 --clients 3",
            "--threads 9: expected at most as many as --clients, which is 3",
        ),
        ("--seconds 0", "--seconds 0: expected at least 1"),
    ] {
        assert_eq!(plan(words).unwrap_err(), why, "{words}");
    }
    for words in [
        "--workload g",
        "--workload a --mix get=1",
        "--rate 0",
        "--backlog 5",
        "--requests 5 --seconds 5",
        "--keys-by zipf",
        "--compare a",
        "--history h --rate 5",
        "--nemesis kill",
    ] {
        assert!(plan(words).is_err(), "{words}");
    }
}

#[test]
fn an_address_that_is_none_is_named() {
    let wrong = resolve(&["127.0.0.1".into()]).unwrap_err();
    assert!(
        wrong.starts_with("--addr 127.0.0.1: ") && wrong.ends_with("such as 127.0.0.1:7001"),
        "{wrong}"
    );
    assert_eq!(resolve(&["127.0.0.1:1".into()]).unwrap(), ["127.0.0.1:1".parse().unwrap()]);
}
