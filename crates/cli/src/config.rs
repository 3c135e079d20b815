//! `node.toml`. Every key is in docs/configuration.md; every error names file, line, key and what was expected.

use crate::logging::{Format, Level};
use crate::nodes;
use node::contract::{self, Contract};
use serde::de::{Deserializer, Error as _, Unexpected};
use serde::{Deserialize, de};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use stdx::NodeId;
use toml::Spanned;

/// A node's configuration, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) cluster: String,
    pub(crate) node: NodeId,
    pub(crate) dir: PathBuf,
    pub(crate) client: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) join: Vec<Member>,
    pub(crate) default_contract: Option<Contract>,
    pub(crate) request_timeout: Duration,
    pub(crate) requirepass: Option<String>,
    pub(crate) max_value: usize,
    pub(crate) max_clients: Option<usize>,
    pub(crate) snapshot_bytes: u64,
    pub(crate) test_brake: Option<PathBuf>,
    pub(crate) transfer_rate: u64,
    /// 0: no limit.
    pub(crate) memory: u64,
    pub(crate) log_level: Option<Level>,
    pub(crate) log_format: Option<Format>,
}

/// A founding member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    #[serde(deserialize_with = "id")]
    pub(crate) node: NodeId,
    #[serde(deserialize_with = "place")]
    pub(crate) peer: String,
    #[serde(deserialize_with = "place")]
    pub(crate) client: String,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    file: String,
    line: Option<usize>,
    key: Option<String>,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The file as it stands. Keys that must be there are optional here, so that their absence gets a sentence
/// that says what belongs there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    cluster: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "some_id")]
    node: Option<Spanned<NodeId>>,
    dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "socket")]
    client: Option<SocketAddr>,
    #[serde(default, deserialize_with = "socket")]
    peer: Option<SocketAddr>,
    #[serde(default, deserialize_with = "socket")]
    http: Option<SocketAddr>,
    #[serde(default)]
    join: Vec<Spanned<Member>>,
    default_contract: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "span")]
    request_timeout: Option<Duration>,
    requirepass: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "size")]
    max_value: Option<u64>,
    max_clients: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    snapshot_bytes: Option<u64>,
    test_brake: Option<PathBuf>,
    #[serde(default, deserialize_with = "size")]
    transfer_rate: Option<u64>,
    #[serde(default, deserialize_with = "memory")]
    memory: Option<u64>,
    log_level: Option<Level>,
    log_format: Option<Format>,
}

impl Config {
    /// Reads and checks the text of `file`.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
        let source = Source { file, text };
        let read: File = toml::from_str(text)
            .map_err(|e| source.error(e.span(), e.message().trim_end().to_owned()))?;
        let cluster =
            source.needed("cluster", read.cluster, "the cluster's name, such as \"blue\"")?;
        if cluster.get_ref().is_empty() || cluster.get_ref().len() > 64 {
            return Err(source.at(&cluster, "expected a name of 1 to 64 bytes".to_owned()));
        }
        let node = source.needed("node", read.node, "this node's number, such as 1")?;
        let dir = source.needed("dir", read.dir, "the data folder, such as \"/var/lib/atoll\"")?;
        let listen = "an address to listen on, such as \"127.0.0.1:7001\"";
        let client = source.needed("client", read.client, listen)?;
        let peer = source.needed("peer", read.peer, listen)?;
        source.members(&node, &read.join)?;
        if let Some(password) = &read.requirepass
            && password.get_ref().is_empty()
        {
            let expected = "expected a password; leave the key out to have none".to_owned();
            return Err(source.at(password, expected));
        }
        let default_contract = match read.default_contract {
            Some(words) => Some(source.contract(&words, read.join.len())?),
            None => None,
        };
        let max_value = read.max_value.map_or(Ok(nodes::MAX_VALUE), usize::try_from);
        Ok(Config {
            cluster: cluster.into_inner(),
            node: node.into_inner(),
            dir,
            client,
            peer,
            http: read.http,
            join: read.join.into_iter().map(Spanned::into_inner).collect(),
            default_contract,
            request_timeout: read.request_timeout.unwrap_or(nodes::REQUEST_TIMEOUT),
            requirepass: read.requirepass.map(Spanned::into_inner),
            max_value: max_value.expect("a size is limited to what a usize holds"),
            max_clients: read.max_clients,
            snapshot_bytes: read.snapshot_bytes.unwrap_or(nodes::SNAPSHOT_BYTES),
            test_brake: read.test_brake,
            transfer_rate: read.transfer_rate.unwrap_or(nodes::TRANSFER_RATE),
            memory: read.memory.unwrap_or(0),
            log_level: read.log_level,
            log_format: read.log_format,
        })
    }
}

