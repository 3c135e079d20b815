//! Bytes, patterns and numbers.

use super::{at, run};
use crate::number::{add_floats, float, integer};
use crate::{Db, Entry, Value, glob};
use stdx::{Bytes, Prng};
use wire::{WireError, decode_all, encode};

fn entry() -> Entry {
    Entry {
        value: Value::String(Bytes::from(&b"hi"[..])),
        created: 3,
        modified: 300,
        version: 2,
        expiry: Some(5),
    }
}

#[test]
fn golden_bytes() {
    let bytes = [1, 1, 1, 1, 2, b'h', b'i', 3, 0xac, 2, 2, 1, 5];
    assert_eq!(encode(&entry()), bytes);
    assert_eq!(decode_all::<Entry>(&bytes), Ok(entry()));
    assert_eq!(decode_all::<Entry>(&[2, 1]), Err(WireError::UnknownKind("Entry", 2)));
    assert_eq!(decode_all::<Entry>(&[1, 2]), Err(WireError::UnknownVersion("Entry", 2)));
    assert_eq!(decode_all::<Value>(&[9, 1, 0]), Err(WireError::UnknownKind("Value", 9)));

    let mut db = Db::default();
    run(&mut db, at(1, 7), "set k v");
    db.freeze();
    let chunk = db.chunk(100).ready().unwrap();
    assert_eq!(chunk, [2, 1, 1, b'k', 1, 1, 1, 1, 1, b'v', 7, 7, 1, 0]);
    assert_eq!(db.chunk(100).ready(), None);
}

#[test]
fn damaged_chunks_are_refused() {
    let mut db = Db::default();
    for i in 0..20 {
        run(&mut db, at(1, 1 + i), &format!("set k{i} v{i} px 100"));
    }
    db.freeze();
    let chunk = db.chunk(1 << 20).ready().unwrap();
    let twice = [&chunk[..], &chunk[2..]].concat();
    assert_eq!(Db::default().load_chunk(&twice), Err(WireError::Invalid("key given twice")));
    assert_eq!(Db::default().load_chunk(&[2, 9]), Err(WireError::UnknownVersion("chunk", 9)));
    assert_eq!(Db::default().load_chunk(&[]), Err(WireError::Truncated));
    for seed in 0..3_000 {
        let mut prng = Prng::new(seed);
        let mut bytes = chunk.clone();
        for _ in 0..prng.range(1, 3) {
            let i = prng.index(bytes.len());
            bytes[i] ^= 1 << prng.below(8);
        }
        bytes.truncate(prng.index(bytes.len() + 1));
        let mut db = Db::default();
        let _ = db.load_chunk(&bytes);
        db.check_all();
    }
}

/// The obvious matcher, for short inputs.
fn slow(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
        ([b'?', rest @ ..], [_, text @ ..]) => slow(rest, text),
        ([one, rest @ ..], [byte, text @ ..]) => one == byte && slow(rest, text),
        _ => false,
    }
}

#[test]
fn patterns_match_as_in_redis() {
    for seed in 0..30_000 {
        let mut prng = Prng::new(seed);
        let mut word = |alphabet: &[u8], len| -> Vec<u8> {
            (0..prng.index(len)).map(|_| *prng.pick(alphabet)).collect()
        };
        let (pattern, text) = (word(b"ab*?", 8), word(b"ab", 10));
        let expected = slow(&pattern, &text);
        assert_eq!(
            glob(&pattern, &text),
            expected,
            "{} {}",
            pattern.escape_ascii(),
            text.escape_ascii()
        );
    }
    let yes = [
        "h[a-e]llo hello",
        "h[^x]llo hello",
        "h\\*llo h*llo",
        "[z-a] c",
        "a[b ab",
        "[\\]] ]",
        "* ",
    ];
    let no = ["h[^e]llo hello", "h\\?llo hello", "[] a", "[^a] a", "a[b ac", "? "];
    for (cases, expected) in [(&yes[..], true), (&no[..], false)] {
        for case in cases {
            let (pattern, text) = case.split_once(' ').unwrap();
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{case}");
        }
    }
}

#[test]
fn hostile_patterns_take_no_time() {
    let pattern = "a*".repeat(60) + "b";
    assert!(!glob(pattern.as_bytes(), "a".repeat(5_000).as_bytes()));
    let mut prng = Prng::new(1);
    for _ in 0..20_000 {
        let bytes = |prng: &mut Prng| -> Vec<u8> {
            (0..prng.index(12)).map(|_| *prng.pick(b"[]^-\\*?ab")).collect()
        };
        let (pattern, text) = (bytes(&mut prng), bytes(&mut prng));
        glob(&pattern, &text);
    }
}

#[test]
fn integers() {
    for good in ["0", "-1", "17", "9223372036854775807", "-9223372036854775808"] {
        assert_eq!(integer(good.as_bytes()).unwrap().to_string(), good);
    }
    for bad in ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "١"] {
        assert_eq!(integer(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn floats() {
    for bad in ["", " 1", "1 ", "nan", "-nan", "abc", "1e999", "0x10", "1,5"] {
        assert_eq!(float(bad.as_bytes()), None, "{bad}");
    }
    let cases = [
        ("10.50", "0.1", Some("10.6")),
        ("0.1", "0.2", Some("0.3")),
        ("5.0e3", "2.0e2", Some("5200")),
        ("-1.5", "1.5", Some("0")),
        ("-0", "-0.0", Some("0")),
        ("3", "-0.25", Some("2.75")),
        ("-0.5", "0.25", Some("-0.25")),
        ("1e16", "1e-17", Some("10000000000000000.00000000000000001")),
        ("1e300", "1e300", Some(&format!("2{}", "0".repeat(300)))),
        ("1e308", "1e308", None),
        ("inf", "1", None),
        ("inf", "-inf", None),
        ("1e-30", "0", Some("0.000000000000000000000000000001")),
        (".5", "5.", Some("5.5")),
        ("+1E+2", "1e0", Some("101")),
    ];
    for (a, b, sum) in cases {
        assert_eq!(add_floats(a.as_bytes(), b.as_bytes()).as_deref(), sum, "{a} + {b}");
    }
    let mut prng = Prng::new(2);
    for _ in 0..20_000 {
        let word = |prng: &mut Prng| -> Vec<u8> {
            (0..prng.index(8)).map(|_| *prng.pick(b"0159.eE+-in")).collect()
        };
        let (a, b) = (word(&mut prng), word(&mut prng));
        if float(&a).is_some() && float(&b).is_some() {
            add_floats(&a, &b);
        }
    }
}
