use super::*;

#[test]
fn the_brake_is_what_its_file_says_now() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("brake");
    let disk = |brake| Braked::new(FileDisk::open(&dir.path().join("data")).unwrap(), brake);
    let braked = disk(Some(file.clone()));
    assert_eq!(braked.pause(), Duration::ZERO, "there is no file yet");
    for (text, pause) in [("200\n", 200), ("", 0), ("much", 0), ("-1", 0), ("7", 7)] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(braked.pause(), Duration::from_millis(pause), "{text:?}");
    }
    drop(braked);
    assert_eq!(disk(None).pause(), Duration::ZERO, "nothing is looked at without a brake");
}
