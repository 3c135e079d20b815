//! What clients ask: commands, drawn from a generator.

use crate::meaning::Watched;
use crate::setup::Workload;
use stdx::{Bytes, Prng};
use wire::resp::Args;

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

/// The keys of a workload as a client of database `db` writes them.
pub(crate) fn keys(workload: Workload, db: u64) -> &'static [&'static str] {
    match (workload, db) {
        (Workload::Keyspaces, 0) => &["ks0:a", "ks1:a", "ks2:a", "plain"],
        (Workload::Keyspaces, _) => &["plain"],
        (Workload::Transactions, _) => &["a", "b", "c"],
        _ => &["k1", "k2", "k3", "k4"],
    }
}

pub(crate) fn args(words: &[&[u8]]) -> Args {
    words.iter().collect()
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

    /// The next request, or two that belong together: each one command, or a pipeline of some.
    pub(crate) fn requests(&mut self, db: u64) -> Vec<Vec<Args>> {
        if self.workload == Workload::Keyspaces && db == 0 && self.prng.chance(1, 12) {
            let name = format!("ks{}", self.prng.below(3));
            return vec![vec![args(&[b"KEYSPACE", b"CREATE", name.as_bytes()])]];
        }
        if self.workload == Workload::Transactions && self.prng.chance(1, 3) {
            let watched = self.key(db);
            let name = watched.as_bytes();
            let watch = vec![args(&[b"WATCH", name]), args(&[b"GET", name])];
            return vec![watch, self.transaction(db, watched)];
        }
        let count = if self.prng.chance(1, 4) { self.prng.range(2, 4) } else { 1 };
        vec![(0..count).map(|_| self.command(db)).collect()]
    }

    fn key(&mut self, db: u64) -> &'static str {
        self.prng.pick::<&str>(keys(self.workload, db))
    }

    fn command(&mut self, db: u64) -> Args {
        let name = self.key(db).as_bytes();
        match self.workload {
            Workload::Registers | Workload::Keyspaces => self.register(name),
            Workload::Counters => self.counter(name),
            Workload::Append => self.append(name),
            Workload::Expiry => self.expiry(name),
            Workload::Transactions => self.several(db, name),
        }
    }

    fn register(&mut self, name: &[u8]) -> Args {
        match self.prng.below(13) {
            0..=4 => args(&[b"GET", name]),
            5..=7 => args(&[b"SET", name, &self.value()]),
            8 => args(&[b"SET", name, &self.value(), b"NX"]),
            9 => args(&[b"SET", name, &self.value(), b"GET"]),
            10 => args(&[b"GETDEL", name]),
            11 => args(&[b"EXISTS", name]),
            _ => args(&[b"DEL", name]),
        }
    }

    fn counter(&mut self, name: &[u8]) -> Args {
        if self.prng.chance(2, 5) {
            return args(&[b"GET", name]);
        }
        // Amounts tell each other apart: a sum names its parts.
        let by = self.prng.range(1, 1 << 40).to_string();
        args(&[b"INCRBY", name, by.as_bytes()])
    }

    fn append(&mut self, name: &[u8]) -> Args {
        if self.prng.chance(1, 2) {
            return args(&[b"GET", name]);
        }
        self.next += 1;
        let token = format!("{}:{:04} ", self.client, self.next);
        args(&[b"APPEND", name, token.as_bytes()])
    }

    fn expiry(&mut self, name: &[u8]) -> Args {
        // What others overwrite first shows nothing: most expire soon.
        let px = if self.prng.chance(3, 4) { (15, 150) } else { (60, 1_200) };
        let px = self.prng.range(px.0, px.1).to_string();
        let px = px.as_bytes();
        match self.prng.below(18) {
            0..=9 => args(&[b"GET", name]),
            10 | 11 => args(&[b"EXISTS", name]),
            12 => args(&[b"GETDEL", name]),
            13 | 14 => args(&[b"SET", name, &self.value(), b"PX", px]),
            15 | 16 => args(&[b"SET", name, &self.value(), b"NX", b"PX", px]),
            _ => args(&[b"SET", name, &self.value(), b"GET", b"PX", px]),
        }
    }

    fn several(&mut self, db: u64, name: &[u8]) -> Args {
        let mut keys = keys(self.workload, db).to_vec();
        self.prng.shuffle(&mut keys);
        let (a, b) = (keys[0].as_bytes(), keys[1].as_bytes());
        match self.prng.below(4) {
            0 => {
                let (x, y) = (self.value(), self.value());
                args(&[b"MSET", a, &x, b, &y])
            }
            1 => args(&[b"MGET", a, b]),
            _ => self.register(name),
        }
    }

    /// The transaction after a WATCH.
    fn transaction(&mut self, db: u64, watched: &str) -> Vec<Args> {
        let mut all = vec![args(&[b"MULTI"])];
        for name in keys(self.workload, db) {
            let other = *name != watched;
            if other && self.prng.chance(1, 2) {
                continue;
            }
            let name = name.as_bytes();
            if other && self.prng.chance(1, 3) {
                all.push(args(&[b"GET", name]));
                continue;
            }
            all.push(args(&[b"SET", name, &self.value()]));
        }
        all.push(args(&[b"EXEC"]));
        all
    }

    /// What each client writes at the end, to see that the cluster takes writes again.
    pub(crate) fn last_write(&mut self, name: &[u8]) -> Args {
        match self.workload {
            Workload::Counters => args(&[b"INCRBY", name, b"1"]),
            Workload::Append => {
                // Unique as all tokens are: sent again after a lost answer, it is another command.
                self.next += 1;
                let token = format!("{}:end{} ", self.client, self.next);
                args(&[b"APPEND", name, token.as_bytes()])
            }
            _ => args(&[b"SET", name, &self.value()]),
        }
    }

    /// A request of the end that may have been sent before: an APPEND gets a token of its own, since sent again
    /// after a lost answer it is another command, which may well be executed beside the first.
    pub(crate) fn anew(&mut self, asked: Args) -> Args {
        if asked.is(0, "APPEND") { self.last_write(asked.get(1)) } else { asked }
    }
}

/// What is asked instead, where a transaction was to be built on a WATCH that was refused.
pub(crate) fn instead(commands: &[Args], watched: &Watched) -> Option<Vec<Args>> {
    let ends = || commands.iter().any(|command| command.is(0, "EXEC"));
    (*watched == Watched::Spoilt && ends()).then(|| vec![args(&[b"UNWATCH"])])
}
