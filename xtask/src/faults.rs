//! `cargo xtask faults [SECONDS]`: what the real binary does when its leader is killed, paused, on a slow disk or on a
//! full one, under load; each history is judged linearizable or the command fails.
//!
//! Writes docs/measurements/<date>-faults.md, and below target/faults a page per fault with the answers over time.
//! `ATOLL` names a binary; without it a release build is made.

use crate::measure::{binary, tell};
use crate::{Context, Outcome};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

const SECONDS: u64 = 40;

/// Names of `atoll bench --nemesis`, and what they do.
const FAULTS: [(&str, &str); 4] = [
    ("kill-leader", "`kill -9` of the leader, back after 1.5 s, again and again"),
    ("pause-leader", "SIGSTOP of the leader for 10 s, again and again"),
    ("slow-disk", "200 ms more for each sync of the leader, for 10 s, again and again"),
    (
        "full-disk",
        "the leader's disk is full: it ends, and is back 10 s later with space, again and again",
    ),
];
/// What `atoll bench --history` says of a run, in this order.
const FIGURES: [&str; 9] = [
    "operations",
    "answered",
    "error answers",
    "behind",
    "no quorum",
    "unknown outcome",
    "faults",
    "without any answer",
    "longest gap",
];

pub(crate) fn run(context: &Context) -> Outcome {
    let seconds = match context.arguments.as_slice() {
        [] => SECONDS,
        [count] => count.parse().map_err(|_| format!("expected seconds: `{count}`"))?,
        [_, extra, ..] => return Err(format!("unexpected `{extra}`")),
    };
    let root = context.root.canonicalize().map_err(|e| e.to_string())?;
    let binary = binary(&root)?;
    let date = tell(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let name = format!("{date}-faults");
    let pages = root.join("target/faults");
    fs::create_dir_all(&pages).map_err(|e| format!("{}: {e}", pages.display()))?;
    let commit =
        tell(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(&root))?;
    let mut page = format!(
        "# Faults on the real binary, {date} at {commit}\n\n\
         `cargo xtask faults {seconds}`: three nodes as processes, 6 clients with one command each on 3 keys (half \
         GET, half SET), for {seconds} s per fault. A gap is more than 100 ms between two answers to any client.\n\n\
         | fault | {} | verdict |\n|{}\n",
        FIGURES.join(" | "),
        " --- |".repeat(FIGURES.len() + 2)
    );
    let mut told = String::from("\n");
    let root_user = tell(Command::new("id").arg("-u"))? == "0";
    for (fault, what) in FAULTS {
        if fault == "full-disk" && !root_user {
            println!("SKIPPED full-disk: a disk of its own for each node needs root");
            let _ = writeln!(told, "- `full-disk` was skipped: it needs root.");
            continue;
        }
        let (row, said) = one(&binary, &pages, fault, seconds)?;
        let _ = writeln!(page, "| `{fault}` | {row} |");
        let _ = writeln!(told, "- `{fault}`: {what}.{said}");
    }
    let target = root.join("docs/measurements").join(format!("{name}.md"));
    fs::write(&target, page + &told).map_err(|e| format!("{}: {e}", target.display()))?;
    println!("wrote {}, pages in {}", target.display(), pages.display());
    Ok(())
}

/// The cells of one row, and what a node said that ended by itself.
fn one(binary: &Path, pages: &Path, fault: &str, seconds: u64) -> Result<(String, String), String> {
    let history = std::env::temp_dir().join(format!("atoll-{fault}-{}.jsonl", std::process::id()));
    println!("{fault} ...");
    let bench = Command::new(binary)
        .args(["bench", "--nemesis", fault, "--seconds", &seconds.to_string(), "--history"])
        .arg(&history)
        .arg("--html")
        .arg(pages.join(format!("{fault}.html")))
        .output()
        .map_err(|e| format!("{}: {e}", binary.display()))?;
    let said = String::from_utf8_lossy(&bench.stdout).into_owned();
    if !bench.status.success() {
        let why = String::from_utf8_lossy(&bench.stderr);
        return Err(format!("{fault}: {}\n{said}{why}", bench.status));
    }
    let check =
        Command::new(binary).args(["check", "--model", "linearizable"]).arg(&history).output();
    let check = check.map_err(|e| format!("{}: {e}", binary.display()))?;
    let verdict = String::from_utf8_lossy(&check.stdout).into_owned();
    if !check.status.success() {
        return Err(format!("{fault}: {} is not linearizable:\n{verdict}", history.display()));
    }
    // It was judged: what is kept is the summary.
    let _ = fs::remove_file(&history);
    let cell = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("{name:<20} ")));
        line.ok_or(format!("{fault}: `{name}` is missing in what bench said:\n{said}"))
    };
    let cells = FIGURES.iter().map(|name| cell(name)).collect::<Result<Vec<_>, _>>()?;
    if cell("faults")? == "0" {
        return Err(format!("{fault}: {seconds} s are too short for it to happen"));
    }
    let ended = said
        .lines()
        .find_map(|line| line.split_once("reason=").filter(|_| line.contains("SIGABRT")));
    let ended = ended
        .map_or(String::new(), |(_, reason)| format!(" It ends by SIGABRT and says {reason}."));
    Ok((format!("{} | linearizable", cells.join(" | ")), ended))
}
