//! What a shard of a campaign leaves behind: one file of JSON lines, a heading and a line per seed. It appears
//! whole or not at all.

use crate::Failure;
use crate::whole::write_whole;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use swarm::{Report, Verdict};

/// Which seeds a file answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heading {
    /// The campaign's first seed.
    pub(crate) from: u64,
    /// One past its last.
    pub(crate) to: u64,
    /// This shard, from 0.
    pub(crate) shard: u64,
    /// How many shards there are: this one has every `of`-th seed from `from + shard`.
    pub(crate) of: u64,
    /// What ran it: a seed means what it means in one version only.
    pub(crate) version: String,
}

impl Heading {
    /// The seeds of this shard.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let step = usize::try_from(self.of).unwrap_or(usize::MAX);
        (self.from.saturating_add(self.shard)..self.to).step_by(step)
    }

    /// The file of this shard in a campaign's folder.
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("shard-{:05}-of-{:05}.jsonl", self.shard, self.of))
    }

    /// Whether two shards belong to one campaign.
    pub(crate) fn same_campaign(&self, other: &Heading) -> bool {
        (self.from, self.to, self.of, &self.version)
            == (other.from, other.to, other.of, &other.version)
    }
}

/// One seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) seed: u64,
    /// `ok`, `unsafe`, `no progress`, `undecided`.
    pub(crate) verdict: String,
    /// What was found, if it is not ok.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) why: String,
    pub(crate) profile: String,
    pub(crate) workload: String,
    /// Of everything that happened, in order.
    pub(crate) digest: String,
    /// Whether the seed had enough operations to mean something.
    pub(crate) covers: bool,
    pub(crate) counters: BTreeMap<String, u64>,
}

impl Row {
    pub(crate) fn new(report: &Report) -> Row {
        let (verdict, why) = match &report.verdict {
            Verdict::Ok => ("ok", ""),
            Verdict::Unsafe(why) => ("unsafe", why.as_str()),
            Verdict::Stuck(why) => ("no progress", why.as_str()),
            Verdict::Undecided(why) => ("undecided", why.as_str()),
        };
        Row {
            seed: report.seed,
            verdict: verdict.into(),
            why: why.into(),
            profile: format!("{:?}", report.profile),
            workload: format!("{:?}", report.workload),
            digest: format!("{:016x}", report.digest),
            covers: report.covers,
            counters: report.counters.rows().map(|(name, n)| (name.to_string(), n)).collect(),
        }
    }
}

/// Writes a shard's file: a temporary one beside it, synced, then renamed.
pub(crate) fn write(dir: &Path, heading: &Heading, rows: &[Row]) -> Result<PathBuf, Failure> {
    let mut text = line(heading);
    rows.iter().for_each(|row| text.push_str(&line(row)));
    let path = heading.path(dir);
    write_whole(&path, text.as_bytes())?;
    Ok(path)
}

fn line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain data");
    text.push('\n');
    text
}

/// Reads a shard's file.
pub(crate) fn read(path: &Path) -> Result<(Heading, Vec<Row>), Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let wrong = |number: usize, error: serde_json::Error| {
        let (path, column) = (path.display(), error.column());
        format!("{path}: line {number}, column {column}: {error}")
    };
    let mut lines = text.lines().enumerate();
    let (_, first) = lines.next().ok_or(format!("{}: it is empty", path.display()))?;
    let heading: Heading = serde_json::from_str(first).map_err(|error| wrong(1, error))?;
    if heading.of == 0 || heading.shard >= heading.of || heading.from > heading.to {
        return Err(format!("{}: line 1: no such shard: {heading:?}", path.display()));
    }
    let mut rows = Vec::new();
    for (number, line) in lines {
        rows.push(serde_json::from_str(line).map_err(|error| wrong(number + 1, error))?);
    }
    Ok((heading, rows))
}
