//! `atoll sim merge`: one summary from the files of all shards. Running it again changes nothing.

use super::End;
use super::shard::{self, Heading, Row};
use crate::Failure;
use crate::whole::write_whole;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use swarm::REQUIRED;

/// The summary, also written to `summary.md` in the folder.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) text: String,
    pub(crate) code: ExitCode,
}

/// Reads every shard of `dir`.
pub(crate) fn merge(dir: &Path) -> Result<Merged, Failure> {
    let (heading, rows, shards) = gather(dir)?;
    let missing = missing(&heading, &rows, &shards);
    let mut end = rows.values().map(|row| End::of(&row.verdict)).max().unwrap_or(End::Ok);
    if !missing.is_empty() {
        end = end.max(End::Incomplete);
    }
    let text = summary(&heading, &rows, &missing);
    write_whole(&dir.join("summary.md"), text.as_bytes())?;
    Ok(Merged { text, code: end.code() })
}

type Gathered = (Heading, BTreeMap<u64, Row>, BTreeSet<u64>);

fn gather(dir: &Path) -> Result<Gathered, Failure> {
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("shard-") && name.ends_with(".jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    let (mut first, mut rows, mut shards) = (None::<Heading>, BTreeMap::new(), BTreeSet::new());
    for path in paths {
        let (heading, read) = shard::read(&path)?;
        let own: BTreeSet<u64> = heading.seeds().collect();
        if let Some(row) = read.iter().find(|row| !own.contains(&row.seed)) {
            return Err(format!("{}: seed {} is not of this shard", path.display(), row.seed));
        }
        let of = first.get_or_insert_with(|| heading.clone());
        if !of.same_campaign(&heading) {
            return Err(format!(
                "{}: of another campaign: {heading:?}, not {of:?}",
                path.display()
            ));
        }
        shards.insert(heading.shard);
        rows.extend(read.into_iter().map(|row| (row.seed, row)));
    }
    let heading = first.ok_or(format!("{}: no shard-*.jsonl in it", dir.display()))?;
    Ok((heading, rows, shards))
}

/// What has not been run, in words.
fn missing(heading: &Heading, rows: &BTreeMap<u64, Row>, shards: &BTreeSet<u64>) -> Vec<String> {
    let mut missing = Vec::new();
    for shard in 0..heading.of {
        let own = Heading { shard, ..heading.clone() };
        let absent: Vec<u64> = own.seeds().filter(|seed| !rows.contains_key(seed)).collect();
        let Some(first) = absent.first() else { continue };
        let whole = if shards.contains(&shard) { "part of " } else { "" };
        let count = absent.len();
        missing.push(format!("{whole}shard {shard}/{}: {count} seeds from {first}", heading.of));
    }
    missing
}

fn summary(heading: &Heading, rows: &BTreeMap<u64, Row>, missing: &[String]) -> String {
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut profiles: BTreeMap<&str, u64> = BTreeMap::new();
    let mut workloads: BTreeMap<&str, u64> = BTreeMap::new();
    let mut counters: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows.values() {
        *verdicts.entry(&row.verdict).or_default() += 1;
        *profiles.entry(&row.profile).or_default() += 1;
        *workloads.entry(&row.workload).or_default() += 1;
        for (name, times) in &row.counters {
            *counters.entry(name).or_default() += times;
        }
    }
    let covering = rows.values().filter(|row| row.covers).count();
    let mut text = format!(
        "# Campaign of seeds {}..{} with atoll {}\n\n{} of {} seeds, each run twice and compared; {covering} \
         had 200 operations, a third of them overlapping and half answered.\n",
        heading.from,
        heading.to,
        heading.version,
        rows.len(),
        heading.to - heading.from,
    );
    missing.iter().for_each(|what| {
        let _ = writeln!(text, "\nMissing: {what}.");
    });
    let never: Vec<&str> =
        REQUIRED.into_iter().filter(|name| counters.get(name).is_none_or(|n| *n == 0)).collect();
    if !never.is_empty() {
        let _ = writeln!(text, "\nNever happened, so it was not tested: {}.", never.join(", "));
    }
    table(&mut text, "verdict", "seeds", &verdicts);
    table(&mut text, "faults", "seeds", &profiles);
    table(&mut text, "workload", "seeds", &workloads);
    table(&mut text, "what happened", "times", &counters);
    for row in rows.values().filter(|row| row.verdict != "ok") {
        let _ = writeln!(text, "\nSeed {}: {}: {}", row.seed, row.verdict, row.why);
    }
    text
}

fn table(text: &mut String, left: &str, right: &str, rows: &BTreeMap<&str, u64>) {
    let _ = writeln!(text, "\n| {left} | {right} |\n| --- | --- |");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
}
