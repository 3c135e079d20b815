//! `atoll bench`: load on any Redis server or on a cluster of its own.
//!
//! | file | what |
//! | --- | --- |
//! | `load` | throughput and latencies; runs as data, and comparisons of them |
//! | `history` | `--history`: what was asked and answered, for `atoll check`; `recorder` does it |
//! | `cluster` | nodes in processes of their own; `proxy`: links between them that can be cut |
//! | `nemesis` | what goes wrong in such a cluster |

pub(crate) mod args;
mod cluster;
mod history;
mod load;
mod nemesis;
mod proxy;
mod recorder;

use crate::Failure;

pub(crate) fn run(args: &args::Bench) -> Result<(), Failure> {
    match &args.history {
        Some(path) => history::run(args, path),
        None => load::run(args),
    }
}
