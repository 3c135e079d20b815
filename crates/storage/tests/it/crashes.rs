//! Lives that end at any verb, with sectors persisted in any order: every synced record is found, nothing is
//! made up, what is found is a prefix.

use crate::support::{Record, Shared, batch, config, open, records_of};
use sim::disk::{Crash, SimDisk};
use stdx::{Mutant, Planted, Position, Prng};
use storage::{Log, LogConfig};

#[derive(Debug, Default)]
struct Seen {
    torn: u64,
    lost: u64,
    kept_unsynced: u64,
    crashes_in_open: u64,
    recycled: u64,
}

/// What was appended, and what of it was promised.
#[derive(Default)]
struct Model {
    /// Every record by position; those below `low` may be gone.
    records: Vec<Record>,
    durable: Position,
    released: Position,
}

impl Model {
    fn check(&self, found: &[Record], next: Position, start: Position) -> Result<(), String> {
        if next < self.durable {
            return Err(format!("durable up to {:?}, recovered up to {next:?}", self.durable));
        }
        if start > self.released {
            return Err(format!("released {:?}, recovered from {start:?}", self.released));
        }
        let (from, to) = (start.0 as usize, next.0 as usize);
        let expected = self.records.get(from..to).ok_or("more records than were appended")?;
        if expected != found {
            let at = expected.iter().zip(found).position(|(a, b)| a != b);
            return Err(format!("{from}..{to}: differs at {at:?}, {} found", found.len()));
        }
        Ok(())
    }
}

/// Appends, syncs, releases until the disk stops.
fn live(prng: &mut Prng, log: &mut Log<Shared>, model: &mut Model, segment: u64, seen: &mut Seen) {
    for _ in 0..prng.below(60) {
        match prng.below(10) {
            0..=4 => {
                let (count, len) = match prng.below(12) {
                    0 => (prng.range(1, 4), segment),
                    1..=3 => (prng.range(1, 6), 400),
                    _ => (1, 60),
                };
                let batch = batch(prng, log.next(), count, len);
                // Even a write that failed may be found after the crash.
                model.records.truncate(batch.first().0 as usize);
                model.records.extend(records_of(&batch));
                if log.append(&batch).is_err() {
                    return;
                }
            }
            5..=7 => {
                let before = log.segments();
                match log.sync() {
                    Ok(durable) => model.durable = durable,
                    Err(_) => return,
                }
                seen.recycled += u64::from(log.segments() < before);
            }
            8 => {
                if log.maintain().is_err() {
                    return;
                }
            }
            _ => {
                let room = model.durable.0 - model.released.0;
                model.released = Position(model.released.0 + prng.below(room + 1));
                log.release(model.released);
            }
        }
    }
}

fn run(seed: u64, planted: Planted, seen: &mut Seen) -> Result<(), String> {
    let mut prng = Prng::new(seed);
    let segment = 512 * prng.range(3, 16);
    let config = LogConfig { planted, ..config(segment) };
    let shared = Shared::new(SimDisk::new());
    let mut model = Model::default();
    for life in 0..6 {
        let fails_soon = prng.chance(1, 3);
        *shared.budget.borrow_mut() = if fails_soon { prng.below(8) } else { u64::MAX };
        let opened = open(shared.clone(), config);
        match opened {
            Ok((mut log, recovery, found)) => {
                if !recovery.damage.is_empty() {
                    return Err(format!("life {life}: no damage was done: {:?}", recovery.damage));
                }
                model
                    .check(&found, recovery.next, recovery.start)
                    .map_err(|e| format!("life {life}: {e}"))?;
                seen.torn += u64::from(recovery.torn.is_some());
                seen.lost += u64::from((recovery.next.0 as usize) < model.records.len());
                seen.kept_unsynced += u64::from(recovery.next > model.durable);
                model.records.truncate(recovery.next.0 as usize);
                // What was opened is promised: whatever comes, it stays.
                model.durable = recovery.next;
                *shared.budget.borrow_mut() =
                    if prng.chance(1, 2) { prng.below(60) } else { u64::MAX };
                live(&mut prng, &mut log, &mut model, segment, seen);
            }
            Err(_) => seen.crashes_in_open += 1,
        }
        let crash = match prng.below(8) {
            0 => Crash::Process,
            1 => Crash::LoseAll,
            _ => Crash::Power { torn_per_mille: 50 },
        };
        shared.disk.borrow_mut().crash_as(&mut prng, crash);
    }
    Ok(())
}

