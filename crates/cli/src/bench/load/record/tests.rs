use super::*;
use crate::bench::load::answer::Error;
use crate::bench::load::workload::Kind;
use crate::bench::load::{page, report};
use clap::Parser;
use stdx::Prng;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: crate::bench::args::Bench,
}

/// A run that never was: `rate` operations a second for so many seconds, give or take.
pub(crate) fn made_up(seed: u64, rate: u64, seconds: u64) -> Run {
    let mut prng = Prng::new(seed);
    let mut counted = Counted { length: seconds * SECOND, ..Counted::default() };
    for _ in 0..seconds {
        let mut second = Second::default();
        for _ in 0..prng.range(rate * 9 / 10, rate * 11 / 10) {
            let (fast, slow) = (prng.range(80_000, 120_000), prng.range(1_000_000, 3_000_000));
            let latency = if prng.chance(1, 50) { slow } else { fast };
            second.latency.record(latency).unwrap();
            let kind = counted.tally.kinds.entry(*prng.pick(&[Kind::Get, Kind::Set])).or_default();
            kind.latency.record(latency).unwrap();
            kind.service.record(latency / 2).unwrap();
        }
        second.errors.add(Error::Unknown);
        second.dropped = prng.below(3);
        counted.lateness.dropped += second.dropped;
        counted.tally.kinds.entry(Kind::Get).or_default().errors.add(Error::Unknown);
        counted.seconds.push(second);
    }
    counted.tally.text(Error::Unknown, "UNKNOWN outcome: <b>who knows</b>");
    let line = Line::parse_from(["bench", "--rate", "1000"]);
    let plan = Plan::of(&line.bench).unwrap();
    Run::of(&plan, &counted, 1_790_000_000, Some(5))
}

#[test]
fn a_run_survives_its_file() {
    let run = made_up(1, 1_000, 4);
    let read = Run::from_json(&run.to_json()).unwrap();
    assert_eq!(read, run);
    assert_eq!(read.latency(), run.latency());
    for (_, quantile) in report::QUANTILES {
        let (before, after) = (run.latency(), read.kinds[0].latency.latencies());
        assert!(before.value_at_quantile(quantile) > 0 && after.value_at_quantile(quantile) > 0);
    }
    assert_eq!(report::text(&read), report::text(&run));
    assert_eq!(page::page(&read), page::page(&run));
}

#[test]
fn another_file_or_version_is_refused() {
    let json = made_up(1, 10, 1).to_json();
    let later = json.replacen("\"version\":1", "\"version\":2", 1);
    assert_eq!(Run::from_json(&later).unwrap_err(), "version 2: this binary reads version 1");
    let other = json.replacen("atoll bench", "memtier", 1);
    assert!(Run::from_json(&other).unwrap_err().starts_with("format \"memtier\"; expected what"));
    assert!(
        Run::from_json("{}").unwrap_err().contains("expected what `atoll bench --json` writes")
    );
    assert!(Run::from_json(&json.replacen("\"late\"", "\"early\"", 1)).is_err());
    assert!(Run::from_json(&json[..json.len() / 2]).is_err());
}

#[test]
fn a_report_says_what_figures_do_not() {
    let run = made_up(2, 500, 3);
    let text = report::text(&run);
    assert!(text.contains("3 operations failed"), "{text}");
    assert!(
        text.contains("unknown outcome: 3, not among the successes; the first: UNKNOWN outcome"),
        "{text}"
    );
    assert!(text.contains("they were never sent and are in no percentile"), "{text}");
    assert!(text.contains("get, service"), "{text}");
    let page = page::page(&run);
    assert!(
        page.contains("&lt;b&gt;who knows") && !page.contains("<b>"),
        "a server's text is no markup"
    );
    assert_eq!(report::span(1_234_567), "1.23 ms");
    assert_eq!(report::span(85_300), "85.3 µs");
    assert_eq!(report::span(999), "999 ns");
    assert_eq!(report::span(12_000_000_000), "12.0 s");
}
