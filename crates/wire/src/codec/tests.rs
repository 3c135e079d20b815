use super::*;
use crate::wire_enum;
use crate::wire_struct;
use alloc::string::ToString;
use alloc::{format, vec};
use core::fmt::Debug;
use stdx::Prng;

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Dot,
    Line { from: u64, to: u64 },
    Text(String),
}
wire_enum!(Shape, version 3 { 1 => Dot, 2 => Line { from, to }, 9 => Text(text) });

#[derive(Clone, Debug, PartialEq)]
struct Pair {
    a: i64,
    b: Option<Vec<u8>>,
}
wire_struct!(Pair { a, b });

/// The bytes are pinned, and every shorter or longer input is refused.
fn pinned<T: Wire + PartialEq + Debug>(value: T, bytes: &[u8]) {
    assert_eq!(encode(&value), bytes, "{value:?}");
    assert_eq!(decode_all::<T>(bytes), Ok(value));
    for cut in 0..bytes.len() {
        assert!(decode_all::<T>(&bytes[..cut]).is_err(), "{} of {bytes:?}", cut);
    }
    let longer = [bytes, &[0]].concat();
    assert_eq!(decode_all::<T>(&longer), Err(WireError::Trailing));
}

#[test]
fn golden_bytes() {
    pinned(7u8, &[7]);
    pinned(true, &[1]);
    pinned(0u64, &[0]);
    pinned(127u64, &[0x7f]);
    pinned(128u64, &[0x80, 1]);
    pinned(300u16, &[0xac, 2]);
    pinned(u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    pinned(0i64, &[0]);
    pinned(-1i64, &[1]);
    pinned(1i64, &[2]);
    pinned(i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    pinned(String::from("hé"), &[3, b'h', 0xc3, 0xa9]);
    pinned(Arc::<[u8]>::from(&b"ab"[..]), &[2, b'a', b'b']);
    pinned(vec![1u64, 300], &[2, 1, 0xac, 2]);
    pinned(BTreeMap::from([(1u64, true), (2, false)]), &[2, 1, 1, 2, 0]);
    pinned(None::<u64>, &[0]);
    pinned(Some(5u64), &[1, 5]);
    pinned((1u8, 2u64), &[1, 2]);
    pinned(NodeId(3), &[3]);
    pinned(NodeSet::from_iter([NodeId(1), NodeId(4)]), &[2, 1, 4]);
    pinned(WallClock(1), &[1]);
    pinned(Instant(2), &[2]);
    pinned(Duration::from_nanos(130), &[0x82, 1]);
    pinned(Shape::Dot, &[1, 3]);
    pinned(Shape::Line { from: 1, to: 2 }, &[2, 3, 1, 2]);
    pinned(Shape::Text(String::from("x")), &[9, 3, 1, b'x']);
    pinned(Pair { a: -2, b: Some(vec![9]) }, &[3, 1, 1, 9]);
}

#[test]
fn errors_name_what_was_there() {
    let of = |error: WireError| error.to_string();
    assert_eq!(of(decode_all::<Shape>(&[4, 3]).unwrap_err()), "unknown kind 4 of Shape");
    assert_eq!(of(decode_all::<Shape>(&[1, 4]).unwrap_err()), "unknown version 4 of Shape");
    assert_eq!(decode_all::<bool>(&[2]), Err(WireError::Invalid("bool")));
    assert_eq!(decode_all::<u16>(&[0x80, 0x80, 4]), Err(WireError::Invalid("u16")));
    assert_eq!(decode_all::<u64>(&[0xff; 10]), Err(WireError::Invalid("u64")));
    assert_eq!(decode_all::<String>(&[1, 0xff]), Err(WireError::Invalid("utf-8")));
}

#[test]
fn a_declared_count_takes_no_memory() {
    // 2^40 items in seven bytes.
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1];
    assert_eq!(decode_all::<Vec<u64>>(&huge), Err(WireError::Truncated));
    assert_eq!(decode_all::<String>(&huge), Err(WireError::Truncated));
    assert_eq!(decode_all::<BTreeMap<u64, u64>>(&huge), Err(WireError::Truncated));
}

fn random(prng: &mut Prng) -> (Vec<Shape>, BTreeMap<u64, Pair>) {
    let shapes = (0..prng.index(5)).map(|_| match prng.below(3) {
        0 => Shape::Dot,
        1 => Shape::Line { from: prng.next_u64() >> prng.below(64), to: prng.next_u64() },
        _ => Shape::Text(format!("{}", prng.next_u64())),
    });
    let shapes = shapes.collect();
    let pairs = (0..prng.index(5)).map(|i| {
        let b = prng.chance(1, 2).then(|| vec![1; prng.index(9)]);
        (i as u64, Pair { a: (prng.next_u64() as i64) >> prng.below(64), b })
    });
    (shapes, pairs.collect())
}

#[test]
fn round_trips_and_survives_damage() {
    for seed in 0..3_000 {
        let mut prng = Prng::new(seed);
        let value = random(&mut prng);
        let mut bytes = encode(&value);
        type Both = (Vec<Shape>, BTreeMap<u64, Pair>);
        assert_eq!(decode_all::<Both>(&bytes).as_ref(), Ok(&value), "seed {seed}");
        for _ in 0..8 {
            let at = prng.index(bytes.len());
            bytes[at] ^= 1 << prng.below(8);
            if let Ok(other) = decode_all::<Both>(&bytes) {
                assert_eq!(decode_all::<Both>(&encode(&other)), Ok(other), "seed {seed}");
            }
        }
    }
}
