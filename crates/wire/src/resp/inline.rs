//! Commands typed by hand, as `sdssplitargs` of Redis splits them.

use super::Args;
use alloc::vec::Vec;

/// Splits a line into arguments: blanks separate; `"..."` knows `\n \r \t \b \a \xHH` and `\` before
/// anything else; `'...'` knows only `\'`. A zero byte ends the line, as C has it. `None` if a quote is left
/// open or something follows a closing quote directly.
pub(super) fn split(line: &[u8]) -> Option<Args> {
    let mut args = Args::default();
    let mut rest = line.split(|b| *b == 0).next().unwrap_or_default();
    loop {
        while let [b, after @ ..] = rest
            && (b.is_ascii_whitespace() || *b == 0x0b)
        {
            rest = after;
        }
        if rest.is_empty() {
            return Some(args);
        }
        let mut arg = Vec::new();
        rest = word(rest, &mut arg)?;
        args.push(&arg);
    }
}

fn word<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    while let [b, after @ ..] = rest {
        match b {
            b' ' | b'\n' | b'\r' | b'\t' => return Some(rest),
            b'"' => return closed(double_quoted(after, arg)?),
            b'\'' => return closed(single_quoted(after, arg)?),
            _ => arg.push(*b),
        }
        rest = after;
    }
    Some(rest)
}

/// A closing quote must be followed by a blank or nothing.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|b| b.is_ascii_whitespace() || *b == 0x0b).then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..] if let Some(byte) = hex(*high, *low) => {
                arg.push(byte);
                after
            }
            [b'\\', escaped, after @ ..] => {
                arg.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [b, after @ ..] => {
                arg.push(*b);
                after
            }
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => {
                arg.push(b'\'');
                after
            }
            [b, after @ ..] => {
                arg.push(*b);
                after
            }
        };
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
