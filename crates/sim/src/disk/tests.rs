use super::*;

fn disk(content: &[u8]) -> SimDisk {
    let mut disk = SimDisk::new();
    disk.write_at("a", 0, content).unwrap();
    disk.sync("a").unwrap();
    disk.sync_folder().unwrap();
    disk
}

/// Which of the sectors of `a` hold only `byte`.
fn sectors(disk: &SimDisk, byte: u8) -> Vec<bool> {
    let content = disk.content("a").unwrap();
    content.chunks(SECTOR).map(|sector| sector.iter().all(|b| *b == byte)).collect()
}

#[test]
fn unsynced_sectors_persist_in_any_combination_and_synced_ones_always() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let mut disk = disk(&[1; 4 * SECTOR]);
        disk.write_at("a", SECTOR as u64, &[2; 3 * SECTOR]).unwrap();
        disk.crash_as(&mut Prng::new(seed), Crash::Power { torn_per_mille: 0 });
        let (old, new) = (sectors(&disk, 1), sectors(&disk, 2));
        assert!(old[0], "a sector that was synced");
        assert!((1..4).all(|i| old[i] != new[i]), "a sector is old or new");
        outcomes.insert(new[1..].to_vec());
    }
    assert_eq!(outcomes.len(), 8, "every combination");
}

#[test]
fn an_overwritten_sector_may_persist_in_an_earlier_version_or_torn() {
    let (mut first, mut torn) = (0, 0);
    for seed in 0..300 {
        let mut disk = disk(&[1; SECTOR]);
        disk.write_at("a", 0, &[2; SECTOR]).unwrap();
        disk.write_at("a", 0, &[3; SECTOR]).unwrap();
        disk.crash_as(&mut Prng::new(seed), Crash::Power { torn_per_mille: 200 });
        first += u64::from(sectors(&disk, 2)[0]);
        torn += u64::from((1..=3).all(|byte| !sectors(&disk, byte)[0]));
    }
    assert!(first > 20 && torn > 20, "{first} of the first version, {torn} torn");
}

#[test]
fn names_are_durable_by_the_folder_only() {
    let (mut vanished, mut back) = (0, 0);
    for seed in 0..100 {
        let mut disk = disk(&[1; SECTOR]);
        disk.write_at("b", 0, &[1; SECTOR]).unwrap();
        disk.sync("b").unwrap();
        disk.remove("a").unwrap();
        assert!(!disk.is_durable("b", 0..1), "its name is not");
        disk.crash(&mut Prng::new(seed));
        vanished += u64::from(disk.content("b").is_none());
        back += u64::from(disk.content("a").is_some());
    }
    assert!((20..80).contains(&vanished) && (20..80).contains(&back));
}

#[test]
fn a_failed_sync_calls_the_pages_clean() {
    let mut disk = disk(&[1; SECTOR]);
    disk.inject(Fault::FailSync(1));
    disk.write_at("a", 0, &[2; SECTOR]).unwrap();
    disk.sync("a").unwrap();
    disk.write_at("a", 0, &[3; SECTOR]).unwrap();
    assert!(disk.sync("a").is_err());
    assert!(disk.sync("a").is_ok(), "the next one has nothing to do");
    assert!(sectors(&disk, 3)[0] && !disk.is_durable("a", 0..1), "only the cache has it");
    disk.crash_as(&mut Prng::new(1), Crash::LoseAll);
    assert!(sectors(&disk, 2)[0]);
}

#[test]
fn a_killed_process_loses_nothing_and_syncs_nothing() {
    let mut disk = disk(&[1; SECTOR]);
    disk.write_at("a", 0, &[2; SECTOR]).unwrap();
    disk.crash_as(&mut Prng::new(1), Crash::Process);
    assert!(sectors(&disk, 2)[0] && !disk.is_durable("a", 0..1));
    disk.crash_as(&mut Prng::new(1), Crash::LoseAll);
    assert!(sectors(&disk, 1)[0]);
}

#[test]
fn faults_do_as_they_are_named() {
    let mut disk = disk(&[0; 3 * SECTOR]);
    disk.inject(Fault::BitFlip { file: "a".into(), bit: 8 * 5 + 3 });
    assert_eq!(disk.content("a").unwrap()[5], 8);
    disk.inject(Fault::StaleSector(1));
    disk.write_at("a", 0, &[7; 3 * SECTOR]).unwrap();
    assert_eq!(sectors(&disk, 7), [true, false, true]);
    disk.inject(Fault::Misdirected { file: "a".into(), offset: SECTOR as u64 });
    disk.write_at("b", 0, &[9; SECTOR]).unwrap();
    assert_eq!((sectors(&disk, 9), disk.content("b")), (vec![false, true, false], None));
    disk.record();
    disk.sync("a").unwrap();
    assert!(disk.was_durable("a", 0..1536, 1) && !disk.was_durable("a", 0..1536, 0));
    disk.inject(Fault::Full(3 * SECTOR as u64));
    assert!(disk.write_at("a", 0, &[1; 3 * SECTOR]).is_ok());
    assert!(disk.write_at("a", 1, &[1; 3 * SECTOR]).is_err());
}
