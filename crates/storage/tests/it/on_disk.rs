//! A table on disk, its cache and its engine, against a model; and the bugs that this finds.

use sim::SimDisk;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use stdx::{Bytes, Mutant, Planted, Prng};
use storage::{
    Answer, Ask, CachedTable, Disk, Engine, EngineConfig, Lookup, Needs, Scanned, Stretch, TableId,
    hash_of,
};

const ID: TableId = TableId { group: 7, serial: 1 };
/// So little that nearly everything misses.
const LIMIT: u64 = 2_000;

fn config(planted: Planted) -> EngineConfig {
    // Test entries are their own outlines.
    EngineConfig { page_bytes: 64 << 10, outline: |bytes| Some(bytes.to_vec()), planted }
}

/// A table, its engine, and the answers that are on their way.
struct Rig {
    table: CachedTable<Vec<u8>>,
    engine: Engine<SimDisk>,
    answers: VecDeque<Answer>,
    model: BTreeMap<(u64, Bytes), Vec<u8>>,
    loads: u64,
}

impl Rig {
    fn new(planted: Planted) -> Rig {
        let engine = Engine::new(SimDisk::new(), config(planted)).unwrap();
        let (answers, model) = (VecDeque::new(), BTreeMap::new());
        Rig { table: CachedTable::new(ID, planted), engine, answers, model, loads: 0 }
    }

    fn carry_out(&mut self) {
        for ask in self.table.take_asks() {
            self.loads += u64::from(matches!(ask, Ask::Load { .. }));
            self.answers.extend(self.engine.carry_out(ask).unwrap());
        }
    }

    /// Hears one answer, if there is one.
    fn hear(&mut self) -> bool {
        self.carry_out();
        let answer = self.answers.pop_front();
        let heard = answer.is_some();
        answer.map(|answer| self.table.answer(answer));
        heard
    }

    fn want(&mut self, needs: &Needs) {
        for _ in 0..1_000 {
            if self.table.want(needs, &mut Vec::new).is_ok() {
                return;
            }
            // Until the answer to this load: what came before it is heard as well.
            self.carry_out();
            while self.table.want(needs, &mut Vec::new).is_err() && self.hear() {}
        }
        panic!("never loaded");
    }

    fn write(&mut self, key: &Bytes, value: Option<Vec<u8>>) {
        self.want(&Needs { keys: vec![key.clone()], stretches: Vec::new() });
        let place = (hash_of(key), key.clone());
        let before = match &value {
            Some(value) => self.table.insert(key.clone(), value.clone()),
            None => self.table.remove(key),
        };
        let expected = match value {
            Some(value) => self.model.insert(place, value),
            None => self.model.remove(&place),
        };
        assert_eq!(before, expected, "what stood under a key");
    }

    fn read(&mut self, key: &Bytes) {
        self.want(&Needs { keys: vec![key.clone()], stretches: Vec::new() });
        let found = self.table.get(key).ready().cloned();
        assert_eq!(found, self.model.get(&(hash_of(key), key.clone())).cloned(), "read");
    }

    /// From `from` on, about `count` keys.
    fn scan(&mut self, from: u64, count: usize) {
        self.want(&Needs { keys: Vec::new(), stretches: vec![Stretch { from, count }] });
        let (mut found, mut at) = (Vec::new(), from);
        while found.len() < count {
            match self.table.scan(at, &mut |key, entry| found.push((key.clone(), entry.clone()))) {
                Scanned::Next(next) => at = next,
                Scanned::End => break,
                Scanned::Unknown => panic!("too little was loaded"),
            }
        }
        let place = (from, Bytes::from([]));
        let expected = self.model.range(place..).take(found.len());
        let expected: Vec<_> =
            expected.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        assert_eq!(found, expected, "scan from {from}");
        let there = self.model.range((from, Bytes::from([]))..).count();
        assert!(found.len() >= count.min(there), "a scan ended too early");
    }

    fn step(&mut self, prng: &mut Prng) {
        let key = Bytes::from(format!("key{}", prng.below(200)).as_bytes());
        match prng.below(20) {
            0..=7 => {
                let len = prng.index(300);
                self.write(&key, Some(vec![prng.below(256) as u8; len]));
            }
            8..=9 => self.write(&key, None),
            10..=16 => self.read(&key),
            17..=18 => self.scan(prng.next_u64(), prng.index(40) + 1),
            _ if prng.chance(1, 20) => {
                self.table.clear();
                self.model.clear();
            }
            _ => self.scan(0, 1_000),
        }
        self.table.check();
        assert_eq!(self.table.len(), self.model.len());
        // Some answers are late.
        for _ in 0..prng.below(3) {
            self.hear();
        }
        self.table.trim(LIMIT);
        self.carry_out();
        self.table.check();
    }
}

fn random_commands(planted: Planted, seeds: core::ops::Range<u64>) -> u64 {
    let mut loads = 0;
    for seed in seeds {
        let mut prng = Prng::new(seed);
        let mut rig = Rig::new(planted);
        for step in 0..400 {
            let done = catch_unwind(AssertUnwindSafe(|| rig.step(&mut prng)));
            assert!(done.is_ok(), "seed {seed}, step {step}");
        }
        loads += rig.loads;
    }
    loads
}

#[test]
fn a_tiny_cache_answers_as_the_model_does() {
    let loads = random_commands(Planted::NONE, 0..12);
    assert!(loads > 1_000, "only {loads} loads: the cache was not tiny");
}

