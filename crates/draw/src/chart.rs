//! Lines over two axes, with bands for what happened meanwhile.

use crate::page::{escape, json, kind_class, list, shorten, time};

/// One picture of lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The heading above it.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upwards; always from zero unless its scale has none.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
    /// Shaded stretches of the x axis, below the lines.
    pub bands: Vec<Band>,
}

/// What one axis counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// A few words.
    pub label: String,
    /// How values are spread over it.
    pub scale: Scale,
    /// How values are written.
    pub unit: Unit,
}

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal distances.
    #[default]
    Linear,
    /// Equal factors; values above zero only.
    Log,
    /// Shares from 0 to below 1, each further nine as far as the one before: Tene's percentile axis.
    Nines,
}

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// As a number.
    #[default]
    Number,
    /// Nanoseconds, as people say them.
    Time,
    /// A share, as percent.
    Percent,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name, for the key.
    pub name: String,
    /// From left to right; a point without a y is a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

/// A stretch of the x axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Band {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What happened.
    pub label: String,
}

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 42.0;

impl Chart {
    /// What makes no sense about it, if anything.
    pub(crate) fn valid(&self) -> Result<(), String> {
        for (number, series) in self.series.iter().enumerate() {
            let mut before = f64::NEG_INFINITY;
            for (at, (x, y)) in series.points.iter().enumerate() {
                let place = format!("series {number}, point {at}");
                self.x.scale.takes(*x).map_err(|why| format!("{place}: x {x}: {why}"))?;
                if let Some(y) = y {
                    self.y.scale.takes(*y).map_err(|why| format!("{place}: y {y}: {why}"))?;
                }
                if *x < before {
                    return Err(format!(
                        "{place}: x {x} after {before}, expected from left to right"
                    ));
                }
                before = *x;
            }
        }
        for (at, band) in self.bands.iter().enumerate() {
            for edge in [band.from, band.to] {
                self.x.scale.takes(edge).map_err(|why| format!("band {at}: {edge}: {why}"))?;
            }
            if band.from > band.to {
                return Err(format!("band {at}: it ends at {} before it begins", band.to));
            }
        }
        Ok(())
    }

    /// The picture, and what its script needs: JSON.
    pub(crate) fn draw(&self) -> (String, String) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let bands = self.bands.iter().flat_map(|band| [band.from, band.to]);
        let x = Span::of(self.x.scale, points().map(|(x, _)| *x).chain(bands), false);
        let y = Span::of(self.y.scale, points().filter_map(|(_, y)| *y), true);
        let place = |value: f64| LEFT + x.share(value) * (WIDTH - LEFT - RIGHT);
        let height = |value: f64| HEIGHT - BOTTOM - y.share(value) * (HEIGHT - TOP - BOTTOM);
        let mut out = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&self.title)
        );
        for band in &self.bands {
            let (from, to) = (place(band.from), place(band.to));
            out += &format!(
                "<g class=\"band\" data-tip=\"{}\"><rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" \
                 height=\"{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>\n",
                escape(&band.label),
                (to - from).max(1.0),
                HEIGHT - TOP - BOTTOM,
                from + 3.0,
                TOP - 6.0,
                escape(&shorten(&band.label, (((to - from) / 6.0) as usize).clamp(8, 60))),
            );
        }
        out += &self.grid(&x, &y, &place, &height);
        let mut data = Vec::new();
        for (kind, series) in self.series.iter().enumerate() {
            out += &format!(
                "<path class=\"line {}\" d=\"{}\"/>\n",
                kind_class(kind),
                way(series, &place, &height)
            );
            let told = series.points.iter().filter_map(|(x, y)| {
                let text = json(&self.y.unit.text((*y)?));
                Some(format!(
                    "[{:.1},{:.1},{},{text}]",
                    place(*x),
                    height((*y)?),
                    json(&self.x.unit.text(*x))
                ))
            });
            data.push(format!("[{},{}]", json(&series.name), list(told)));
        }
        out += "<path class=\"cross\" d=\"\"/>\n</svg>\n";
        (out, list(data))
    }

    fn grid(
        &self,
        x: &Span,
        y: &Span,
        place: &impl Fn(f64) -> f64,
        height: &impl Fn(f64) -> f64,
    ) -> String {
        let mut out = String::from("<g class=\"grid\">\n");
        let (right, low) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in y.ticks(5) {
            let (y, text) = (height(tick), escape(&self.y.unit.text(tick)));
            out += &format!(
                "<path d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"y\" x=\"{}\" y=\"{:.1}\">{text}</text>\n",
                LEFT - 7.0,
                y + 4.0
            );
        }
        for tick in x.ticks(9) {
            let (x, text) = (place(tick), escape(&self.x.unit.text(tick)));
            out += &format!(
                "<path d=\"M{x:.1} {TOP}V{low}\"/><text class=\"x\" x=\"{x:.1}\" y=\"{}\">{text}</text>\n",
                low + 16.0
            );
        }
        let label = |class: &str, x: f64, y: f64, text: &str| {
            format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escape(text))
        };
        out += &label("x soft", f64::midpoint(LEFT, right), HEIGHT - 6.0, &self.x.label);
        out += &label("soft", 4.0, TOP - 6.0, &self.y.label);
        out + "</g>\n"
    }
}

