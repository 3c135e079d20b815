use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn a_contract_is_taken_as_words_and_flags_stay_flags() {
    let line = ["atoll", "keyspace", "create", "a", "REPLICATION", "raft", "N=3", "--addr", "h:1"];
    let Command::Keyspace(args) = Args::parse_from(line).command else {
        panic!("another command");
    };
    assert_eq!(args.addr, "h:1");
    let KeyspaceVerb::Create { name, contract } = args.verb else { panic!("another verb") };
    assert_eq!((name.as_str(), contract.len()), ("a", 3));
}

#[test]
fn what_cannot_be_is_a_usage_error() {
    for line in [
        &["atoll", "dev", "--nodes", "0"][..],
        &["atoll", "bench", "--clients", "0"],
        &["atoll", "serve"],
    ] {
        let error = Args::try_parse_from(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}
