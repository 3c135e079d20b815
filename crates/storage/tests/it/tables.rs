//! Tables against a model.

use std::collections::BTreeMap;
use stdx::{Bytes, Prng};
use storage::{Lookup, MemoryTable, MissingTable, Table, hash_of};

type Model = BTreeMap<(u64, Bytes), Vec<u8>>;

fn key(prng: &mut Prng, keys: u64) -> Bytes {
    Bytes::from(format!("key:{}", prng.below(keys)).into_bytes())
}

fn flat(model: &Model) -> Vec<(Bytes, Vec<u8>)> {
    model.iter().map(|((_, key), entry)| (key.clone(), entry.clone())).collect()
}

#[derive(Default)]
struct View {
    expected: Vec<(Bytes, Vec<u8>)>,
    read: Vec<(Bytes, Vec<u8>)>,
}

fn write(prng: &mut Prng, table: &mut MemoryTable<Vec<u8>>, model: &mut Model, keys: u64) {
    let key = key(prng, keys);
    let place = (hash_of(&key), key.clone());
    if prng.chance(2, 3) {
        let entry = prng.next_u64().to_le_bytes()[..prng.index(9)].to_vec();
        assert_eq!(table.insert(key, entry.clone()), model.insert(place, entry));
    } else {
        assert_eq!(table.remove(&key), model.remove(&place));
    }
}

/// Reads on in the view, and compares it once it has ended.
fn read_on(table: &mut MemoryTable<Vec<u8>>, view: &mut View, max: usize) {
    let mut read = |key: &Bytes, entry: &Vec<u8>| view.read.push((key.clone(), entry.clone()));
    if !table.chunk(max, &mut read) {
        assert_eq!(view.read, view.expected, "a view shows what was frozen, in order of hash");
        table.thaw();
    }
}

#[test]
fn random_operations_agree_with_a_model_and_views_are_consistent() {
    let (mut views, mut cleared) = (0, 0);
    for seed in 0..400 {
        let mut prng = Prng::new(seed);
        let keys = *prng.pick(&[3, 50, 2_000]);
        let (mut table, mut model) = (MemoryTable::new(), Model::new());
        let mut view = View::default();
        for _ in 0..2_000 {
            match prng.below(200) {
                0 if !table.is_frozen() => {
                    table.freeze();
                    views += 1;
                    view = View { expected: flat(&model), read: Vec::new() };
                }
                1..=4 if table.is_frozen() => {
                    let max = prng.range(0, 400) as usize;
                    read_on(&mut table, &mut view, max);
                }
                5 if prng.chance(1, 4) => {
                    cleared += u64::from(table.is_frozen());
                    table.clear();
                    model.clear();
                }
                6 if prng.chance(1, 4) => table.thaw(),
                7 => table = table.clone(),
                _ => write(&mut prng, &mut table, &mut model, keys),
            }
            let key = key(&mut prng, keys);
            let expected = model.get(&(hash_of(&key), key.clone()));
            assert_eq!(table.get(&key), Lookup::Ready(expected));
            assert_eq!(table.len(), model.len());
        }
        while table.is_frozen() {
            read_on(&mut table, &mut view, 64);
        }
        table.check();
        let all: Vec<_> = table.iter().map(|(key, entry)| (key.clone(), entry.clone())).collect();
        assert_eq!(all, flat(&model), "seed {seed}");
    }
    assert!(views > 400 && cleared > 50, "{views} views, {cleared} cleared while frozen");
}

#[test]
fn a_scan_visits_what_stays_exactly_once_whatever_comes_and_goes() {
    for seed in 0..100 {
        let mut prng = Prng::new(seed);
        let mut table = MemoryTable::new();
        let mut stays = BTreeMap::new();
        for i in 0..prng.range(1, 500) {
            let key = Bytes::from(format!("stays:{i}").into_bytes());
            table.insert(key.clone(), vec![1]);
            stays.insert(key, 0);
        }
        let (mut cursor, mut steps) = (0, 0);
        loop {
            cursor = table.scan(cursor, &mut |key, _| {
                if let Some(visits) = stays.get_mut(key) {
                    *visits += 1;
                }
            });
            if cursor == 0 {
                break;
            }
            for _ in 0..prng.below(20) {
                // The table grows by thousands meanwhile, so that buckets split under the cursor.
                let key = key(&mut prng, 20_000);
                if prng.chance(3, 4) {
                    table.insert(key, vec![2]);
                } else {
                    table.remove(&key);
                }
            }
            steps += 1;
            assert!(steps < 1_000_000, "a scan that does not end");
        }
        assert!(stays.values().all(|visits| *visits == 1), "seed {seed}");
    }
}

#[test]
fn missing_keys_are_ready_once_loaded() {
    let mut prng = Prng::new(9);
    let mut table = MissingTable::new(MemoryTable::new(), &mut prng, 1, 3);
    let mut missed = 0;
    for i in 0..3_000u32 {
        let key = Bytes::from(i.to_le_bytes().to_vec());
        table.insert(key.clone(), vec![i as u8]);
        if let Lookup::Missing(ticket) = table.get(&key) {
            assert_eq!(table.get(&key), Lookup::Missing(ticket), "asking changes nothing");
            missed += 1;
            table.loaded(ticket);
        }
        assert_eq!(table.get(&key), Lookup::Ready(Some(&vec![i as u8])));
    }
    assert!((800..1200).contains(&missed), "about a third, not {missed}");
    assert_eq!(table.len(), table.inner().len());
}

/// Cursors are positions in this order on every node, for ever.
#[test]
fn the_hash_is_pinned() {
    assert_eq!(hash_of(b""), 0x2d06_8005_38d3_94c2);
    assert_eq!(hash_of(b"account:7"), 18_380_168_360_108_732_234);
}
