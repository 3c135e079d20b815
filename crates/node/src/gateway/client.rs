//! CLIENT: what a connection says about itself, and what may be done to others.

use super::{Conn, Muted};
use crate::api::{ConnId, Output};
use crate::state::{Node, Timer};
use data::Run;
use protocol::Effects;
use stdx::{Duration, Instant, Now};
use wire::resp::{Args, Reply, Version};

/// A connection name as Redis allows it: printable, without spaces.
pub(crate) fn valid_name(name: &[u8]) -> Result<String, Reply> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        Ok(String::from_utf8_lossy(name).into_owned())
    } else {
        let text = "ERR Client names cannot contain spaces, newlines or special characters.";
        Err(Reply::err(text))
    }
}

/// CLIENT PAUSE: commands that reach the cluster through this node wait. CLIENT itself does not, so that there is a
/// way out before the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    until: Instant,
    writes_only: bool,
}

impl Pause {
    /// Whether a command has to wait.
    pub(crate) fn holds(self, args: &Args) -> bool {
        let Some(spec) = data::lookup(args.name()) else { return false };
        match spec.run {
            Run::Write(_) => true,
            Run::Read(_) => !self.writes_only,
            // EXEC may write; what it does is not looked at here.
            Run::Gateway => spec.name == "exec" || (!self.writes_only && spec.name != "client"),
        }
    }
}

impl Conn {
    /// One line of CLIENT LIST.
    fn line(&self, id: ConnId, now: Now) -> String {
        let age = now.mono.since(self.opened).as_secs();
        let resp = if self.version == Version::Resp3 { 3 } else { 2 };
        let multi = if self.multi.is_some() { 0 } else { -1 };
        format!(
            "id={} addr={} laddr= fd=0 name={} age={age} idle=0 flags=N db={} sub=0 psub=0 ssub=0 \
             multi={multi} watch={} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 \
             tot-mem=0 events=r cmd={} user=default redir=-1 resp={resp} lib-name={} lib-ver={}\n",
            id.0,
            self.address,
            self.name,
            self.keyspace,
            self.watches.len(),
            self.last,
            self.library.0,
            self.library.1,
        )
    }
}

impl Node {
    /// CLIENT and its subcommands.
    pub(crate) fn client(
        &mut self,
        now: Now,
        id: ConnId,
        args: &Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let sub = String::from_utf8_lossy(args.get(1)).to_lowercase();
        let reply = match (sub.as_str(), args.len()) {
            ("id", 2) => Reply::int(id.0.cast_signed()),
            ("info", 2) => Reply::Verbatim(self.conn(id).line(id, now)),
            ("list", _) => {
                let lines = self.gateway.conns.iter().map(|(id, conn)| conn.line(*id, now));
                Reply::Verbatim(lines.collect())
            }
            ("getname", 2) => {
                let conn = self.conn(id);
                if conn.name.is_empty() { Reply::Null } else { Reply::bulk(&conn.name) }
            }
            ("setname", 3) => {
                self.conn(id).name = valid_name(args.get(2))?;
                Reply::ok()
            }
            ("setinfo", 4) => self.set_info(id, args)?,
            ("no-evict" | "no-touch", 3) if args.is(2, "on") || args.is(2, "off") => Reply::ok(),
            ("tracking", 3) if args.is(2, "off") => Reply::ok(),
            ("getredir", 2) => Reply::Int(-1),
            ("unblock", 3 | 4) => Reply::Int(0), // No command blocks yet.
            ("pause", 3 | 4) => self.pause(now, args)?,
            ("unpause", 2) => {
                self.unpause();
                Reply::ok()
            }
            ("reply", 3) => return self.client_reply(id, args),
            ("kill", 3 | 4..) => self.kill(id, args, out)?,
            _ => {
                return Err(Reply::err(format!(
                    "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try CLIENT HELP."
                )));
            }
        };
        self.conn(id).reply(&reply);
        Ok(())
    }

