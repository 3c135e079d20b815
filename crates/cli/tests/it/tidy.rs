//! Style as a test: STYLE.md says why, this file says no. It reads text, not syntax, and relies on `cargo fmt`.
//!
//! There is no list of old sinners. An exception is written where it is needed, with its reason, in the form
//! that Rust itself has for it (`#[expect(..., reason = "...")]`).

use std::fs;
use std::path::{Path, PathBuf};

const MAX_FILE: usize = 500;
const MAX_FUNCTION: usize = 70;
const MAX_COLUMNS: usize = 120;
/// Asserts per 100 lines of code in a protocol core (ARCHITECTURE.md, floor 3).
const MIN_ASSERTS: usize = 3;
const CORES: [&str; 1] = ["raft"];
/// The crates that touch the machine; all others are sans-IO.
const MACHINE: [&str; 3] = ["server", "cli", "xtask"];
/// Written in halves, so that this file does not name what it bans.
const UNFINISHED: [&str; 4] = [
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("FIX", "ME"),
    concat!("db", "g!"),
];
const AMBIENT: [(&str, &str); 9] = [
    ("std::time::Instant", "time is an argument: stdx::Instant"),
    ("SystemTime", "time is an argument: stdx::WallClock"),
    ("std::thread", "threads belong to `server`"),
    ("std::net", "sockets belong to `server`"),
    ("std::fs", "files belong to `server`; below it there is storage::Disk"),
    ("std::env", "configuration is an argument"),
    ("tokio", "tokio lives in `server` and nowhere below"),
    ("HashMap", "its order differs from run to run: BTreeMap"),
    ("RandomState", "chance is an argument: stdx::Prng"),
];

struct Source {
    /// From the root of the tree.
    path: String,
    krate: String,
    text: String,
    test: bool,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the tree exists")
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut crates: Vec<PathBuf> = fs::read_dir(root.join("crates"))
        .expect("crates/ exists")
        .map(|entry| entry.expect("readable").path())
        .collect();
    crates.push(root.join("xtask"));
    crates.sort();
    let mut sources = Vec::new();
    for folder in crates.into_iter().filter(|folder| folder.join("Cargo.toml").exists()) {
        let mut files = Vec::new();
        for part in ["src", "tests", "benches", "examples"] {
            rust_files(&folder.join(part), &mut files);
        }
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap_or_default();
        let texts: Vec<String> = files.iter().map(read).collect();
        let test_modules: Vec<&str> = texts.iter().flat_map(|text| test_modules(text)).collect();
        let krate = folder.file_name().expect("a name").to_string_lossy().into_owned();
        for (path, text) in files.iter().zip(&texts) {
            let path =
                path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
            let test = is_test(&path, &test_modules);
            sources.push(Source { path, krate: krate.clone(), text: text.clone(), test });
        }
    }
    sources
}

/// The modules a file declares for tests only: `#[cfg(test)] mod name;`.
fn test_modules(text: &str) -> impl Iterator<Item = &str> {
    let pairs = text.lines().zip(text.lines().skip(1));
    pairs.filter(|(gate, _)| gate.trim() == "#[cfg(test)]").filter_map(|(_, next)| {
        let (_, name) = next.trim().strip_suffix(';')?.split_once("mod ")?;
        Some(name)
    })
}

fn is_test(path: &str, test_modules: &[&str]) -> bool {
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    parts.first() != Some(&"src") && !path.starts_with("xtask/src")
        || parts.iter().any(|part| test_modules.contains(&part.trim_end_matches(".rs")))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Whether `word` stands in `line` by itself, not as part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// What is wrong anywhere, test or not.
fn everywhere(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let columns = line.chars().count();
        if columns > MAX_COLUMNS {
            found.push((at + 1, format!("{columns} columns, at most {MAX_COLUMNS}")));
        }
        for banned in UNFINISHED {
            if line.contains(banned) {
                found.push((at + 1, format!("`{banned}` is unfinished work")));
            }
        }
        let attribute = line.trim_start();
        if attribute == "#[ignore]" {
            found.push((at + 1, "an ignored test without its reason".into()));
        }
        if attribute.starts_with("#[allow") || attribute.starts_with("#![allow") {
            let mut whole = String::new();
            for line in &lines[at..] {
                whole.push_str(line);
                if line.trim_end().ends_with(']') {
                    break;
                }
            }
            if !whole.contains("reason") {
                found.push((at + 1, "an allow without its reason".into()));
            }
        }
        let inline = lines.get(at + 1).is_some_and(|next| {
            let next = next.trim();
            next.contains("mod ") && next.ends_with('{')
        });
        if attribute == "#[cfg(test)]" && inline {
            found.push((at + 1, "tests live in a file of their own: `mod tests;`".into()));
        }
    }
    found
}

/// What is wrong in production code only.
fn production(krate: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = long_functions(text);
    let lines = text.lines().count();
    if lines > MAX_FILE {
        found.push((lines, format!("{lines} lines, at most {MAX_FILE}")));
    }
    if MACHINE.contains(&krate) {
        return found;
    }
    // An exception that clippy was given, with its reason, holds here as well.
    let excepted = text.contains("expect(clippy::disallowed_types, reason")
        || text.contains("expect(\n    clippy::disallowed_types");
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
        for (banned, instead) in AMBIENT {
            if names(line, banned) && !(excepted && banned == "HashMap") {
                found.push((at + 1, format!("`{banned}` in a sans-IO crate: {instead}")));
            }
        }
    }
    found
}