/// The file, to point into.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, span: Option<Range<usize>>, message: String) -> ConfigError {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let key = line.and_then(|number| {
            let line = self.text.lines().nth(number - 1)?.trim();
            let key = line.split_once('=').map_or(line, |(key, _)| key).trim();
            (!key.is_empty()).then(|| format!("`{key}`"))
        });
        ConfigError { file: self.file.to_owned(), line, key, message }
    }

    fn at<T>(&self, place: &Spanned<T>, message: String) -> ConfigError {
        self.error(Some(place.span()), message)
    }

    fn needed<T>(&self, key: &str, value: Option<T>, expected: &str) -> Result<T, ConfigError> {
        value.ok_or_else(|| ConfigError {
            file: self.file.to_owned(),
            line: None,
            key: Some(format!("`{key}`")),
            message: format!("the key is missing: expected {expected}"),
        })
    }

    /// A contract that this binary serves.
    fn contract(&self, words: &Spanned<String>, members: usize) -> Result<Contract, ConfigError> {
        let members = u16::try_from(members).unwrap_or(u16::MAX);
        let contract = contract::parse(&[words.get_ref()], members)
            .and_then(|contract| contract::built(&contract, members).map(|()| contract));
        contract.map_err(|error| self.at(words, error.to_string()))
    }

    /// All founding members, each once, this node among them.
    fn members(&self, node: &Spanned<NodeId>, join: &[Spanned<Member>]) -> Result<(), ConfigError> {
        let ids = || join.iter().map(|m| m.get_ref().node);
        for (at, member) in join.iter().enumerate() {
            let id = member.get_ref().node;
            if ids().take(at).any(|other| other == id) {
                return Err(self.at(member, format!("node {id} is a member twice; ids are unique")));
            }
        }
        if join.is_empty() {
            let example = "a [[join]] table for each founding member, this node included, with the \
                           keys node, peer and client";
            return self.needed("join", None, example);
        }
        let me = node.get_ref();
        if !ids().any(|id| id == *me) {
            let known: Vec<String> = ids().map(|id| id.to_string()).collect();
            let known = known.join(", ");
            let message = format!("node {me} is not in `join`: expected one of {known}");
            return Err(self.at(node, message));
        }
        Ok(())
    }
}

fn parsed<'de, D: Deserializer<'de>, T>(
    from: D,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &expected))
}

fn id<'de, D: Deserializer<'de>>(from: D) -> Result<NodeId, D::Error> {
    let number = i64::deserialize(from)?;
    let id = u64::try_from(number).ok().filter(|id| *id > 0).map(NodeId);
    let expected = "the number of a node, at least 1";
    id.ok_or_else(|| de::Error::invalid_value(Unexpected::Signed(number), &expected))
}

fn some_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Spanned<NodeId>>, D::Error> {
    #[derive(Deserialize)]
    struct Id(#[serde(deserialize_with = "id")] NodeId);
    let id = Spanned::<Id>::deserialize(from)?;
    let span = id.span();
    Ok(Some(Spanned::new(span, id.into_inner().0)))
}

fn socket<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let expected = "an IP address and a port, such as \"127.0.0.1:7001\"";
    parsed(from, expected, |text| text.parse().ok()).map(Some)
}

/// Where others find a node: names are resolved at each attempt.
fn place<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    parsed(from, "a host and a port, such as \"10.0.0.1:7101\"", |text| {
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        (!host.is_empty() && port > 0).then(|| text.to_owned())
    })
}

fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    parsed(from, "a time above zero, such as \"5s\" or \"500ms\"", |text| {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let number: u64 = number.parse().ok().filter(|n| *n > 0)?;
        match unit.trim() {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            _ => None,
        }
    })
    .map(Some)
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    parsed(from, "a size from \"1KiB\" to \"512MiB\"", |text| {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let number: u64 = number.parse().ok()?;
        let bytes = match unit.trim() {
            "KiB" => number.checked_mul(1 << 10)?,
            "MiB" => number.checked_mul(1 << 20)?,
            _ => return None,
        };
        (1 << 10..=512 << 20).contains(&bytes).then_some(bytes)
    })
    .map(Some)
}

fn memory<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    parsed(from, "a size from \"16MiB\" to \"1024GiB\"", |text| {
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
        let number: u64 = number.parse().ok()?;
        let bytes = match unit.trim() {
            "MiB" => number.checked_mul(1 << 20)?,
            "GiB" => number.checked_mul(1 << 30)?,
            _ => return None,
        };
        (16 << 20..=1024 << 30).contains(&bytes).then_some(bytes)
    })
    .map(Some)
}

#[cfg(test)]
mod tests;
