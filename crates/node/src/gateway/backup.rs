//! ATOLL BACKUP and ATOLL RESTORE: what `atoll backup` and `atoll restore` say, one command a step, so that
//! one chunk is in flight and memory is bounded by it. Stock clients may say it too.
//!
//! A connection makes one backup at a time; when it closes, the backup is over and its view is freed.

use super::What;
use super::pump::Known;
use crate::api::ConnId;
use crate::backup::{Export, Place};
use crate::catalog::{CATALOG_GROUP, Change};
use crate::message::GroupId;
use crate::proposal::Operation;
use crate::restore::Load;
use crate::state::Node;
use protocol::Effects;
use stdx::{Now, WallClock};
use wire::resp::{Args, Reply};

const USAGE: &str = "ERR usage: ATOLL WITH DEADLINE <milliseconds, 1 to 3600000> | BACKUP BEGIN keyspace | \
                     BACKUP CHUNK seq | BACKUP END | BACKUP LOG keyspace index term tail upto | \
                     RESTORE CREATE keyspace [clause ...] | RESTORE STATUS keyspace | \
                     RESTORE CHUNK keyspace backup seq time part [part ...] | \
                     RESTORE WHOLE keyspace backup chunks | RESTORE OPEN keyspace";

fn number(args: &Args, at: usize) -> Result<u64, Reply> {
    let text = args.try_get(at).and_then(|arg| core::str::from_utf8(arg).ok());
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| Reply::err(format!("ERR argument {at} is not a number")))
}

impl Node {
    /// ATOLL and its subcommands.
    pub(crate) fn atoll(
        &mut self,
        now: Now,
        id: ConnId,
        (_, args): Known,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        if args.is(1, "with") {
            let reply = self.with_deadline(id, &args)?;
            self.conn(id).reply(&reply);
            return Ok(());
        }
        let backs_up = args.is(1, "backup");
        if !backs_up && !args.is(1, "restore") {
            return Err(Reply::err(USAGE));
        }
        let within = (backs_up, args.is(2, "chunk"), args.is(2, "end"));
        if within == (true, true, false) || within == (true, false, true) {
            return self.backup_goes_on(now, id, args, out);
        }
        if args.len() < 4 {
            return Err(Reply::err(USAGE));
        }
        if !backs_up && args.is(2, "create") {
            let (name, contract) = self.declarable(&args, 3)?;
            let change = Change::CreateSealed { name: name.clone(), contract };
            self.announce(now, id, (name, false, change), vec![args], out);
            return Ok(());
        }
        let name = String::from_utf8_lossy(args.get(3)).into_owned();
        let group = self.catalog().get(&name).filter(|k| k.active).map(|k| k.group);
        let Some(group) = group else {
            if core::mem::take(&mut self.conn(id).fresh) {
                return Err(Reply::err(format!("ERR no such keyspace: {name}")));
            }
            self.refresh(now, id, args, out); // This node's catalog may be behind.
            return Ok(());
        };
        if backs_up {
            self.backup_step(now, id, (group, &name), args, out)
        } else {
            self.restore_step(now, id, (group, name), &args, out)
        }
    }

    fn backup_step(
        &mut self,
        now: Now,
        id: ConnId,
        (group, name): (GroupId, &str),
        args: Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        if self.catalog().is_sealed(name) {
            return Err(crate::restore::partial());
        }
        let export = if args.is(2, "begin") && args.len() == 4 {
            let backup = self.rng.next_u64();
            self.end_backup(id, out);
            self.conn(id).backup = Some((group, backup));
            Export::Begin { backup }
        } else if args.is(2, "log") && args.len() == 8 {
            let (index, term, tail) = (number(&args, 4)?, number(&args, 5)?, number(&args, 6)?);
            Export::Log { after: Place { index, term, tail }, upto: number(&args, 7)? }
        } else {
            return Err(Reply::err(USAGE));
        };
        self.relay(now, id, (group, false, Operation::Export(export)), args, out);
        Ok(())
    }

    /// CHUNK and END, of the backup that the connection has begun.
    fn backup_goes_on(
        &mut self,
        now: Now,
        id: ConnId,
        args: Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let Some((group, backup)) = self.conn(id).backup else {
            return Err(Reply::err("ERR no backup was begun on this connection"));
        };
        if args.is(2, "end") {
            self.end_backup(id, out);
            self.conn(id).reply(&Reply::ok());
            return Ok(());
        }
        let export = Export::Chunk { backup, seq: number(&args, 3)? };
        self.relay(now, id, (group, false, Operation::Export(export)), args, out);
        Ok(())
    }

    fn restore_step(
        &mut self,
        now: Now,
        id: ConnId,
        (group, name): (GroupId, String),
        args: &Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let (group, write, operation) = if args.is(2, "status") && args.len() == 4 {
            (group, false, Operation::Loaded)
        } else if args.is(2, "chunk") && args.len() >= 8 {
            let (backup, seq) = (number(args, 4)?, number(args, 5)?);
            let time = WallClock(number(args, 6)?);
            let others = self.catalog().iter().filter(|k| seq == 0 && k.name != name);
            let fences = others.map(|k| (k.name.clone(), k.epoch)).collect();
            let bytes: Vec<u8> = args.iter().skip(7).flatten().copied().collect();
            let load = Load::Chunk { backup, seq, time, fences, bytes: bytes.into() };
            (group, true, Operation::Load(load))
        } else if args.is(2, "whole") && args.len() == 6 {
            let (backup, chunks) = (number(args, 4)?, number(args, 5)?);
            (group, true, Operation::Load(Load::Whole { backup, chunks }))
        } else if args.is(2, "open") && args.len() == 4 {
            (CATALOG_GROUP, true, Operation::Catalog(Change::Open { name }))
        } else {
            return Err(Reply::err(USAGE));
        };
        // The pieces are in the request: the command itself is kept only to be answered.
        let command: Args = args.iter().take(4).collect();
        self.relay(now, id, (group, write, operation), command, out);
        Ok(())
    }

    /// One request to one group, whose reply is the command's.
    fn relay(
        &mut self,
        now: Now,
        id: ConnId,
        (group, write, operation): (GroupId, bool, Operation),
        args: Args,
        out: &mut Effects<Node>,
    ) {
        self.wait(now, id, What::Relay { write }, vec![args]);
        self.send_parts(now, id, write, vec![(group, Vec::new(), operation)], out);
    }

    /// The connection's backup is over, if it has one.
    pub(crate) fn end_backup(&mut self, id: ConnId, out: &mut Effects<Node>) {
        let backup = self.gateway.conns.get_mut(&id).and_then(|conn| conn.backup.take());
        if let Some(backup) = backup {
            self.abandon(backup, out);
        }
    }
}
