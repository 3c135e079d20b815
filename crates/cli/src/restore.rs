//! `atoll restore`: a backup into a cluster where its keyspace is not, or is empty.
//!
//! The state is made here, from checked bytes, before the cluster is asked for anything; then it goes into the
//! keyspace's log piece by piece. The keyspace is not served until the last piece is applied. What was cut off
//! goes on when it is run again: the cluster knows how far it was, and of which backup and position.

use crate::backup::manifest::{File, Manifest};
use crate::backup::{Progress, keyspaces, parts, read};
use crate::client::Client;
use crate::{Failure, out};
use node::Replay;
use node::contract::keyspace_of;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stdx::Planted;
use wire::resp::Reply;

/// About how many bytes of state go into one entry. Also what makes a restore resumable: pieces have numbers.
const CHUNK: usize = 256 << 10;
/// How long an argument is at most: well below any `max-value`.
const PART: usize = 64 << 10;
/// How long to go on asking a cluster that does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// `atoll restore`
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// What `atoll backup` has made
    dir: PathBuf,
    /// Any node's address for clients
    #[arg(long, default_value = "127.0.0.1:7001")]
    addr: String,
    /// The cluster's password
    #[arg(long)]
    password: Option<String>,
    /// The log position to restore; without it the last one in the backup
    #[arg(long, value_name = "INDEX")]
    at: Option<u64>,
    /// Clauses in place of the contract in the backup, such as 'REPLICATION raft N=1' for a smaller cluster
    #[arg(long, value_name = "CLAUSES")]
    contract: Option<String>,
}

pub(crate) fn run(args: &Restore) -> Result<(), Failure> {
    let dirs = parts(&args.dir)?;
    if dirs.len() > 1 && args.at.is_some() {
        return Err(format!(
            "--at is of one keyspace: name a folder within {}",
            args.dir.display()
        ));
    }
    dirs.iter().try_for_each(|dir| restore(args, dir))
}

fn restore(args: &Restore, dir: &Path) -> Result<(), Failure> {
    let manifest = Manifest::read(dir)?;
    let at = args.at.unwrap_or(manifest.last().index);
    let state = read::state(dir, &manifest, at, Planted::NONE)?;
    let name = &manifest.keyspace;
    out::line(format_args!(
        "{}: whole; {} keys of keyspace {name} at position {at}",
        dir.display(),
        state.keys()
    ));
    let mut target = Target {
        addr: &args.addr,
        password: args.password.as_deref(),
        client: Client::connect(&args.addr, args.password.as_deref())?,
    };
    let names = keyspaces(&mut target.client)?;
    reachable(&state, name, &names)?;
    let sealed =
        target.prepare(name, &names, args.contract.as_ref().unwrap_or(&manifest.contract))?;
    let keys = state.keys();
    if !target.load(name, backup_id(&manifest, at)?, state)? && !sealed {
        out::line(format_args!("keyspace {name} was restored from this before: nothing to do"));
        return Ok(());
    }
    if sealed {
        target.until_done(&[b"ATOLL", b"RESTORE", b"OPEN", name.as_bytes()])?;
    }
    out::line(format_args!("keyspace {name} is restored as of position {at}: {keys} keys"));
    Ok(())
}

/// Names what is being restored: pieces of two backups, or of two positions, are never mixed.
fn backup_id(manifest: &Manifest, at: u64) -> Result<u64, Failure> {
    let sums: Vec<&str> = manifest.chain(at)?.iter().map(|f: &File| f.checksum.as_str()).collect();
    let text = format!("{} {at} {CHUNK} {}", manifest.keyspace, sums.join(" "));
    Ok(storage::hash_of(text.as_bytes()).max(1))
}

