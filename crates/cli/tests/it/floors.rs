//! The floors of ARCHITECTURE.md against what `cargo metadata` says the crates really use.

use crate::tidy::root;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// One crate's rights, from its row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rights {
    floor: String,
    uses: BTreeSet<String>,
    /// In tests, besides `uses`.
    tests: BTreeSet<String>,
    /// `None`: any.
    libraries: Option<BTreeSet<String>>,
}

/// One dependency of one crate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    ours: bool,
    test: bool,
}

/// The rows between `<!-- floors -->` and `<!-- /floors -->`: floor, crates, may use, in tests also, libraries.
/// Names stand in backticks; a bare number means every crate of that floor.
fn rights(architecture: &str) -> BTreeMap<String, Rights> {
    let (_, after) =
        architecture.split_once("<!-- floors -->").expect("the table of floors begins");
    let (table, _) = after.split_once("<!-- /floors -->").expect("the table of floors ends");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---") && !line.contains("may use"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut floors: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in &rows {
        assert_eq!(row.len(), 5, "a row of floors has 5 cells: {row:?}");
        floors.entry(row[0]).or_default().extend(quoted(row[1]));
    }
    let resolve = |cell: &str| -> BTreeSet<String> {
        let numbers = cell.split([',', ' ']).filter(|word| word.parse::<u8>().is_ok());
        let whole = numbers.flat_map(|floor| floors.get(floor).cloned().unwrap_or_default());
        whole.chain(quoted(cell)).collect()
    };
    let mut all = BTreeMap::new();
    for row in &rows {
        let libraries =
            if row[4] == "any" { None } else { Some(quoted(row[4]).into_iter().collect()) };
        for name in quoted(row[1]) {
            let rights = Rights {
                floor: row[0].to_string(),
                uses: resolve(row[2]),
                tests: resolve(row[3]),
                libraries: libraries.clone(),
            };
            assert_eq!(all.insert(name.clone(), rights), None, "`{name}` stands on two floors");
        }
    }
    all
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_string).collect()
}

/// Names of all crates of the workspace, and every dependency.
fn edges() -> (BTreeSet<String>, Vec<Edge>) {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let packages = metadata["packages"].as_array().expect("packages");
    let mut edges = Vec::new();
    for package in packages {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            edges.push(Edge {
                from: text(&package["name"]),
                to: text(&dependency["name"]),
                ours: dependency["path"].is_string(),
                test: dependency["kind"] == "dev",
            });
        }
    }
    (packages.iter().map(|package| text(&package["name"])).collect(), edges)
}

/// Why an edge is not allowed, if so.
fn trespass(edge: &Edge, all: &BTreeMap<String, Rights>) -> Option<String> {
    let Edge { from, to, ours, test } = edge;
    let rights = all.get(from)?;
    let kind = if *test { "in its tests" } else { "in production" };
    if *ours {
        let allowed = rights.uses.contains(to) || *test && rights.tests.contains(to);
        let floor = &rights.floor;
        return (!allowed).then(|| format!("`{from}` (floor {floor}) may not use `{to}` {kind}"));
    }
    let allowed = *test || rights.libraries.as_ref().is_none_or(|named| named.contains(to));
    (!allowed).then(|| format!("`{from}` uses the library `{to}`, which its row does not name"))
}

#[test]
fn the_crates_stand_on_their_floors() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let all = rights(&architecture);
    let (crates, edges) = edges();
    let listed: BTreeSet<String> = all.keys().cloned().collect();
    assert_eq!(crates, listed, "left: the workspace; right: the floors of ARCHITECTURE.md");
    let wrong: Vec<String> = edges.iter().filter_map(|edge| trespass(edge, &all)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The table itself may not grant what the design forbids, whatever is written into it later.
#[test]
fn the_table_points_downward() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let all = rights(&architecture);
    // Above `stdx` there is `wire`, and above `data` there is `node`: the two steps within a floor.
    let steps = [("wire", "stdx"), ("node", "data")];
    let height = |name: &str| all[name].floor.parse::<u8>().unwrap_or(u8::MAX);
    for (name, rights) in &all {
        for used in &rights.uses {
            let step = steps.contains(&(name.as_str(), used.as_str()));
            assert!(all.contains_key(used), "`{name}` may use `{used}`, which does not exist");
            assert!(
                height(used) < height(name) || step,
                "`{name}` may use `{used}` beside or above it"
            );
        }
        for used in &rights.tests {
            assert!(
                all.contains_key(used),
                "`{name}` may test with `{used}`, which does not exist"
            );
        }
        let below = ["0", "1", "2", "3", "4"].contains(&rights.floor.as_str());
        assert!(!below || rights.libraries.is_some(), "`{name}` names the libraries it uses");
    }
}

#[test]
fn a_trespasser_is_seen() {
    let table = "<!-- floors -->\n| floor | crates | may use | in tests also | libraries |\n\
                 | --- | --- | --- | --- | --- |\n\
                 | 0 | `a` | nothing | nothing | none |\n| 1 | `b` `c` | 0 | `d` | `crc` |\n\
                 | 2 | `d` | 0, 1 | nothing | any |\n<!-- /floors -->";
    let all = rights(table);
    let edge = |from: &str, to: &str, ours, test| {
        let edge = Edge { from: from.into(), to: to.into(), ours, test };
        trespass(&edge, &all).is_some()
    };
    assert!(!edge("b", "a", true, false), "down");
    assert!(!edge("d", "c", true, false), "down two");
    assert!(edge("a", "b", true, false), "up");
    assert!(edge("b", "c", true, false), "sideways");
    assert!(edge("b", "d", true, false), "up in production");
    assert!(!edge("b", "d", true, true), "up in tests, as named");
    assert!(edge("c", "b", true, true), "sideways in tests");
    assert!(!edge("b", "crc", false, false), "a named library");
    assert!(edge("b", "serde", false, false), "another library");
    assert!(!edge("b", "serde", false, true), "any library in tests");
    assert!(edge("a", "crc", false, false), "a library on floor 0");
    assert!(!edge("d", "serde", false, false), "any library");
}
