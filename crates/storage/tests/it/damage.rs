//! Damage of every kind: never silently wrong.

use crate::support::{Record, batch, config, open, records_of};
use sim::disk::{Fault, SimDisk};
use stdx::{Position, Prng};
use storage::{Damage, Disk, GroupMask, Log, Recovery};
use wire::Batch;

const SEGMENT: u64 = 2048;

/// A log over several segments, one of them recycled and one of its own size, with a released beginning:
/// each batch synced by itself, a fault planted before one of them.
struct Sample {
    disk: SimDisk,
    all: Vec<Record>,
    /// Where each batch begins.
    firsts: Vec<Position>,
    /// Where the last batch begins.
    last: Position,
}

impl Sample {
    fn of(&self, batch: u64) -> &[Record] {
        let at = batch as usize;
        let end = self.firsts.get(at + 1).map_or(self.all.len(), |next| next.0 as usize);
        &self.all[self.firsts[at].0 as usize..end]
    }

    /// How many sectors a batch takes.
    fn sectors(&self, batch: u64) -> u64 {
        let content: usize = self.of(batch).iter().map(|record| 12 + record.2.len()).sum();
        (104 + content as u64).div_ceil(512)
    }

    /// How many batches lost a record that is still needed.
    fn lost(&self, recovery: &Recovery, found: &[Record]) -> u64 {
        let batches = 0..self.firsts.len() as u64;
        let gone = |record: &Record| record.0 >= recovery.start && !found.contains(record);
        batches.filter(|batch| self.of(*batch).iter().any(gone)).count() as u64
    }
}

fn sample(seed: u64, fault: Option<&(u64, Fault)>) -> Sample {
    sample_until(seed, 14, fault).expect("no verb fails")
}

/// The first `until` batches; nothing if the fault made a verb fail, since then the node stops.
fn sample_until(seed: u64, until: u64, fault: Option<&(u64, Fault)>) -> Option<Sample> {
    let mut prng = Prng::new(seed);
    let (mut log, _, _) = open(SimDisk::new(), config(SEGMENT)).unwrap();
    let (mut all, mut firsts) = (Vec::new(), Vec::new());
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
        firsts.push(last);
        all.extend(records_of(&batch));
        log.append(&batch).and_then(|()| log.sync()).ok()?;
        if i == 5 {
            log.release(Position(last.0 - 2));
        }
        log.maintain().unwrap();
    }
    Some(Sample { disk: log.into_disk(), all, firsts, last })
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
                let (lost, sectors) = (sample.lost(&recovery, &found), sample.sectors(at));
                assert!(lost <= 1 + sectors, "{lost} batches by a write of {sectors} sectors");
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

/// The last batch may say that a segment is not needed; without it the one before says that it is. So it must
/// still be there.
#[test]
fn losing_the_last_batch_never_makes_a_released_segment_look_damaged() {
    let mut prng = Prng::new(6);
    for oversize in [false, true] {
        let (mut log, _, _) = open(SimDisk::new(), config(SEGMENT)).unwrap();
        let mut all = Vec::new();
        let mut append = |log: &mut Log<SimDisk>, batch: Batch| {
            log.append(&batch).unwrap();
            log.sync().unwrap();
            while log.maintain().unwrap() {}
            all.extend(records_of(&batch));
        };
        let first = if oversize { oversized(Position(0)) } else { Batch::new(Position(0)) };
        append(&mut log, first);
        for _ in 0..12 {
            let batch = batch(&mut prng, log.next(), 1, 250);
            append(&mut log, batch);
        }
        let before = log.segments();
        log.release(log.next());
        let last = batch(&mut prng, log.next(), 1, 250);
        append(&mut log, last);
        assert!(log.segments() >= before, "one header is not enough");
        let mut disk = log.disk().clone();
        let place = find(&mut disk, all.last().unwrap());
        // Its header, not only its content: what the header says is lost, too.
        disk.inject(Fault::BitFlip { file: place.0, bit: (place.1 - 100 + 72) * 8 });
        let (_, recovery, found) = open(disk, config(SEGMENT)).unwrap();
        assert_eq!(recovery.damage, [], "nothing durable was lost but the last batch");
        assert!(found == all[..all.len() - 1], "all before it is there again");
        let more = batch(&mut prng, log.next(), 1, 250);
        log.append(&more).unwrap();
        log.sync().unwrap();
        assert!(log.segments() <= 2, "two are");
    }
}

/// File and offset of a record's bytes.
fn find(disk: &mut SimDisk, record: &Record) -> (String, u64) {
    let files = disk.list().unwrap();
    let place = files.iter().find_map(|(file, _)| {
        let content = disk.content(file).unwrap();
        let mut windows = content.windows(record.2.len()).enumerate();
        windows.find(|(_, bytes)| *bytes == record.2).map(|(at, _)| (file.clone(), at))
    });
    place.map(|(file, at)| (file, at as u64)).expect("it was written")
}

/// A header that is lost does not put every group under suspicion: the one after it says what it held.
#[test]
fn a_lost_header_is_described_by_the_next() {
    let mut log = Log::open(SimDisk::new(), config(SEGMENT)).unwrap().0;
    for (at, group) in [(0, 1), (1, 2), (2, 3), (3, 4)] {
        let mut batch = Batch::new(Position(at));
        batch.push(group, |out| out.extend_from_slice(b"a record"));
        log.append(&batch).unwrap();
        log.sync().unwrap();
    }
    let clean = log.into_disk();
    let groups = |flips: &[u64]| {
        let mut disk = clean.clone();
        for byte in flips {
            disk.inject(Fault::BitFlip { file: "wal-000001".into(), bit: byte * 8 });
        }
        let (_, recovery, _) = open(disk, config(SEGMENT)).unwrap();
        recovery.damage.iter().map(|damage| damage.groups).collect::<Vec<_>>()
    };
    assert_eq!(groups(&[512 + 40]), [GroupMask::NONE.with(2)]);
    assert_eq!(groups(&[1024 + 100]), [GroupMask::NONE.with(3)]);
    assert_eq!(groups(&[512 + 40, 1024 + 40]), [GroupMask::ALL], "two in a row: nobody knows");
}