#[test]
fn every_synced_record_is_found_and_nothing_is_made_up() {
    let mut seen = Seen::default();
    for seed in 0..3_000 {
        if let Err(why) = run(seed, Planted::NONE, &mut seen) {
            panic!("seed {seed}: {why}");
        }
    }
    let Seen { torn, lost, kept_unsynced, crashes_in_open, recycled } = seen;
    for count in [torn, lost, kept_unsynced, crashes_in_open, recycled] {
        assert!(count > 100, "a campaign that did not see enough: {seen:?}");
    }
}

#[test]
fn a_log_that_keeps_what_lies_past_a_torn_tail_is_found() {
    let planted = Planted::one(Mutant::KeepPastTail);
    // Seeds needed: the median of 20 disjoint ranges.
    let mut needed: Vec<u64> = (0..20)
        .map(|range| {
            let seeds = range * 500..(range + 1) * 500;
            let found = seeds.clone().find(|s| run(*s, planted, &mut Seen::default()).is_err());
            found.map_or(500, |seed| seed - seeds.start)
        })
        .collect();
    needed.sort_unstable();
    assert!(needed[10] < 100, "seeds needed: {needed:?}");
}

/// The case by hand: the second of two unsynced batches persists, the first does not; another of the same
/// size takes its place, and the stale one behind it must not join the log.
#[test]
fn a_stale_batch_past_the_tail_does_not_come_back() {
    let mut prng = Prng::new(1);
    for seed in 0..200 {
        let (mut log, _, _) = open(SimDisk::new(), config(4096)).unwrap();
        let mut append = |log: &mut Log<SimDisk>| {
            let batch = batch(&mut prng, log.next(), 1, 40);
            log.append(&batch).unwrap();
            records_of(&batch)
        };
        let mut expected = append(&mut log);
        log.sync().unwrap();
        for _ in 0..4 {
            append(&mut log);
        }
        let mut disk = log.into_disk();
        disk.crash_as(&mut Prng::new(seed), Crash::Power { torn_per_mille: 0 });
        let (mut log, recovery, found) = open(disk, config(4096)).unwrap();
        assert_eq!(found[0], expected[0]);
        expected.extend_from_slice(&found[1..]);
        if recovery.next < Position(4) {
            expected.extend(append(&mut log));
            log.sync().unwrap();
        }
        let (_, _, found) = open(log.into_disk(), config(4096)).unwrap();
        assert_eq!(found, expected, "seed {seed}");
    }
}

/// After a failed sync the kernel calls the pages clean; a node that is started again on them must not
/// promise what only the cache has.
#[test]
fn what_a_failed_sync_left_in_the_cache_is_made_durable_at_the_next_start() {
    let mut prng = Prng::new(3);
    let (mut log, _, _) = open(SimDisk::new(), config(4096)).unwrap();
    let batch = batch(&mut prng, Position(0), 3, 300);
    log.append(&batch).unwrap();
    log.disk_mut().inject(sim::disk::Fault::FailSync(0));
    assert!(log.sync().is_err());
    let (log, recovery, _) = open(log.into_disk(), config(4096)).unwrap();
    assert_eq!(recovery.next, batch.end());
    let mut disk = log.into_disk();
    disk.crash_as(&mut prng, Crash::LoseAll);
    let (_, recovery, found) = open(disk, config(4096)).unwrap();
    assert_eq!((recovery.next, found), (batch.end(), records_of(&batch)));
}
