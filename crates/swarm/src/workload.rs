//! What a client asks next: commands, and what each of them means to the model.

use crate::model::{Command, Part};
use crate::setup::Workload;
use stdx::{Bytes, Prng};
use wire::resp::Args;

/// One command on its way, and who wants its reply.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) args: Args,
    pub(crate) meaning: Meaning,
}

/// What a command's reply tells.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// Nothing the model knows (MULTI, QUEUED, SELECT, KEYSPACE CREATE, UNWATCH).
    Nothing,
    /// One operation; the expiry it set, if any.
    Operation { parts: Vec<Part>, expires_ms: Option<u64> },
    /// WATCH of a key: if it is answered OK, a transaction may follow.
    Watch,
    /// GET after WATCH: what it reads guards the transaction.
    WatchedGet { key: Bytes },
    /// EXEC: the parts of the transaction, the guard among them.
    Exec { parts: Vec<Part> },
    /// KEYSPACE CREATE.
    Declare,
}

/// Draws what one client does.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) workload: Workload,
    pub(crate) prng: Prng,
    /// Which client: makes its values unique.
    pub(crate) client: u64,
    pub(crate) next: u64,
    pub(crate) padding: usize,
}

/// The keys of a workload as a client of database `db` writes them, and as the model knows them.
pub(crate) fn keys(workload: Workload, db: u64) -> Vec<(&'static str, Bytes)> {
    let names: &[&str] = match (workload, db) {
        (Workload::Keyspaces, 0) => &["ks0:a", "ks1:a", "ks2:a", "plain"],
        (Workload::Keyspaces, _) => &["plain"],
        (Workload::Transactions, _) => &["a", "b", "c"],
        _ => &["k1", "k2", "k3", "k4"],
    };
    let known = |name: &str| {
        let text = if db == 0 { name.to_string() } else { format!("{db}/{name}") };
        Bytes::from(text.into_bytes())
    };
    names.iter().map(|name| (*name, known(name))).collect()
}

fn args(words: &[&[u8]]) -> Args {
    words.iter().collect()
}

fn one(args: Args, key: Bytes, command: Command) -> Asked {
    let parts = vec![Part { key, command }];
    Asked { args, meaning: Meaning::Operation { parts, expires_ms: None } }
}

impl Source {
    fn value(&mut self) -> Bytes {
        self.next += 1;
        let mut text = format!("c{}-{}", self.client, self.next).into_bytes();
        if self.padding > 0 {
            text.push(b'.');
            text.resize(text.len() + self.prng.index(self.padding), b'.');
        }
        Bytes::from(text)
    }

    /// The next request: one command, or a pipeline of some.
    pub(crate) fn request(&mut self, db: u64) -> Vec<Asked> {
        if self.workload == Workload::Keyspaces && db == 0 && self.prng.chance(1, 12) {
            let name = format!("ks{}", self.prng.below(3));
            let args = args(&[b"KEYSPACE", b"CREATE", name.as_bytes()]);
            return vec![Asked { args, meaning: Meaning::Declare }];
        }
        if self.workload == Workload::Transactions && self.prng.chance(1, 3) {
            let keys = keys(self.workload, db);
            let (name, key) = self.prng.pick(&keys).clone();
            let watch = args(&[b"WATCH", name.as_bytes()]);
            let get = args(&[b"GET", name.as_bytes()]);
            let meaning = Meaning::WatchedGet { key };
            return vec![
                Asked { args: watch, meaning: Meaning::Watch },
                Asked { args: get, meaning },
            ];
        }
        let count = if self.prng.chance(1, 4) { self.prng.range(2, 4) } else { 1 };
        (0..count).map(|_| self.command(db)).collect()
    }

    fn command(&mut self, db: u64) -> Asked {
        let keys = keys(self.workload, db);
        let (name, key) = self.prng.pick(&keys).clone();
        match self.workload {
            Workload::Registers | Workload::Keyspaces => self.register(name, key),
            Workload::Counters => self.counter(name, key),
            Workload::Append => self.append(name, key),
            Workload::Expiry => self.expiry(name, key),
            Workload::Transactions => self.several(db, name, key),
        }
    }

    fn register(&mut self, name: &str, key: Bytes) -> Asked {
        let name = name.as_bytes();
        let dels = if self.workload == Workload::Keyspaces { 4 } else { 1 };
        match self.prng.below(12 + dels) {
            0..=4 => one(args(&[b"GET", name]), key, Command::Get),
            5..=7 => {
                let value = self.value();
                one(args(&[b"SET", name, &value]), key, Command::Set(value))
            }
            8 => {
                let value = self.value();
                one(args(&[b"SET", name, &value, b"NX"]), key, Command::SetNx(value))
            }
            9 => {
                let value = self.value();
                one(args(&[b"SET", name, &value, b"GET"]), key, Command::GetSet(value))
            }
            10 => one(args(&[b"GETDEL", name]), key, Command::GetDel),
            11 => one(args(&[b"EXISTS", name]), key, Command::Exists),
            _ => one(args(&[b"DEL", name]), key, Command::Del),
        }
    }

    fn counter(&mut self, name: &str, key: Bytes) -> Asked {
        let name = name.as_bytes();
        if self.prng.chance(2, 5) {
            return one(args(&[b"GET", name]), key, Command::Get);
        }
        // Amounts tell each other apart: a sum names its parts.
        let by = i64::try_from(self.prng.range(1, 1 << 40)).expect("41 bits");
        one(args(&[b"INCRBY", name, by.to_string().as_bytes()]), key, Command::Incr(by))
    }

