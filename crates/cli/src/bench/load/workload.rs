//! What clients ask for: kinds of operations and their shares, YCSB's six by name, and sizes of values.

use super::choice::Distribution;
use stdx::Prng;

/// The longest run of keys that a scan asks for: YCSB's `maxscanlength`.
pub(crate) const LONGEST_SCAN: u64 = 100;

/// What one operation is. A scan is an MGET of keys with consecutive numbers, since the store keeps no order; a
/// read-modify-write is a GET and, once answered, a SET: two round trips and not atomic, as in YCSB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Get,
    Set,
    /// SET of a key that was not there.
    Insert,
    Incr,
    Del,
    Scan,
    ReadModifyWrite,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] = [
        Kind::Get,
        Kind::Set,
        Kind::Insert,
        Kind::Incr,
        Kind::Del,
        Kind::Scan,
        Kind::ReadModifyWrite,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Get => "get",
            Kind::Set => "set",
            Kind::Insert => "insert",
            Kind::Incr => "incr",
            Kind::Del => "del",
            Kind::Scan => "scan",
            Kind::ReadModifyWrite => "rmw",
        }
    }

    fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Things and how often each comes, as parts of their sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weighted<T> {
    parts: Vec<(T, u64)>,
    sum: u64,
}

impl<T: Copy + PartialEq> Weighted<T> {
    fn new(parts: Vec<(T, u64)>) -> Result<Weighted<T>, String> {
        for (at, (what, _)) in parts.iter().enumerate() {
            if parts[..at].iter().any(|(other, _)| other == what) {
                return Err(format!("part {} is there already, expected each once", at + 1));
            }
        }
        let sum = parts.iter().map(|(_, share)| share).sum();
        if sum == 0 {
            return Err("all shares are 0, expected at least one above".into());
        }
        Ok(Weighted { parts, sum })
    }

    fn draw(&self, prng: &mut Prng) -> T {
        let mut left = if self.parts.len() == 1 { 0 } else { prng.below(self.sum) };
        for (what, share) in &self.parts {
            if left < *share {
                return *what;
            }
            left -= share;
        }
        unreachable!("what is drawn is below the sum of all shares")
    }
}

/// Kinds of operations and their shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mix(Weighted<Kind>);

impl Mix {
    pub(crate) fn only(kind: Kind) -> Mix {
        Mix(Weighted { parts: vec![(kind, 1)], sum: 1 })
    }

    /// `get=90,set=10`: shares of their sum.
    pub(crate) fn parse(text: &str) -> Result<Mix, String> {
        let part = |part: &str| {
            let (name, share) =
                part.split_once('=').ok_or(format!("`{part}`: expected KIND=SHARE"))?;
            let kind = Kind::from_name(name).ok_or_else(|| {
                format!("`{name}`: expected one of {}", Kind::ALL.map(Kind::name).join(", "))
            })?;
            Ok::<_, String>((kind, share_of(share)?))
        };
        Weighted::new(text.split(',').map(part).collect::<Result<_, _>>()?).map(Mix)
    }

    pub(crate) fn draw(&self, prng: &mut Prng) -> Kind {
        self.0.draw(prng)
    }

    /// As it is written on the command line.
    pub(crate) fn text(&self) -> String {
        let part = |(kind, share): &(Kind, u64)| format!("{}={share}", kind.name());
        self.0.parts.iter().map(part).collect::<Vec<_>>().join(",")
    }
}

fn share_of(text: &str) -> Result<u64, String> {
    let share = text.parse().ok().filter(|share| *share <= 1_000_000);
    share.ok_or(format!("`{text}`: expected a share from 0 to 1000000"))
}

/// YCSB's core workloads (Cooper et al. 2010, table 2; their files `workloada` to `workloadf`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ycsb {
    /// Half GET, half SET, zipfian
    A,
    /// 95 % GET, 5 % SET, zipfian
    B,
    /// GET only, zipfian
    C,
    /// 95 % GET of what was inserted last, 5 % inserts
    D,
    /// 95 % short scans (MGET of 1 to 100 keys with consecutive numbers), 5 % inserts, zipfian
    E,
    /// Half GET, half read-modify-write (GET, then SET), zipfian
    F,
}

impl Ycsb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ycsb::A => "ycsb-a",
            Ycsb::B => "ycsb-b",
            Ycsb::C => "ycsb-c",
            Ycsb::D => "ycsb-d",
            Ycsb::E => "ycsb-e",
            Ycsb::F => "ycsb-f",
        }
    }

    pub(crate) fn mix(self) -> Mix {
        let parts = match self {
            Ycsb::A => vec![(Kind::Get, 50), (Kind::Set, 50)],
            Ycsb::B => vec![(Kind::Get, 95), (Kind::Set, 5)],
            Ycsb::C => vec![(Kind::Get, 100)],
            Ycsb::D => vec![(Kind::Get, 95), (Kind::Insert, 5)],
            Ycsb::E => vec![(Kind::Scan, 95), (Kind::Insert, 5)],
            Ycsb::F => vec![(Kind::Get, 50), (Kind::ReadModifyWrite, 50)],
        };
        Mix(Weighted { parts, sum: 100 })
    }

    pub(crate) fn distribution(self) -> Distribution {
        if self == Ycsb::D { Distribution::Latest } else { Distribution::Zipfian }
    }
}

/// How long values are, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    /// Every length of the range alike.
    Uniform(u32, u32),
    Listed(Weighted<u32>),
}

/// The longest value that is sent: Redis' own bound for a bulk string.
const LONGEST: u32 = 512 << 20;

impl Sizes {
    /// `256`, `100..1000` or `64=90,4096=10`.
    pub(crate) fn parse(text: &str) -> Result<Sizes, String> {
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (size(from)?, size(to)?);
            let order = format!("`{text}`: expected the smaller size first");
            return if from <= to { Ok(Sizes::Uniform(from, to)) } else { Err(order) };
        }
        let part = |part: &str| match part.split_once('=') {
            Some((bytes, share)) => Ok::<_, String>((size(bytes)?, share_of(share)?)),
            None => Ok((size(part)?, 1)),
        };
        let parts = text.split(',').map(part).collect::<Result<_, _>>()?;
        Weighted::new(parts).map(Sizes::Listed)
    }

    pub(crate) fn draw(&self, prng: &mut Prng) -> usize {
        let bytes = match self {
            Sizes::Uniform(from, to) => {
                return usize::try_from(prng.range(u64::from(*from), u64::from(*to)))
                    .expect("at most LONGEST");
            }
            Sizes::Listed(list) => list.draw(prng),
        };
        bytes as usize
    }

    pub(crate) fn longest(&self) -> usize {
        match self {
            Sizes::Uniform(_, to) => *to as usize,
            Sizes::Listed(list) => {
                list.parts.iter().map(|(bytes, _)| *bytes as usize).max().unwrap_or(0)
            }
        }
    }

    /// As it is written on the command line.
    pub(crate) fn text(&self) -> String {
        let part = |(bytes, share): &(u32, u64)| match share {
            1 => bytes.to_string(),
            share => format!("{bytes}={share}"),
        };
        match self {
            Sizes::Uniform(from, to) => format!("{from}..{to}"),
            Sizes::Listed(list) => list.parts.iter().map(part).collect::<Vec<_>>().join(","),
        }
    }
}

fn size(text: &str) -> Result<u32, String> {
    let bytes = text.parse().ok().filter(|bytes| *bytes <= LONGEST);
    bytes.ok_or(format!("`{text}`: expected a size in bytes, at most {LONGEST}"))
}

#[cfg(test)]
mod tests;
