use swarm::{Options, run_seed, Counters};
#[test]
fn story() {
    let Ok(seed) = std::env::var("SEED") else { return };
    let r = run_seed(seed.parse().unwrap(), Options { story: 200000, ..Options::default() });
    for l in &r.story { println!("{l}"); }
    println!("{}", r.verdict);
    for (n, v) in r.counters.rows() { println!("{n}: {v}"); }
}
#[test]
fn range() {
    let Ok(range) = std::env::var("RANGE") else { return };
    let (a, b) = range.split_once("..").unwrap();
    let (a, b): (u64, u64) = (a.parse().unwrap(), b.parse().unwrap());
    let t = std::time::Instant::now();
    let mut sum = Counters::default();
    let mut covers = 0;
    for seed in a..b {
        let t = std::time::Instant::now();
        let r = run_seed(seed, Options::default());
        let ms = t.elapsed().as_millis();
        if !r.verdict.is_ok() || ms > 500 { println!("{seed} {:?} {:?} {ms}ms {}", r.profile, r.workload, r.verdict.to_string().chars().take(1500).collect::<String>()); }
        sum.merge(&r.counters);
        covers += u64::from(r.covers);
    }
    println!("{:?} a seed, {covers} cover", t.elapsed() / (b - a) as u32);
    for (n, v) in sum.rows() { println!("{n}: {v}"); }
}
