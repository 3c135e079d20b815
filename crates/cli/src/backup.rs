//! `atoll backup`: a keyspace into a folder, while it is served; and what was committed since, the next time.

pub(crate) mod chunks;
pub(crate) mod manifest;
pub(crate) mod read;
#[cfg(test)]
mod tests;

use crate::client::{Client, Fields};
use crate::whole::{named, sync_folder};
use crate::{Failure, out};
use chunks::{Kind, Written};
use manifest::{File, Manifest};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stdx::Planted;
use wire::resp::Reply;

/// A keyspace may be busy with a snapshot of its own for so long.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

/// `atoll backup`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Backup {
    /// Any node's address for clients
    #[arg(long, default_value = "127.0.0.1:7001")]
    addr: String,
    /// The cluster's password
    #[arg(long)]
    password: Option<String>,
    /// The keyspace
    #[arg(long, required_unless_present = "all")]
    keyspace: Option<String>,
    /// Every keyspace, each into a folder of its name; each is consistent by itself
    #[arg(long, conflicts_with = "keyspace")]
    all: bool,
    /// Where it goes: a new folder, or one that an earlier run has made and this one adds to
    #[arg(required = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check every byte of a backup, and that a state can be made of it, without a server
    Verify {
        /// The folder
        dir: PathBuf,
    },
}

pub(crate) fn run(args: &Backup) -> Result<(), Failure> {
    if let Some(Verb::Verify { dir }) = &args.verb {
        for dir in parts(dir)? {
            let said = read::verify(&dir, Planted::NONE)?;
            said.iter().for_each(|line| out::line(format_args!("{line}")));
        }
        return Ok(());
    }
    let dir = args.dir.as_deref().ok_or("a folder is missing")?;
    let mut client = Client::connect(&args.addr, args.password.as_deref())?;
    if !args.all {
        return take(&mut client, args.keyspace.as_deref().unwrap_or("default"), dir);
    }
    for keyspace in keyspaces(&mut client)? {
        take(&mut client, &keyspace, &dir.join(&keyspace))?;
    }
    Ok(())
}

/// The backup in `dir`, or those in its folders.
pub(crate) fn parts(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |e: std::io::Error| format!("{}: {e}", dir.display());
    if dir.join(manifest::NAME).exists() {
        return Ok(vec![dir.to_owned()]);
    }
    let entries = std::fs::read_dir(dir).map_err(failed)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.join(manifest::NAME).exists());
    paths.sort();
    if paths.is_empty() {
        Err(format!("{}: no {} there", dir.display(), manifest::NAME))
    } else {
        Ok(paths)
    }
}

/// All keyspaces.
pub(crate) fn keyspaces(client: &mut Client) -> Result<Vec<String>, Failure> {
    match client.ask(&["KEYSPACE", "LIST"])? {
        Reply::Array(names) => Ok(names.iter().map(crate::client::text).collect()),
        other => Err(format!("KEYSPACE LIST was answered with {other:?}")),
    }
}

fn take(client: &mut Client, keyspace: &str, dir: &Path) -> Result<(), Failure> {
    if dir.join(manifest::NAME).exists() {
        return add(client, keyspace, dir);
    }
    let failed = |e: std::io::Error| format!("{}: {e}", dir.display());
    if dir.exists() && std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(format!("{}: holds something that is no backup", dir.display()));
    }
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let partial = builder.prefix(".atoll-backup-").tempdir_in(parent).map_err(failed)?;
    let (manifest, file) = full(client, keyspace, partial.path())?;
    manifest.write(partial.path())?;
    sync_folder(partial.path())?;
    std::fs::rename(partial.path(), dir).map_err(failed)?;
    let _ = partial.keep(); // It has another name now.
    sync_folder(parent)?;
    out::line(format_args!(
        "{}: keyspace {keyspace} at position {}: {} keys, {} bytes",
        dir.display(),
        file.index,
        file.keys,
        file.bytes
    ));
    Ok(())
}

