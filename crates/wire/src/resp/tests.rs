use super::*;
use crate::{decode_all, encode as to_wire};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use stdx::Prng;

fn args(words: &[&str]) -> Args {
    words.iter().collect()
}

fn parse(input: &[u8]) -> Result<Vec<Args>, ProtocolError> {
    let mut out = Vec::new();
    Parser::default().parse(input, &mut out).map(|()| out)
}

fn error(input: &[u8]) -> String {
    parse(input).unwrap_err().to_string()
}

#[test]
fn arrays_and_inline_commands() {
    let input =
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\n*-1\r\nset a 'b c' \"d\\x41\\n\"\n";
    let expected = [args(&["GET", "k"]), args(&["PING"]), args(&["set", "a", "b c", "dA\n"])];
    assert_eq!(parse(input).unwrap(), expected);
    assert_eq!(parse(b"*1\r\n$0\r\n\r\n").unwrap(), [args(&[""])]);
    assert_eq!(parse(b"  a\t b  \r\n").unwrap(), [args(&["a", "b"])]);
    assert_eq!(parse(b"a '' \"\" '\\'' \"\\q\"\r\n").unwrap(), [args(&["a", "", "", "'", "q"])]);
    assert_eq!(parse(b"   \r\n").unwrap(), []);
    assert_eq!(parse(b"a\0 b\r\n").unwrap(), [args(&["a"])]);
}

#[test]
fn errors_have_the_words_of_redis() {
    assert_eq!(error(b"*x\r\n"), "Protocol error: invalid multibulk length");
    assert_eq!(error(b"*1048577\r\n"), "Protocol error: invalid multibulk length");
    assert_eq!(error(b"*01\r\n"), "Protocol error: invalid multibulk length");
    assert_eq!(error(b"*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
    assert_eq!(error(b"*1\r\n$16777217\r\n"), "Protocol error: invalid bulk length");
    assert_eq!(error(b"*1\r\n$99999999999999999999\r\n"), "Protocol error: invalid bulk length");
    assert_eq!(error(b"*1\r\n:3\r\n"), "Protocol error: expected '$', got ':'");
    assert_eq!(error(b"get \"a\r\n"), "Protocol error: unbalanced quotes in request");
    assert_eq!(error(b"get \"a\"b\r\n"), "Protocol error: unbalanced quotes in request");
    let long = [b'1'; 70_000];
    assert_eq!(error(&long), "Protocol error: too big inline request");
    assert_eq!(error(&[b"*", &long[..]].concat()), "Protocol error: too big mbulk count string");
    assert_eq!(
        error(&[b"*1\r\n$", &long[..]].concat()),
        "Protocol error: too big bulk count string"
    );
    let reply = ProtocolError::InvalidBulkLength.reply();
    assert_eq!(reply, Reply::err("ERR Protocol error: invalid bulk length"));
}

#[test]
fn limits_before_auth_and_in_all() {
    let limits = Limits { unauthenticated: true, ..Limits::default() };
    let refused = |input: &[u8], limits| {
        Parser::new(limits).parse(input, &mut Vec::new()).unwrap_err().to_string()
    };
    assert_eq!(refused(b"*11\r\n", limits), "Protocol error: unauthenticated multibulk length");
    let bulk = b"*1\r\n$16385\r\n";
    assert_eq!(refused(bulk, limits), "Protocol error: unauthenticated bulk length");
    assert!(Parser::new(limits).parse(b"*10\r\n$16384\r\n", &mut Vec::new()).is_ok());

    let limits = Limits { command: 5, ..Limits::default() };
    assert_eq!(refused(b"*2\r\n$3\r\nabc\r\n$3\r\n", limits), "Protocol error: too big command");

    let mut parser = Parser::new(Limits { bulk: 3, ..Limits::default() });
    let mut out = Vec::new();
    parser.parse(b"*1\r\n$3\r\nabc\r\n", &mut out).unwrap();
    parser.set_limits(Limits { bulk: 4, ..Limits::default() });
    parser.parse(b"*1\r\n$4\r\nabcd\r\n", &mut out).unwrap();
    assert_eq!(out, [args(&["abc"]), args(&["abcd"])]);
}

#[test]
fn commands_before_an_error_count_and_it_stays() {
    let mut parser = Parser::default();
    let mut out = Vec::new();
    let error = parser.parse(b"ping\r\n*1\r\n!\r\n", &mut out).unwrap_err();
    assert_eq!(error, ProtocolError::ExpectedBulk(b'!'));
    assert_eq!(parser.parse(b"ping\r\n", &mut out), Err(error));
    assert_eq!(out, [args(&["ping"])]);
}

#[test]
fn a_declared_length_takes_no_memory() {
    let mut parser = Parser::new(Limits { bulk: 512 << 20, command: 1 << 30, ..Limits::default() });
    parser.parse(b"*1000000\r\n$536870912\r\nabc", &mut Vec::new()).unwrap();
    assert_eq!(parser.held(), 3);
    assert!(parser.capacity() < 1024, "{} for 3 bytes", parser.capacity());
}

fn random_args(prng: &mut Prng) -> Args {
    let count = 1 + prng.index(5);
    let mut all = Args::default();
    for _ in 0..count {
        let len = match prng.below(10) {
            0 => 0,
            1 => 3_000,
            _ => prng.index(20),
        };
        let arg: Vec<u8> = (0..len).map(|_| *prng.pick(b"ab*$\r\n\"' \0\xff:1")).collect();
        all.push(&arg);
    }
    all
}

#[test]
fn any_split_gives_the_same_commands() {
    for seed in 0..1_000 {
        let mut prng = Prng::new(seed);
        let (mut stream, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..prng.range(1, 8) {
            if prng.chance(1, 4) {
                stream.extend_from_slice([&b"\r\n"[..], b"*0\r\n", b"*-5\r\n"][prng.index(3)]);
                stream.extend_from_slice(b"get 'a' \"\\x41\"\r\n");
                sent.push(args(&["get", "a", "A"]));
            }
            let one = random_args(&mut prng);
            one.encode_resp(&mut stream);
            sent.push(one);
        }
        let (mut parser, mut got, mut rest) = (Parser::default(), Vec::new(), &stream[..]);
        let most = *prng.pick(&[1, 3, 40, 10_000]);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + prng.index(most)));
            parser.parse(piece, &mut got).unwrap();
            rest = after;
        }
        assert_eq!(got, sent, "seed {seed}");
        assert_eq!(parser.held(), 0, "seed {seed}");
        for one in sent {
            assert_eq!(decode_all::<Args>(&to_wire(&one)), Ok(one));
        }
    }
}

