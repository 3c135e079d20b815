//! Damage of every kind: never silently wrong.

use crate::support::{Record, batch, config, open, records_of};
use sim::disk::{Fault, SimDisk};
use stdx::{Position, Prng};
use storage::{Damage, Disk, Log, Recovery};
use wire::Batch;

const SEGMENT: u64 = 2048;

/// A log over several segments, one of them recycled and one of its own size, with a released beginning:
/// each batch synced by itself, a fault planted before one of them.
struct Sample {
    disk: SimDisk,
    all: Vec<Record>,
    /// Where the last batch begins.
    last: Position,
}

fn sample(seed: u64, fault: Option<&(u64, Fault)>) -> Sample {
    sample_until(seed, 14, fault).expect("no verb fails")
}

/// The first `until` batches; nothing if the fault made a verb fail, since then the node stops.
fn sample_until(seed: u64, until: u64, fault: Option<&(u64, Fault)>) -> Option<Sample> {
    let mut prng = Prng::new(seed);
    let (mut log, _, _) = open(SimDisk::new(), config(SEGMENT)).unwrap();
    let mut all = Vec::new();
    let mut last = Position(0);
    for i in 0..until {
        let batch = match i {
            9 => oversized(log.next()),
            _ => batch(&mut prng, log.next(), 1 + i % 3, 250),
        };
        if let Some((_, fault)) = fault.filter(|(at, _)| *at == i) {
            log.disk_mut().inject(fault.clone());
        }
        last = batch.first();
        all.extend(records_of(&batch));
        log.append(&batch).and_then(|()| log.sync()).ok()?;
        if i == 5 {
            log.release(Position(last.0 - 2));
        }
        log.maintain().unwrap();
    }
    Some(Sample { disk: log.into_disk(), all, last })
}

