//! What the log promises of its verbs when nothing crashes.

use crate::support::{Record, Shared, batch, config, open, records_of};
use sim::disk::{Fault, SimDisk};
use stdx::{Position, Prng};
use storage::{Disk, Log, LogError};
use wire::Batch;

fn append(log: &mut Log<SimDisk>, prng: &mut Prng, len: u64) -> Vec<Record> {
    let batch = batch(prng, log.next(), 2, len);
    log.append(&batch).unwrap();
    records_of(&batch)
}

#[test]
fn the_bytes_of_a_batch_are_pinned() {
    let mut log = Log::open(SimDisk::new(), config(4096)).unwrap().0;
    let mut first = Batch::new(Position(0));
    first.push(1, |out| out.extend_from_slice(b"identity"));
    log.append(&first).unwrap();
    log.sync().unwrap();
    log.release(Position(1));
    let mut second = Batch::new(Position(1));
    second.push(7, |out| out.extend_from_slice(b"term 1"));
    second.push(66, |_| {});
    log.append(&second).unwrap();
    log.sync().unwrap();
    let content = log.disk().content("wal-000001").unwrap();
    let mut lines = String::new();
    for row in content[..1024].chunks(16).enumerate().filter(|(_, row)| *row != [0; 16]) {
        let hex: Vec<String> = row.1.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push_str(&format!("{:04x}  {}\n", row.0 * 16, hex.join(" ")));
    }
    assert_eq!(lines, include_str!("../testdata/batch.hex"), "\n{lines}");
}

#[test]
fn a_failed_sync_stops_the_log_for_good() {
    let mut prng = Prng::new(1);
    let mut log = Log::open(SimDisk::new(), config(4096)).unwrap().0;
    append(&mut log, &mut prng, 100);
    log.sync().unwrap();
    let durable = log.durable();
    append(&mut log, &mut prng, 100);
    log.disk_mut().inject(Fault::FailSync(0));
    let Err(LogError::Disk(why)) = log.sync() else { panic!("the sync failed") };
    assert_eq!(why.to_string(), "sync wal-000001: input/output error");
    assert_eq!(log.sync(), Err(LogError::Stopped));
    assert_eq!(log.maintain(), Err(LogError::Stopped));
    assert_eq!(log.append(&batch(&mut prng, log.next(), 1, 1)), Err(LogError::Stopped));
    assert_eq!(log.durable(), durable, "nothing was promised");
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let mut prng = Prng::new(1);
    let mut log = Log::open(SimDisk::new(), config(4096)).unwrap().0;
    log.disk_mut().inject(Fault::Full(10_000));
    let mut all = Vec::new();
    let why = loop {
        let batch = batch(&mut prng, log.next(), 2, 300);
        match log.append(&batch).and_then(|()| log.sync()) {
            Ok(_) => all.extend(records_of(&batch)),
            Err(why) => break why,
        }
    };
    assert_eq!(why.to_string(), "log: write wal-000003: no space left on device");
    let (_, recovery, found) = open(log.into_disk(), config(4096)).unwrap();
    assert_eq!((found, recovery.damage.len()), (all, 0));
}

#[test]
fn durable_means_on_the_platter() {
    let mut prng = Prng::new(2);
    let mut log = Log::open(SimDisk::new(), config(2048)).unwrap().0;
    log.disk_mut().record();
    for _ in 0..40 {
        append(&mut log, &mut prng, 900);
        append(&mut log, &mut prng, 3_000);
        log.sync().unwrap();
        let mut disk = log.disk().clone();
        for (file, len) in disk.list().unwrap() {
            assert!(disk.is_durable(&file, 0..len), "{file} is not, after a sync");
            assert!(disk.was_durable(&file, 0..512, usize::MAX) || file == "wal-000001");
        }
    }
    assert!(log.disk().syncs().len() >= 40);
}

