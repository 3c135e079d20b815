//! Names of keyspaces, and which keyspace a key names.

use super::{Clause, Code, ContractError};

/// A name has at most this many bytes.
const MAX_NAME: usize = 64;

/// The keyspace a key names if one of that name is declared: the text before the first `:`.
///
/// A key that starts with `{` names none (its tag only places it). Reserved names are no exception: `db5`,
/// which appears on the first write after SELECT 5, is declared like any other and refused while another
/// keyspace holds keys `db5:...`.
pub fn keyspace_of(key: &[u8]) -> Option<&str> {
    let window = &key[..key.len().min(MAX_NAME + 1)];
    let colon = window.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&key[..colon]).ok()?;
    well_formed(name).then_some(name)
}

/// Whether a keyspace of this name may be created by a client.
pub fn check_name(name: &str) -> Result<(), ContractError> {
    let refuse =
        |code, message| Err(ContractError { code, clause: Clause::Whole, message, nearest: None });
    if !well_formed(name) {
        let shown: String = name.chars().take(MAX_NAME).collect();
        let message =
            format!("`{}` is not a name: [A-Za-z][A-Za-z0-9_.-]{{0,63}}", shown.escape_debug());
        return refuse(Code::Syntax, message);
    }
    if reserved(name) {
        let message = format!("`{name}` is reserved (default, catalog, and db<number> for SELECT)");
        return refuse(Code::Invalid, message);
    }
    Ok(())
}

fn well_formed(name: &str) -> bool {
    let bytes = name.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    bytes.len() <= MAX_NAME
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(inner)
}

fn reserved(name: &str) -> bool {
    let numbered = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    matches!(name, "default" | "catalog") || name.strip_prefix("db").is_some_and(numbered)
}