fn oversized(first: Position) -> Batch {
    let mut batch = Batch::new(first);
    batch.push(77, |out| out.extend((0..3 * SEGMENT).map(|i| i as u8)));
    batch
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcomes {
    exact: u64,
    torn: u64,
    damaged: u64,
}

fn covers(damage: &Damage, record: &Record) -> bool {
    damage.positions.contains(&record.0) && damage.groups.covers(record.1)
}

/// Exact content, or torn in the last batch only, or damage in a right file that covers all that is lost.
fn judge(
    sample: &Sample,
    recovery: &Recovery,
    found: &[Record],
    files: &[&str],
    seen: &mut Outcomes,
) {
    for record in found {
        assert_eq!(*record, sample.all[record.0.0 as usize], "made up");
    }
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order");
    let live = &sample.all[recovery.start.0 as usize..];
    let missing: Vec<&Record> = live.iter().filter(|record| !found.contains(record)).collect();
    if recovery.damage.is_empty() {
        assert!(
            missing.iter().all(|record| record.0 >= sample.last),
            "silently lost: {recovery:?}"
        );
        if missing.is_empty() {
            seen.exact += 1;
        } else {
            assert_eq!(recovery.next, sample.last, "the last batch is whole or gone");
            seen.torn += 1;
        }
        return;
    }
    for record in &missing {
        let told = recovery.damage.iter().any(|damage| covers(damage, record));
        assert!(told || record.0 >= recovery.next, "lost and not told: {record:?} {recovery:?}");
    }
    for damage in &recovery.damage {
        assert!(files.contains(&&*damage.file), "{damage} in none of {files:?}");
        assert!(missing.iter().any(|record| covers(damage, record)), "nothing lost: {damage}");
    }
    assert!(recovery.next >= sample.last, "damage cuts nothing");
    seen.damaged += 1;
}

/// Whatever was found, the log goes on from there, and the next start finds the same and more.
fn goes_on(mut log: Log<SimDisk>, recovery: &Recovery, found: &[Record]) {
    let more = batch(&mut Prng::new(5), recovery.next, 2, 100);
    log.append(&more).unwrap();
    log.sync().unwrap();
    let (_, again, all) = open(log.into_disk(), config(SEGMENT)).unwrap();
    let kept = found.iter().filter(|record| record.0 >= again.start).cloned();
    let expected: Vec<Record> = kept.chain(records_of(&more)).collect();
    assert_eq!(all, expected);
    assert_eq!(again.damage.len(), recovery.damage.len(), "{recovery:?}, then {again:?}");
}

#[test]
fn a_flipped_bit_at_every_offset() {
    let sample = sample(4, None);
    let (_, clean, _) = open(sample.disk.clone(), config(SEGMENT)).unwrap();
    assert!(clean.start > Position(0) && clean.torn.is_none() && clean.damage.is_empty());
    let mut seen = Outcomes::default();
    let files = sample.disk.clone().list().unwrap();
    assert!(files.len() >= 5, "several segments: {files:?}");
    let mut flips = 0u64;
    for (file, len) in files {
        for bit in 0..len * 8 {
            let mut disk = sample.disk.clone();
            disk.inject(Fault::BitFlip { file: file.clone(), bit });
            let (log, recovery, found) = open(disk, config(SEGMENT)).unwrap();
            let before = seen.damaged;
            judge(&sample, &recovery, &found, &[&file], &mut seen);
            if seen.damaged > before {
                let byte = bit / 8;
                let spans = |d: &Damage| d.offset <= byte && byte < d.offset + d.len;
                assert!(recovery.damage.iter().any(spans), "bit {bit}: {:?}", recovery.damage);
            }
            flips += 1;
            if flips.is_multiple_of(37) || seen.damaged > before && flips.is_multiple_of(5) {
                goes_on(log, &recovery, &found);
            }
        }
    }
    assert!(seen.torn > 500 && seen.damaged > 20_000 && seen.exact > 1_000, "{seen:?}");
}

#[test]
fn a_write_that_went_elsewhere() {
    let mut seen = Outcomes::default();
    // Not the last: it takes its own claim with it, and counts as torn with whatever it landed on.
    for at in 1..13 {
        let mut before = sample_until(4, at, None).unwrap().disk;
        for (file, len) in before.list().unwrap() {
            for offset in (0..len).step_by(512) {
                let fault = Fault::Misdirected { file: file.clone(), offset };
                let Some(sample) = sample_until(4, 14, Some(&(at, fault))) else {
                    continue;
                };
                let (log, recovery, found) = open(sample.disk.clone(), config(SEGMENT)).unwrap();
                let all = log.disk().clone().list().unwrap();
                let all: Vec<&str> = all.iter().map(|(file, _)| &**file).collect();
                judge(&sample, &recovery, &found, &all, &mut seen);
                goes_on(log, &recovery, &found);
            }
        }
    }
    assert!(seen.damaged > 100, "{seen:?}");
}

#[test]
fn a_sector_that_was_never_written() {
    let mut seen = Outcomes::default();
    for at in 0..14 {
        for sector in 0..13 {
            let sample = sample(4, Some(&(at, Fault::StaleSector(sector))));
            let (log, recovery, found) = open(sample.disk.clone(), config(SEGMENT)).unwrap();
            let files: Vec<String> =
                recovery.damage.iter().map(|damage| damage.file.clone()).collect();
            let files: Vec<&str> = files.iter().map(|file| &**file).collect();
            judge(&sample, &recovery, &found, &files, &mut seen);
            assert!(recovery.damage.len() <= 1, "one sector, one place");
            goes_on(log, &recovery, &found);
        }
    }
    assert!(seen.damaged > 5 && seen.torn >= 1, "{seen:?}");
}

#[test]
fn a_segment_that_is_gone_is_named() {
    let sample = sample(4, None);
    let mut seen = Outcomes::default();
    let mut disk = sample.disk.clone();
    for (file, _) in disk.list().unwrap() {
        let mut disk = sample.disk.clone();
        disk.remove(&file).unwrap();
        let (_, recovery, found) = open(disk, config(SEGMENT)).unwrap();
        if recovery.next >= sample.last {
            judge(&sample, &recovery, &found, &[&file], &mut seen);
        }
    }
    assert!(seen.damaged >= 2, "{seen:?}");
}
