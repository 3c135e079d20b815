//! A whole node as one sans-IO machine (being written; `api` is settled).

mod api;

pub use api::{Config, ConnId, Event, Member, Output, ReplicaStatus, Request, Status};
