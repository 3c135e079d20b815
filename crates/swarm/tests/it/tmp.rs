use stdx::{Mutant, Planted};
use swarm::{Options, Profile, run_seed};
#[test]
fn churn() {
    crate::quiet();
    for m in [Mutant::CommitEarlierTerm, Mutant::CountStaleAck] {
        let mut n = 0;
        for seed in 0..1500 {
            let r = run_seed(seed, Options { planted: Planted::one(m), witness: std::env::var("W").is_ok(), profile: Some(Profile::Churn), ..Options::default() });
            if !r.verdict.is_ok() { println!("{m:?} {seed} {}", r.verdict.to_string().chars().take(120).collect::<String>()); n += 1; if n > 3 { break; } }
        }
    }
}
