use super::*;

#[test]
fn a_whole_file_may_be_read_by_those_who_may_read_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, whole) = (dir.path().join("plain"), dir.path().join("made/whole"));
    std::fs::write(&plain, "1").unwrap();
    write_whole(&whole, b"1").unwrap();
    let rights = |path: &Path| std::fs::metadata(path).unwrap().permissions();
    assert_eq!(rights(&whole), rights(&plain));
    write_whole(&whole, b"2").unwrap();
    assert_eq!(std::fs::read(&whole).unwrap(), b"2");
    let left = std::fs::read_dir(whole.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "nothing else is left there");
}

#[test]
fn what_is_no_file_is_not_replaced() {
    write_whole(Path::new("/dev/null"), b"1").unwrap();
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    let dir = tempfile::tempdir().unwrap();
    let why = write_whole(dir.path(), b"1").unwrap_err();
    assert!(why.contains(&dir.path().display().to_string()), "{why}");
}
