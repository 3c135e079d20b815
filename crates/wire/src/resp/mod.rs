//! RESP2 and RESP3, as Redis 7.2 speaks them.
//!
//! | file | what |
//! | --- | --- |
//! | `args` | [`Args`]: one command, in two allocations, and its encoding between nodes |
//! | `parse` | [`Parser`]: bytes of a client to commands, resumable at any byte |
//! | `inline` | commands typed by hand: quotes and escapes |
//! | `reply` | [`Reply`]: an answer, and its encoding between nodes |
//! | `encode` | a [`Reply`] as bytes for a client, lowered for RESP2; [`command`], for who asks many |
//! | `client` | [`ReplyParser`]: the other direction, for tests, CLI and load generators |
//!
//! Invariants: no byte is looked at twice; memory follows the bytes that came, never the lengths that were
//! declared; whatever comes in ends in commands, in "not yet", or in an error with Redis' text.

mod args;
mod client;
mod encode;
mod inline;
mod parse;
mod reply;
#[cfg(test)]
mod tests;

pub use args::Args;
pub use client::{Incoming, ReplyError, ReplyParser};
pub use encode::command;
pub use parse::{Limits, Parser, ProtocolError};
pub use reply::Reply;

/// Which protocol a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The default until HELLO.
    #[default]
    Resp2,
    /// After HELLO 3.
    Resp3,
}
