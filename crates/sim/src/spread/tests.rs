//! Moments and tails of the distributions.

use super::*;

const DRAWS: usize = 40_000;

fn sorted(shape: Shape) -> Vec<u64> {
    // Microseconds 1,000 to 3,000: a mean of 2,000; nothing above ten seconds.
    let spread = Spread { slow_ppm: 0, shape, ..Spread::micros(1_000, 3_000, 10_000_000) };
    let mut prng = Prng::new(7);
    let mut drawn: Vec<u64> = (0..DRAWS).map(|_| nanos(spread.draw(&mut prng)) / 1_000).collect();
    drawn.sort_unstable();
    drawn
}

#[test]
fn all_shapes_have_the_same_mean_and_tails_of_their_own() {
    let mut last = 0;
    for shape in Shape::ALL {
        let drawn = sorted(shape);
        let mean = drawn.iter().sum::<u64>() / DRAWS as u64;
        // A Pareto's mean converges slowly: that is the point of it.
        let off = if shape == Shape::Pareto { 150 } else { 25 };
        assert!(mean.abs_diff(2_000) < off, "{shape:?}: mean {mean}");
        assert!(drawn[0] >= 1_000, "{shape:?}: {}", drawn[0]);
        let tail = drawn[DRAWS * 9_995 / 10_000];
        assert!(tail > last, "{shape:?}: of 10,000 the fifth longest takes {tail}, before {last}");
        last = tail;
    }
    assert!(last > 50_000, "the tail is not heavy: {last}");
}

#[test]
fn an_exponential_forgets_and_a_log_normal_has_its_median() {
    let drawn = sorted(Shape::Exponential);
    let median = drawn[DRAWS / 2] - 1_000;
    assert!(median.abs_diff(693) < 20, "median {median}, not 1000 ln 2");
    let quarter = drawn[DRAWS * 3 / 4] - 1_000;
    assert!(quarter.abs_diff(2 * 693) < 30, "it does not halve twice as far: {quarter}");
    let drawn = sorted(Shape::LogNormal);
    let median = drawn[DRAWS / 2] - 1_000;
    assert!(median.abs_diff(607) < 15, "median {median}, not 1000 / e^(1/2)");
    let above = drawn[DRAWS * 8_413 / 10_000] - 1_000;
    assert!(above.abs_diff(1_649) < 60, "one sigma above the median is {above}, not e times it");
}

#[test]
fn nothing_is_longer_than_slow() {
    for shape in Shape::ALL {
        let spread = Spread { shape, ..Spread::micros(10, 1_000, 1_500) };
        let mut prng = Prng::new(3);
        assert!((0..20_000).all(|_| nanos(spread.draw(&mut prng)) <= 1_500_000), "{shape:?}");
    }
}
