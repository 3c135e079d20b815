//! The answers of COMMAND, from the table: what clients and `redis-cli` learn commands from.

use crate::glob::glob;
use crate::spec::{Keys, Spec, arity_ok, keys, lookup, table};
use wire::resp::{Args, Reply};

/// Answers COMMAND and its subcommands. Two answers depend on the client's protocol in Redis too (maps and
/// sets), which the encoder sees to.
pub fn introspect(args: &Args) -> Reply {
    let Some(sub) = args.try_get(1) else {
        return Reply::Array(table().map(entry).collect());
    };
    let sub = String::from_utf8_lossy(sub).to_ascii_lowercase();
    match (sub.as_str(), args.len()) {
        ("count", 2) => Reply::int(table().count()),
        ("info", 2) => Reply::Array(table().map(entry).collect()),
        ("info", _) => {
            let each = |name: &[u8]| lookup(name).map_or(Reply::Null, entry);
            Reply::Array(args.iter().skip(2).map(each).collect())
        }
        ("docs", 2) => Reply::Map(table().map(docs).collect()),
        ("docs", _) => Reply::Map(args.iter().skip(2).filter_map(lookup).map(docs).collect()),
        ("list", _) => list(args),
        ("getkeys", 3..) => get_keys(args, false),
        ("getkeysandflags", 3..) => get_keys(args, true),
        ("help", 2) => help(),
        ("count" | "getkeys" | "getkeysandflags" | "help", _) => {
            Reply::err(format!("ERR wrong number of arguments for 'command|{sub}' command"))
        }
        _ => {
            let sub = String::from_utf8_lossy(args.get(1)).into_owned();
            Reply::err(format!("ERR unknown subcommand '{sub}'. Try COMMAND HELP."))
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

/// The categories of ACL that a command is in, without `@`.
fn categories(spec: &Spec) -> Vec<&'static str> {
    let mut all = Vec::new();
    all.extend(spec.group.category());
    for (flag, category) in
        [("write", "write"), ("readonly", "read"), ("admin", "admin"), ("dangerous", "dangerous")]
    {
        if spec.has(flag) {
            all.push(category);
        }
    }
    all.push(if spec.has("fast") { "fast" } else { "slow" });
    all
}

/// One entry of COMMAND and COMMAND INFO: ten elements since Redis 7.
fn entry(spec: &'static Spec) -> Reply {
    let flags = words(spec.flags).filter(|flag| *flag != "dangerous").map(Reply::simple);
    let categories = categories(spec).into_iter().map(|name| Reply::simple(format!("@{name}")));
    // The oldest form knows one range only: from the first key to the last of all specifications.
    let (first, last, step) = match spec.keys {
        [] => (0, 0, 0),
        [one] if one.last < 0 => (one.first, i64::from(one.last), one.step),
        [one] => (one.first, one.first as i64 + i64::from(one.last), one.step),
        [one, .., other] => (one.first, other.first as i64 + i64::from(other.last), one.step),
    };
    Reply::Array(vec![
        Reply::bulk(spec.name),
        Reply::int(spec.arity),
        Reply::Set(flags.collect()),
        Reply::int(first),
        Reply::int(last),
        Reply::int(step),
        Reply::Set(categories.collect()),
        Reply::Array(Vec::new()),
        Reply::Array(spec.keys.iter().map(key_spec).collect()),
        Reply::Array(Vec::new()),
    ])
}

fn map<const N: usize>(pairs: [(&str, Reply); N]) -> Reply {
    Reply::Map(pairs.into_iter().map(|(name, value)| (Reply::bulk(name), value)).collect())
}

fn key_spec(keys: &Keys) -> Reply {
    map([
        ("flags", Reply::Set(words(keys.flags).map(Reply::simple).collect())),
        (
            "begin_search",
            map([
                ("type", Reply::bulk("index")),
                ("spec", map([("index", Reply::int(keys.first))])),
            ]),
        ),
        (
            "find_keys",
            map([
                ("type", Reply::bulk("range")),
                (
                    "spec",
                    map([
                        ("lastkey", Reply::int(keys.last)),
                        ("keystep", Reply::int(keys.step)),
                        ("limit", Reply::int(0)),
                    ]),
                ),
            ]),
        ),
    ])
}

fn docs(spec: &'static Spec) -> (Reply, Reply) {
    let docs = map([
        ("summary", Reply::bulk(spec.summary)),
        ("since", Reply::bulk(spec.since)),
        ("group", Reply::bulk(spec.group.name())),
        ("complexity", Reply::bulk(spec.complexity)),
    ]);
    (Reply::bulk(spec.name), docs)
}

fn list(args: &Args) -> Reply {
    let names = |keep: &dyn Fn(&Spec) -> bool| {
        Reply::Array(table().filter(|spec| keep(spec)).map(|spec| Reply::bulk(spec.name)).collect())
    };
    if args.len() == 2 {
        return names(&|_| true);
    }
    if args.len() != 5 || !args.is(2, "filterby") {
        return Reply::err("ERR syntax error");
    }
    let by = args.get(4);
    match () {
        () if args.is(3, "pattern") => {
            let pattern = by.to_ascii_lowercase();
            names(&|spec| glob(&pattern, spec.name.as_bytes()))
        }
        () if args.is(3, "aclcat") => {
            let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(by);
            names(&|spec| categories(spec).into_iter().any(is))
        }
        // There are no modules, so none brought a command.
        () if args.is(3, "module") => names(&|_| false),
        () => Reply::err("ERR syntax error"),
    }
}

/// The keys of the command that follows.
fn get_keys(args: &Args, with_flags: bool) -> Reply {
    let inner: Args = args.iter().skip(2).collect();
    let Some(spec) = lookup(inner.name()) else {
        return Reply::err("ERR Invalid command specified");
    };
    if spec.keys.is_empty() {
        return Reply::err("ERR The command has no key arguments");
    }
    if !arity_ok(spec, &inner) {
        return Reply::err("ERR Invalid number of arguments specified for command");
    }
    let found = spec.keys.iter().flat_map(|range| {
        let one = Spec { keys: std::slice::from_ref(range), ..*spec };
        let indexes: Vec<usize> = keys(&one, &inner).collect();
        indexes.into_iter().map(move |index| (index, range))
    });
    Reply::Array(
        found
            .map(|(index, range)| {
                let key = Reply::bulk(inner.get(index));
                if !with_flags {
                    return key;
                }
                let flags = Reply::Set(words(range.flags).map(Reply::simple).collect());
                Reply::Array(vec![key, flags])
            })
            .collect(),
    )
}

fn help() -> Reply {
    let lines = [
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the total number of commands in this server.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple commands.",
        "GETKEYS <full-command>",
        "    Return the keys from a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full command.",
        "INFO [<command-name> ...]",
        "    Return details about multiple commands.",
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <cat>|PATTERN <pattern>)]",
        "    Return a list of all commands, filtered.",
        "HELP",
        "    Print this help.",
    ];
    Reply::Array(lines.into_iter().map(Reply::simple).collect())
}
