//! Any bytes, in any pieces, give the same commands or the same error; replies never panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::resp::{Args, Parser, Reply, ReplyParser};

fuzz_target!(|input: &[u8]| {
    let Some((size, input)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);

    let mut whole = Vec::new();
    let one = Parser::default().parse(input, &mut whole);
    let (mut parser, mut pieces) = (Parser::default(), Vec::new());
    let many = input.chunks(size).try_for_each(|piece| parser.parse(piece, &mut pieces));
    assert_eq!((&whole, one), (&pieces, many));

    // What was understood is understood again.
    let mut again = Vec::new();
    for args in &whole {
        let mut bytes = Vec::new();
        args.encode_resp(&mut bytes);
        Parser::default().parse(&bytes, &mut again).expect("what was taken is taken again");
        assert_eq!(wire::decode_all::<Args>(&wire::encode(args)).as_ref(), Ok(args));
    }
    assert_eq!(whole, again);

    let mut replies = ReplyParser::new();
    for piece in input.chunks(size) {
        replies.feed(piece);
        while let Ok(Some(_)) = replies.next() {}
    }
    if let Ok(reply) = wire::decode_all::<Reply>(input) {
        assert_eq!(wire::decode_all::<Reply>(&wire::encode(&reply)), Ok(reply));
    }
});
