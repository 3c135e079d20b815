use super::*;

const DRAWS: u64 = 400_000;

fn counts(mut draw: impl FnMut() -> u64, ranks: usize) -> Vec<u64> {
    let mut counts = vec![0; ranks];
    (0..DRAWS).for_each(|_| counts[usize::try_from(draw()).unwrap()] += 1);
    counts
}

/// The share of draws, within `tolerance` of itself.
fn about(seen: u64, share: f64, tolerance: f64, what: &str) {
    let found = seen as f64 / DRAWS as f64;
    assert!((found - share).abs() <= tolerance * share, "{what}: {found:.5}, expected {share:.5}");
}

#[test]
fn zipfian_frequencies_are_those_of_the_law() {
    for (seed, ranks) in [(1, 100_u64), (2, 10_000)] {
        let zipfian = Zipfian::new(ranks);
        let mut prng = Prng::new(seed);
        let counts = counts(|| zipfian.draw(&mut prng), usize::try_from(ranks).unwrap());
        let zeta: f64 = (1..=ranks).map(|rank| 1.0 / (rank as f64).powf(THETA)).sum();
        let law = |rank: u64| 1.0 / ((rank + 1) as f64).powf(THETA) / zeta;
        // Gray's method is exact for the first two ranks; the others follow a smooth curve through the law, which
        // gives the ranks just behind the first two some 5 % too much.
        about(counts[0], law(0), 0.02, &format!("seed {seed}, rank 0"));
        about(counts[1], law(1), 0.03, &format!("seed {seed}, rank 1"));
        for decade in [10, ranks / 10, ranks / 2] {
            let first: u64 = counts.iter().take(usize::try_from(decade).unwrap()).sum();
            let share = (0..decade).map(law).sum();
            about(first, share, 0.07, &format!("seed {seed}, the first {decade} of {ranks}"));
        }
    }
}

#[test]
fn growing_is_as_starting_larger() {
    let mut grown = Zipfian::new(10);
    (11..=1_000).for_each(|count| grown.grow(count));
    let whole = Zipfian::new(1_000);
    assert!((grown.zeta - whole.zeta).abs() < 1e-9 && (grown.eta - whole.eta).abs() < 1e-9);
    grown.grow(5);
    assert_eq!(grown.count, 1_000, "ranks never go away");
    let mut prng = Prng::new(3);
    assert!((0..10_000).all(|_| grown.draw(&mut prng) < 1_000));
    assert_eq!(Zipfian::new(1).draw(&mut prng), 0, "of one there is one");
}

#[test]
fn the_zeta_of_ten_billion_is_the_one_ycsb_writes_down() {
    // By Euler and Maclaurin: the sum of the first million terms, and the integral of the rest.
    let head: f64 = (1..=1_000_000_u64).map(|rank| (rank as f64).powf(-THETA)).sum();
    let to = |rank: f64| rank.powf(1.0 - THETA) / (1.0 - THETA);
    let tail = to(SCATTERED as f64) - to(1e6)
        + 0.5 * ((SCATTERED as f64).powf(-THETA) - 1e6_f64.powf(-THETA));
    assert!((head + tail - ZETA_SCATTERED).abs() < 1e-6, "{}", head + tail);
}

#[test]
fn the_hash_is_fnv1a() {
    // The published vectors (Fowler, Noll, Vo).
    assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
}

#[test]
fn scrambled_keeps_the_skew_and_scatters_the_favourites() {
    let mut chooser = Chooser::new(Distribution::Zipfian, 1_000);
    let mut prng = Prng::new(4);
    let counts = counts(|| chooser.draw(&mut prng, 1_000), 1_000);
    let favourite = (0..1_000).max_by_key(|key| counts[*key]).unwrap();
    let home =
        usize::try_from(fnv1a(&0_u64.to_le_bytes()).cast_signed().unsigned_abs() % 1_000).unwrap();
    assert_eq!(favourite, home, "rank 0 goes where its hash says");
    // Of ten billion ranks the first has 1 / zeta; what else falls on its key is little.
    about(counts[favourite], 1.0 / ZETA_SCATTERED, 0.05, "the favourite");
    assert!(counts.iter().filter(|count| **count > 0).count() > 950, "nearly all are asked for");
}

#[test]
fn latest_follows_what_is_inserted() {
    let mut chooser = Chooser::new(Distribution::Latest, 100);
    let mut prng = Prng::new(5);
    for existing in [100_u64, 101, 5_000] {
        let mut newest = 0;
        let mut newer_half = 0;
        for _ in 0..20_000 {
            let key = chooser.draw(&mut prng, existing);
            assert!(key < existing, "{key} is not there yet, of {existing}");
            newest += u64::from(key == existing - 1);
            newer_half += u64::from(key >= existing / 2);
        }
        let zeta: f64 = (1..=existing).map(|rank| (rank as f64).powf(-THETA)).sum();
        let share = newest as f64 / 20_000.0;
        assert!((share * zeta - 1.0).abs() < 0.08, "of {existing} the newest has {share}");
        assert!(newer_half > 16_000, "of {existing}: {newer_half} in the newer half");
    }
}

#[test]
fn uniform_is_uniform() {
    let mut chooser = Chooser::new(Distribution::Uniform, 10);
    let mut prng = Prng::new(6);
    let counts = counts(|| chooser.draw(&mut prng, 10), 10);
    counts.iter().for_each(|count| about(*count, 0.1, 0.03, "one of ten"));
}
