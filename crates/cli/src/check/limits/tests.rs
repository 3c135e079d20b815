use super::*;

#[test]
fn a_limit_is_overrun_after_its_grace() {
    let until = Instant::now();
    let limits = (until, 1 << 30);
    let limit = |now, resident| overrun(now, resident, limits).map(|(limit, _)| limit);
    assert_eq!(limit(until, 1 << 30), None);
    assert_eq!(limit(until + GRACE, 1 << 30), Some("time"));
    assert_eq!(limit(until, (1 << 30) + EXTRA), None);
    assert_eq!(limit(until, (1 << 30) + EXTRA + 1), Some("memory"));
}

#[test]
fn this_process_uses_memory() {
    // Where the machine says so.
    assert!(resident() > 1 << 20 || !std::path::Path::new("/proc/self/statm").exists());
}
