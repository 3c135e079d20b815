use super::*;

#[test]
fn what_is_written_is_read_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    let mut disk = FileDisk::open(&folder).unwrap();
    disk.write_at("2", 4, b"tail").unwrap();
    disk.write_at("1", 0, b"x").unwrap();
    disk.sync("2").unwrap();
    disk.sync_folder().unwrap();
    assert_eq!(disk.list().unwrap(), [("1".to_owned(), 1), ("2".to_owned(), 8)]);
    let mut into = [9; 8];
    disk.read_at("2", 0, &mut into).unwrap();
    assert_eq!(&into, b"\0\0\0\0tail");
    disk.remove("2").unwrap();
    assert_eq!(disk.list().unwrap().len(), 1);
}

#[test]
fn errors_name_verb_file_and_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut disk = FileDisk::open(dir.path()).unwrap();
    let missing = disk.read_at("no", 0, &mut [0]).unwrap_err();
    assert_eq!(missing.verb, "read");
    assert!(missing.file.ends_with("/no"), "{missing}");
    disk.write_at("short", 0, b"abc").unwrap();
    assert!(disk.read_at("short", 1, &mut [0; 3]).is_err(), "a short file is an error");
    assert!(disk.sync("never").is_err(), "a sync does not create");
}

#[test]
fn two_owners_of_one_folder_are_refused_with_path_and_pid() {
    let dir = tempfile::tempdir().unwrap();
    let first = FileDisk::open(dir.path()).unwrap();
    let text = FileDisk::open(dir.path()).unwrap_err().to_string();
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    drop(first);
    FileDisk::open(dir.path()).unwrap();
}
