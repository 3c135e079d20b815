//! A run, or two beside each other, as a page with plots.

use super::answer::Error;
use super::compare;
use super::record::{Run, SecondOf};
use super::report;
use super::tally::Latencies;
use draw::{Axis, Chart, Scale, Series, Sheet, Table, Unit, sheet};

/// One figure of a second.
type Value = fn(&SecondOf) -> Option<u64>;

/// One run.
pub(crate) fn page(run: &Run) -> String {
    let mut curves: Vec<(String, Latencies)> = Vec::new();
    if run.kinds.len() > 1 {
        curves.push(("all".into(), run.latency()));
    }
    for kind in &run.kinds {
        curves.push((kind.kind.clone(), kind.latency.latencies()));
    }
    if run.is_open() {
        curves.push(("service time, all".into(), run.service()));
    }
    sheet(&Sheet {
        title: format!("atoll bench: {:.0} operations a second", run.throughput()),
        about: report::settings(run),
        notes: report::notes(run),
        tables: vec![Table {
            title: String::new(),
            head: report::columns(),
            rows: report::rows(run),
        }],
        charts: vec![throughput(&[("succeeded", run)], true), percentiles(run), curve(&curves)],
    })
}

/// Two runs, the second to the first.
pub(crate) fn comparison(a: &Run, b: &Run, names: [&str; 2]) -> String {
    let about = format!(
        "1: {} ({}); 2: {} ({})",
        names[0],
        report::settings(a),
        names[1],
        report::settings(b)
    );
    let differ =
        compare::differences(a, b).into_iter().map(|what| format!("the runs differ in {what}"));
    let runs = [("1", a), ("2", b)];
    let median: Value = |second| second.p50;
    let tail: Value = |second| second.p99;
    let over_time = [("p50", median), ("p99", tail)].into_iter().flat_map(|(name, value)| {
        runs.map(|(run, of)| Series {
            name: format!("{name}, run {run}"),
            points: seconds(of, value),
        })
    });
    sheet(&Sheet {
        title: "atoll bench: two runs beside each other".into(),
        about,
        notes: differ.chain([compare::JUDGED.to_owned()]).collect(),
        tables: vec![Table {
            title: String::new(),
            head: compare::columns(["1", "2"]),
            rows: compare::lines(a, b).into_iter().map(Vec::from).collect(),
        }],
        charts: vec![
            throughput(&runs, false),
            Chart { series: over_time.collect(), ..percentiles(a) },
            curve(&runs.map(|(name, run)| (format!("run {name}"), run.latency()))),
        ],
    })
}

fn seconds(run: &Run, value: impl Fn(&SecondOf) -> Option<u64>) -> Vec<(f64, Option<f64>)> {
    let point = |(at, second): (usize, &SecondOf)| {
        (at as f64 + 0.5, value(second).filter(|value| *value > 0).map(|value| value as f64))
    };
    run.seconds.iter().enumerate().map(point).collect()
}

/// What is answered in each second; with the errors by their kinds if asked for.
fn throughput(runs: &[(&str, &Run)], errors: bool) -> Chart {
    let count = |run: &Run, of: &dyn Fn(&SecondOf) -> u64| {
        let seconds = run.whole_seconds().iter().enumerate();
        seconds.map(|(at, second)| (at as f64 + 0.5, Some(of(second) as f64))).collect()
    };
    let mut series: Vec<Series> = Vec::new();
    for (name, run) in runs {
        series.push(Series {
            name: (*name).to_owned(),
            points: count(run, &|second| second.succeeded),
        });
        let all = run.errors();
        for error in Error::ALL.into_iter().filter(|error| errors && all.of(*error) > 0) {
            let points = count(run, &|second| second.errors.of(error));
            series.push(Series { name: error.name().to_owned(), points });
        }
        if run.late.dropped > 0 && errors {
            let points = count(run, &|second| second.dropped);
            series.push(Series { name: "given up, never sent".into(), points });
        }
    }
    Chart {
        title: "Operations in each second".into(),
        x: Axis { label: "seconds".into(), ..Axis::default() },
        y: Axis::default(),
        series,
        bands: Vec::new(),
    }
}

fn percentiles(run: &Run) -> Chart {
    let named: [(&str, Value); 4] = [
        ("p50", |second| second.p50),
        ("p99", |second| second.p99),
        ("p99.9", |second| second.p999),
        ("max", |second| second.max),
    ];
    let series =
        named.map(|(name, value)| Series { name: name.into(), points: seconds(run, value) });
    Chart {
        title: "Latency of what was answered in each second".into(),
        x: Axis { label: "seconds".into(), ..Axis::default() },
        y: Axis { scale: Scale::Log, unit: Unit::Time, ..Axis::default() },
        series: series.to_vec(),
        bands: Vec::new(),
    }
}

/// Tene's curve: each further nine of the percentile is as far as the one before.
fn curve(of: &[(String, Latencies)]) -> Chart {
    let series = of.iter().map(|(name, all)| Series { name: name.clone(), points: nines(all) });
    Chart {
        title: "Latency by percentile".into(),
        x: Axis { label: "percentile".into(), scale: Scale::Nines, unit: Unit::Percent },
        y: Axis { scale: Scale::Log, unit: Unit::Time, ..Axis::default() },
        series: series.collect(),
        bands: Vec::new(),
    }
}

/// As far as there are values: the last percentile is that of the largest but none.
fn nines(all: &Latencies) -> Vec<(f64, Option<f64>)> {
    const STEPS_A_NINE: u32 = 10;
    let count = all.len() as f64;
    let steps = 0..=9 * STEPS_A_NINE;
    steps
        .map(|step| 1.0 - 10_f64.powf(-f64::from(step) / f64::from(STEPS_A_NINE)))
        .take_while(|quantile| (1.0 - quantile) * count >= 0.999)
        .map(|quantile| (quantile, Some(all.value_at_quantile(quantile).max(1) as f64)))
        .collect()
}
