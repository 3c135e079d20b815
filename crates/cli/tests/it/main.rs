//! All integration tests of the workspace's roof, in one binary.

mod cluster;
mod floors;
mod processes;
mod resp;
mod tidy;
