//! Text for people. A reader that went away (`atoll keyspace list | head`) is no failure.

use std::fmt;
use std::io::Write;

/// One line on stdout.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Why the command failed, on stderr.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "atoll: {text}");
}
