//! All integration tests of the workspace's roof, in one binary.

mod floors;
mod tidy;