/// Asks again while another backup is under way, or a chunk is still being read from disk.
fn patiently(client: &mut Client, args: &[&[u8]]) -> Result<Fields, Failure> {
    let began = Instant::now();
    loop {
        match client.fields(args) {
            Err(text) if text.starts_with("TRYAGAIN") && began.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// A full state, as a file in `dir`.
fn full(client: &mut Client, keyspace: &str, dir: &Path) -> Result<(Manifest, File), Failure> {
    let said = patiently(client, &[b"ATOLL", b"BACKUP", b"BEGIN", keyspace.as_bytes()])?;
    let (index, keys) = (said.number("index")?, said.number("keys")?);
    let name = format!("full-{index}.atoll");
    let mut progress = Progress::new(format!("{keyspace}: about {} bytes", said.number("bytes")?));
    let mut found = 0;
    let written = write(dir, &name, Kind::Full, |put| {
        put(said.blob("chunk")?)?;
        for seq in (1_u64..).take_while(|_| keys > 0) {
            let number = seq.to_string();
            let part = patiently(client, &[b"ATOLL", b"BACKUP", b"CHUNK", number.as_bytes()])?;
            let chunk = part.blob("chunk")?;
            found += node::keys_in(chunk).map_err(|e| format!("chunk {seq}: {e}"))?;
            progress.saw(put(chunk)?);
            if part.number("last")? == 1 {
                break;
            }
        }
        if found != keys {
            return Err(format!("the node announced {keys} keys and gave {found}"));
        }
        client.ask(&["ATOLL", "BACKUP", "END"]).map(|_| ())
    })?;
    let place = Place { after: 0, keys, ..Place::of(&said)? };
    let file = place.file(name, Kind::Full, written);
    let mut manifest =
        Manifest::new(said.text("cluster")?, said.text("keyspace")?, said.text("contract")?);
    manifest.files.push(file.clone());
    Ok((manifest, file))
}

/// Adds to a backup what was committed since, or a new full state if the log does not reach back.
fn add(client: &mut Client, keyspace: &str, dir: &Path) -> Result<(), Failure> {
    let mut manifest = Manifest::read(dir)?;
    if manifest.keyspace != keyspace {
        let held = &manifest.keyspace;
        return Err(format!("{}: holds keyspace {held}, not {keyspace}", dir.display()));
    }
    let last = manifest.last().clone();
    let log = |client: &mut Client, from: &Place, upto: u64| {
        let [index, term, upto] = [from.index, from.term, upto].map(|n| n.to_string());
        let words = [b"ATOLL", b"BACKUP".as_slice(), b"LOG", keyspace.as_bytes()];
        let rest = [&index, &term, &from.tail, &upto].map(String::as_bytes);
        client.fields(&[words, rest].concat())
    };
    let start =
        Place { index: last.index, term: last.term, tail: last.tail.clone(), ..Place::default() };
    let first = match log(client, &start, 0) {
        Err(text) if text.starts_with("GONE") => {
            out::line(format_args!("{}: {text}; taking a full state", dir.display()));
            let (new, file) = full(client, keyspace, dir)?;
            if new.cluster != manifest.cluster {
                let held = &manifest.cluster;
                return Err(format!(
                    "{}: is of cluster {held}, not {}",
                    dir.display(),
                    new.cluster
                ));
            }
            if file.index < last.index {
                return Err(format!(
                    "{}: reaches position {}, the keyspace is at {}: another log, for another folder",
                    dir.display(),
                    last.index,
                    file.index
                ));
            }
            manifest.files.push(file);
            return added(&manifest, dir);
        }
        other => other?,
    };
    let upto = first.number("upto")?;
    if upto == start.index {
        out::line(format_args!("{}: nothing new since position {upto}", dir.display()));
        return Ok(());
    }
    let name = format!("log-{}-{upto}.atoll", start.index + 1);
    let mut place = Place::of(&first)?;
    let mut progress = Progress::new(format!("{keyspace}: entries up to {upto}"));
    let written = write(dir, &name, Kind::Log, |put| {
        put(first.blob("chunk")?)?;
        while place.index < upto {
            let part = log(client, &place, upto)?;
            progress.saw(put(part.blob("chunk")?)?);
            let next = Place::of(&part)?;
            if next.index <= place.index {
                return Err(format!("the node gave no entry after position {}", place.index));
            }
            place = next;
        }
        Ok(())
    })?;
    manifest.files.push(Place { after: last.index, ..place }.file(name, Kind::Log, written));
    added(&manifest, dir)
}

fn added(manifest: &Manifest, dir: &Path) -> Result<(), Failure> {
    let file = manifest.last();
    sync_folder(dir)?;
    manifest.write(dir)?;
    sync_folder(dir)?;
    out::line(format_args!(
        "{}: now up to position {} by {} ({} bytes)",
        dir.display(),
        file.index,
        file.name,
        file.bytes
    ));
    Ok(())
}

/// A position, as a node says it.
#[derive(Clone, Debug, Default)]
struct Place {
    after: u64,
    index: u64,
    term: u64,
    tail: String,
    time: u64,
    keys: u64,
}

impl Place {
    fn of(said: &Fields) -> Result<Place, Failure> {
        Ok(Place {
            index: said.number("index")?,
            term: said.number("term")?,
            tail: said.text("tail")?,
            time: said.number("time")?,
            ..Place::default()
        })
    }

    fn file(self, name: String, kind: Kind, written: Written) -> File {
        let Place { after, index, term, tail, time, keys } = self;
        let Written { bytes, chunks, sum } = written;
        let checksum = format!("{sum:016x}");
        File { name, kind, after, index, term, tail, time, keys, bytes, chunks, checksum }
    }
}

/// A file that is there whole, and on the disk, or not at all. `put` answers how many bytes there are by now.
fn write(
    dir: &Path,
    name: &str,
    kind: Kind,
    fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<u64, Failure>) -> Result<(), Failure>,
) -> Result<Written, Failure> {
    let path = dir.join(name);
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let file = named(dir).map_err(failed)?;
    let mut writer =
        chunks::Writer::new(BufWriter::with_capacity(1 << 20, file), kind).map_err(failed)?;
    fill(&mut |chunk| writer.put(chunk).map(|()| writer.written.bytes).map_err(failed))?;
    let (buffer, written) = writer.finish().map_err(failed)?;
    let file = buffer.into_inner().map_err(|e| failed(e.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|e| failed(e.error))?;
    Ok(written)
}

/// A line a second, for whoever waits.
pub(crate) struct Progress {
    what: String,
    next: Instant,
}

impl Progress {
    const EVERY: Duration = Duration::from_secs(1);

    pub(crate) fn new(what: String) -> Progress {
        Progress { what, next: Instant::now() + Progress::EVERY }
    }

    /// So much is done.
    pub(crate) fn saw(&mut self, bytes: u64) {
        if Instant::now() >= self.next {
            out::line(format_args!("{}: {bytes} bytes so far", self.what));
            self.next = Instant::now() + Progress::EVERY;
        }
    }
}
