use super::*;
use crate::bench::load::page;
use crate::bench::load::record::tests::made_up;
use stdx::Prng;

/// A second's throughput each: `mean`, give or take `spread`, and dragged along by the second before.
fn seconds(seed: u64, count: usize, mean: u64, spread: u64) -> Vec<f64> {
    let mut prng = Prng::new(seed);
    let mut drift = 0.0;
    let mut one = || {
        drift = drift * 0.5 + prng.range(0, 2 * spread) as f64 - spread as f64;
        mean as f64 + drift
    };
    (0..count).map(|_| one()).collect()
}

#[test]
fn equal_runs_are_noise_and_unequal_ones_differ() {
    let (mut false_alarms, mut found) = (0, 0);
    for seed in 0..200 {
        let a = seconds(seed * 3, 30, 10_000, 300);
        let b = seconds(seed * 3 + 1, 30, 10_000, 300);
        let faster = seconds(seed * 3 + 2, 30, 11_500, 300);
        false_alarms += u64::from(matches!(judge(&a, &b), Judgement::Differs(..)));
        found += u64::from(matches!(judge(&a, &faster), Judgement::Differs(low, _) if low > 1.0));
    }
    // 5 % if blocks were independent; neighbouring ones still resemble each other a little.
    assert!(false_alarms <= 24, "{false_alarms} of 200 equal pairs are said to differ");
    assert!(found >= 198, "{found} of 200 pairs 15 % apart are told apart");
}

#[test]
fn what_cannot_be_judged_is_not() {
    let few = [1.0; 5];
    let many = [1.0; 30];
    assert_eq!(judge(&few, &many), Judgement::Unknown);
    assert_eq!(judge(&many, &[0.0; 30]), Judgement::Unknown);
    assert_eq!(judge(&many, &many), Judgement::Noise(1.0, 1.0));
    assert_eq!(judge(&many, &[2.0; 30]), Judgement::Differs(2.0, 2.0));
}

#[test]
fn student_is_wider_the_less_is_known() {
    assert_eq!(t_quantile(1.9), 12.706);
    assert_eq!(t_quantile(30.0), 2.042);
    assert!((t_quantile(120.0) - 1.980).abs() < 0.002);
    assert!((t_quantile(31.0) - 2.040).abs() < 0.004);
}

#[test]
fn a_comparison_has_ratios_and_names_what_differs() {
    let (a, mut b) = (made_up(1, 1_000, 12), made_up(2, 2_000, 12));
    b.settings.insert("clients".into(), "7".into());
    let text = text(&a, &b, ["a.json", "b.json"]);
    assert!(text.contains("the runs differ in clients: 50 and 7"), "{text}");
    let rate = text.lines().find(|line| line.starts_with("operations a second")).unwrap();
    assert!(rate.contains("differs (1.") || rate.contains("differs (2."), "{rate}");
    let page = page::comparison(&a, &b, ["a.json", "<b>"]);
    assert!(page.contains("&lt;b&gt;") && page.contains("p99, run 2"));
    let same = lines(&a, &a);
    assert!(same[0][3] == "1.000" && same[0][4].starts_with("within the noise"), "{same:?}");
}
