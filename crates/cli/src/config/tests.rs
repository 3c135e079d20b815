use super::*;

const GOOD: &str = r#"cluster = "blue"
node = 1
dir = "/var/lib/atoll"
client = "127.0.0.1:7001"
peer = "127.0.0.1:7101"
http = "127.0.0.1:7201"
request-timeout = "750ms"
requirepass = "secret"
max-value = "1MiB"

[[join]]
node = 1
peer = "127.0.0.1:7101"
client = "127.0.0.1:7001"

[[join]]
node = 2
peer = "two.example:7102"
client = "two.example:7002"
"#;

#[test]
fn a_whole_file() {
    let config = Config::parse("node.toml", GOOD).unwrap();
    assert_eq!(config.node, NodeId(1));
    assert_eq!(config.request_timeout, Duration::from_millis(750));
    assert_eq!(config.max_value, 1 << 20);
    assert_eq!(config.join[1].peer, "two.example:7102");
    assert_eq!(config.requirepass.as_deref(), Some("secret"));
}

/// The error after replacing `from` by `to`.
fn error(from: &str, to: &str) -> String {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD, "{from} is not in the good file");
    Config::parse("node.toml", &text).unwrap_err().to_string()
}

#[test]
fn every_error_names_file_line_key_and_what_was_expected() {
    for (from, to, expected) in [
        (
            "client = \"127.0.0.1:7001\"",
            "client = \"localhost\"",
            "node.toml:4: `client`: invalid value: string \"localhost\", expected an IP address and \
             a port, such as \"127.0.0.1:7001\"",
        ),
        (
            "http =",
            "htpp =",
            "node.toml:6: `htpp`: unknown field `htpp`, expected one of `cluster`, `node`, `dir`, \
             `client`, `peer`, `http`, `join`, `default-contract`, `request-timeout`, `requirepass`, \
              `max-value`, `max-clients`, `snapshot-bytes`, `test-brake`, \
              `transfer-rate`, `memory`, `log-level`, `log-format`",
        ),
        (
            "request-timeout =",
            "default-contract = \"READS lease\"\nrequest-timeout =",
            "node.toml:7: `default-contract`: invalid: READS: a lease rests on a bound on the drift \
             of clocks, and there is no default for that: say READS lease DRIFT=500ppm if no node's \
             clock gains or loses more; nearest: CONSISTENCY linearizable REPLICATION raft N=2 \
             PARTITIONS 1 PARTITION BY modulo TABLE memory SESSION none FAULTS crash",
        ),
        (
            "750ms",
            "750",
            "node.toml:7: `request-timeout`: invalid value: string \"750\", expected a time above \
             zero, such as \"5s\" or \"500ms\"",
        ),
        (
            "1MiB",
            "1GB",
            "node.toml:9: `max-value`: invalid value: string \"1GB\", expected a size from \"1KiB\" \
             to \"512MiB\"",
        ),
        (
            "http =",
            "memory = \"4MiB\"\nhttp =",
            "node.toml:6: `memory`: invalid value: string \"4MiB\", expected a size from \"16MiB\" \
             to \"1024GiB\"",
        ),
        (
            "\"secret\"",
            "\"\"",
            "node.toml:8: `requirepass`: expected a password; leave the key out to have none",
        ),
        (
            "\"secret\"",
            "7",
            "node.toml:8: `requirepass`: invalid type: integer `7`, expected a string",
        ),
        (
            "node = 1",
            "node = 0",
            "node.toml:2: `node`: invalid value: integer `0`, expected the number of a node, at \
             least 1",
        ),
        (
            "node = 1",
            "node = 3",
            "node.toml:2: `node`: node 3 is not in `join`: expected one of 1, 2",
        ),
        (
            "node = 2",
            "node = 1",
            "node.toml:16: `[[join]]`: node 1 is a member twice; ids are unique",
        ),
        (
            "two.example:7102",
            "two.example",
            "node.toml:18: `peer`: invalid value: string \"two.example\", expected a host and a \
             port, such as \"10.0.0.1:7101\"",
        ),
        ("client = \"two.example:7002\"\n", "", "node.toml:16: `[[join]]`: missing field `client`"),
        (
            "dir = \"/var/lib/atoll\"\n",
            "",
            "node.toml: `dir`: the key is missing: expected the data folder, such as \
             \"/var/lib/atoll\"",
        ),
    ] {
        assert_eq!(error(from, to), expected);
    }
    assert!(error("node = 1", "node = ").starts_with("node.toml:2: `node`: "));
}

#[test]
fn no_members() {
    let text = &GOOD[..GOOD.find("[[join]]").unwrap()];
    let error = Config::parse("node.toml", text).unwrap_err().to_string();
    assert!(error.starts_with("node.toml: `join`: the key is missing"), "{error}");
}
