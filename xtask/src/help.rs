//! `cargo xtask help`: the table of commands.

use crate::{COMMANDS, Context, Outcome};

#[expect(clippy::unnecessary_wraps, reason = "the signature of every command")]
pub(crate) fn run(_: &Context) -> Outcome {
    println!("{}", text());
    Ok(())
}

pub(crate) fn text() -> String {
    let rows = COMMANDS.iter().map(|command| format!("  {:<11} {}", command.name, command.about));
    let rows: Vec<String> = rows.collect();
    format!("usage: cargo xtask <command>\n\n{}", rows.join("\n"))
}
