//! The table on disk answers as the one in memory, whatever is asked, however little of it is in memory.

use super::{args, at, random_command};
use crate::{Context, Db, Unready, command_keys, execute, lookup, outline, read};
use sim::SimDisk;
use std::collections::VecDeque;
use stdx::{Bytes, Planted, Prng};
use storage::{Answer, Ask, Engine, EngineConfig, Lookup, Needs, TableId};
use wire::resp::Args;

/// So little that nearly everything misses.
const LIMIT: u64 = 600;
/// As many as one entry of the log removes.
const EXPIRE: usize = 16;

/// A state on disk with its engine, whose answers are late.
pub(super) struct Far {
    pub(super) db: Db,
    engine: Engine<SimDisk>,
    answers: VecDeque<Answer>,
    pub(super) loads: usize,
}

impl Far {
    pub(super) fn new() -> Far {
        let config = EngineConfig { page_bytes: 64 << 10, outline, planted: Planted::NONE };
        let engine = Engine::new(SimDisk::new(), config).unwrap();
        let db = Db::on_disk(1 << 20, TableId { group: 1, serial: 1 }, Planted::NONE);
        Far { db, engine, answers: VecDeque::new(), loads: 0 }
    }

    fn hear(&mut self) {
        for ask in self.db.take_asks() {
            self.loads += usize::from(matches!(ask, Ask::Load { .. }));
            self.answers.extend(self.engine.carry_out(ask).unwrap());
        }
        if let Some(answer) = self.answers.pop_front() {
            self.db.answer(answer);
        }
    }

    fn prepare(&mut self, needs: &Needs, now_ms: u64) {
        for _ in 0..1_000 {
            if self.db.prepare(needs.clone(), now_ms, &mut Vec::new).is_ok() {
                return;
            }
            self.hear();
            while !self.answers.is_empty()
                && self.db.prepare(needs.clone(), now_ms, &mut Vec::new).is_err()
            {
                self.hear();
            }
        }
        panic!("{needs:?} is never there");
    }

    fn needs(&self, cx: Context, command: &Args) -> Needs {
        let mut needs = Needs::default();
        self.db.needs(command, cx.seed, &mut needs);
        needs
    }

    fn over(&mut self, prng: &mut Prng) {
        for _ in 0..prng.below(3) {
            self.hear();
        }
        self.db.trim(LIMIT);
    }

    /// All of it, by way of a snapshot.
    fn whole(&mut self) -> Db {
        self.db.freeze();
        let mut whole = Db::new(1 << 20);
        whole.set_removals(self.db.removals().to_vec()).unwrap();
        loop {
            match self.db.chunk(100) {
                Lookup::Ready(Some(chunk)) => whole.load_chunk(&chunk).unwrap(),
                Lookup::Ready(None) => break,
                Lookup::Missing(_) => self.hear(),
            }
        }
        self.db.thaw();
        whole.check_all();
        whole
    }
}

#[test]
fn the_same_answers_as_in_memory() {
    let (mut loads, mut expired, mut unready) = (0, 0, 0);
    for seed in 0..60 {
        let mut prng = Prng::new(seed);
        let (mut far, mut near, mut now) = (Far::new(), Db::new(1 << 20), 1_000);
        for index in 1..250 {
            now += prng.below(300);
            let (command, cx) = (random_command(&mut prng), at(now, index));
            let mut needs = far.needs(cx, &command);
            let limit = prng.index(EXPIRE);
            far.db.needs_of_expiry(now, limit, &mut needs);
            // What was watched is as untouched as in memory.
            let watched =
                Bytes::from(*prng.pick(&super::KEYS).as_bytes().first_chunk::<1>().unwrap());
            needs.keys.push(watched.clone());
            far.prepare(&needs, now);
            assert_eq!(far.db.modified(&watched, now), near.modified(&watched, now), "seed {seed}");
            if lookup(command.name()).is_some_and(|spec| spec.is_read()) {
                let (one, two) = (read(&far.db, cx, &command), read(&near, cx, &command));
                assert_eq!(one, two, "seed {seed}, {index}: {command:?}");
                unready += usize::from(one == Err(Unready::Due));
            }
            assert_eq!(far.db.expire_due(now, limit), near.expire_due(now, limit));
            expired += usize::from(limit > 0);
            let reply = execute(&mut near, cx, &command);
            assert_eq!(
                execute(&mut far.db, cx, &command),
                reply,
                "seed {seed}, {index}: {command:?}"
            );
            assert_eq!((far.db.len(), far.db.bytes()), (near.len(), near.bytes()), "seed {seed}");
            assert_eq!(far.db.sum(), near.sum(), "seed {seed}, {index}: {command:?}");
            assert_eq!(
                (far.db.due(now), far.db.next_expiry()),
                (near.due(now), near.next_expiry())
            );
            far.db.check();
            far.over(&mut prng);
        }
        loads += far.loads;
        assert_eq!(far.whole().digest(), near.digest(), "seed {seed}");
    }
    assert!(loads > 2_000 && unready > 5, "only {loads} loads, {unready} unready, {expired}");
}