    fn append(&mut self, name: &str, key: Bytes) -> Asked {
        let name = name.as_bytes();
        if self.prng.chance(1, 2) {
            return one(args(&[b"GET", name]), key, Command::Get);
        }
        self.next += 1;
        let token = format!("{}:{:04} ", self.client, self.next);
        let more = Bytes::from(token.into_bytes());
        one(args(&[b"APPEND", name, &more]), key, Command::Append(more))
    }

    fn expiry(&mut self, name: &str, key: Bytes) -> Asked {
        let name = name.as_bytes();
        let millis = self.prng.range(60, 1_200);
        let px = millis.to_string();
        let px = px.as_bytes();
        let mut asked = match self.prng.below(12) {
            0..=4 => return one(args(&[b"GET", name]), key, Command::Get),
            5 => return one(args(&[b"EXISTS", name]), key, Command::Exists),
            6 => return one(args(&[b"GETDEL", name]), key, Command::GetDel),
            7 | 8 => {
                let value = self.value();
                one(args(&[b"SET", name, &value, b"PX", px]), key, Command::Set(value))
            }
            9 | 10 => {
                let value = self.value();
                one(args(&[b"SET", name, &value, b"NX", b"PX", px]), key, Command::SetNx(value))
            }
            _ => {
                let value = self.value();
                one(args(&[b"SET", name, &value, b"GET", b"PX", px]), key, Command::GetSet(value))
            }
        };
        if let Meaning::Operation { expires_ms, .. } = &mut asked.meaning {
            *expires_ms = Some(millis);
        }
        asked
    }

    fn several(&mut self, db: u64, name: &str, key: Bytes) -> Asked {
        let mut keys = keys(self.workload, db);
        self.prng.shuffle(&mut keys);
        let (first, second) = (keys[0].clone(), keys[1].clone());
        let (a, b) = (first.0.as_bytes(), second.0.as_bytes());
        let (args, parts) = match self.prng.below(4) {
            0 => {
                let (x, y) = (self.value(), self.value());
                let args = args(&[b"MSET", a, &x, b, &y]);
                let part = |key, value| Part { key, command: Command::Set(value) };
                (args, vec![part(first.1, x), part(second.1, y)])
            }
            1 => {
                let part = |key| Part { key, command: Command::Get };
                (args(&[b"MGET", a, b]), vec![part(first.1), part(second.1)])
            }
            _ => return self.register(name, key),
        };
        Asked { args, meaning: Meaning::Operation { parts, expires_ms: None } }
    }

    /// The transaction after a WATCH whose GET read `seen`.
    pub(crate) fn transaction(
        &mut self,
        db: u64,
        watched: &Bytes,
        seen: Option<Bytes>,
    ) -> Vec<Asked> {
        let nothing = |words: &[&[u8]]| Asked { args: args(words), meaning: Meaning::Nothing };
        let mut parts = vec![Part { key: watched.clone(), command: Command::Guard(seen) }];
        let mut all = vec![nothing(&[b"MULTI"])];
        for (name, key) in keys(self.workload, db) {
            if key != *watched && self.prng.chance(1, 2) {
                continue;
            }
            if key != *watched && self.prng.chance(1, 3) {
                all.push(nothing(&[b"GET", name.as_bytes()]));
                parts.push(Part { key, command: Command::Get });
                continue;
            }
            let value = self.value();
            all.push(nothing(&[b"SET", name.as_bytes(), &value]));
            parts.push(Part { key, command: Command::Set(value) });
        }
        all.push(Asked { args: args(&[b"EXEC"]), meaning: Meaning::Exec { parts } });
        all
    }

    /// What each client writes at the end, to see that the cluster takes writes again.
    pub(crate) fn last_write(&mut self, name: &str, key: Bytes) -> Asked {
        match self.workload {
            Workload::Counters => {
                one(args(&[b"INCRBY", name.as_bytes(), b"1"]), key, Command::Incr(1))
            }
            Workload::Append => {
                // Unique as all tokens are: sent again after a lost answer, it is another command.
                self.next += 1;
                let more = Bytes::from(format!("{}:end{} ", self.client, self.next).into_bytes());
                one(args(&[b"APPEND", name.as_bytes(), &more]), key, Command::Append(more))
            }
            _ => {
                let value = self.value();
                one(args(&[b"SET", name.as_bytes(), &value]), key, Command::Set(value))
            }
        }
    }

    /// A request of the end that may have been sent before: an APPEND gets a token of its own, since sent again
    /// after a lost answer it is another command, which may well be executed beside the first.
    pub(crate) fn anew(&mut self, asked: Asked) -> Asked {
        let Meaning::Operation { parts, .. } = &asked.meaning else { return asked };
        match parts.as_slice() {
            [Part { key, command: Command::Append(_) }] => {
                let name = String::from_utf8_lossy(asked.args.get(1)).into_owned();
                let key = key.clone();
                self.last_write(&name, key)
            }
            _ => asked,
        }
    }

    pub(crate) fn read(name: &str, key: Bytes) -> Asked {
        one(args(&[b"GET", name.as_bytes()]), key, Command::Get)
    }

    pub(crate) fn select(db: u64) -> Asked {
        let args = args(&[b"SELECT", db.to_string().as_bytes()]);
        Asked { args, meaning: Meaning::Nothing }
    }

    pub(crate) fn unwatch() -> Asked {
        Asked { args: args(&[b"UNWATCH"]), meaning: Meaning::Nothing }
    }
}
