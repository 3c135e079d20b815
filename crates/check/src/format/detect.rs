//! Which format a file has.

use super::Format;
use super::event::{self, Notation, Phase, Step, Who};
use super::survey::is_txn;
use super::tape::Kind;

/// The first byte that is no blank.
pub(super) fn first(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0)
}

/// The format that the content of a file shows, if it shows one.
pub fn detect(bytes: &[u8]) -> Option<Format> {
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        match line {
            [] | [b';', ..] => {}
            [b'#', rest @ ..] if is_comment(rest) => {}
            [b'r' | b'w', b'(', ..] => return Some(Format::Plume),
            [b'{' | b'[' | b'(' | b'#', ..] => return Some(structured(bytes)),
            _ => return text(bytes),
        }
    }
    None
}

/// Whether a line is a comment of Atoll's, from what follows its `#`: EDN has tags, sets and discards there.
fn is_comment(rest: &[u8]) -> bool {
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_/".contains(byte);
    match rest {
        [b'_' | b'{', ..] => false,
        [first, ..] if first.is_ascii_alphabetic() => {
            let end = rest.iter().position(|byte| !name(byte)).unwrap_or(rest.len());
            !matches!(rest[end..].trim_ascii_start(), [b'{' | b'[' | b'(', ..])
        }
        _ => true,
    }
}

/// JSON has names in quotes, EDN has keywords.
fn structured(bytes: &[u8]) -> Format {
    let mut json = None;
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b';' || line[0] == b'#' && is_comment(&line[1..]) {
            continue;
        }
        if line[0] == b'#' {
            break;
        }
        let rest = line.iter().find(|byte| !byte.is_ascii_whitespace() && !b"{[(".contains(byte));
        if let Some(byte) = rest {
            json = Some(*byte == b'"');
            break;
        }
    }
    if json == Some(true) { in_json(bytes) } else { in_edn(bytes) }
}

fn in_json(bytes: &[u8]) -> Format {
    let mut elle = false;
    let _unreadable = event::each(bytes, Notation::Json, &mut |_| {
        elle = true;
        Ok(Step::Stop)
    });
    if elle { Format::ElleJson } else { Format::Atoll }
}

fn in_edn(bytes: &[u8]) -> Format {
    // What is no event is for the reader to complain of.
    let mut found = Format::JepsenEdn;
    let _unreadable = event::each(bytes, Notation::Edn, &mut |event| {
        let Some(event) = event.filter(|event| event.who != Who::Other) else {
            return Ok(Step::Next);
        };
        found = if event.key.is_some() {
            Format::PorcupineKv
        } else if is_txn(event) {
            Format::ElleEdn
        } else {
            Format::JepsenEdn
        };
        Ok(Step::Stop)
    });
    found
}

/// Lines of a log, or of `history.txt`.
fn text(bytes: &[u8]) -> Option<Format> {
    let log = event::is_log(bytes);
    // If the first operation cannot be read, that is for the reader to say.
    let keyword = |two: &[u8]| two[0].is_ascii_whitespace() && two[1] == b':';
    let looks = log || bytes.windows(2).any(keyword);
    let mut found = looks.then_some(Format::JepsenText);
    let _unreadable = event::each(bytes, Notation::Text, &mut |event| {
        let Some(event) = event else { return Ok(Step::Next) };
        let register = matches!(&*event.f, b"read" | b"write" | b"cas");
        let single = event.value.is_none_or(|value| {
            value.kind() != Kind::Seq || &*event.f == b"cas" && value.items().count() == 2
        });
        found = Some(if log && register && single && event.phase == Phase::Invoke {
            Format::PorcupineEtcd
        } else {
            Format::JepsenText
        });
        Ok(if event.who == Who::Other { Step::Next } else { Step::Stop })
    });
    found
}
