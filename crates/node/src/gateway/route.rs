//! Which group serves a command: key to keyspace to group, by the catalog this node knows.

use super::Merge;
use crate::catalog::{Catalog, Keyspace};
use crate::contract::keyspace_of;
use crate::message::GroupId;
use alloc::collections::BTreeMap;
use data::Spec;
use wire::resp::{Args, Reply};

/// Where a command goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Route {
    /// To one group.
    One(GroupId),
    /// To several, with the positions of each one's keys; they act each by itself.
    Many(Vec<(GroupId, Vec<usize>)>, Merge),
    /// To the keyspace `db<number>`, which nobody has written yet.
    Undeclared(String),
    /// Nowhere.
    Refused(Reply),
}

/// Commands whose keys may lie in several groups, each key by itself (architecture.md section 4).
fn spreads(spec: &Spec) -> Option<Merge> {
    match spec.name {
        "mget" => Some(Merge::Place),
        "del" | "unlink" | "exists" | "touch" => Some(Merge::Sum),
        _ => None,
    }
}

fn group_of(catalog: &Catalog, keyspace: &Keyspace) -> Result<Route, Reply> {
    if catalog.is_sealed(&keyspace.name) {
        return Err(crate::restore::partial());
    }
    if keyspace.active {
        return Ok(Route::One(keyspace.group));
    }
    // Safe to retry, and clients do: nothing was done.
    Err(Reply::err(format!("TRYAGAIN keyspace {} is being declared", keyspace.name)))
}

/// Where one key lives: in the keyspace its prefix names if that is declared, else in the selected one.
pub(crate) fn locate(catalog: &Catalog, selected: &str, key: &[u8]) -> Result<Route, Reply> {
    if let Some(keyspace) = keyspace_of(key).and_then(|name| catalog.get(name)) {
        return group_of(catalog, keyspace);
    }
    whole(catalog, selected)
}

/// Where a keyspace as a whole is served.
pub(crate) fn whole(catalog: &Catalog, name: &str) -> Result<Route, Reply> {
    match catalog.get(name) {
        Some(keyspace) => group_of(catalog, keyspace),
        None => Ok(Route::Undeclared(name.into())),
    }
}

/// Where a command goes.
pub(crate) fn route(catalog: &Catalog, selected: &str, spec: &Spec, args: &Args) -> Route {
    plan(catalog, selected, spec, args).unwrap_or_else(Route::Refused)
}

fn plan(catalog: &Catalog, selected: &str, spec: &Spec, args: &Args) -> Result<Route, Reply> {
    if spec.name == "flushall" {
        let served = |k: &&Keyspace| k.active && !catalog.is_sealed(&k.name);
        let groups = catalog.iter().filter(served).map(|k| (k.group, Vec::new())).collect();
        return Ok(Route::Many(groups, Merge::AllOk));
    }
    let mut positions = data::keys(spec, args);
    let Some(first) = positions.next() else {
        let pattern = match spec.name {
            "keys" => args.try_get(1),
            "scan" => {
                (2..args.len()).find(|i| args.is(*i, "match")).and_then(|i| args.try_get(i + 1))
            }
            _ => None,
        };
        let named = pattern.and_then(literal_prefix).and_then(|name| catalog.get(name));
        return named
            .map_or_else(|| whole(catalog, selected), |keyspace| group_of(catalog, keyspace));
    };
    let Some(second) = positions.next() else {
        return locate(catalog, selected, args.get(first)); // Most commands name one key.
    };
    let mut places: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
    let mut undeclared = None;
    for position in [first, second].into_iter().chain(positions) {
        match locate(catalog, selected, args.get(position))? {
            Route::One(group) => places.entry(group).or_default().push(position),
            other => undeclared = Some(other),
        }
    }
    match (places.len(), undeclared) {
        (0, Some(route)) => Ok(route),
        (1, None) => Ok(Route::One(*places.keys().next().expect("one"))),
        (_, None) if spreads(spec).is_some() => {
            let merge = spreads(spec).expect("just seen");
            Ok(Route::Many(places.into_iter().collect(), merge))
        }
        _ => Err(cross(catalog, places.keys().copied())),
    }
}

/// A pattern whose text before the first `:` is free of wildcards names a keyspace.
fn literal_prefix(pattern: &[u8]) -> Option<&str> {
    keyspace_of(pattern)
}

/// Several groups for what must be atomic.
pub(crate) fn cross(catalog: &Catalog, groups: impl Iterator<Item = GroupId>) -> Reply {
    let names: Vec<&str> =
        groups.filter_map(|g| catalog.by_group(g)).map(|k| k.name.as_str()).collect();
    Reply::err(format!(
        "CROSSSLOT keys of one atomic command lie in several keyspaces ({}); transactions across \
         keyspaces are not built yet",
        names.join(", ")
    ))
}