/// Refuses keys that would belong to another keyspace of the cluster, before anything is done there. The
/// cluster refuses them as well, should one be declared meanwhile.
fn reachable(state: &Replay, name: &str, names: &[String]) -> Result<(), Failure> {
    let (mut count, mut example) = (0_u64, None);
    state.each(|key, _| {
        let other = keyspace_of(key).filter(|of| *of != name);
        if let Some(other) = other.filter(|of| names.iter().any(|known| known == of)) {
            count += 1;
            example.get_or_insert((key.escape_ascii().to_string(), other.to_owned()));
        }
    });
    match example {
        None => Ok(()),
        Some((key, other)) => Err(format!(
            "{count} keys of the backup would be unreachable: `{key}` belongs to keyspace {other}, which this \
             cluster has"
        )),
    }
}

/// The cluster, through one node.
struct Target<'a> {
    addr: &'a str,
    password: Option<&'a str>,
    client: Client,
}

impl Target<'_> {
    /// Sees to it that there is a keyspace to fill; whether it must be opened afterwards.
    fn prepare(&mut self, name: &str, names: &[String], contract: &str) -> Result<bool, Failure> {
        if !names.iter().any(|known| known == name) && name != "default" {
            let mut words = vec!["ATOLL", "RESTORE", "CREATE", name];
            words.extend(contract.split_whitespace());
            self.client.ask(&words)?;
            return Ok(true);
        }
        let shown = self.client.fields(&[b"KEYSPACE", b"SHOW", name.as_bytes()])?;
        if shown.text("state")? == "being restored" {
            out::line(format_args!("keyspace {name} is being restored already: going on"));
            return Ok(true);
        }
        // Every cluster has a `default`: it is filled while it is empty.
        if name == "default" {
            return Ok(false);
        }
        Err(format!("keyspace {name} exists already"))
    }

    /// Gives the keyspace the pieces that it has not; false if it had all.
    fn load(&mut self, name: &str, backup: u64, state: Replay) -> Result<bool, Failure> {
        let status = [b"ATOLL", b"RESTORE".as_slice(), b"STATUS", name.as_bytes()];
        let status = self.until_done(&status)?;
        let mine = status.number("backup")? == backup;
        let held = status.number("keys")?;
        if status.number("whole")? == 1 && held > 0 {
            let other = format!("keyspace {name} holds {held} keys already");
            return if mine { Ok(false) } else { Err(other) };
        }
        let goes_on = mine && status.number("whole")? == 0;
        let next = if goes_on { status.number("next")? } else { 0 };
        let id = backup.to_string();
        let time = state.time().0.to_string();
        let words = |what: &'static str| ["ATOLL", "RESTORE", what, name, &id].map(str::as_bytes);
        let mut progress = Progress::new(format!("keyspace {name}"));
        let (mut chunks, mut bytes) = (0_u64, 0_u64);
        for chunk in state.chunks(CHUNK) {
            bytes += chunk.len() as u64;
            if chunks >= next {
                let seq = chunks.to_string();
                let mut line = words("CHUNK").to_vec();
                line.extend([seq.as_bytes(), time.as_bytes()]);
                line.extend(chunk.chunks(PART));
                self.until_done(&line)?;
                progress.saw(bytes);
            }
            chunks += 1;
        }
        let count = chunks.to_string();
        self.until_done(&[&words("WHOLE")[..], &[count.as_bytes()]].concat())?;
        Ok(true)
    }

    /// Asks until it is done: every piece may be said twice, so whatever became of the first time is no matter.
    fn until_done(&mut self, words: &[&[u8]]) -> Result<crate::client::Fields, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            let why = match self.client.answer(words) {
                Ok(Reply::Error(text)) => {
                    let later = ["TRYAGAIN", "CLUSTERDOWN", "UNKNOWN"];
                    if !later.iter().any(|word| text.starts_with(word)) {
                        return Err(text);
                    }
                    text
                }
                Ok(reply) => return Ok(crate::client::Fields::of(reply)),
                Err(lost) => {
                    if let Ok(client) = Client::connect(self.addr, self.password) {
                        self.client = client;
                    }
                    lost
                }
            };
            if Instant::now() > until {
                return Err(format!("{why}; run it again to go on where it was"));
            }
            std::thread::sleep(PAUSE);
        }
    }
}
