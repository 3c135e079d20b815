//! Numbers as Redis reads and writes them.

/// An integer as `string2ll` reads it: decimal, no blanks, no `+`, no leading zeros, within 64 bits.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if plain { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// A float as Redis takes it from clients: no blanks, not NaN. Hexadecimal, which C's `strtold` knows, is not
/// taken.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let named = text.iter().any(|b| matches!(b, b'n' | b'N'));
    // "1e999" is out of range, as errno says in C; "inf" is a value.
    (!value.is_nan() && (value.is_finite() || named)).then_some(value)
}

/// Digits after the point that INCRBYFLOAT keeps, as Redis' `%.17Lf`.
const SCALE: u32 = 17;
const ONE: i128 = 10i128.pow(SCALE);

/// The sum as text, without exponent or trailing zeros; `None` if it is not finite.
///
/// A deviation: Redis adds in 80-bit floats and prints 17 decimals, so 0.1 + 0.2 shows as 0.3, but 5.1 + 5000
/// as 5005.10000000000000009. We add exact decimals, which every machine agrees on to the digit; only numbers
/// too large or too fine for 128 bits are added as 64-bit floats, and shown as the shortest text that reads
/// back the same.
pub(crate) fn add_floats(a: &[u8], b: &[u8]) -> Option<String> {
    if let Some(sum) = decimal(a).zip(decimal(b)).and_then(|(a, b)| a.checked_add(b)) {
        return Some(show(sum));
    }
    let sum = float(a)? + float(b)?;
    sum.is_finite().then(|| if sum == 0.0 { String::from("0") } else { format!("{sum}") })
}

/// A plain or scientific decimal, times [`ONE`], if that is exact.
fn decimal(text: &[u8]) -> Option<i128> {
    let (mantissa, exponent) = match text.iter().position(|b| b.eq_ignore_ascii_case(&b'e')) {
        Some(at) => {
            let exponent = &text[at + 1..];
            let exponent = exponent.strip_prefix(b"+").unwrap_or(exponent);
            (&text[..at], std::str::from_utf8(exponent).ok()?.parse::<i32>().ok()?)
        }
        None => (text, 0),
    };
    let (negative, digits) = match mantissa {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let mut value = 0i128;
    let mut places = None;
    for byte in digits {
        match byte {
            b'.' if places.is_none() => places = Some(0),
            b'0'..=b'9' => {
                value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                places = places.map(|n: i32| n + 1);
            }
            _ => return None,
        }
    }
    let shift = exponent.checked_add(SCALE.cast_signed())?.checked_sub(places.unwrap_or(0))?;
    let scaled = value.checked_mul(10i128.checked_pow(u32::try_from(shift).ok()?)?)?;
    Some(if negative { -scaled } else { scaled })
}

fn show(scaled: i128) -> String {
    let sign = if scaled < 0 { "-" } else { "" };
    let (whole, part) =
        (scaled.unsigned_abs() / ONE.unsigned_abs(), scaled.unsigned_abs() % ONE.unsigned_abs());
    let text = format!("{sign}{whole}.{part:017}");
    String::from(text.trim_end_matches('0').trim_end_matches('.'))
}