#[test]
fn a_view_shows_what_was_frozen_whatever_comes_after() {
    frozen(Planted::NONE, 0..12);
}

fn frozen(planted: Planted, seeds: core::ops::Range<u64>) {
    for seed in seeds {
        let mut prng = Prng::new(seed);
        let mut rig = Rig::new(planted);
        for _ in 0..prng.below(300) {
            rig.step(&mut prng);
        }
        rig.table.freeze();
        let expected = rig.model.clone();
        let mut found = BTreeMap::new();
        let max_bytes = prng.index(2_000) + 1;
        loop {
            rig.step(&mut prng);
            match rig.table.chunk(max_bytes) {
                Lookup::Ready(None) => break,
                Lookup::Ready(Some(entries)) => {
                    let bytes: usize = entries.iter().map(|(k, e)| k.len() + e.len()).sum();
                    assert!(bytes < max_bytes + 400, "seed {seed}: a chunk of {bytes}");
                    for (key, entry) in entries {
                        let place = (hash_of(&key), key);
                        assert!(found.last_key_value().is_none_or(|(last, _)| *last < place));
                        found.insert(place, wire::decode_all(&entry).unwrap());
                    }
                }
                Lookup::Missing(_) => {
                    rig.hear();
                }
            }
        }
        assert!(found == expected, "seed {seed}: the view shows something else");
        rig.table.thaw();
        for _ in 0..50 {
            rig.step(&mut prng);
        }
        while rig.hear() {}
    }
}

#[test]
fn planted_bugs_are_found() {
    let quiet = |what: &dyn Fn()| catch_unwind(AssertUnwindSafe(what)).is_err();
    let one = Planted::one;
    assert!(quiet(&|| _ = random_commands(one(Mutant::EvictUnwritten), 0..12)));
    assert!(quiet(&|| _ = random_commands(one(Mutant::LoadBeforeOverwrite), 0..12)));
    assert!(quiet(&|| frozen(one(Mutant::FreezeSeesLater), 0..12)));
}

#[test]
fn a_dropped_table_leaves_no_file() {
    let mut prng = Prng::new(1);
    let mut rig = Rig::new(Planted::NONE);
    for _ in 0..300 {
        rig.step(&mut prng);
    }
    rig.table.freeze();
    rig.table.clear();
    rig.model.clear();
    rig.step(&mut prng);
    rig.carry_out();
    rig.engine.carry_out(Ask::Drop { table: ID }).unwrap();
    assert_eq!(rig.engine.disk().list().unwrap(), []);
}

#[test]
fn a_start_removes_what_was_left() {
    let mut disk = SimDisk::new();
    disk.write_at("table-00000001", 0, b"torn").unwrap();
    disk.write_at("log-1", 0, b"not a table's").unwrap();
    let engine = Engine::new(disk, config(Planted::NONE)).unwrap();
    let left: Vec<String> =
        engine.disk().list().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["log-1"]);
}

/// Every bit of the file, one at a time: what is served is what was written, or the engine stops.
#[test]
fn a_damaged_file_is_never_served() {
    let keys: Vec<Bytes> = (0..20).map(|i| Bytes::from(format!("k{i}").as_bytes())).collect();
    let entry = |key: &Bytes| Bytes::from(wire::encode(&[&**key; 700].concat()));
    let needs = Needs { keys: keys.clone(), stretches: Vec::new() };
    let (mut stopped, mut served) = (0, 0);
    for seed in 0..400 {
        let mut prng = Prng::new(seed);
        // No page is kept in memory, so that all is read from the file.
        let config = EngineConfig { page_bytes: 0, ..config(Planted::NONE) };
        let mut engine = Engine::new(SimDisk::new(), config).unwrap();
        let entries = keys.iter().map(|key| (key.clone(), Some(entry(key)))).collect();
        engine.carry_out(Ask::Write { table: ID, batch: 1, entries }).unwrap();
        let (file, len) = engine.disk().list().unwrap().remove(0);
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        engine.disk().read_at(&file, 0, &mut bytes).unwrap();
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let at = *prng.pick(&used);
        let flipped = [bytes[at] ^ 1 << prng.below(8)];
        engine.disk().write_at(&file, at as u64, &flipped).unwrap();
        let load = || {
            engine.carry_out(Ask::Load {
                table: ID,
                ticket: storage::Ticket(1),
                needs: needs.clone(),
            })
        };
        match catch_unwind(AssertUnwindSafe(load)) {
            Ok(Ok(Some(Answer::Loaded { entries, .. }))) => {
                let wrong = entries.iter().find(|(key, found)| found.as_ref() != Some(&entry(key)));
                assert_eq!(wrong, None, "seed {seed}: byte {at} flipped");
                served += 1;
            }
            Ok(Ok(other)) => panic!("{other:?}"),
            Ok(Err(_)) | Err(_) => {
                stopped += 1;
            }
        }
    }
    assert!(stopped > 100 && served > 20, "{stopped} stopped, {served} served");
}

#[test]
fn the_engine_writes_the_same_bytes_every_time() {
    let run = || {
        let mut prng = Prng::new(3);
        let mut rig = Rig::new(Planted::NONE);
        for _ in 0..500 {
            rig.step(&mut prng);
        }
        let mut disk = rig.engine.disk();
        let files = disk.list().unwrap();
        let read = files.into_iter().map(|(name, len)| {
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            disk.read_at(&name, 0, &mut bytes).unwrap();
            (name, bytes)
        });
        read.collect::<Vec<_>>()
    };
    assert!(run() == run(), "the simulator could not replay it");
}
