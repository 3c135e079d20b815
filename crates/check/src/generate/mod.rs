//! Histories whose verdict is known by construction, from a seed: what checkers are tested and measured with.
//!
//! A [`Shape`] says what is done and in which [`World`]; [`history`] runs it. Clients invoke transactions, each of
//! which takes effect between its invocation and its return as that world has it: in a serial world at one moment, on
//! one store. One of unknown outcome takes effect later than its client waited, or never. [`plant`] then breaks such
//! a history in one place, so that levels are known that it cannot be at any more.
//!
//! | file | what |
//! | --- | --- |
//! | `shape` | what to generate |
//! | `run` | clients, moments and outcomes: one agenda |
//! | `draw` | which operations a transaction has |
//! | `cell` | what one key holds, and what an operation does to it |
//! | `world` | the worlds, from serial to eventual |
//! | `replicas` | the worlds that have replicas of registers |
//! | `flaw`, `site` | planted violations, and where they can be |
//!
//! The way of Jepsen (Kingsbury) and of Elle's generators (Kingsbury and Alvaro, VLDB 2020): values written are
//! unique unless asked otherwise, and the keys of lists and sets retire after so many writes, so that what is read
//! stays short. Memory is that of the history and of one store.

mod cell;
mod draw;
mod flaw;
mod replicas;
mod run;
mod shape;
mod site;
mod world;

#[cfg(test)]
mod tests;

pub use flaw::{Flaw, plant};
pub use run::history;
pub use shape::{Kind, Shape};
pub use world::World;
