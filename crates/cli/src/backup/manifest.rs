//! `MANIFEST`: what is in the folder. JSON, for people and programs, and a last line with its checksum. Only what
//! it names counts: it is written last, and replaced as a whole.

use super::chunks::{Kind, Written};
use crate::Failure;
use crate::whole::write_whole;
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(crate) const NAME: &str = "MANIFEST";
const FORMAT: u32 = 1;
const LAST_LINE: &str = "xxh3 ";

/// A backup of one keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// The cluster it was taken from.
    pub(crate) cluster: String,
    pub(crate) keyspace: String,
    /// As KEYSPACE CREATE takes it.
    pub(crate) contract: String,
    /// In the order they were taken.
    pub(crate) files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The log position it follows; 0 for a full state.
    pub(crate) after: u64,
    /// The log position it reaches.
    pub(crate) index: u64,
    /// Of the entry at `index`.
    pub(crate) term: u64,
    /// Tells this log from another one: a digest of the newest command.
    pub(crate) tail: String,
    /// The keyspace's time then, in microseconds since 1970.
    pub(crate) time: u64,
    /// Keys of a full state.
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    /// The file's checksum: that of its last chunk.
    pub(crate) checksum: String,
}

impl File {
    /// How long it is, and its checksum.
    pub(crate) fn written(&self) -> Result<Written, Failure> {
        let sum = u64::from_str_radix(&self.checksum, 16)
            .map_err(|_| format!("{NAME}: `{}` is no checksum", self.checksum))?;
        Ok(Written { bytes: self.bytes, chunks: self.chunks, sum })
    }
}

impl Manifest {
    pub(crate) fn new(cluster: String, keyspace: String, contract: String) -> Manifest {
        Manifest { format: FORMAT, cluster, keyspace, contract, files: Vec::new() }
    }

    /// The text, its checksum included.
    pub(crate) fn text(&self) -> Result<String, Failure> {
        let mut text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
        text.push('\n');
        let sum = storage::hash_of(text.as_bytes());
        Ok(format!("{text}{LAST_LINE}{sum:016x}\n"))
    }

    pub(crate) fn parse(text: &str) -> Result<Manifest, Failure> {
        let at = text.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
        let (body, last) = text.split_at(at);
        let expected = format!("{LAST_LINE}{:016x}\n", storage::hash_of(body.as_bytes()));
        if last != expected {
            return Err(format!(
                "{NAME} offset {at}: the last line is `{}`, expected `{}`: it was changed or cut off",
                last.trim_end(),
                expected.trim_end()
            ));
        }
        // The format first: what a later one holds is not for this release to judge.
        let value: serde_json::Value =
            serde_json::from_str(body).map_err(|e| format!("{NAME}: {e}"))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(FORMAT.into()) {
            let found = format.map_or("none".into(), |format| format.to_string());
            return Err(format!("{NAME}: format {found}, this release reads {FORMAT}"));
        }
        let manifest: Manifest =
            serde_json::from_value(value).map_err(|e| format!("{NAME}: {e}"))?;
        let plain = |file: &File| !file.name.contains('/') && !file.name.starts_with('.');
        match manifest.files.first() {
            Some(first) if first.kind == Kind::Full && manifest.files.iter().all(plain) => {
                Ok(manifest)
            }
            _ => Err(format!("{NAME}: its files do not begin with a full state")),
        }
    }

    pub(crate) fn read(dir: &Path) -> Result<Manifest, Failure> {
        let path = dir.join(NAME);
        let text = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let text = String::from_utf8(text)
            .map_err(|e| format!("{NAME} offset {}: not text", e.utf8_error().valid_up_to()));
        text.and_then(|text| Manifest::parse(&text))
            .map_err(|e| if e.contains("/") { e } else { format!("{}: {e}", dir.display()) })
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<(), Failure> {
        write_whole(&dir.join(NAME), self.text()?.as_bytes())
    }

    /// The last position.
    pub(crate) fn last(&self) -> &File {
        self.files.last().expect("parsed and made with a full state")
    }

    /// The files that lead to `at`: a full state, then entries without a gap.
    pub(crate) fn chain(&self, at: u64) -> Result<&[File], Failure> {
        let full = |file: &File| file.kind == Kind::Full && file.index <= at;
        let first = self.files.iter().rposition(full).ok_or_else(|| {
            format!("position {at} is before the oldest full state, at {}", self.files[0].index)
        })?;
        let mut reached = self.files[first].index;
        let mut len = 1;
        for file in &self.files[first + 1..] {
            if reached >= at || file.kind != Kind::Log || file.after != reached {
                break;
            }
            reached = file.index;
            len += 1;
        }
        if reached < at {
            return Err(format!(
                "position {at} is not in the backup: it goes up to {reached} there"
            ));
        }
        Ok(&self.files[first..first + len])
    }
}
