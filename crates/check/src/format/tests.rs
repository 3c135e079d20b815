//! Each format against small files with every trap in it, a round trip, and files that are damaged.

mod damage;
mod faults;
mod samples;

use super::*;
use stdx::Prng;

#[test]
fn digits_are_read_eight_at_a_time_as_one_by_one() {
    let slow = |bytes: &[u8]| {
        let len = bytes.iter().take(18).take_while(|byte| byte.is_ascii_digit()).count();
        let text = str::from_utf8(&bytes[..len]).expect("digits");
        (text.parse().unwrap_or(0), len)
    };
    for seed in 0..20_000 {
        let mut prng = Prng::new(seed);
        let len = prng.index(24);
        let digits = prng.index(len + 1);
        // Bytes next to digits, and those that would carry.
        let odd = [b'/', b':', b' ', 0, 0x7f, 0x80, 0xb0, 0xff, b'-', b']'];
        let mut bytes: Vec<u8> = (0..len).map(|_| b'0' + prng.index(10) as u8).collect();
        if let Some(byte) = bytes.get_mut(digits) {
            *byte = *prng.pick(&odd);
        }
        assert_eq!(tape::digits(&bytes), slow(&bytes), "seed {seed}: {bytes:?}");
    }
}
