//! Charts show the points they were given where their axes say, and refuse what no axis can show.

use crate::samples;
use draw::{Axis, Band, Chart, Scale, Series, Sheet, Table, Unit, sheet};

fn chart(scale: Scale, points: Vec<(f64, Option<f64>)>) -> Sheet {
    let unit = if scale == Scale::Nines { Unit::Percent } else { Unit::Number };
    let axis = |scale| Axis { scale, unit, ..Axis::default() };
    let series = vec![Series { name: "line".into(), points }];
    let y = if scale == Scale::Log { Scale::Log } else { Scale::Linear };
    let chart = Chart { x: axis(scale), y: axis(y), series, ..Chart::default() };
    Sheet { charts: vec![chart], ..Sheet::default() }
}

/// The way of the only line.
fn way(page: &str) -> &str {
    let (_, from) = page.split_once("<path class=\"line k0\" d=\"").expect("a line");
    from.split('"').next().expect("its end")
}

#[test]
fn points_lie_where_the_axes_say() {
    // From 78 to 904 across, from 218 up to 20, with a twentieth of air above.
    let page =
        sheet(&chart(Scale::Linear, vec![(0.0, Some(0.0)), (5.0, Some(21.0)), (10.0, Some(0.0))]));
    assert_eq!(way(&page), "M78.0 218.0h0L491.0 29.4L904.0 218.0");
    // Equal factors are equal distances.
    let page =
        sheet(&chart(Scale::Log, vec![(1.0, Some(1.0)), (10.0, Some(10.0)), (100.0, Some(100.0))]));
    assert_eq!(way(&page), "M78.0 218.0h0L491.0 119.0L904.0 20.0");
    // So is each further nine.
    let page =
        sheet(&chart(Scale::Nines, vec![(0.0, Some(0.0)), (0.9, Some(0.0)), (0.99, Some(0.0))]));
    assert_eq!(way(&page), "M78.0 218.0h0L491.0 218.0L904.0 218.0");
    for tick in [">0 %<", ">50 %<", ">90 %<", ">99 %<"] {
        assert!(page.contains(tick), "no {tick}");
    }
}

#[test]
fn a_gap_is_a_gap() {
    let points = vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(1.0)), (3.0, Some(1.0))];
    let way = way(&sheet(&chart(Scale::Linear, points))).to_owned();
    assert_eq!((way.matches('M').count(), way.matches('L').count()), (2, 1), "{way}");
}

#[test]
fn units_are_said_as_people_say_them() {
    let mut report = samples::report("x");
    let page = sheet(&report);
    assert!(page.contains("10 k<") && page.contains("99.9 %<") && page.contains("1 ms<"), "{page}");
    report.charts[0].y.unit = Unit::Time;
    assert!(sheet(&report).contains("10 µs<"));
}

#[test]
fn what_cannot_be_shown_is_named() {
    let refused = |report: &Sheet, why: &str| {
        let page = sheet(report);
        assert!(page.contains("Nothing to draw") && page.contains(why), "{why}: {page}");
    };
    refused(
        &chart(Scale::Log, vec![(0.0, Some(1.0))]),
        "chart 0, series 0, point 0: x 0: expected a value above 0",
    );
    refused(&chart(Scale::Nines, vec![(1.0, None)]), "expected a share from 0 to below 1");
    refused(&chart(Scale::Linear, vec![(0.0, Some(f64::NAN))]), "y NaN: expected a finite number");
    refused(
        &chart(Scale::Linear, vec![(2.0, None), (1.0, None)]),
        "point 1: x 1 after 2, expected from left to right",
    );
    let table = Table { head: vec!["a".into()], rows: vec![vec![]], ..Table::default() };
    refused(
        &Sheet { tables: vec![table], ..Sheet::default() },
        "table 0, row 0: 0 cells, expected 1",
    );
    let mut report = samples::report("x");
    report.charts[0].bands = vec![Band { from: 2.0, to: 1.0, label: String::new() }];
    refused(&report, "chart 0, band 0: it ends at 1 before it begins");
}
