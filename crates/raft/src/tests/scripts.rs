//! Runs every script of testdata. `UPDATE=1 cargo test -p raft` writes the output anew; read the diff.
#![expect(clippy::disallowed_methods, reason = "UPDATE=1 is the one switch of this test")]

use super::language::Words;
use std::path::Path;
use std::string::String;
use std::vec::Vec;
use std::{env, fs, println};

#[test]
#[expect(clippy::print_stdout, reason = "the output that differs is the message")]
fn scripts_print_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut scripts: Vec<_> = fs::read_dir(folder)
        .expect("testdata")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 14, "scripts are missing: {scripts:?}");
    let mut differ = Vec::new();
    for path in scripts {
        let text = fs::read_to_string(&path).expect("a script");
        let made = sim::script::run(&Words, &text, 1);
        if made == text {
            continue;
        }
        if env::var("UPDATE").is_ok() {
            fs::write(&path, &made).expect("a script");
        } else {
            println!("--- {} prints\n{made}", path.display());
            differ.push(path);
        }
    }
    assert!(differ.is_empty(), "UPDATE=1 and read the diff: {differ:?}");
}

#[test]
fn a_script_that_errs_says_so() {
    let made: String = sim::script::run(&Words, "nodes 3\nrequest 1 fly\ndeliver 1->2\n----\n", 1);
    assert!(made.contains("error: no such request: fly"), "{made}");
    assert!(made.contains("error: nothing in flight 1->2"), "{made}");
}
