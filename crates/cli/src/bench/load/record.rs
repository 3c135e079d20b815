//! A run as data: what `--json` writes and `--compare` reads.

use super::answer::Errors;
use super::plan::{Length, Plan};
use super::tally::{Latencies, SECOND, Second, latencies};
use super::threads::Counted;
use crate::nodes::VERSION;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FORMAT: &str = "atoll bench";
/// Raised with every change that an older reader would get wrong.
const THIS_VERSION: u32 = 1;

/// A run; times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) format: String,
    pub(crate) version: u32,
    /// Of the binary.
    pub(crate) atoll: String,
    /// In seconds since 1970.
    pub(crate) began: u64,
    /// What was asked for, by name.
    pub(crate) settings: BTreeMap<String, String>,
    /// How long was counted.
    pub(crate) length: u64,
    /// Keys set before, and how long that took.
    pub(crate) loaded: Option<(u64, u64)>,
    pub(crate) kinds: Vec<KindOf>,
    pub(crate) seconds: Vec<SecondOf>,
    /// The first text of each kind of error.
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) late: Late,
    pub(crate) connections_lost: u64,
    /// The share of its time that the client's busiest thread had a core.
    pub(crate) client_busy: f64,
}

/// All of one kind of operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KindOf {
    pub(crate) kind: String,
    /// Successes that found nothing.
    pub(crate) nothing: u64,
    pub(crate) errors: Errors,
    pub(crate) latency: Curve,
    /// Only of an open loop, where it differs.
    pub(crate) service: Option<Curve>,
}

/// A histogram: values and how often each came, to three digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curve(Vec<(u64, u64)>);

impl Curve {
    pub(crate) fn of(latencies: &Latencies) -> Curve {
        let pair = |step: hdrhistogram::iterators::IterationValue<u64>| {
            (step.value_iterated_to(), step.count_at_value())
        };
        Curve(latencies.iter_recorded().map(pair).collect())
    }

    pub(crate) fn latencies(&self) -> Latencies {
        let mut all = latencies();
        for (value, count) in &self.0 {
            all.saturating_record_n(*value, *count);
        }
        all
    }
}

/// What came to its end within one second; percentiles are of successes and none if there was none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondOf {
    pub(crate) succeeded: u64,
    pub(crate) errors: Errors,
    pub(crate) dropped: u64,
    pub(crate) p50: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) p999: Option<u64>,
    pub(crate) max: Option<u64>,
}

impl SecondOf {
    pub(crate) fn of(second: &Second) -> SecondOf {
        let all = &second.latency;
        let at = |quantile: f64| (!all.is_empty()).then(|| all.value_at_quantile(quantile));
        SecondOf {
            succeeded: all.len(),
            errors: second.errors,
            dropped: second.dropped,
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        }
    }
}

/// How far an open loop fell behind its schedule; zeros for a closed one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Late {
    pub(crate) longest_wait: u64,
    pub(crate) dropped: u64,
    pub(crate) left_at_the_end: u64,
}

/// What the settings are called, in reports and in the file.
fn settings(plan: &Plan) -> BTreeMap<String, String> {
    let length = match plan.length {
        Length::Time(time) => format!("{} s", time.as_secs()),
        Length::Requests(count) => format!("{count} requests"),
    };
    let named = [
        ("workload", plan.workload.to_owned()),
        ("mix", plan.mix.text()),
        ("keys", plan.keys.to_string()),
        ("keys by", plan.distribution.name().to_owned()),
        ("value bytes", plan.sizes.text()),
        ("prefix", plan.prefix.clone()),
        ("clients", plan.clients.to_string()),
        ("pipeline", plan.pipeline.to_string()),
        ("threads", plan.threads.to_string()),
        ("loop", plan.loop_name()),
        ("warm-up", format!("{} s", plan.warm_up.as_secs())),
        ("length", length),
        ("patience", format!("{} s", plan.patience.as_secs())),
        ("seed", plan.seed.to_string()),
    ];
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Run {
    pub(crate) fn of(plan: &Plan, counted: &Counted, began: u64, loaded: Option<u64>) -> Run {
        let kinds = counted.tally.kinds.iter().map(|(kind, all)| KindOf {
            kind: kind.name().to_owned(),
            nothing: all.nothing,
            errors: all.errors,
            latency: Curve::of(&all.latency),
            service: plan.rate.map(|_| Curve::of(&all.service)),
        });
        let texts = counted.tally.texts.iter();
        let late = counted.lateness;
        Run {
            format: FORMAT.to_owned(),
            version: THIS_VERSION,
            atoll: VERSION.to_owned(),
            began,
            settings: settings(plan),
            length: counted.length,
            loaded: loaded.map(|took| (plan.keys, took)),
            kinds: kinds.collect(),
            seconds: counted.seconds.iter().map(SecondOf::of).collect(),
            texts: texts.map(|(error, text)| (error.name().to_owned(), text.clone())).collect(),
            late: Late {
                longest_wait: late.longest,
                dropped: late.dropped,
                left_at_the_end: late.left,
            },
            connections_lost: counted.lost,
            client_busy: counted.busy,
        }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings as keys, and numbers")
    }

    /// What [`Run::to_json`] wrote.
    ///
    /// # Errors
    /// It is something else, or from a later version.
    pub(crate) fn from_json(text: &str) -> Result<Run, String> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let expected = "expected what `atoll bench --json` writes";
        let head: Head = serde_json::from_str(text).map_err(|e| format!("{e}; {expected}"))?;
        if head.format != FORMAT {
            return Err(format!("format {:?}; {expected}", head.format));
        }
        if head.version != THIS_VERSION {
            let (found, known) = (head.version, THIS_VERSION);
            return Err(format!("version {found}: this binary reads version {known}"));
        }
        serde_json::from_str(text).map_err(|e| format!("{e}; {expected}"))
    }

    pub(crate) fn succeeded(&self) -> u64 {
        self.kinds.iter().map(KindOf::succeeded).sum()
    }

    /// Within the time that was counted, a second: what was answered after its end is no throughput.
    pub(crate) fn throughput(&self) -> f64 {
        let within: u64 = self.seconds.iter().map(|second| second.succeeded).sum();
        within as f64 / (self.length as f64 / SECOND as f64)
    }

    pub(crate) fn errors(&self) -> Errors {
        let mut all = Errors::default();
        self.kinds.iter().for_each(|kind| all += kind.errors);
        all
    }

    pub(crate) fn is_open(&self) -> bool {
        self.kinds.iter().any(|kind| kind.service.is_some())
    }

    /// Over all kinds.
    pub(crate) fn latency(&self) -> Latencies {
        sum(self.kinds.iter().map(|kind| &kind.latency))
    }

    /// Over all kinds, from when it was sent.
    pub(crate) fn service(&self) -> Latencies {
        sum(self.kinds.iter().map(|kind| kind.service.as_ref().unwrap_or(&kind.latency)))
    }

    /// The seconds that were counted whole.
    pub(crate) fn whole_seconds(&self) -> &[SecondOf] {
        let whole = usize::try_from(self.length / SECOND).unwrap_or(usize::MAX);
        &self.seconds[..whole.min(self.seconds.len())]
    }
}

impl KindOf {
    pub(crate) fn succeeded(&self) -> u64 {
        self.latency.0.iter().map(|(_, count)| count).sum()
    }
}

fn sum<'a>(curves: impl Iterator<Item = &'a Curve>) -> Latencies {
    let mut all = latencies();
    curves.for_each(|curve| all.add(curve.latencies()).expect("the same range"));
    all
}

#[cfg(test)]
pub(super) mod tests;
