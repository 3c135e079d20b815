//! `atoll check` as a process: what it ends with, and that it ends.

use crate::cluster::ATOLL;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use stdx::Prng;
use tempfile::TempDir;

const GOOD: &str = r#"{"process":1,"invoked":0,"returned":10,"op":["set","x","1"],"ok":"done"}
{"process":2,"invoked":20,"returned":30,"op":["get","x"],"ok":["1"]}
"#;
const STALE: &str = r#"{"process":1,"invoked":0,"returned":10,"op":["set","x","1"],"ok":"done"}
{"process":1,"invoked":11,"returned":20,"op":["set","x","2"],"ok":"done"}
{"process":2,"invoked":32,"returned":41,"op":["get","x"],"ok":["1"]}
"#;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(TempDir::new().expect("a folder"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("a folder of our own");
        path
    }
}

fn check(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(ATOLL);
    command.arg("check").arg(file).args(arguments).output().expect("the binary runs")
}

#[track_caller]
fn expect(output: &Output, code: i32, says: &[&str]) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    assert_eq!(output.status.code(), Some(code), "{text}");
    for words in says {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    text
}

#[test]
fn a_verdict_has_its_exit_code() {
    let folder = Folder::new();
    let (good, stale) = (folder.file("good", GOOD), folder.file("stale", STALE));
    expect(&check(&good, &["--model", "linearizable"]), 0, &["ok: linearizable"]);
    let map = ["strongest that hold: strict-serializable", "verdict: ok"];
    expect(&check(&good, &[]), 0, &map);
    let says = ["violation: linearizable", "line 3  process 2  32..41  r(x) = 1", "<- this one"];
    expect(&check(&stale, &["--model", "linearizable"]), 1, &says);
    expect(&check(&stale, &["--model", "sequential"]), 0, &["ok: sequential"]);
    let says = ["✗ linearizable", "✓ sequential", "verdict: violation", "[1] not "];
    expect(&check(&stale, &[]), 1, &says);
    let says = ["the read began 12 after that"];
    let bounded = ["--model", "bounded-staleness", "--staleness"];
    expect(&check(&stale, &[&bounded[..], &["11"]].concat()), 1, &says);
    expect(&check(&stale, &[&bounded[..], &["12"]].concat()), 0, &[]);
    let untimed = STALE.replace("\"invoked\":0,\"returned\":10,", "");
    let untimed = untimed.replace("\"invoked\":11,\"returned\":20,", "");
    let untimed = untimed.replace("\"invoked\":32,\"returned\":41,", "");
    let untimed = folder.file("untimed", &untimed);
    let says = ["unknown: linearizable says nothing of this history"];
    expect(&check(&untimed, &["--model", "linearizable"]), 2, &says);
}

#[test]
fn what_cannot_be_read_is_no_verdict() {
    let folder = Folder::new();
    let cut = GOOD.replace("\"ok\":[\"1\"]}", "\"ok\":[\"1\"}");
    let says = ["line 2, column "];
    expect(&check(&folder.file("cut", &cut), &[]), 65, &says);
    expect(&check(&folder.file("letter", "Dear Sir,\n"), &[]), 65, &["line 1, column 1"]);
    expect(&check(&folder.file("empty", ""), &[]), 65, &["line 1"]);
    expect(&check(&folder.0.path().join("missing"), &[]), 65, &["missing"]);
    let good = folder.file("good", GOOD);
    expect(&check(&good, &["--format", "jepsen-edn"]), 65, &["line 1"]);
}

#[test]
fn a_wrong_command_line_is_no_verdict() {
    let folder = Folder::new();
    let good = folder.file("good", GOOD);
    let wrong: [&[&str]; 8] = [
        &["--model", "eventual"],
        &["--model"],
        &["--format", "csv"],
        &["--nil", "maybe"],
        &["--time", "soon"],
        &["--memory", "-1"],
        &["--model", "bounded-staleness"],
        &["again"],
    ];
    for arguments in wrong {
        expect(&check(&good, arguments), 64, &[]);
    }
    let bare = Command::new(ATOLL).arg("check").output().expect("the binary runs");
    expect(&bare, 64, &["<FILE>"]);
    let help = Command::new(ATOLL).args(["check", "--help"]).output().expect("the binary runs");
    expect(&help, 0, &["64 on a wrong command line", "--staleness"]);
}

#[test]
fn a_history_comes_from_standard_input_too_and_goes_to_programs() {
    let mut command = Command::new(ATOLL);
    command.args(["check", "-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(STALE.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["verdict"], "violation");
    let levels = found["levels"].as_array().expect("a list");
    let level = |name: &str| levels.iter().find(|level| level["level"] == name).expect(name);
    assert_eq!(level("sequential")["verdict"], "holds");
    assert_eq!(level("linearizable")["verdict"], "fails");
    let lines = level("linearizable")["lines"].as_array().expect("lines");
    assert!(lines.contains(&serde_json::json!(3)), "{lines:?}");
}

#[test]
fn a_violation_is_drawn() {
    let folder = Folder::new();
    let (stale, page) = (folder.file("stale", STALE), folder.0.path().join("page.html"));
    let html = page.to_str().expect("an ordinary path");
    expect(&check(&stale, &["--html", html]), 1, &["drawn in "]);
    let drawn = fs::read_to_string(&page).expect("written");
    assert!(drawn.starts_with("<!doctype html>") && drawn.contains("process 2"), "{drawn}");
    let nowhere = stale.join("below/a/file");
    let nowhere = nowhere.to_str().expect("an ordinary path");
    expect(&check(&stale, &["--html", nowhere]), 73, &["stale/below/a/file"]);
}

/// Swaps of few values, all at the same time: to place them all is to walk every arc of a graph once, and where that
/// cannot be done a search has much to try.
fn nasty(count: u64) -> String {
    let mut prng = Prng::new(7);
    let start = r#"{"process":0,"invoked":0,"returned":1000,"op":["set","x","0"],"ok":"done"}"#;
    let mut text = format!("{start}\n");
    for process in 1..count {
        let (from, to) = (prng.below(9), prng.below(9));
        let times = format!(r#""invoked":{},"returned":1000"#, process % 50);
        let op = format!(r#""op":["cas","x","{from}","{to}"],"ok":true"#);
        text += &format!("{{\"process\":{process},{times},{op}}}\n");
    }
    text
}

#[test]
fn the_budget_is_kept() {
    let folder = Folder::new();
    let nasty = folder.file("nasty", &nasty(120));
    for limits in [["--time", "1", "--memory", "4096"], ["--time", "600", "--memory", "64"]] {
        // It ends, which is what is tested: without a budget this takes for ever.
        let arguments = [&limits[..], &["--model", "linearizable"]].concat();
        expect(&check(&nasty, &arguments), 2, &["unknown: "]);
    }
    let map = check(&nasty, &["--time", "1", "--memory", "64"]);
    expect(&map, 2, &["unknown"]);
    let large = folder.file("large", &GOOD.repeat(8_000));
    expect(&check(&large, &["--memory", "1"]), 2, &["the file alone is larger than --memory"]);
}

/// What is being judged is a file that does not end, and whoever reads it cannot ask whether time is up.
#[test]
fn the_watchman_ends_what_does_not_ask() {
    let mut command = Command::new(ATOLL);
    command.args(["check", "-", "--time", "0"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // Open until the end, so that the reading never is.
    let mut input = child.stdin.take().expect("piped");
    input.write_all(GOOD.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    drop(input);
    let says = ["unknown: the time was up, and what was being judged did not stop", "(--time)"];
    expect(&output, 2, &says);
}
