//! The words of a replay file: times, spreads, faults, commands.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sim::{Byzantine, Fault, Ntp, Shape, Spread};
use std::fmt::Debug;
use std::time::Duration;
use stdx::{NodeId, NodeSet};
use swarm::{Profile, Workload};
use wire::resp::{Args, Limits, Parser};

/// A time or a length of time: `1.25 s`, `30 ms`, `7 us`, `5 ns`, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

const UNITS: [(&str, u128); 4] =
    [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

impl Span {
    pub(crate) fn text(self) -> String {
        let nanos = self.0.as_nanos();
        let (unit, size) = UNITS.into_iter().find(|(_, size)| nanos >= *size).unwrap_or(UNITS[0]);
        let digits = size.ilog10() as usize;
        let text = format!("{}.{:0digits$}", nanos / size, nanos % size);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{} {unit}", if size == 1 { nanos.to_string() } else { text.to_string() })
    }

    fn parse(text: &str) -> Option<Span> {
        let (number, unit) = text.trim().split_once(' ')?;
        let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = size.ilog10() as usize;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if part.len() > digits || !plain(part) || !plain(whole) {
            return None;
        }
        let fraction: u128 = format!("0{part:0<digits$}").parse().ok()?;
        let nanos = whole.parse::<u128>().ok()?.checked_mul(size)?.checked_add(fraction)?;
        Some(Span(Duration::from_nanos(u64::try_from(nanos).ok()?)))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom(format!("{text:?}: expected a time such as \"1.25 s\""));
        Span::parse(&text).ok_or_else(wrong)
    }
}

/// One of a list, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<T>(pub(crate) T);

pub(crate) trait Named: Copy + Debug {
    fn all() -> Vec<Self>;
}

impl Named for Profile {
    fn all() -> Vec<Profile> {
        Profile::FAULTY.into_iter().chain([Profile::Calm]).collect()
    }
}

impl Named for Workload {
    fn all() -> Vec<Workload> {
        Workload::ALL.into()
    }
}

impl Named for Shape {
    fn all() -> Vec<Shape> {
        Shape::ALL.into()
    }
}

impl<T: Named> Serialize for Name<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{:?}", self.0))
    }
}

impl<'de, T: Named> Deserialize<'de> for Name<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Name<T>, D::Error> {
        let text = String::deserialize(from)?;
        let found = T::all().into_iter().find(|value| format!("{value:?}") == text);
        let wrong = || {
            let names: Vec<String> = T::all().iter().map(|value| format!("{value:?}")).collect();
            D::Error::custom(format!("{text:?}: expected one of {}", names.join(", ")))
        };
        found.map(Name).ok_or_else(wrong)
    }
}

/// Says how a type of ours is told as one of this file, and back.
macro_rules! told_as {
    ($module:ident, $type:ty, $words:ty, $tell:expr, $hear:expr) => {
        mod $module {
            use super::*;
            pub(super) fn serialize<S: Serializer>(
                value: &$type,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                let tell: fn(&$type) -> $words = $tell;
                tell(value).serialize(to)
            }
            pub(super) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<$type, D::Error> {
                let hear: fn($words) -> $type = $hear;
                Ok(hear(<$words>::deserialize(from)?))
            }
        }
    };
}

told_as!(span, Duration, Span, |span| Span(*span), |span| span.0);
told_as!(shape, Shape, Name<Shape>, |shape| Name(*shape), |name| name.0);
told_as!(id, NodeId, u64, |id| id.0, NodeId);
told_as!(ids, NodeSet, Vec<u64>, |ids| ids.iter().map(|id| id.0).collect(), |ids| ids
    .into_iter()
    .map(NodeId)
    .collect());

#[derive(Serialize, Deserialize)]
#[serde(remote = "Spread", deny_unknown_fields)]
pub(crate) struct SpreadWords {
    #[serde(with = "span")]
    min: Duration,
    #[serde(with = "span")]
    max: Duration,
    #[serde(with = "span")]
    slow: Duration,
    slow_ppm: u64,
    #[serde(with = "shape")]
    shape: Shape,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Ntp", deny_unknown_fields)]
pub(crate) struct NtpWords {
    #[serde(with = "span")]
    poll: Duration,
    #[serde(with = "span")]
    error: Duration,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Byzantine", deny_unknown_fields)]
pub(crate) struct ByzantineWords {
    equivocate_ppm: u64,
    forge_ppm: u64,
    impersonate_ppm: u64,
    replay_ppm: u64,
    #[serde(with = "ids")]
    silent_to: NodeSet,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Fault", rename_all = "snake_case")]
pub(crate) enum FaultWords {
    Crash(#[serde(with = "id")] NodeId),
    Restart(#[serde(with = "id")] NodeId),
    CrashStop(#[serde(with = "id")] NodeId),
    FailStop(#[serde(with = "id")] NodeId),
    Pause(#[serde(with = "id")] NodeId, #[serde(with = "span")] Duration),
    SlowNode(#[serde(with = "id")] NodeId, #[serde(with = "SpreadWords")] Spread),
    SendOmission(#[serde(with = "id")] NodeId, u64),
    ReceiveOmission(#[serde(with = "id")] NodeId, u64),
    Isolate(#[serde(with = "ids")] NodeSet),
    OneWay(#[serde(with = "ids")] NodeSet, #[serde(with = "ids")] NodeSet),
    Bridge {
        #[serde(with = "id")]
        bridge: NodeId,
        #[serde(with = "ids")]
        half: NodeSet,
    },
    Clog(#[serde(with = "id")] NodeId, #[serde(with = "id")] NodeId),
    Release(#[serde(with = "id")] NodeId, #[serde(with = "id")] NodeId),
    Loss(u64),
    Duplicate(u64),
    Reorder(u64),
    Damage(u64),
    Delay(#[serde(with = "SpreadWords")] Spread),
    SlowLink(
        #[serde(with = "id")] NodeId,
        #[serde(with = "id")] NodeId,
        #[serde(with = "SpreadWords")] Spread,
    ),
    SlowDisk(#[serde(with = "id")] NodeId, #[serde(with = "SpreadWords")] Spread),
    FailSync(#[serde(with = "id")] NodeId),
    FullDisk(#[serde(with = "id")] NodeId),
    BitRot(#[serde(with = "id")] NodeId, u64),
    Misdirect(#[serde(with = "id")] NodeId, u64),
    ClockJump(#[serde(with = "id")] NodeId, i64),
    Byzantine(#[serde(with = "id")] NodeId, #[serde(with = "ByzantineWords")] Byzantine),
    PowerOff,
    PowerOn,
    Heal,
    HealAll,
}

/// A command as one types it into a terminal.
pub(crate) fn spoken(command: &Args) -> String {
    let word = |arg: &[u8]| {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
        let text = arg.escape_ascii();
        let bare = !arg.is_empty() && arg.iter().all(plain);
        if bare { text.to_string() } else { format!("\"{text}\"") }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The same back, as the server reads a line that was typed.
pub(crate) fn command(text: &str) -> Result<Args, String> {
    let wrong = || format!("{text:?}: expected a command such as \"SET k1 v\"");
    let mut commands = Vec::new();
    let line = format!("{text}\r\n");
    let mut parser = Parser::new(Limits::default());
    // A line that begins with a star announces RESP.
    if text.starts_with('*') || text.contains('\n') {
        return Err(wrong());
    }
    parser.parse(line.as_bytes(), &mut commands).map_err(|_| wrong())?;
    match <[Args; 1]>::try_from(commands) {
        Ok([command]) => Ok(command),
        Err(_) => Err(wrong()),
    }
}
