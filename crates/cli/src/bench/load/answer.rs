//! What an answer says. The four ways to get none are told apart everywhere (docs/contract.md), and none of them is
//! ever counted as a success.

use std::ops::AddAssign;
use wire::resp::Reply;

/// Why an operation did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Error {
    /// The server's answer is an error: the operation was refused.
    Answer,
    /// `-BEHIND`: ask later or elsewhere.
    Behind,
    /// `-CLUSTERDOWN`: nothing was done, for want of a quorum.
    NoQuorum,
    /// `-UNKNOWN`, no answer in time, or the connection was lost: it may have been done, or may still be.
    Unknown,
}

impl Error {
    pub(crate) const ALL: [Error; 4] =
        [Error::Answer, Error::Behind, Error::NoQuorum, Error::Unknown];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Error::Answer => "error answers",
            Error::Behind => "behind",
            Error::NoQuorum => "no quorum",
            Error::Unknown => "unknown outcome",
        }
    }

    /// Of an error's text.
    pub(crate) fn of(text: &str) -> Error {
        match text.split(' ').next().unwrap_or_default() {
            "BEHIND" => Error::Behind,
            "CLUSTERDOWN" => Error::NoQuorum,
            "UNKNOWN" => Error::Unknown,
            _ => Error::Answer,
        }
    }
}

/// A success, and whether it found nothing; or an error.
pub(crate) type Answer = Result<Found, Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Something,
    /// Nil: a success too, but a cheaper one.
    Nothing,
}

/// Of one reply; of an error its text as well.
pub(crate) fn answer(reply: &Reply) -> (Answer, Option<&str>) {
    match reply {
        Reply::Error(text) => (Err(Error::of(text)), Some(text)),
        Reply::Null | Reply::NullArray => (Ok(Found::Nothing), None),
        _ => (Ok(Found::Something), None),
    }
}

/// How often each error came, by its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Errors {
    pub(crate) answer: u64,
    pub(crate) behind: u64,
    pub(crate) no_quorum: u64,
    pub(crate) unknown: u64,
}

impl Errors {
    pub(crate) fn add(&mut self, error: Error) {
        *match error {
            Error::Answer => &mut self.answer,
            Error::Behind => &mut self.behind,
            Error::NoQuorum => &mut self.no_quorum,
            Error::Unknown => &mut self.unknown,
        } += 1;
    }

    pub(crate) fn of(&self, error: Error) -> u64 {
        match error {
            Error::Answer => self.answer,
            Error::Behind => self.behind,
            Error::NoQuorum => self.no_quorum,
            Error::Unknown => self.unknown,
        }
    }

    pub(crate) fn sum(&self) -> u64 {
        Error::ALL.iter().map(|error| self.of(*error)).sum()
    }
}

impl AddAssign for Errors {
    fn add_assign(&mut self, other: Errors) {
        self.answer += other.answer;
        self.behind += other.behind;
        self.no_quorum += other.no_quorum;
        self.unknown += other.unknown;
    }
}
