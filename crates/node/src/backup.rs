//! Backups at the leader: a frozen view given chunk by chunk, and the committed entries after a position.
//!
//! Each step is a read of the group, so it is forwarded to whoever leads, sent again if it is lost, and answered
//! only while a majority confirms the leader: no replica that has fallen behind is ever backed up, and a node
//! without a replica serves a backup as well as any. The view lives at the one leader that froze it. When it no
//! longer leads, or nobody has asked for the next chunk for a while, the view is dropped, and the next step
//! is an error: a backup is of one state or none.
//!
//! Entries are the same wherever they are committed, so adding them to a backup may go on across leaders. That they
//! continue that very backup, and not the log of another cluster with the same name and numbers, is seen from
//! the newest command before the position: it carries a random seed, so no two logs have the same.

use crate::message::{Content, GroupId};
use crate::proposal::{Body, Operation, Outcome};
use crate::state::{Node, Timer};
use core::hash::Hasher;
use protocol::Effects;
use raft::{Entry, Kind};
use stdx::{Bytes, Digest, Duration, Mutant, Now};
use wire::resp::Reply;
use wire::{Reader, Wire, WireError, wire_enum, wire_struct};

/// A view that nobody reads on for so long is dropped: whoever asked for it is gone.
pub(crate) const BACKUP_IDLE: Duration = Duration::from_secs(30);

/// How far back the newest command before a position is looked for.
const TAIL: usize = 1024;

/// A step of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// Freezes a view under a name drawn by the asker.
    Begin {
        /// The name.
        backup: u64,
    },
    /// The next chunk of the view, or the one given last once more.
    Chunk {
        /// The view.
        backup: u64,
        /// From 1, without gaps.
        seq: u64,
    },
    /// Nobody wants the view any more.
    End {
        /// The view.
        backup: u64,
    },
    /// Committed entries after a position.
    Log {
        /// Where the last answer ended.
        after: Place,
        /// No entry later than this; 0 for all that are applied.
        upto: u64,
    },
}

wire_enum!(Export, version 1 {
    1 => Begin { backup },
    2 => Chunk { backup, seq },
    3 => End { backup },
    4 => Log { after, upto },
});

/// A position in a group's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The entry.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// A digest of the newest command up to it; 0 if the log does not reach back to one.
    pub tail: u64,
}

wire_struct!(Place { index, term, tail });

/// An entry as a backup keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) index: u64,
    pub(crate) term: u64,
    /// The proposal; none where the group's consensus kept something for itself.
    pub(crate) payload: Option<Bytes>,
}

wire_struct!(Logged { index, term, payload });

const KIND: u8 = 3;
const VERSION: u8 = 1;

/// Entries as bytes: kind, version, then one after the other.
pub(crate) fn logged(bytes: &[u8]) -> Result<Vec<Logged>, WireError> {
    let mut from = Reader::new(bytes);
    match (u8::decode(&mut from)?, u8::decode(&mut from)?) {
        (KIND, VERSION) => {}
        (KIND, version) => return Err(WireError::UnknownVersion("entries", version)),
        (kind, _) => return Err(WireError::UnknownKind("entries", kind)),
    }
    let mut all = Vec::new();
    while from.remaining() > 0 {
        all.push(Logged::decode(&mut from)?);
    }
    Ok(all)
}

fn refused(text: impl core::fmt::Display) -> Reply {
    Reply::err(format!("ERR backup: {text}"))
}

fn rows<const N: usize>(rows: [(&str, Reply); N]) -> Reply {
    Reply::Map(rows.into_iter().map(|(name, value)| (Reply::bulk(name), value)).collect())
}

impl Node {
    /// Answers a step, once the read that carries it is confirmed and the state has reached it.
    pub(crate) fn export(&mut self, now: Now, id: GroupId, export: &Export) -> Outcome {
        let reply = match export {
            Export::Begin { backup } => self.export_begin(now, id, *backup),
            Export::Chunk { backup, seq } => self.export_chunk(now, id, (*backup, *seq)),
            Export::End { backup } => {
                self.drop_view(id, Some(*backup));
                Ok(Reply::ok())
            }
            Export::Log { after, upto } => self.export_log(id, *after, *upto),
        };
        Outcome::Done(vec![reply.unwrap_or_else(|refusal| refusal)])
    }

