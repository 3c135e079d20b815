//! Restoring a keyspace: what its replicas do with the pieces of a backup that its log brings.
//!
//! The pieces are entries like any other, so every replica holds them, a snapshot in the middle keeps them, and
//! a restore that was cut off goes on where it was. Until the last one is applied no command is executed: half
//! of a state is never seen, whoever asks.
//!
//! A restored keyspace begins a history of its own. Its keys count as written at the entries that brought them,
//! since WATCH compares indexes of this log; sessions are not taken over, since they speak of gateways of another
//! cluster, whose lives have nothing to do with the lives of the nodes that bear their numbers here. The time
//! is: a key that had expired there does not come back here.

use crate::machine::Keys;
use stdx::{Bytes, Mutant, Planted, WallClock};
use wire::resp::Reply;
use wire::{wire_enum, wire_struct};

/// A piece of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Keys. The first one makes the keyspace refuse commands.
    Chunk {
        /// Names the backup and the position in it: pieces of two are never mixed.
        backup: u64,
        /// From 0, without gaps.
        seq: u64,
        /// The time of the state it was made of.
        time: WallClock,
        /// The other keyspaces and their epochs, in the first one: keys with their prefixes do not belong here.
        fences: Vec<(String, u64)>,
        /// As [`data::Db::chunk`] wrote them.
        bytes: Bytes,
    },
    /// All was given: from here on commands are executed.
    Whole {
        /// The backup.
        backup: u64,
        /// How many chunks there were.
        chunks: u64,
    },
}

wire_enum!(Load, version 1 {
    1 => Chunk { backup, seq, time, fences, bytes },
    2 => Whole { backup, chunks },
});

/// How far a keyspace was restored, and from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    /// The backup.
    pub backup: u64,
    /// The chunk that must come next.
    pub next: u64,
    /// Whether it was the last.
    pub whole: bool,
}

wire_struct!(Loading { backup, next, whole });

/// What a client hears while a keyspace is being restored: safe to retry, since nothing was done.
pub(crate) fn partial() -> Reply {
    Reply::err("TRYAGAIN the keyspace is being restored from a backup")
}

fn refused(text: impl core::fmt::Display) -> Reply {
    Reply::err(format!("ERR restore: {text}"))
}

impl Keys {
    /// Whether only a part of a backup is here.
    pub(crate) fn is_partial(&self, planted: Planted) -> bool {
        self.loading.is_some_and(|loading| !loading.whole) && !planted.is(Mutant::ServePartial)
    }

    /// How far it is: for whoever goes on with a restore.
    pub(crate) fn progress(&self) -> Reply {
        let (backup, next, whole) =
            self.loading.map_or((0, 0, true), |l| (l.backup, l.next, l.whole));
        let rows = [
            ("keys", Reply::int(self.db.len())),
            ("backup", Reply::bulk(backup.to_string())),
            ("next", Reply::int(next)),
            ("whole", Reply::int(i64::from(whole))),
        ];
        Reply::Map(rows.into_iter().map(|(name, value)| (Reply::bulk(name), value)).collect())
    }

    /// Applies a piece at `index`; answers the number of the next one.
    pub(crate) fn load(&mut self, index: u64, load: &Load, time: &mut WallClock) -> Reply {
        let done = match load {
            Load::Chunk { backup, seq, time: then, fences, bytes } => {
                self.turn(*backup, *seq).and_then(|mine| {
                    if mine {
                        *time = (*time).max(*then);
                        fences.iter().for_each(|(name, epoch)| self.fence(name, *epoch));
                        self.add(index, (*backup, *seq), bytes)?;
                    }
                    Ok(())
                })
            }
            Load::Whole { backup, chunks } => match &mut self.loading {
                Some(loading) if loading.backup == *backup && loading.next == *chunks => {
                    loading.whole = true;
                    Ok(())
                }
                other => Err(refused(format_args!("not all {chunks} chunks are here: {other:?}"))),
            },
        };
        match (done, self.loading) {
            (Err(error), _) => error,
            (Ok(()), loading) => Reply::int(loading.map_or(0, |loading| loading.next)),
        }
    }

    pub(crate) fn fence(&mut self, name: &str, epoch: u64) {
        let fence = self.fences.entry(name.into()).or_default();
        *fence = (*fence).max(epoch);
    }

    /// Whether this chunk is the next to be added; false if it was added before.
    fn turn(&mut self, backup: u64, seq: u64) -> Result<bool, Reply> {
        match self.loading {
            Some(loading) if loading.backup == backup && !(loading.whole && self.db.is_empty()) => {
                if seq > loading.next || (loading.whole && seq == loading.next) {
                    return Err(refused(format_args!("chunk {seq}, expected {}", loading.next)));
                }
                Ok(seq == loading.next)
            }
            // Another backup, after one that was never finished: nothing of that was ever seen.
            Some(loading) if !loading.whole && seq == 0 => {
                self.db.clear();
                Ok(true)
            }
            _ if !self.db.is_empty() => {
                Err(refused(format_args!("the keyspace holds {} keys already", self.db.len())))
            }
            _ if seq != 0 => Err(refused(format_args!("chunk {seq}, expected the first"))),
            _ => Ok(true),
        }
    }

    fn add(&mut self, index: u64, (backup, seq): (u64, u64), bytes: &Bytes) -> Result<(), Reply> {
        let unreadable = |error: wire::WireError| refused(format_args!("chunk {seq}: {error}"));
        let read = data::entries(bytes).map_err(unreadable)?;
        let pairs: Vec<_> = read.collect::<Result<_, _>>().map_err(unreadable)?;
        // A refused declaration leaves its fence too: then this is stricter than it need be.
        let mut named = pairs.iter().filter_map(|(key, _)| crate::contract::keyspace_of(key));
        if let Some(name) = named.find(|name| self.fences.contains_key(*name)) {
            return Err(refused(format_args!(
                "keys begin with `{name}:`, which is a keyspace of its own here: they would be unreachable"
            )));
        }
        // A chunk that cannot be added whole is never passed by: the restore stays unfinished.
        self.loading = Some(Loading { backup, next: seq, whole: false });
        for (key, entry) in pairs {
            self.db.adopt(key, entry, index).map_err(unreadable)?;
        }
        self.loading = Some(Loading { backup, next: seq + 1, whole: false });
        Ok(())
    }
}
