//! `cargo xtask ci`: the same script that runs on every change, so that the two cannot differ.

use crate::{Context, Outcome};
use std::process::Command;

pub(crate) fn run(context: &Context) -> Outcome {
    if let Some(extra) = context.arguments.first() {
        return Err(format!("takes no arguments, found `{extra}`"));
    }
    let script = context.root.join(".ci/run");
    let status = Command::new(&script)
        .current_dir(&context.root)
        .status()
        .map_err(|error| format!("{}: {error}", script.display()))?;
    if status.success() { Ok(()) } else { Err(format!(".ci/run ended with {status}")) }
}
