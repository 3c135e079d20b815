//! `atoll keyspace`: what a Redis client says as KEYSPACE, with answers for people.

use crate::args::{Keyspace, KeyspaceVerb};
use crate::client::{Client, text};
use crate::{Failure, out};
use wire::resp::Reply;

pub(crate) fn run(args: &Keyspace) -> Result<(), Failure> {
    let mut client = Client::connect(&args.addr, args.password.as_deref())?;
    match &args.verb {
        KeyspaceVerb::Create { name, contract } => {
            let mut words = vec!["KEYSPACE", "CREATE", name];
            // `'CONSISTENCY linearizable'` in one shell word is as good as two.
            words.extend(contract.iter().flat_map(|clause| clause.split_whitespace()));
            client.ask(&words)?;
            let shown = client.ask(&["KEYSPACE", "SHOW", name])?;
            out::line(format_args!("keyspace {name} is declared: its keys begin with `{name}:`"));
            rows(&shown).iter().for_each(|row| out::line(format_args!("{row}")));
        }
        KeyspaceVerb::List => {
            let Reply::Array(names) = client.ask(&["KEYSPACE", "LIST"])? else {
                return Err(
                    "the node answered KEYSPACE LIST with something else than a list".into()
                );
            };
            names.iter().for_each(|name| out::line(format_args!("{}", text(name))));
        }
        KeyspaceVerb::Show { name } => {
            let shown = client.ask(&["KEYSPACE", "SHOW", name])?;
            rows(&shown).iter().for_each(|row| out::line(format_args!("{row}")));
        }
    }
    Ok(())
}

/// Names and values in two columns.
fn rows(shown: &Reply) -> Vec<String> {
    let pairs: Vec<(String, String)> = match shown {
        Reply::Map(pairs) => pairs.iter().map(|(k, v)| (text(k), text(v))).collect(),
        other => return vec![text(other)],
    };
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("  {name:width$}  {value}")).collect()
}

#[cfg(test)]
mod tests;
