use super::*;
use alloc::string::ToString;
use alloc::vec;
use stdx::Prng;

fn all(reader: &mut FrameReader, into: &mut Vec<(u8, Vec<u8>)>) -> Result<(), FrameError> {
    while let Some(frame) = reader.next()? {
        into.push((frame.kind, frame.body.to_vec()));
    }
    Ok(())
}

#[test]
fn golden_bytes() {
    let mut out = vec![0xee];
    put(7, |out| out.extend_from_slice(b"hi"), &mut out);
    put(8, |_| {}, &mut out);
    assert_eq!(out, [0xee, 2, 0, 0, 0, 7, 1, b'h', b'i', 0, 0, 0, 0, 8, 1]);
}

#[test]
fn any_split_gives_the_same_frames() {
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let (mut stream, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..prng.range(1, 12) {
            let len = if prng.chance(1, 8) { 200_000 } else { prng.index(40) };
            let body: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let kind = prng.next_u64() as u8;
            put(kind, |out| out.extend_from_slice(&body), &mut stream);
            sent.push((kind, body));
        }
        let (mut reader, mut got, mut rest) = (FrameReader::default(), Vec::new(), &stream[..]);
        while !rest.is_empty() {
            let most = if prng.chance(1, 2) { 9 } else { 70_000 };
            let (piece, after) = rest.split_at(rest.len().min(1 + prng.index(most)));
            reader.feed(piece);
            all(&mut reader, &mut got).unwrap();
            rest = after;
        }
        assert_eq!(got, sent, "seed {seed}");
        assert_eq!(reader.held(), 0);
    }
}

#[test]
fn what_is_wrong_is_named_and_stays() {
    let mut reader = FrameReader::new(10);
    reader.feed(&[11, 0, 0, 0, 3, 1]);
    let error = reader.next().unwrap_err();
    assert_eq!(error.to_string(), "frame of kind 3 has 11 bytes, expected at most 10");
    reader.feed(&[0; 64]);
    assert_eq!(reader.next(), Err(error));

    let mut reader = FrameReader::new(10);
    reader.feed(&[1, 0, 0, 0, 3, 9]);
    let error = reader.next().unwrap_err();
    assert_eq!(error.to_string(), "frame of kind 3 has version 9, expected 1");
}

#[test]
fn a_declared_length_takes_no_memory() {
    let mut reader = FrameReader::new(usize::MAX);
    reader.feed(&[0xff, 0xff, 0xff, 0xff, 3, 1, 0]);
    assert_eq!(reader.next(), Ok(None));
    assert!(reader.bytes.capacity() < 1024);
}

#[test]
fn garbage_never_panics() {
    for seed in 0..2_000 {
        let mut prng = Prng::new(seed);
        let mut reader = FrameReader::new(1 << 12);
        for _ in 0..20 {
            let mut piece: Vec<u8> = (0..prng.index(32)).map(|_| prng.next_u64() as u8).collect();
            if prng.chance(1, 2) && piece.len() >= HEADER {
                piece[1..4].fill(0);
                piece[5] = VERSION;
            }
            reader.feed(&piece);
            if all(&mut reader, &mut Vec::new()).is_err() {
                break;
            }
        }
    }
}
