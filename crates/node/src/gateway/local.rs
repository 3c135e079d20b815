//! Commands answered here: they concern the connection or the node, not the data.

use super::pump::Known;
use super::{Conn, Muted};
use crate::api::ConnId;
use crate::state::Node;
use data::Spec;
use protocol::Effects;
use stdx::{Duration, Now};
use wire::resp::{Args, Reply, Version};

/// What INFO and HELLO call the Redis version we speak like.
pub(crate) const REDIS_VERSION: &str = "7.2.4";
/// SELECT takes numbers below this.
const DATABASES: u64 = 16;

impl Node {
    /// Executes a command of the gateway.
    pub(crate) fn local(
        &mut self,
        now: Now,
        id: ConnId,
        (spec, args): Known,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        match spec.name {
            "multi" | "exec" | "discard" | "watch" | "unwatch" => {
                return self.transaction(now, id, (spec, args), out);
            }
            "keyspace" => return self.keyspace(now, id, (spec, args), out),
            "client" => return self.client(now, id, &args, out),
            "select" => return self.select(now, id, args, out),
            "atoll" => return self.atoll(now, id, (spec, args), out),
            "hello" => return self.hello(id, &args),
            _ => {}
        }
        let reply = match spec.name {
            "auth" => self.auth(id, &args)?,
            "quit" => {
                let conn = self.conn(id);
                conn.closing = true;
                Reply::ok()
            }
            "reset" => {
                self.end_backup(id, out);
                self.reset(id)
            }
            "readonly" | "readwrite" => {
                self.conn(id).read_here = spec.name == "readonly";
                Reply::ok()
            }
            _ => self.plain(now, spec, &args),
        };
        self.conn(id).reply(&reply);
        Ok(())
    }

    /// The connection being served.
    pub(crate) fn conn(&mut self, id: ConnId) -> &mut Conn {
        self.gateway.conns.get_mut(&id).expect("a connection that is served is open")
    }

    /// Commands whose reply depends on nothing the connection has, so that MULTI can queue them.
    pub(crate) fn plain(&mut self, now: Now, spec: &Spec, args: &Args) -> Reply {
        match spec.name {
            "ping" if args.len() == 1 => Reply::simple("PONG"),
            "ping" if args.len() == 2 => Reply::bulk(args.get(1)),
            "ping" => data::wrong_arity(spec),
            "echo" => Reply::bulk(args.get(1)),
            "time" => {
                let micros = now.wall.0;
                let parts = [micros / 1_000_000, micros % 1_000_000];
                Reply::Array(parts.iter().map(|n| Reply::bulk(n.to_string())).collect())
            }
            "command" => data::introspect(args),
            "unwatch" => Reply::ok(), // Queued by MULTI: EXEC forgets the watches anyway.
            "info" => Reply::Verbatim(self.info(now, args)),
            "config" => self.config_command(args),
            "cluster" => Reply::err("ERR This instance has cluster support disabled"),
            // Whatever is acknowledged is on the disks of a majority: of the others than the leader, that
            // many have it for certain.
            "wait" => {
                let copies = protocol::quorum::majority(self.config.members.len().min(3)) - 1;
                Reply::int(copies)
            }
            "lastsave" => Reply::int((now.wall.0 / 1_000_000).cast_signed()),
            _ => data::unknown(args),
        }
    }

    fn auth(&mut self, id: ConnId, args: &Args) -> Result<Reply, Reply> {
        let (user, password) = match args.len() {
            2 => (&b"default"[..], args.get(1)),
            3 => (args.get(1), args.get(2)),
            _ => return Err(Reply::err("ERR syntax error")),
        };
        self.authenticate(id, user, password, args.len() == 2)?;
        Ok(Reply::ok())
    }

    fn authenticate(
        &mut self,
        id: ConnId,
        user: &[u8],
        password: &[u8],
        old_form: bool,
    ) -> Result<(), Reply> {
        let Some(expected) = &self.config.requirepass else {
            if old_form {
                return Err(Reply::err(
                    "ERR AUTH <password> called without any password configured for the default user. \
                     Are you sure your configuration is correct?",
                ));
            }
            if user == b"default" {
                return Ok(());
            }
            return Err(wrong_pass());
        };
        if user != b"default" || !same(expected.as_bytes(), password) {
            return Err(wrong_pass());
        }
        self.conn(id).authenticated = true;
        Ok(())
    }