    fn export_begin(&mut self, now: Now, id: GroupId, backup: u64) -> Result<Reply, Reply> {
        let (cluster, planted) = (self.config.cluster.clone(), self.config.planted);
        let group = self.groups.get(&id).ok_or_else(|| refused("no replica here"))?;
        // Of the catalog there is a head only: gateways do not ask for it, a replica that is rebuilt does.
        let keys = group.machine.keys();
        if keys.is_some_and(|keys| keys.is_partial(planted)) {
            return Err(crate::restore::partial());
        }
        let count = keys.map_or(0, |keys| keys.db.len());
        let again = group.view.as_ref().is_some_and(|view| view.serves(backup));
        if group.view.is_some() && !again {
            return Err(Reply::err(
                "TRYAGAIN another snapshot or backup of the keyspace is under way",
            ));
        }
        if !again {
            self.freeze_for(id, backup);
        }
        self.timers.set(Timer::Backup(id), Some(now.mono + BACKUP_IDLE));
        let group = &self.groups[&id];
        let (header, mark) =
            group.view.as_ref().and_then(|view| view.first()).ok_or_else(|| {
                refused("it has begun already") // A retry that came late.
            })?;
        Ok(rows([
            ("cluster", Reply::bulk(cluster)),
            ("keyspace", Reply::bulk(&group.info.keyspace.name)),
            ("contract", Reply::bulk(group.info.keyspace.contract.to_string())),
            ("group", Reply::int(id)),
            ("index", Reply::int(mark.index)),
            ("term", Reply::int(mark.term)),
            ("tail", Reply::bulk(self.tail(id, mark.index).to_string())),
            ("time", Reply::int(group.machine.time().0)),
            ("keys", Reply::int(count)),
            ("bytes", Reply::int(group.machine.bytes())),
            ("chunk", Reply::Bulk(header)),
        ]))
    }

    fn export_chunk(
        &mut self,
        now: Now,
        id: GroupId,
        (backup, seq): (u64, u64),
    ) -> Result<Reply, Reply> {
        let (chunk_bytes, planted) = (self.config.chunk_bytes, self.config.planted);
        let group = self.groups.get_mut(&id).ok_or_else(|| refused("no replica here"))?;
        let view = group.view.as_mut().filter(|view| view.serves(backup)).ok_or_else(|| {
            refused("its view is gone: the leader changed, or nobody asked for it for too long")
        })?;
        let given = view.give(&mut group.machine, seq, chunk_bytes);
        if given.is_none() && view.is_being_read() {
            return Err(Reply::err("TRYAGAIN the chunk is being read from disk"));
        }
        let (bytes, last) = given.ok_or_else(|| refused(format_args!("no chunk {seq}")))?;
        self.timers.set(Timer::Backup(id), Some(now.mono + BACKUP_IDLE));
        let bytes = if planted.is(Mutant::BackupTorn) { self.torn(id, &bytes) } else { bytes };
        let last = last || planted.is(Mutant::BackupEndsEarly);
        Ok(rows([("last", Reply::int(i64::from(last))), ("chunk", Reply::Bulk(bytes))]))
    }

    /// The planted bug: each key as it is now, not as it was.
    fn torn(&self, id: GroupId, chunk: &Bytes) -> Bytes {
        let keys = self.groups[&id].machine.keys().expect("a keyspace is backed up");
        let mut out = chunk[..2].to_vec();
        for (key, then) in data::entries(chunk).into_iter().flatten().flatten() {
            let live = keys.db.entry(&key).cloned();
            key.encode(&mut out);
            live.unwrap_or(then).encode(&mut out);
        }
        out.into()
    }

