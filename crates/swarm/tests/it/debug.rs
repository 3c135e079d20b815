use swarm::{Options, run_seed};
#[test]
fn range() {
    let Ok(range) = std::env::var("RANGE") else { return };
    let (a, b) = range.split_once("..").unwrap();
    let (a, b): (u64, u64) = (a.parse().unwrap(), b.parse().unwrap());
    crate::quiet();
    let t = std::time::Instant::now();
    for seed in a..b {
        let t = std::time::Instant::now();
        let r = run_seed(seed, Options::default());
        let ms = t.elapsed().as_millis();
        if !r.verdict.is_ok() || ms > 500 { println!("{seed} {:?} {:?} {ms}ms {}", r.profile, r.workload, r.verdict.to_string().chars().take(500).collect::<String>()); }
    }
    println!("{:?} a seed", t.elapsed() / (b - a) as u32);
}
