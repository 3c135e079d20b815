//! The table of commands: name, arity, flags, keys and words of each, beside the function that runs it.

use crate::commands;
use crate::view::{View, Writer};
use wire::resp::{Args, Reply};

/// A read-only command. `Err` is an error reply, so that `?` works.
pub type ReadFn = fn(&View<'_>, &Args) -> Result<Reply, Reply>;
/// A command that may write. An error reply means that nothing was changed.
pub type WriteFn = fn(&mut Writer<'_>, &Args) -> Result<Reply, Reply>;

/// Who runs a command, and how.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// This crate, from a state nobody changes meanwhile.
    Read(ReadFn),
    /// This crate, from the log.
    Write(WriteFn),
    /// The node: the command is about connections or the cluster.
    Gateway,
}

/// What Redis calls a command's group; each but `Server` and `Cluster` is an ACL category as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Strings.
    String,
    /// Keys of any type.
    Generic,
    /// The connection.
    Connection,
    /// MULTI and its friends.
    Transactions,
    /// The server.
    Server,
    /// The cluster, ours included.
    Cluster,
}

impl Group {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            Group::String => "string",
            Group::Generic => "generic",
            Group::Connection => "connection",
            Group::Transactions => "transactions",
            Group::Server => "server",
            Group::Cluster => "cluster",
        }
    }

    /// The ACL category of its commands.
    pub fn category(self) -> Option<&'static str> {
        match self {
            Group::String => Some("string"),
            Group::Generic => Some("keyspace"),
            Group::Connection => Some("connection"),
            Group::Transactions => Some("transaction"),
            Group::Server | Group::Cluster => None,
        }
    }
}

/// Which arguments are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What the command does to them, in Redis' words.
    pub flags: &'static str,
    /// The first one's index.
    pub first: usize,
    /// How far the last one is from the first; negative counts from the end of the command, -1 being its last
    /// argument.
    pub last: i32,
    /// How far one is from the next.
    pub step: usize,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// In lower case.
    pub name: &'static str,
    /// How many arguments, the name included; negative: at least as many.
    pub arity: i32,
    /// Redis' flags, separated by blanks. `dangerous` is an ACL category and not shown among them.
    pub flags: &'static str,
    /// Its keys.
    pub keys: &'static [Keys],
    /// Its group.
    pub group: Group,
    /// The version of Redis (or of Atoll, for its own) that brought it.
    pub since: &'static str,
    /// What it costs.
    pub complexity: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Who runs it.
    pub run: Run,
}

impl Spec {
    /// Whether `flag` is among the flags.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.split(' ').any(|one| one == flag)
    }

    /// Whether it must go through the log.
    pub fn is_write(&self) -> bool {
        matches!(self.run, Run::Write(_))
    }

    /// Whether it reads keys and writes none.
    pub fn is_read(&self) -> bool {
        matches!(self.run, Run::Read(_))
    }

    /// Whether the node runs it.
    pub fn is_gateway(&self) -> bool {
        matches!(self.run, Run::Gateway)
    }
}

/// All commands, family by family.
pub fn table() -> impl Iterator<Item = &'static Spec> {
    commands::FAMILIES.iter().flat_map(|family| family.iter())
}

/// A power of two, well above the number of commands: most names are found at the first look.
const SLOTS: usize = 256;

/// Every command in the first free slot from its name's on, so that a lookup compares one or two names.
static INDEX: [Option<&'static Spec>; SLOTS] = {
    let mut slots = [None; SLOTS];
    let (mut family, mut row) = (0, 0);
    while family < commands::FAMILIES.len() {
        if row == commands::FAMILIES[family].len() {
            family += 1;
            row = 0;
            continue;
        }
        let spec = &commands::FAMILIES[family][row];
        let mut at = slot(spec.name.as_bytes());
        while slots[at].is_some() {
            at = (at + 1) % SLOTS;
        }
        slots[at] = Some(spec);
        row += 1;
    }
    slots
};

/// Where a name is looked for, whatever the case of its letters.
const fn slot(name: &[u8]) -> usize {
    let (mut hash, mut i) = (name.len(), 0);
    while i < name.len() && i < 16 {
        hash = hash.wrapping_mul(31) ^ (name[i] | 0x20) as usize;
        i += 1;
    }
    (hash ^ (hash >> 8)) % SLOTS
}

/// The command of this name, whatever the case of its letters.
pub fn lookup(name: &[u8]) -> Option<&'static Spec> {
    let mut at = slot(name);
    while let Some(spec) = INDEX[at] {
        if spec.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(spec);
        }
        at = (at + 1) % SLOTS;
    }
    None
}

/// Whether the number of arguments is one that the command takes.
pub fn arity_ok(spec: &Spec, args: &Args) -> bool {
    let least = spec.arity.unsigned_abs() as usize;
    if spec.arity < 0 { args.len() >= least } else { args.len() == least }
}

/// The indexes of the arguments that are keys, in the order of the table. Only those that exist.
pub fn keys(spec: &Spec, args: &Args) -> impl Iterator<Item = usize> + use<> {
    let len = args.len();
    let specs: &'static [Keys] = spec.keys;
    specs.iter().flat_map(move |keys| {
        let last = if keys.last < 0 {
            len.checked_sub(keys.last.unsigned_abs() as usize)
        } else {
            Some(keys.first + keys.last.unsigned_abs() as usize)
        };
        let end = last.map_or(0, |last| (last + 1).min(len));
        (keys.first..end).step_by(keys.step)
    })
}

/// The keys that a command names; none if it is unknown.
pub fn command_keys(args: &Args) -> impl Iterator<Item = &[u8]> {
    let spec = lookup(args.name());
    spec.into_iter().flat_map(move |spec| keys(spec, args)).map(move |index| args.get(index))
}

/// The reply to a command with too few or too many arguments.
pub fn wrong_arity(spec: &Spec) -> Reply {
    Reply::err(format!("ERR wrong number of arguments for '{}' command", spec.name))
}

/// How many bytes of a name, and of all arguments, the reply to an unknown command repeats.
const REPEATED: usize = 128;

/// The reply to a command that does not exist: clients look for its first two words.
pub fn unknown(args: &Args) -> Reply {
    let name = &args.name()[..args.name().len().min(REPEATED)];
    let mut rest = Vec::new();
    for arg in args.iter().skip(1) {
        if rest.len() >= REPEATED {
            break;
        }
        let part = arg.len().min(REPEATED - rest.len());
        rest.push(b'\'');
        rest.extend_from_slice(&arg[..part]);
        rest.extend_from_slice(b"' ");
    }
    let (name, rest) = (String::from_utf8_lossy(name), String::from_utf8_lossy(&rest));
    Reply::err(format!("ERR unknown command '{name}', with args beginning with: {rest}"))
}
