//! Any bytes, in any pieces, give the same frames or the same error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::frame::{FrameError, FrameReader, put};

type Frames = Vec<(u8, Vec<u8>)>;

fn read(input: &[u8], size: usize) -> (Frames, Result<(), FrameError>) {
    let (mut reader, mut frames) = (FrameReader::new(1 << 16), Frames::new());
    for piece in input.chunks(size) {
        reader.feed(piece);
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push((frame.kind, frame.body.to_vec())),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, Ok(()))
}

fuzz_target!(|input: &[u8]| {
    let Some((size, input)) = input.split_first() else { return };
    let whole = read(input, input.len().max(1));
    assert_eq!(whole, read(input, usize::from(*size).max(1)));

    let mut bytes = Vec::new();
    for (kind, body) in &whole.0 {
        put(*kind, |out| out.extend_from_slice(body), &mut bytes);
    }
    assert!(input.starts_with(&bytes), "frames are written as they were read");
});
