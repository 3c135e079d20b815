use swarm::{Options, run_seed};
#[test]
fn try_it() {
    let n: u64 = option_env!("N").map_or(20, |n| n.parse().unwrap());
    let t = std::time::Instant::now();
    for seed in 0..n {
        let r = run_seed(seed, Options::default());
        println!("{seed} {:?} {:?} {} covers {} ops {} ok {} lap {}", r.profile, r.workload, r.verdict, r.covers, r.counters.get("operations"), r.counters.get("operations answered"), r.counters.get("operations overlapping"));
    }
    println!("{:?}", t.elapsed() / n as u32);
}