#[test]
fn segments_are_recycled_over_many_generations() {
    let mut prng = Prng::new(7);
    let mut log = Log::open(SimDisk::new(), config(4096)).unwrap().0;
    let mut all: Vec<Record> = Vec::new();
    let mut released = Position(0);
    let mut most = 0;
    for round in 0..2_000 {
        all.extend(append(&mut log, &mut prng, 300));
        let durable = log.sync().unwrap();
        while log.maintain().unwrap() {}
        released = Position(durable.0.saturating_sub(20));
        log.release(released);
        most = most.max(log.disk_mut().list().unwrap().len());
        assert!(log.segment_start() <= released && released <= log.segment_end().max(durable));
        if round % 97 == 0 {
            let (reopened, recovery, found) = open(log.into_disk(), config(4096)).unwrap();
            assert_eq!((recovery.damage.len(), &recovery.torn), (0, &None), "round {round}");
            assert!(recovery.start <= released && recovery.next == durable);
            assert_eq!(found, all[recovery.start.0 as usize..]);
            log = reopened;
        }
    }
    assert!(released > Position(3_000));
    assert!(most <= 9, "{most} files for 20 live records");
    assert!(log.segments() <= 6 && log.live_bytes() <= 6 * 4096);
    let files = log.disk_mut().list().unwrap();
    let sequence = |file: &str| {
        let head = log.disk().content(file).unwrap()[24..32].try_into().unwrap();
        u64::from_le_bytes(head)
    };
    let newest = files.iter().map(|(file, _)| sequence(file)).max().unwrap();
    assert!(newest > 300, "{newest} segments");
    assert!(*files.last().unwrap().0 < *"wal-000050", "slots are recycled: {files:?}");
}

#[test]
fn a_batch_larger_than_a_segment_has_one_of_its_own() {
    let mut prng = Prng::new(7);
    let mut log = Log::open(SimDisk::new(), config(4096)).unwrap().0;
    let mut all = append(&mut log, &mut prng, 100);
    let mut large = Batch::new(log.next());
    large.push(5, |out| out.resize(3 << 20, 7));
    log.append(&large).unwrap();
    all.extend(records_of(&large));
    all.extend(append(&mut log, &mut prng, 100));
    log.sync().unwrap();
    assert_eq!(log.segments(), 3);
    let (mut log, _, found) = open(log.into_disk(), config(4096)).unwrap();
    assert_eq!(found, all);
    log.release(log.next());
    for _ in 0..12 {
        append(&mut log, &mut prng, 900);
        log.sync().unwrap();
    }
    let files = log.disk_mut().list().unwrap();
    assert!(files.iter().all(|(_, len)| *len == 4096), "removed on release: {files:?}");
}

#[test]
fn zeros_are_written_ahead_in_bounded_pieces() {
    let shared = Shared::new(SimDisk::new());
    let mut log = Log::open(shared.clone(), config(5 << 20)).unwrap().0;
    let mut prng = Prng::new(1);
    let first = batch(&mut prng, Position(0), 1, 10);
    log.append(&first).unwrap();
    log.sync().unwrap();
    let size = |shared: &Shared| -> u64 {
        shared.disk.borrow_mut().list().unwrap().iter().map(|(_, len)| len).sum()
    };
    let mut before = size(&shared);
    assert_eq!(before, 5 << 20, "the first segment is ready at open");
    let mut pieces = 1;
    while log.maintain().unwrap() {
        assert_eq!(size(&shared) - before, 1 << 20, "a commit never waits for more");
        before = size(&shared);
        pieces += 1;
    }
    assert_eq!((pieces, size(&shared)), (5, 10 << 20));
    assert!(!log.maintain().unwrap(), "one ahead is enough");
}

#[test]
fn a_log_of_a_newer_version_is_refused_not_cut() {
    let mut prng = Prng::new(1);
    let mut log = Log::open(SimDisk::new(), config(4096)).unwrap().0;
    append(&mut log, &mut prng, 100);
    log.sync().unwrap();
    let mut disk = log.into_disk();
    let mut header = [0; 104];
    disk.read_at("wal-000001", 0, &mut header).unwrap();
    header[8] = 2;
    header[12..16].fill(0);
    let crc = crc32c::crc32c(&header);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    disk.write_at("wal-000001", 0, &header).unwrap();
    let why = Log::open(disk, config(4096)).unwrap_err();
    assert_eq!(why, LogError::Newer { file: "wal-000001".into(), offset: 0, version: 2 });
}

#[test]
fn other_files_and_garbage_are_left_alone() {
    let mut prng = Prng::new(1);
    for seed in 0..50 {
        let mut disk = SimDisk::new();
        let mut noise = Prng::new(seed);
        let garbage: Vec<u8> = (0..4096).map(|_| noise.next_u64() as u8).collect();
        disk.write_at("wal-000001", 0, &garbage[..noise.index(4096)]).unwrap();
        disk.write_at("node.toml", 0, &garbage).unwrap();
        let mut log = Log::open(disk, config(4096)).unwrap().0;
        let all = append(&mut log, &mut prng, 300);
        log.sync().unwrap();
        let (log, _, found) = open(log.into_disk(), config(4096)).unwrap();
        assert_eq!(found, all);
        assert_eq!(log.disk().content("node.toml"), Some(garbage.to_vec()));
    }
}