/// `cargo fmt` puts the brace that ends a function at the function's own indentation.
fn long_functions(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let opens = !is_comment(line) && function_name(line).is_some();
        if !opens || line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let mut rest = lines[at + 1..].iter().zip(at + 1..);
        let end = rest.find(|(next, _)| {
            indent(next) == indent(line) && (next.trim() == "}" || next.trim_end().ends_with(';'))
        });
        let Some((_, end)) = end.filter(|(next, _)| next.trim() == "}") else { continue };
        let length = end - at + 1;
        if length > MAX_FUNCTION {
            let name = function_name(line).expect("it opens a function");
            found.push((at + 1, format!("fn {name} has {length} lines, at most {MAX_FUNCTION}")));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    while let Some((word, after)) = rest.split_once(' ') {
        match word {
            "fn" => return after.split(['(', '<']).next(),
            "const" | "async" | "unsafe" | "extern" | "\"C\"" => {}
            _ if word.starts_with("pub") || word == "crate)" => {}
            _ => return None,
        }
        rest = after;
    }
    None
}

/// Asserts that stay on, and lines of code, in one file.
fn asserts(text: &str) -> (usize, usize) {
    let code = || text.lines().filter(|line| !line.trim().is_empty() && !is_comment(line));
    let kinds = ["assert!(", "assert_eq!(", "assert_ne!("];
    let asserting = |line: &&str| kinds.iter().any(|kind| line.trim_start().starts_with(kind));
    (code().filter(asserting).count(), code().count())
}

#[test]
fn the_tree_is_tidy() {
    let sources = sources();
    assert!(
        sources.len() > 20,
        "only {} files found: the test reads the wrong tree",
        sources.len()
    );
    let mut wrong = Vec::new();
    for source in &sources {
        let mut found = everywhere(&source.text);
        if !source.test {
            found.extend(production(&source.krate, &source.text));
        }
        wrong.extend(found.iter().map(|(line, what)| format!("{}:{line}: {what}", source.path)));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn cores_assert_what_they_believe() {
    let sources = sources();
    for core in CORES {
        let own = sources.iter().filter(|source| source.krate == core && !source.test);
        let (held, lines) = own.fold((0, 0), |(held, lines), source| {
            let (more, longer) = asserts(&source.text);
            (held + more, lines + longer)
        });
        assert!(
            held * 100 >= lines * MIN_ASSERTS,
            "{core}: {held} asserts in {lines} lines of code, at least {MIN_ASSERTS} per 100"
        );
    }
}

#[test]
fn tidy_sees_what_it_bans() {
    let seen = |text: &str| everywhere(text).len() + production("raft", text).len();
    assert_eq!(seen("fn fine() {\n    let x = 1;\n}\n"), 0);
    assert_eq!(seen(&format!("// {}", "x".repeat(MAX_COLUMNS))), 1);
    for banned in UNFINISHED {
        assert_eq!(seen(&format!("    {banned}(x)")), 1, "{banned}");
    }
    for (banned, _) in AMBIENT {
        assert_eq!(seen(&format!("use {banned};")), 1, "{banned}");
        assert_eq!(seen(&format!("// not {banned} here")), 0, "{banned} in a comment");
        assert_eq!(seen(&format!("use {banned}Like;")), 0, "{banned} in a longer name");
        assert!(production("server", &format!("use {banned};")).is_empty());
    }
    assert_eq!(seen("#[ignore]\nfn x() {}"), 1);
    assert_eq!(seen("#[ignore = \"slow\"]\nfn x() {}"), 0);
    assert_eq!(seen("#[allow(dead_code)]\nfn x() {}"), 1);
    assert_eq!(seen("#[allow(\n    dead_code,\n    reason = \"why\"\n)]\nfn x() {}"), 0);
    assert_eq!(seen("#[cfg(test)]\nmod tests {\n}"), 1);
    assert_eq!(seen("#[cfg(test)]\nmod tests;"), 0);
    assert_eq!(seen(&"let x = 1;\n".repeat(MAX_FILE + 1)), 1);
    let function =
        |lines: usize| format!("    pub(crate) fn long(\n    ) {{\n{}    }}", "x;\n".repeat(lines));
    assert_eq!(seen(&function(MAX_FUNCTION - 3)), 0);
    assert_eq!(seen(&function(MAX_FUNCTION - 2)), 1);
    assert_eq!(seen(&format!("fn declared(\n) -> u8;\n{}", "x();\n".repeat(MAX_FUNCTION))), 0);
    assert_eq!(asserts("assert!(a);\n\n// assert!(b);\nlet x = 1;\ndebug_assert!(c);"), (1, 3));
}

#[test]
fn test_files_are_told_from_production() {
    let modules: Vec<&str> = test_modules("#[cfg(test)]\nmod tests;\nmod log;").collect();
    assert_eq!(modules, ["tests"]);
    for (path, test) in [
        ("crates/raft/src/tests.rs", true),
        ("crates/raft/src/log/tests.rs", true),
        ("crates/raft/src/tests/script.rs", true),
        ("crates/raft/tests/it/main.rs", true),
        ("crates/raft/src/log.rs", false),
        ("xtask/src/main.rs", false),
    ] {
        assert_eq!(is_test(path, &modules), test, "{path}");
    }
}