/// Where lines go: a move after each gap. A point alone gets a stroke of no length, which round ends make a dot.
fn way(series: &Series, place: &impl Fn(f64) -> f64, height: &impl Fn(f64) -> f64) -> String {
    let mut way = String::new();
    let mut drawn = false;
    for (x, y) in &series.points {
        let Some(y) = y else {
            drawn = false;
            continue;
        };
        let (x, y) = (place(*x), height(*y));
        way += &if drawn { format!("L{x:.1} {y:.1}") } else { format!("M{x:.1} {y:.1}h0") };
        drawn = true;
    }
    way
}

impl Scale {
    fn takes(self, value: f64) -> Result<(), &'static str> {
        match self {
            _ if !value.is_finite() => Err("expected a finite number"),
            Scale::Linear => Ok(()),
            Scale::Log if value > 0.0 => Ok(()),
            Scale::Log => Err("expected a value above 0 on a log scale"),
            Scale::Nines if (0.0..1.0).contains(&value) => Ok(()),
            Scale::Nines => Err("expected a share from 0 to below 1"),
        }
    }

    fn place(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => value.log10(),
            Scale::Nines => -(1.0 - value).log10(),
        }
    }
}

/// From where to where an axis goes, in places of its scale.
struct Span {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Span {
    fn of(scale: Scale, values: impl Iterator<Item = f64>, upwards: bool) -> Span {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for place in values.map(|value| scale.place(value)) {
            (low, high) = (low.min(place), high.max(place));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        match scale {
            Scale::Linear if upwards => (low, high) = (low.min(0.0), high.max(0.0)),
            // Time begins where the run does, not at the middle of its first second.
            Scale::Linear if (0.0..1.0).contains(&low) => low = 0.0,
            Scale::Log => (low, high) = ((low + 1e-9).floor(), (high - 1e-9).ceil()),
            _ => {}
        }
        let air = if upwards && scale == Scale::Linear { (high - low) * 0.05 } else { 0.0 };
        if high - low < 1e-9 {
            Span { scale, low, high: low + 1.0 }
        } else {
            Span { scale, low, high: high + air }
        }
    }

    fn share(&self, value: f64) -> f64 {
        (self.scale.place(value) - self.low) / (self.high - self.low)
    }

    /// About so many values, round ones.
    fn ticks(&self, about: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let raw = (self.high - self.low) / about as f64;
                let power = 10_f64.powf(raw.log10().floor());
                let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= raw);
                let step = round.unwrap_or(10.0) * power;
                let first = (self.low / step).ceil();
                (0..50)
                    .map(|n| (first + f64::from(n)) * step)
                    .take_while(|tick| *tick <= self.high)
                    .collect()
            }
            Scale::Log => {
                let decades = whole(self.low, self.high);
                decades.map(|power| 10_f64.powi(power)).collect()
            }
            Scale::Nines => {
                let nines = whole(self.low, self.high);
                let halves =
                    [0.0, 0.5].into_iter().filter(|tick| self.scale.place(*tick) >= self.low);
                halves.chain(nines.filter(|n| *n > 0).map(|n| 1.0 - 10_f64.powi(-n))).collect()
            }
        }
    }
}

/// The whole numbers between, ends included that rounding has moved a little.
fn whole(low: f64, high: f64) -> core::ops::RangeInclusive<i32> {
    (low - 1e-9).ceil() as i32..=(high + 1e-9).floor() as i32
}

impl Unit {
    fn text(self, value: f64) -> String {
        match self {
            Unit::Number if value.abs() >= 1e6 => format!("{} M", digits(value / 1e6)),
            Unit::Number if value.abs() >= 1e4 => format!("{} k", digits(value / 1e3)),
            Unit::Number => digits(value),
            Unit::Time if value.abs() >= 1e9 => format!("{} s", digits(value / 1e9)),
            Unit::Time if value.abs() >= 1e6 => format!("{} ms", digits(value / 1e6)),
            Unit::Time => time(value.max(0.0).round() as u64),
            Unit::Percent => {
                let text = format!("{:.5}", value * 100.0);
                format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

/// Three digits or, of whole numbers, all.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}
