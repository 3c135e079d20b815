//! Patterns as Redis' `stringmatchlen` reads them.

/// Whether the whole of `text` matches: `*` any bytes, `?` one, `[a-c]` `[^a]` classes, `\` takes the next byte
/// as it is.
///
/// Redis recurses at every `*`, which takes exponential time on hostile patterns. Here only the last `*` is
/// tried again (an earlier one cannot do better by taking more), so the time is at most the product of the
/// lengths.
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (pattern, text);
    // After the last star: the pattern behind it, and the text it has not taken yet.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = p {
            p = rest;
            retry = Some((p, t));
            continue;
        }
        let matched = match t {
            [] if p.is_empty() => return true,
            [] => return false,
            [byte, ..] => one(p, *byte),
        };
        if let Some(rest) = matched {
            p = rest;
            t = &t[1..];
        } else if let Some((after, [_, less @ ..])) = retry {
            (p, t) = (after, less);
            retry = Some((after, less));
        } else {
            return false;
        }
    }
}

/// What is left of the pattern after its first element matched `byte`; `None` if it does not.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', escaped, rest @ ..] => (*escaped == byte).then_some(rest),
        [literal, rest @ ..] => (*literal == byte).then_some(rest),
    }
}

/// A class without its `[`. One that is never closed ends with the pattern, as in Redis.
fn class(body: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut rest) = match body {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b'\\', escaped, after @ ..] => {
                found |= *escaped == byte;
                after
            }
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [from, b'-', to, after @ ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
        };
    }
    (found != negated).then_some(rest)
}