    /// CLIENT PAUSE milliseconds [WRITE | ALL]. A longer pause under way is kept, and the stricter of the two.
    fn pause(&mut self, now: Now, args: &Args) -> Result<Reply, Reply> {
        let millis = core::str::from_utf8(args.get(2)).ok().and_then(|t| t.parse::<u32>().ok());
        let Some(millis) = millis else {
            return Err(Reply::err("ERR timeout is not an integer or out of range"));
        };
        let writes_only = args.len() == 4 && args.is(3, "write");
        if args.len() == 4 && !writes_only && !args.is(3, "all") {
            return Err(Reply::err("ERR syntax error"));
        }
        let mut pause =
            Pause { until: now.mono + Duration::from_millis(millis.into()), writes_only };
        if let Some(before) = self.gateway.pause {
            pause.until = pause.until.max(before.until);
            pause.writes_only &= before.writes_only;
        }
        self.gateway.pause = Some(pause);
        self.timers.set(Timer::Pause, Some(pause.until));
        Ok(Reply::ok())
    }

    /// The pause is over: whoever waited is served.
    pub(crate) fn unpause(&mut self) {
        self.gateway.pause = None;
        self.timers.set(Timer::Pause, None);
        self.gateway.ready.extend(self.gateway.conns.keys().copied());
    }

    fn set_info(&mut self, id: ConnId, args: &Args) -> Result<Reply, Reply> {
        let value = String::from_utf8_lossy(args.get(3)).into_owned();
        if !args.get(3).iter().all(|byte| (b'!'..=b'~').contains(byte)) {
            let what = String::from_utf8_lossy(args.get(2)).to_lowercase();
            return Err(Reply::err(format!(
                "ERR {what} cannot contain spaces, newlines or special characters."
            )));
        }
        let conn = self.conn(id);
        if args.is(2, "lib-name") {
            conn.library.0 = value;
        } else if args.is(2, "lib-ver") {
            conn.library.1 = value;
        } else {
            let option = String::from_utf8_lossy(args.get(2)).into_owned();
            return Err(Reply::err(format!("ERR Unrecognized option '{option}'")));
        }
        Ok(Reply::ok())
    }

    fn client_reply(&mut self, id: ConnId, args: &Args) -> Result<(), Reply> {
        let conn = self.conn(id);
        if args.is(2, "on") {
            conn.muted = Muted::No;
            conn.reply(&Reply::ok());
        } else if args.is(2, "off") {
            conn.muted = Muted::Yes;
            conn.answered += 1;
        } else if args.is(2, "skip") {
            if conn.muted != Muted::Yes {
                conn.muted = Muted::Next;
            }
            conn.answered += 1;
        } else {
            return Err(Reply::err("ERR syntax error"));
        }
        Ok(())
    }

    /// CLIENT KILL addr, or CLIENT KILL [ID id] [ADDR addr] [SKIPME yes|no].
    fn kill(&mut self, id: ConnId, args: &Args, out: &mut Effects<Node>) -> Result<Reply, Reply> {
        let old_form = args.len() == 3;
        let mut skip_me = !old_form;
        let (mut by_id, mut by_address) = (None, None);
        if old_form {
            by_address = Some(args.get(2));
        }
        for at in (2..args.len()).step_by(2).take_while(|_| !old_form) {
            let value = args.try_get(at + 1).ok_or_else(|| Reply::err("ERR syntax error"))?;
            if args.is(at, "id") {
                let digits = core::str::from_utf8(value).ok().and_then(|t| t.parse().ok());
                by_id = Some(
                    digits.ok_or_else(|| Reply::err("ERR client-id should be greater than 0"))?,
                );
            } else if args.is(at, "addr") {
                by_address = Some(value);
            } else if args.is(at, "skipme") {
                skip_me = value.eq_ignore_ascii_case(b"yes");
            } else {
                return Err(Reply::err("ERR syntax error"));
            }
        }
        let doomed: Vec<ConnId> = self
            .gateway
            .conns
            .iter()
            .filter(|(other, conn)| {
                by_id.is_none_or(|wanted: u64| other.0 == wanted)
                    && by_address.is_none_or(|wanted| conn.address.as_bytes() == wanted)
                    && !(skip_me && **other == id)
            })
            .map(|(other, _)| *other)
            .collect();
        if old_form && doomed.is_empty() {
            return Err(Reply::err("ERR No such client"));
        }
        for other in &doomed {
            if *other == id {
                self.conn(id).closing = true; // After this reply.
            } else {
                out.output_early(Output::Close { conn: *other, flush: false }); // It promises nothing.
                self.closed(*other, out);
            }
        }
        Ok(if old_form { Reply::ok() } else { Reply::int(doomed.len()) })
    }
}
