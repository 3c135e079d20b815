//! Files and manifests: every damaged byte is found, and named by where it is.

use super::chunks::{Kind, Reader, Writer, Written};
use super::manifest::{File, Manifest};
use stdx::{Mutant, Planted, Prng};

fn file() -> (Vec<u8>, Written) {
    let mut writer = Writer::new(Vec::new(), Kind::Full).unwrap();
    for chunk in [&b"the head"[..], b"", &[7; 300], b"the last"] {
        writer.put(chunk).unwrap();
    }
    writer.finish().unwrap()
}

/// Reads all; the offset of the damage, if there is any.
fn damage(bytes: &[u8], expected: Written, planted: Planted) -> Option<u64> {
    let mut reader = match Reader::new(bytes, Kind::Full, expected, planted) {
        Ok(reader) => reader,
        Err(damage) => return Some(damage.offset),
    };
    loop {
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(damage) => return Some(damage.offset),
        }
    }
}

/// Where each chunk begins.
const STARTS: [u64; 4] = [10, 30, 42, 354];

#[test]
fn every_damaged_byte_is_found_and_named() {
    let (bytes, written) = file();
    assert_eq!(damage(&bytes, written, Planted::NONE), None);
    assert_eq!(bytes.len() as u64, written.bytes);
    let mut unseen = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let found = damage(&bad, written, Planted::NONE).expect("damage is found");
            let chunk = STARTS.iter().rev().find(|start| **start <= at as u64);
            assert_eq!(found, chunk.copied().unwrap_or(at as u64), "byte {at} bit {bit}");
            unseen +=
                u64::from(damage(&bad, written, Planted::one(Mutant::BackupUnchecked)).is_none());
        }
        assert!(damage(&bytes[..at], written, Planted::NONE).is_some(), "cut off at {at}");
    }
    assert!(unseen > 1_000, "the checks were not what found it: {unseen}");
    assert!(damage(&[&bytes[..], b"x"].concat(), written, Planted::NONE).is_some());
    // A chunk lost with its frame, and a whole file in the place of another.
    let lost = [&bytes[..42], &bytes[354..]].concat();
    assert!(damage(&lost, written, Planted::NONE).is_some());
    let other = Written { sum: written.sum ^ 1, ..written };
    assert!(damage(&bytes, other, Planted::NONE).is_some());
}

fn entry(kind: Kind, after: u64, index: u64) -> File {
    let (name, tail) = (format!("file-{index}"), String::from("7"));
    let (term, time, keys, bytes, chunks) = (1, 2, 3, 4, 5);
    let checksum = "00000000000000ff".into();
    File { name, kind, after, index, term, tail, time, keys, bytes, chunks, checksum }
}

fn manifest() -> Manifest {
    let mut manifest =
        Manifest::new("c".into(), "account".into(), "CONSISTENCY linearizable".into());
    manifest.files = vec![
        entry(Kind::Full, 0, 10),
        entry(Kind::Log, 10, 20),
        entry(Kind::Full, 0, 50),
        entry(Kind::Log, 50, 60),
        entry(Kind::Log, 60, 70),
    ];
    manifest
}

#[test]
fn every_damaged_byte_of_a_manifest_is_found() {
    let text = manifest().text().unwrap();
    assert_eq!(Manifest::parse(&text), Ok(manifest()));
    let mut prng = Prng::new(5);
    for at in 0..text.len() {
        let mut bad = text.clone().into_bytes();
        bad[at] ^= 1 << prng.below(7);
        let bad = String::from_utf8(bad).unwrap();
        let said = Manifest::parse(&bad).unwrap_err();
        assert!(said.starts_with("MANIFEST"), "byte {at}: {said}");
        assert!(Manifest::parse(&text[..at]).is_err(), "cut off at {at}");
    }
}

#[test]
fn a_later_format_is_refused_by_name() {
    let body = manifest().text().unwrap().replace("\"format\": 1", "\"format\": 9");
    let body = &body[..body.rfind("xxh3").unwrap()];
    let text = format!("{body}xxh3 {:016x}\n", storage::hash_of(body.as_bytes()));
    let said = Manifest::parse(&text).unwrap_err();
    assert_eq!(said, "MANIFEST: format 9, this release reads 1");
    let mut newer = file().0;
    newer[9] = 2;
    let refused = Reader::new(&newer[..], Kind::Full, file().1, Planted::NONE).err().unwrap();
    assert_eq!(refused.to_string(), "offset 9: version 2, this release reads 1");
}

#[test]
fn a_position_is_reached_without_a_gap_or_not_at_all() {
    let manifest = manifest();
    let names =
        |at| manifest.chain(at).map(|files| files.iter().map(|f| f.index).collect::<Vec<_>>());
    assert_eq!(names(10), Ok(vec![10]));
    assert_eq!(names(15), Ok(vec![10, 20]));
    assert_eq!(names(20), Ok(vec![10, 20]));
    assert_eq!(names(50), Ok(vec![50]));
    assert_eq!(names(61), Ok(vec![50, 60, 70]));
    assert!(names(9).unwrap_err().contains("before the oldest full state, at 10"));
    assert!(names(30).unwrap_err().contains("goes up to 20 there"));
    assert!(names(71).unwrap_err().contains("goes up to 70"));
}