    fn hello(&mut self, id: ConnId, args: &Args) -> Result<(), Reply> {
        let mut version = self.conn(id).version;
        if let Some(asked) = args.try_get(1) {
            version = match asked {
                b"2" => Version::Resp2,
                b"3" => Version::Resp3,
                _ if asked.iter().all(u8::is_ascii_digit) => {
                    return Err(Reply::err("NOPROTO unsupported protocol version"));
                }
                _ => {
                    return Err(Reply::err(
                        "ERR Protocol version is not an integer or out of range",
                    ));
                }
            };
        }
        let mut name = None;
        let mut at = 2;
        while at < args.len() {
            if args.is(at, "auth") && at + 2 < args.len() {
                self.authenticate(id, args.get(at + 1), args.get(at + 2), false)?;
                at += 3;
            } else if args.is(at, "setname") && at + 1 < args.len() {
                name = Some(super::client::valid_name(args.get(at + 1))?);
                at += 2;
            } else {
                let option = String::from_utf8_lossy(args.get(at)).into_owned();
                return Err(Reply::err(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
        let conn = self.conn(id);
        if !conn.authenticated {
            return Err(Reply::err(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
                 <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
                 RESP protocol version at the same time",
            ));
        }
        conn.version = version;
        if let Some(name) = name {
            conn.name = name;
        }
        let proto = if version == Version::Resp3 { 3 } else { 2 };
        let rows = [
            ("server", Reply::bulk("redis")),
            ("version", Reply::bulk(REDIS_VERSION)),
            ("proto", Reply::Int(proto)),
            ("id", Reply::int(id.0.cast_signed())),
            ("mode", Reply::bulk("standalone")),
            ("role", Reply::bulk("master")),
            ("modules", Reply::Array(Vec::new())),
        ];
        let reply = Reply::Map(rows.into_iter().map(|(k, v)| (Reply::bulk(k), v)).collect());
        conn.reply(&reply);
        Ok(())
    }

    fn select(
        &mut self,
        now: Now,
        id: ConnId,
        args: Args,
        out: &mut Effects<Node>,
    ) -> Result<(), Reply> {
        let name = String::from_utf8_lossy(args.get(1)).into_owned();
        let numbered = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        let keyspace = if numbered {
            match name.parse::<u64>() {
                Ok(0) => "default".into(),
                Ok(number) if number < DATABASES => format!("db{number}"),
                _ => return Err(Reply::err("ERR DB index is out of range")),
            }
        } else if name.starts_with('-') {
            return Err(Reply::err("ERR DB index is out of range"));
        } else if self.catalog().get(&name).is_some() {
            name
        } else if core::mem::take(&mut self.conn(id).fresh) {
            return Err(Reply::err(format!(
                "ERR no such keyspace: {name} (declare it with KEYSPACE CREATE {name})"
            )));
        } else {
            self.refresh(now, id, args, out);
            return Ok(());
        };
        let conn = self.conn(id);
        conn.fresh = false;
        conn.keyspace = keyspace;
        conn.reply(&Reply::ok());
        Ok(())
    }

    fn reset(&mut self, id: ConnId) -> Reply {
        let authenticated = self.config.requirepass.is_none();
        let conn = self.conn(id);
        conn.multi = None;
        conn.watches.clear();
        conn.keyspace = "default".into();
        conn.version = Version::Resp2;
        conn.name.clear();
        conn.muted = Muted::No;
        conn.read_here = false;
        conn.timeout = None;
        conn.authenticated = authenticated;
        Reply::simple("RESET")
    }

    /// ATOLL WITH DEADLINE ms: how long this connection's requests may take.
    pub(crate) fn with_deadline(&mut self, id: ConnId, args: &Args) -> Result<Reply, Reply> {
        let usage = "ERR usage: ATOLL WITH DEADLINE <milliseconds, 1 to 3600000>";
        if !(args.len() == 4 && args.is(1, "with") && args.is(2, "deadline")) {
            return Err(Reply::err(usage));
        }
        let millis = core::str::from_utf8(args.get(3)).ok().and_then(|t| t.parse::<u64>().ok());
        match millis {
            Some(millis @ 1..=3_600_000) => {
                self.conn(id).timeout = Some(Duration::from_millis(millis));
                Ok(Reply::ok())
            }
            _ => Err(Reply::err(usage)),
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        [
            ("appendfsync", "always"),
            ("appendonly", "yes"),
            ("bind", ""),
            ("databases", "16"),
            ("maxclients", "10000"),
            ("maxmemory-policy", "noeviction"),
            ("notify-keyspace-events", ""),
            ("replica-read-only", "yes"),
            ("requirepass", ""),
            ("save", ""),
            ("slave-read-only", "yes"),
            ("timeout", "0"),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.to_string()))
        .chain([
            ("maxmemory", self.config.tables.memory.to_string()),
            ("proto-max-bulk-len", self.config.max_value.to_string()),
        ])
        .collect()
    }

    fn config_command(&self, args: &Args) -> Reply {
        let settings = self.settings();
        if args.is(1, "get") && args.len() >= 3 {
            let asked = |name: &str| {
                (2..args.len())
                    .any(|i| data::glob(&args.get(i).to_ascii_lowercase(), name.as_bytes()))
            };
            let rows = settings.iter().filter(|(name, _)| asked(name));
            return Reply::Map(rows.map(|(n, v)| (Reply::bulk(n), Reply::bulk(v))).collect());
        }
        if args.is(1, "set") && args.len() >= 4 && args.len().is_multiple_of(2) {
            for at in (2..args.len()).step_by(2) {
                let name = String::from_utf8_lossy(args.get(at)).to_lowercase();
                let Some((_, value)) = settings.iter().find(|(known, _)| *known == name) else {
                    return Reply::err(format!(
                        "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                    ));
                };
                // What is asked for is how it is: anything else would be a promise not kept.
                if value.as_bytes() != args.get(at + 1) {
                    return Reply::err(format!(
                        "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set \
                         immutable config"
                    ));
                }
            }
            return Reply::ok();
        }
        if args.is(1, "resetstat") && args.len() == 2 {
            return Reply::ok();
        }
        Reply::err(format!(
            "ERR unknown subcommand or wrong number of arguments for '{}'. Try CONFIG HELP.",
            args.try_get(1).map_or_else(String::new, |s| String::from_utf8_lossy(s).into_owned())
        ))
    }
}

fn wrong_pass() -> Reply {
    Reply::err("WRONGPASS invalid username-password pair or user is disabled.")
}

/// Compares in time that depends on the lengths only, so that a password cannot be guessed byte by byte.
fn same(expected: &[u8], given: &[u8]) -> bool {
    let mut difference = expected.len() ^ given.len();
    for (i, byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ expected.get(i).copied().unwrap_or(0));
    }
    difference == 0
}
