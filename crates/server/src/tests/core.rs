//! A core of a few verbs.

use crate::shard::Served;
use node::{ConnId, Output, Request, Status};
use protocol::{Digest, Effects, Input, Protocol, Record, Renaming};
use std::collections::BTreeMap;
use stdx::{Duration, Instant, NodeId, Now, Position, Prng};
use wire::resp::Args;
use wire::{Reader, Wire, WireError};

/// A command, as a record and as a message.
#[derive(Clone, Debug)]
pub(crate) struct Said(Vec<u8>);

impl Wire for Said {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(from: &mut Reader<'_>) -> Result<Said, WireError> {
        Wire::decode(from).map(Said)
    }
}

impl Record for Said {}

#[derive(Clone, Debug)]
pub(crate) struct Core {
    me: NodeId,
    kept: u64,
    heard: BTreeMap<NodeId, u64>,
    open: usize,
    /// Answered at the deadline.
    late: Vec<(Instant, ConnId)>,
}

impl Core {
    fn command(&mut self, now: Now, conn: ConnId, args: &Args, out: &mut Effects<Core>) {
        let reply = |bytes: &[u8]| Output::Reply {
            conn,
            bytes: bytes.to_vec(),
            answered: 1,
            report: false,
        };
        let number = |i| String::from_utf8_lossy(args.get(i)).parse::<u64>().unwrap_or(0);
        match args.get(0) {
            b"PING" => out.output_early(reply(b"+PONG\r\n")),
            b"KEEP" => {
                out.persist(Said(args.get(1).to_vec()));
                self.kept += 1;
                out.output(reply(b"+OK\r\n"));
            }
            b"KEPT" => out.output(reply(format!(":{}\r\n", self.kept).as_bytes())),
            b"OPEN" => out.output(reply(format!(":{}\r\n", self.open).as_bytes())),
            b"BIG" => {
                out.output(reply(&vec![b'x'; usize::try_from(number(1)).unwrap()]));
            }
            b"LATE" => self.late.push((now.mono + Duration::from_millis(number(1)), conn)),
            b"TELL" => {
                out.send(NodeId(number(1)), Said(args.get(2).to_vec()));
                out.output(reply(b"+OK\r\n"));
            }
            b"HEARD" => {
                let heard = self.heard.get(&NodeId(number(1))).copied().unwrap_or(0);
                out.output(reply(format!(":{heard}\r\n").as_bytes()));
            }
            b"QUIT" => {
                out.output(reply(b"+OK\r\n"));
                out.output(Output::Close { conn, flush: true });
            }
            _ => out.output(reply(b"-ERR unknown command\r\n")),
        }
    }
}

impl Protocol for Core {
    type Config = NodeId;
    type Message = Said;
    type Request = Request;
    type Record = Said;
    type Output = Output;

    fn recover(
        me: NodeId,
        _: Now,
        _: Prng,
        records: impl Iterator<Item = (Position, Said)>,
    ) -> Core {
        let kept = records.count() as u64;
        Core { me, kept, heard: BTreeMap::new(), open: 0, late: Vec::new() }
    }

    fn step(&mut self, now: Now, input: Input<Core>, out: &mut Effects<Core>) {
        match input {
            Input::Message { from, message } => {
                *self.heard.entry(from).or_default() += message.0.len() as u64;
            }
            Input::Request(Request::Open { .. }) => self.open += 1,
            Input::Request(Request::Closed { .. }) => self.open -= 1,
            Input::Request(Request::Written { .. }) => {}
            Input::Request(Request::Commands { conn, commands }) => {
                for args in &commands {
                    self.command(now, conn, args, out);
                }
            }
            Input::Request(Request::Table(_)) => unreachable!("it holds no table"),
            Input::Deadline => {
                let (due, late) = self.late.iter().partition(|(at, _)| *at <= now.mono);
                self.late = late;
                let due: Vec<(Instant, ConnId)> = due;
                for (_, conn) in due {
                    let bytes = b"+LATE\r\n".to_vec();
                    out.output(Output::Reply { conn, bytes, answered: 1, report: false });
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.late.iter().map(|(at, _)| *at).min()
    }

    fn check(&self) {
        assert!(!self.heard.contains_key(&self.me));
    }

    fn digest(&self, _: &Renaming, _: &mut Digest) {}
}

impl Served for Core {
    fn status(&self, _: Now) -> Status {
        Status { ready: true, clients: self.open, commands: self.kept, ..Status::default() }
    }
}
