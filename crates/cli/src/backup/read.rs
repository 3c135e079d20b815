//! From a folder to a state: every byte that is used is checked on the way.

use super::chunks::{Kind, Reader};
use super::manifest::{File, Manifest};
use crate::Failure;
use node::Replay;
use std::io::BufReader;
use std::path::Path;
use stdx::Planted;

/// Hands every chunk of a file to `each`; damage and what `each` refuses are named by file and offset.
fn chunks(
    dir: &Path,
    file: &File,
    planted: Planted,
    mut each: impl FnMut(u64, Vec<u8>) -> Result<(), String>,
) -> Result<(), Failure> {
    let path = dir.join(&file.name);
    let named = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let opened = std::fs::File::open(&path).map_err(|e| named(&e))?;
    let from = BufReader::with_capacity(1 << 20, opened);
    let mut reader =
        Reader::new(from, file.kind, file.written()?, planted).map_err(|damage| named(&damage))?;
    let mut number = 0;
    while let Some(chunk) = reader.next().map_err(|damage| named(&damage))? {
        each(number, chunk).map_err(|why| named(&format!("chunk {number}: {why}")))?;
        number += 1;
    }
    Ok(())
}

/// The state as of `at`, from the files that lead there.
pub(crate) fn state(
    dir: &Path,
    manifest: &Manifest,
    at: u64,
    planted: Planted,
) -> Result<Replay, Failure> {
    let chain = manifest.chain(at)?;
    let mut state: Option<Replay> = None;
    for file in chain {
        let term = file.term;
        chunks(dir, file, planted, |number, chunk| {
            match &mut state {
                None if number == 0 => state = Some(Replay::begin(&chunk, term).map_err(text)?),
                None => return Err("no state to add to".into()),
                Some(state) if file.kind == Kind::Full => state.load(&chunk).map_err(text)?,
                Some(state) => state.apply(&chunk, at).map_err(text)?,
            }
            Ok(())
        })?;
        let reached = state.as_ref().map_or((0, 0), |state| (state.index(), state.keys()));
        let expected = file.index.min(at);
        if reached.0 != expected || (file.kind == Kind::Full && reached.1 != file.keys) {
            return Err(format!(
                "{}: reaches position {} with {} keys; the manifest says {} and {}",
                dir.join(&file.name).display(),
                reached.0,
                reached.1,
                file.index,
                file.keys
            ));
        }
    }
    state.ok_or_else(|| format!("{}: no full state", dir.display()))
}

/// Checks everything in the folder: every byte, and that each run of files makes a state. Answers what it found.
pub(crate) fn verify(dir: &Path, planted: Planted) -> Result<Vec<String>, Failure> {
    let manifest = Manifest::read(dir)?;
    let mut said = vec![format!(
        "{}: keyspace {} of cluster {}",
        dir.display(),
        manifest.keyspace,
        manifest.cluster
    )];
    // Each full state with the entries up to the next one.
    for (at, file) in manifest.files.iter().enumerate() {
        let next = manifest.files.get(at + 1);
        said.push(format!(
            "  {}: position {}, {} bytes in {} chunks",
            file.name, file.index, file.bytes, file.chunks
        ));
        if next.is_some_and(|next| next.kind == Kind::Log) {
            continue;
        }
        let state = state(dir, &manifest, file.index, planted)?;
        said.push(format!("  whole: {} keys at position {}", state.keys(), state.index()));
    }
    Ok(said)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
