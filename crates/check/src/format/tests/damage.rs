//! Damaged files: an error or a history, never a panic.

use super::samples::{SAMPLES, essence};
use crate::format::{FailedCas, Format, NilRead, Object, Options, detect, read, write};
use stdx::Prng;

/// Reads it in every way. What is read has to be good enough to be written and read again.
fn survives(bytes: &[u8], prng: &mut Prng) -> bool {
    let _any = detect(bytes);
    let options = Options {
        format: [None, Some(Format::ALL[prng.index(8)])][prng.index(2)],
        nil: [None, Some(NilRead::Absent), Some(NilRead::Unknown)][prng.index(3)],
        failed_cas: [None, Some(FailedCas::NoEffect), Some(FailedCas::Observed)][prng.index(3)],
        object: [None, Some(Object::ALL[prng.index(5)])][prng.index(2)],
    };
    match read(bytes, &options) {
        Err(error) => {
            let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&error.line), "{error}");
            assert!(error.column >= 1 && error.column <= bytes.len() + 1, "{error}");
            false
        }
        Ok(loaded) => {
            let history = loaded.history;
            let written = write(&history);
            let again = read(written.as_bytes(), &Options::default());
            let again = again.unwrap_or_else(|why| panic!("{why}: {written}"));
            assert_eq!(essence(&again.history), essence(&history), "{written}");
            true
        }
    }
}

#[test]
fn cut_anywhere() {
    let mut prng = Prng::new(1);
    for (_, _, text) in SAMPLES {
        for end in 0..text.len() {
            survives(&text.as_bytes()[..end], &mut prng);
            survives(&text.as_bytes()[end..], &mut prng);
        }
    }
}

#[test]
fn a_cut_within_a_line_is_noticed() {
    for (name, format, text) in SAMPLES {
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len() - 1];
        for cut in 1..last.len() {
            let (whole, part) = (lines[..lines.len() - 1].join("\n"), &last[..cut]);
            // The value of a text line may be cut and still be one; so may the error after it.
            if matches!(format, Format::JepsenText | Format::PorcupineEtcd) {
                continue;
            }
            let options = Options { format: Some(*format), ..Options::default() };
            let cut = format!("{whole}\n{part}");
            assert!(read(cut.as_bytes(), &options).is_err(), "{name}: {part}");
        }
    }
}

#[test]
fn bytes_changed() {
    let alphabet = b"{}[]()\"\\#_;:,.-+ \n\t09az\x00\xff\xc3rwN/";
    let mut good = 0;
    for seed in 0..20_000 {
        let mut prng = Prng::new(seed);
        let (_, _, text) = SAMPLES[prng.index(SAMPLES.len())];
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=prng.index(4) {
            let at = prng.index(bytes.len());
            let byte = alphabet[prng.index(alphabet.len())];
            match prng.index(5) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                3 => bytes[at] ^= 1 << prng.index(8),
                _ => {
                    let len = prng.index(bytes.len() - at);
                    let part = bytes[at..at + len].to_vec();
                    let to = prng.index(bytes.len());
                    bytes.splice(to..to, part);
                }
            }
        }
        good += usize::from(survives(&bytes, &mut prng));
    }
    assert!(good > 500, "{good} of them were still good: the damage is too much to test anything");
}

#[test]
fn nesting_has_a_bound() {
    for open in ["[[", "{", "(", "#{", "#_", "[#a ", "[{\"a\":", "{:a ", "{:type :ok :value ["] {
        let deep = open.repeat(200_000);
        let said = read(deep.as_bytes(), &Options::default()).expect_err(open);
        assert!(said.reason.contains("nested more than"), "{open}: {said}");
    }
    let line = format!("{{\"process\":1,\"op\":{}", "[".repeat(200_000));
    let said = read(line.as_bytes(), &Options::default()).expect_err("deep");
    assert!(said.reason.contains("nested more than"), "{said}");
    let line = format!("0 :invoke :write {}", "[".repeat(200_000));
    let said = read(line.as_bytes(), &Options::default()).expect_err("deep");
    assert!(said.reason.contains("nested more than"), "{said}");
}
