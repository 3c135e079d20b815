use super::*;

const MS: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;

fn open(rate: u64) -> Pace {
    Pace::Open(Schedule::new(rate, 0, 1, 10_000 * MS))
}

#[test]
fn arrivals_keep_their_schedule_whatever_the_time() {
    let mut pace = open(1_000);
    assert_eq!(pace.take(0, NEVER), Some(0));
    assert_eq!(pace.take(MS / 2, NEVER), None);
    assert_eq!(pace.wake(MS / 2), Some(MS));
    // Nobody asked for a while: what was due is handed out with the start that was meant, oldest first.
    let taken: Vec<_> = std::iter::from_fn(|| pace.take(4 * MS, NEVER)).collect();
    assert_eq!(taken, [MS, 2 * MS, 3 * MS, 4 * MS]);
    assert_eq!(pace.take(9 * MS, 5 * MS), None, "none is meant for the end or later");
}

#[test]
fn a_rate_that_divides_nothing_loses_no_arrival() {
    let mut pace = open(7);
    let taken = std::iter::from_fn(|| pace.take(10_000 * MS, 10_000 * MS)).count();
    assert_eq!(taken, 70, "7 a second for 10 seconds");
}

#[test]
fn threads_share_the_arrivals() {
    let all = |threads: u64| {
        let mut starts = Vec::new();
        for thread in 0..threads {
            let mut pace = Pace::Open(Schedule::new(1_234, thread, threads, NEVER));
            starts.extend(std::iter::from_fn(|| pace.take(NEVER / 4, 1_000 * MS)));
        }
        starts.sort_unstable();
        starts
    };
    assert_eq!(all(3), all(1));
    assert_eq!(all(1).len(), 1_234);
}

#[test]
fn what_waits_beyond_the_bound_is_given_up_and_counted() {
    let mut schedule = Schedule::new(1_000, 0, 1, 100 * MS);
    // A second went by: the arrivals of the last 100 ms are kept.
    assert_eq!(schedule.waiting(1_000 * MS), 1_001);
    assert_eq!(schedule.take(1_000 * MS, NEVER), Some(900 * MS));
    assert_eq!(schedule.dropped, 900);
    assert_eq!(schedule.latest, 100 * MS);
    // A pause of a year takes no time to go through.
    let year = 365 * 24 * 3_600 * 1_000 * MS;
    assert!(schedule.take(year, NEVER).is_some());
    assert_eq!(schedule.dropped, 1_000 * (year / 1_000 / MS) - 100 - 1);
    // What is never sent and what is sent are all there is.
    for seed in 0..200 {
        let mut prng = stdx::Prng::new(seed);
        let rate = prng.range(1, 5_000);
        let mut schedule = Schedule::new(rate, 0, 1, prng.below(2_000) * MS);
        let (mut now, mut sent, end) = (0, 0, 20_000 * MS);
        while now < end {
            now += prng.below(3_000) * MS;
            for _ in 0..prng.below(4_000) {
                sent += u64::from(schedule.take(now, end).is_some());
            }
        }
        let left = schedule.waiting(end - 1);
        let all = rate * 20;
        assert_eq!(sent + schedule.dropped + left, all, "seed {seed}, rate {rate}");
    }
}

#[test]
fn a_closed_loop_is_always_due_until_the_end() {
    let mut pace = Pace::Closed;
    assert_eq!(pace.take(5, 6), Some(5));
    assert_eq!(pace.take(6, 6), None);
    assert_eq!(pace.wake(5), None);
}