    fn export_log(&self, id: GroupId, after: Place, upto: u64) -> Result<Reply, Reply> {
        let group = self.groups.get(&id).ok_or_else(|| refused("no replica here"))?;
        if group.machine.keys().is_none() {
            return Err(refused("the catalog is no keyspace"));
        }
        let applied = group.machine.applied();
        let upto = if upto == 0 { applied } else { upto.min(applied) };
        let known = group.raft.term_at(after.index) == Some(after.term)
            && after.index <= applied
            && after.tail != 0
            && self.tail(id, after.index) == after.tail;
        if !known {
            return Err(Reply::err(format!(
                "GONE the log does not continue position {}: it was cut by a snapshot, or is another log",
                after.index
            )));
        }
        let skipped = usize::from(self.config.planted.is(Mutant::BackupSkipsEntry));
        let first = group.raft.entries().next().map_or(0, |entry| entry.index);
        let before = usize::try_from(after.index + 1 - first.min(after.index + 1)).unwrap_or(0);
        let mut bytes = vec![KIND, VERSION];
        let mut end = after;
        for entry in group.raft.entries().skip(before + skipped) {
            if entry.index > upto || bytes.len() >= self.config.chunk_bytes {
                break;
            }
            let payload = command(entry).cloned();
            end.tail = payload.as_ref().map_or(end.tail, digest);
            (end.index, end.term) = (entry.index, entry.term);
            Logged { index: entry.index, term: entry.term, payload }.encode(&mut bytes);
        }
        Ok(rows([
            ("index", Reply::int(end.index)),
            ("term", Reply::int(end.term)),
            ("tail", Reply::bulk(end.tail.to_string())),
            ("time", Reply::int(group.machine.time().0)),
            ("upto", Reply::int(upto)),
            ("chunk", Reply::Bulk(bytes.into())),
        ]))
    }

    /// A digest of the newest command up to `index`, 0 if the log does not reach back to one.
    fn tail(&self, id: GroupId, index: u64) -> u64 {
        let log = &self.groups[&id].raft;
        let first = log.entries().next().map_or(0, |entry| entry.index);
        let place = usize::try_from(index.saturating_sub(first)).unwrap_or(0);
        let near = log.entries().skip(place.saturating_sub(TAIL));
        let entries = near.take_while(|entry| entry.index <= index);
        entries.filter_map(command).last().map_or(0, digest)
    }

    /// Drops the view of a backup: of this one, or of whichever there is.
    pub(crate) fn drop_view(&mut self, id: GroupId, backup: Option<u64>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let wanted = |view: &crate::snapshot::View| match backup {
            Some(backup) => view.serves(backup),
            None => view.is_backup(),
        };
        if group.view.as_ref().is_some_and(wanted) {
            self.end_view(id);
        }
    }

    /// Whatever the group's view was for is over.
    pub(crate) fn end_view(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.view.take().is_some() {
            group.machine.thaw();
            self.timers.set(Timer::Backup(id), None);
        }
    }

    /// The connection that a backup was made through is gone: whoever leads need not keep its view. If this
    /// word is lost, the view is dropped by its timer.
    pub(crate) fn abandon(&mut self, (id, backup): (GroupId, u64), out: &mut Effects<Node>) {
        let leader = self.groups.get(&id).map_or_else(
            || self.hints.get(&id).copied(),
            crate::Group::leader_node, // Possibly ourselves.
        );
        self.drop_view(id, Some(backup)); // It may be here: we lead, or the connection is READONLY.
        if let Some(node) = leader.filter(|node| *node != self.identity.node) {
            self.gateway.next += 1;
            let operation = Operation::Export(Export::End { backup });
            let body = Body { session: None, epoch: self.catalog().epoch, operation };
            let content = Content::Read { group: id, ticket: self.gateway.next, body };
            out.send_early(node, self.packet(content)); // Early: it promises nothing.
        }
    }
}

/// What an entry brings the state machine: nothing, where consensus keeps something for itself.
fn command(entry: &Entry) -> Option<&Bytes> {
    if let Kind::Command(payload) = &entry.kind { Some(payload) } else { None }
}

fn digest(payload: &Bytes) -> u64 {
    let mut digest = Digest::default();
    digest.write(payload);
    digest.finish().max(1)
}
