//! How fast the table in memory is, and its longest stall: `cargo run --release -p storage --example tables`.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures real time")]
#![expect(clippy::print_stdout, reason = "it reports to a person")]

use std::time::{Duration, Instant};
use stdx::{Bytes, Prng};
use storage::{MemoryTable, Table};

fn report(what: &str, keys: usize, took: Duration, worst: Duration) {
    let rate = keys as f64 / took.as_secs_f64() / 1e6;
    println!("{what:12} {keys:>9} keys  {rate:6.2} M/s  longest {worst:?}");
}

fn main() {
    let mut prng = Prng::new(1);
    for keys in [10_000, 100_000, 1_000_000, 5_000_000] {
        let names: Vec<Bytes> =
            (0..keys).map(|i| Bytes::from(format!("key:{i:012}").into_bytes())).collect();
        let mut table = MemoryTable::new();
        let mut worst = Duration::ZERO;
        for key in &names {
            let from = Instant::now();
            table.insert(key.clone(), Bytes::from(&key[..4]));
            worst = worst.max(from.elapsed());
        }
        println!("{keys} keys, longest insert {worst:?}");
        let from = Instant::now();
        let mut found = 0;
        for _ in 0..1_000_000 {
            found += usize::from(table.get(&names[prng.index(keys)]).ready().is_some());
        }
        assert_eq!(found, 1_000_000);
        report("get", 1_000_000, from.elapsed(), Duration::ZERO);
        let value = Bytes::from(&b"value"[..]);
        let from = Instant::now();
        for _ in 0..1_000_000 {
            table.insert(names[prng.index(keys)].clone(), value.clone());
        }
        report("overwrite", 1_000_000, from.elapsed(), Duration::ZERO);
        let mut table = MemoryTable::new();
        let from = Instant::now();
        for key in &names {
            table.insert(key.clone(), value.clone());
        }
        report("insert", keys, from.elapsed(), Duration::ZERO);
        let (from, mut cursor, mut seen) = (Instant::now(), 0, 0);
        loop {
            cursor = table.scan(cursor, &mut |_, _| seen += 1);
            if cursor == 0 {
                break;
            }
        }
        report("scan", seen, from.elapsed(), Duration::ZERO);
    }
}