/// Pieces that keep random input close to the grammar.
const PIECES: [&[u8]; 16] = [
    b"*1\r\n", b"*2\r\n", b"$3\r\n", b"$0\r\n", b"\r\n", b"\r", b"\n", b"abc", b"\"", b"'",
    b"\\x4", b"*-1\r\n", b"$5\r\n", b"\0", b"%1\r\n", b"|1\r\n",
];

fn garbage(prng: &mut Prng) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..prng.index(40) {
        if prng.chance(1, 5) {
            all.push(prng.next_u64() as u8);
        } else {
            all.extend_from_slice(PIECES[prng.index(PIECES.len())]);
        }
    }
    all
}

#[test]
fn garbage_never_panics_and_splits_alike() {
    for seed in 0..20_000 {
        let mut prng = Prng::new(seed);
        let input = garbage(&mut prng);
        let (mut whole, mut split) = (Vec::new(), Vec::new());
        let one = Parser::default().parse(&input, &mut whole);
        let mut parser = Parser::default();
        let many = input.iter().try_for_each(|byte| parser.parse(&[*byte], &mut split));
        assert_eq!((&whole, one), (&split, many), "seed {seed}: {}", input.escape_ascii());
        assert!(whole.iter().all(|args| !args.is_empty()));

        let mut reader = ReplyParser::new();
        for piece in input.chunks(7) {
            reader.feed(piece);
            while let Ok(Some(_)) = reader.next() {}
        }
        let _ = decode_all::<Reply>(&input);
        let _ = decode_all::<Args>(&input);
    }
}

fn random_reply(prng: &mut Prng, depth: usize) -> Reply {
    let text = format!("t{}", prng.below(1000));
    let count = prng.index(4);
    match prng.below(if depth == 0 { 8 } else { 11 }) {
        0 => Reply::Simple(text.into()),
        1 => Reply::err(format!("ERR {text}")),
        2 => Reply::Int((prng.next_u64() as i64) >> prng.below(64)),
        3 => Reply::bulk((0..prng.index(30)).map(|i| i as u8).collect::<Vec<u8>>()),
        4 => Reply::Null,
        5 => Reply::Bool(prng.chance(1, 2)),
        6 => Reply::Double(String::from("-3.25")),
        7 => Reply::Verbatim(text),
        8 => Reply::Array((0..count).map(|_| random_reply(prng, depth - 1)).collect()),
        9 => Reply::Set((0..count).map(|_| random_reply(prng, depth - 1)).collect()),
        _ => {
            let pair = |_| (random_reply(prng, depth - 1), random_reply(prng, depth - 1));
            Reply::Map((0..count).map(pair).collect())
        }
    }
}

#[test]
fn replies_round_trip() {
    for seed in 0..3_000 {
        let mut prng = Prng::new(seed);
        let sent: Vec<Reply> = (0..5).map(|_| random_reply(&mut prng, 3)).collect();
        let mut stream = Vec::new();
        for reply in &sent {
            reply.encode(Version::Resp3, &mut stream);
            assert_eq!(decode_all::<Reply>(&to_wire(reply)).as_ref(), Ok(reply));
        }
        let (mut reader, mut got) = (ReplyParser::new(), Vec::new());
        for piece in stream.chunks(1 + prng.index(30)) {
            reader.feed(piece);
            while let Some(incoming) = reader.next().unwrap() {
                got.push(incoming);
            }
        }
        let sent: Vec<Incoming> = sent.into_iter().map(Incoming::Reply).collect();
        assert_eq!(got, sent, "seed {seed}");
    }
}