/// Replicas whose caches differ hold the same, and say so.
#[test]
fn equal_states_have_equal_digests() {
    for seed in 0..20 {
        let mut prng = Prng::new(seed);
        let (mut one, mut two) = (Far::new(), Far::new());
        for index in 1..150 {
            let (command, cx) = (random_command(&mut prng), at(1_000 + 20 * index, index));
            for far in [&mut one, &mut two] {
                let needs = far.needs(cx, &command);
                far.prepare(&needs, cx.now_ms);
                execute(&mut far.db, cx, &command);
            }
            one.over(&mut prng);
            assert_eq!(one.db.digest(), two.db.digest(), "seed {seed}");
        }
        one.db.freeze();
        let mut loaded = Far::new();
        loaded.db.set_removals(one.db.removals().to_vec()).unwrap();
        loop {
            match one.db.chunk(1 + prng.index(200)) {
                Lookup::Ready(Some(chunk)) => loaded.db.load_chunk(&chunk).unwrap(),
                Lookup::Ready(None) => break,
                Lookup::Missing(_) => one.hear(),
            }
            loaded.over(&mut prng);
        }
        assert_eq!(loaded.db.digest(), one.db.digest(), "seed {seed}: a snapshot differs");
        assert_eq!(loaded.whole().digest(), one_after(&mut one).digest(), "seed {seed}");
    }
}

fn one_after(one: &mut Far) -> Db {
    one.db.thaw();
    one.whole()
}

#[test]
fn a_snapshot_out_of_order_is_refused() {
    let mut far = Far::new();
    execute(&mut far.db, at(1, 1), &args("mset a 1 b 2 c 3"));
    far.db.freeze();
    let chunk = loop {
        match far.db.chunk(1_000) {
            Lookup::Ready(chunk) => break chunk.unwrap(),
            Lookup::Missing(_) => far.hear(),
        }
    };
    let mut other = Far::new();
    other.db.load_chunk(&chunk).unwrap();
    assert!(other.db.load_chunk(&chunk).is_err(), "the same again");
}

/// Iterating with SCAN shows what stays once, with a cursor that any node of any table understands.
#[test]
fn scans_visit_what_stays_exactly_once() {
    for seed in 0..6 {
        let mut prng = Prng::new(seed);
        let mut far = Far::new();
        let mut index = 0;
        let mut write = |far: &mut Far, line: &str| {
            index += 1;
            let (command, cx) = (args(line), at(1, index));
            let needs = far.needs(cx, &command);
            far.prepare(&needs, 1);
            execute(&mut far.db, cx, &command);
        };
        for i in 0..300 {
            write(&mut far, &format!("set stays:{i} v"));
            far.over(&mut prng);
        }
        let (mut seen, mut cursor) = (Vec::new(), String::from("0"));
        loop {
            let command = args(&format!("scan {cursor} count {}", 1 + prng.index(20)));
            let needs = far.needs(at(1, 1), &command);
            far.prepare(&needs, 1);
            let Ok(wire::resp::Reply::Array(parts)) = read(&far.db, at(1, 1), &command) else {
                far.db.look_again();
                continue;
            };
            let [wire::resp::Reply::Bulk(next), wire::resp::Reply::Array(keys)] = &parts[..] else {
                panic!("not a reply to SCAN")
            };
            seen.extend(keys.iter().cloned());
            cursor = String::from_utf8(next.to_vec()).unwrap();
            for _ in 0..20 {
                let verb = *prng.pick(&["set comes:X v", "del comes:X"]);
                write(&mut far, &verb.replace('X', &prng.below(100).to_string()));
                far.over(&mut prng);
            }
            if cursor == "0" {
                break;
            }
        }
        for i in 0..300 {
            let key = wire::resp::Reply::bulk(format!("stays:{i}"));
            assert_eq!(seen.iter().filter(|one| **one == key).count(), 1, "seed {seed}: {key:?}");
        }
    }
}

#[test]
fn commands_that_name_keys_need_them() {
    let db = Far::new().db;
    for (line, keys, stretches) in
        [("mset a 1 b 2", 2, 0), ("keys *", 0, 1), ("scan 5 count 3", 0, 1), ("randomkey", 0, 2)]
    {
        let mut needs = Needs::default();
        db.needs(&args(line), 7, &mut needs);
        assert_eq!((needs.keys.len(), needs.stretches.len()), (keys, stretches), "{line}");
        assert_eq!(command_keys(&args(line)).count(), keys);
    }
}