#[test]
fn pushes_come_through_and_attributes_do_not() {
    let mut reader = ReplyParser::new();
    reader.feed(b"|1\r\n+ttl\r\n:3\r\n*2\r\n:1\r\n|1\r\n+a\r\n+b\r\n:2\r\n>2\r\n+x\r\n:1\r\n!5\r\nERR a\r\n");
    let array = Reply::Array(vec![Reply::Int(1), Reply::Int(2)]);
    assert_eq!(reader.next(), Ok(Some(Incoming::Reply(array))));
    let push = Incoming::Push(vec![Reply::simple("x"), Reply::Int(1)]);
    assert_eq!(reader.next(), Ok(Some(push)));
    assert_eq!(reader.next(), Ok(Some(Incoming::Reply(Reply::err("ERR a")))));
    assert_eq!(reader.next(), Ok(None));
    reader.feed(b"?what\r\n");
    let error = reader.next().unwrap_err().to_string();
    assert_eq!(error, "bad reply: expected a kind of reply, found '?what\\r\\n'");
}

#[test]
fn depth_is_bounded() {
    let deep = (0..20).fold(Reply::Null, |inner, _| Reply::Array(vec![inner]));
    let refused = decode_all::<Reply>(&to_wire(&deep));
    assert_eq!(refused, Err(crate::WireError::Invalid("depth of a reply")));
    let mut bytes = Vec::new();
    deep.encode(Version::Resp3, &mut bytes);
    let mut reader = ReplyParser::new();
    reader.feed(&bytes);
    assert!(reader.next().is_err());
    assert!(decode_all::<Reply>(&[9, 1, 1].repeat(100_000)).is_err());
}

fn both(reply: &Reply) -> (String, String) {
    let bytes = |version| {
        let mut out = Vec::new();
        reply.encode(version, &mut out);
        String::from_utf8(out).unwrap().replace("\r\n", " ")
    };
    (bytes(Version::Resp2), bytes(Version::Resp3))
}

#[test]
fn resp2_is_lowered() {
    let cases = [
        (Reply::ok(), "+OK ", "+OK "),
        (Reply::err("ERR a\r\nb"), "-ERR a  b ", "-ERR a  b "),
        (Reply::int(-7), ":-7 ", ":-7 "),
        (Reply::int(i64::MIN), ":-9223372036854775808 ", ":-9223372036854775808 "),
        (Reply::bulk("ab"), "$2 ab ", "$2 ab "),
        (Reply::Null, "$-1 ", "_ "),
        (Reply::NullArray, "*-1 ", "_ "),
        (Reply::Bool(true), ":1 ", "#t "),
        (Reply::Double(String::from("1.5")), "$3 1.5 ", ",1.5 "),
        (Reply::Set(vec![Reply::int(1)]), "*1 :1 ", "~1 :1 "),
        (Reply::Map(vec![(Reply::int(1), Reply::Null)]), "*2 :1 $-1 ", "%1 :1 _ "),
        (Reply::Verbatim(String::from("hi")), "$2 hi ", "=6 txt:hi "),
    ];
    for (reply, two, three) in cases {
        assert_eq!(both(&reply), (String::from(two), String::from(three)), "{reply:?}");
    }
}

#[test]
fn golden_bytes() {
    assert_eq!(to_wire(&args(&["GET", "k"])), [2, 3, b'G', b'E', b'T', 1, b'k']);
    assert_eq!(decode_all::<Args>(&[0]), Err(crate::WireError::Invalid("empty command")));
    let reply = Reply::Array(vec![
        Reply::simple("a"),
        Reply::err("b"),
        Reply::int(-1),
        Reply::bulk("c"),
        Reply::Null,
        Reply::NullArray,
        Reply::Bool(true),
        Reply::Double(String::from("d")),
        Reply::Map(vec![(Reply::Null, Reply::Null)]),
        Reply::Set(vec![]),
        Reply::Verbatim(String::from("e")),
    ]);
    let bytes = [
        9, 1, 11, 1, 1, 1, b'a', 2, 1, 1, b'b', 3, 1, 1, 4, 1, 1, b'c', 5, 1, 6, 1, 7, 1, 1, 8, 1,
        1, b'd', 10, 1, 1, 5, 1, 5, 1, 11, 1, 0, 12, 1, 1, b'e',
    ];
    assert_eq!(to_wire(&reply), bytes);
    assert_eq!(decode_all::<Reply>(&bytes), Ok(reply));
}

#[test]
fn args_compare_names_without_case() {
    let one = args(&["SeT", "k"]);
    assert!(one.is(0, "set") && !one.is(1, "set") && !one.is(2, "set"));
    assert_eq!((one.len(), one.name(), one.get(1)), (2, &b"SeT"[..], &b"k"[..]));
    assert_eq!(format!("{one:?}"), "\"SeT\" \"k\"");
}
