//! `atoll check`: the verdict on a recorded history, or its consistency map (docs/checking.md).

mod picture;

use crate::args::{Check, FailedCas, Nil};
use crate::{Failure, out};
use check::format::{self, Loaded};
use check::map::{self, Map};
use check::{Budget, Judgement, Level, Transactions};
use std::io::Read;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The exit code of a wrong command line (EX_USAGE of sysexits.h): 0, 1 and 2 are verdicts.
pub(crate) const USAGE: u8 = 64;
/// The exit code of input that cannot be read (EX_DATAERR).
const UNREADABLE: u8 = 65;

/// When time is up, and the most memory.
static LIMITS: OnceLock<(Instant, u64)> = OnceLock::new();
/// Which of the two was reached.
static REACHED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn run(args: &Check) -> ExitCode {
    match judged(args) {
        Ok(code) => code,
        Err(failure) => {
            out::error(&failure);
            ExitCode::from(UNREADABLE)
        }
    }
}

fn judged(args: &Check) -> Result<ExitCode, Failure> {
    let loaded = load(args)?;
    let history = &loaded.history;
    let budget = budget(args);
    let options = map::Options { staleness: args.staleness, ..map::Options::default() };
    out::line(format_args!(
        "{}: {} transactions, {} operations on {} keys ({})",
        args.file.display(),
        history.txns.len(),
        history.all_ops().len(),
        history.keys.len(),
        loaded.format.name(),
    ));
    for (reason, times) in &loaded.ignored {
        out::line(format_args!("left out: {times} of {reason}"));
    }
    let worst = match args.model {
        Some(level) => {
            let judgement = map::judge(history, level, &options, budget);
            show(history, level, &judgement);
            judgement
        }
        None => show_map(history, &map::map(history, &options, budget)),
    };
    limits_reached();
    if let (Some(path), Judgement::Fails(witness)) = (&args.html, &worst) {
        let html = picture::draw(history, witness, &args.file.display().to_string());
        std::fs::write(path, html).map_err(|error| format!("{}: {error}", path.display()))?;
        out::line(format_args!("the violation is drawn in {}", path.display()));
    }
    Ok(ExitCode::from(match worst {
        Judgement::Holds => 0,
        Judgement::Fails(_) => 1,
        Judgement::Unknown(_) | Judgement::NotApplicable(_) => 2,
    }))
}

fn load(args: &Check) -> Result<Loaded, Failure> {
    let mut bytes = Vec::new();
    let name = args.file.display();
    let read = if args.file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(&args.file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("{name}: {error}"))?;
    let options = format::Options {
        format: args.format,
        nil: args.nil.map(|nil| match nil {
            Nil::Absent => format::NilRead::Absent,
            Nil::Unknown => format::NilRead::Unknown,
        }),
        failed_cas: args.failed_cas.map(|meaning| match meaning {
            FailedCas::NoEffect => format::FailedCas::NoEffect,
            FailedCas::Observed => format::FailedCas::Observed,
        }),
        object: args.object,
    };
    format::read(&bytes, &options).map_err(|error| format!("{name}: {error}"))
}

fn budget(args: &Check) -> Budget {
    let until = Instant::now() + Duration::from_secs(args.time.min(1 << 30));
    LIMITS.get_or_init(|| (until, args.memory.saturating_mul(1 << 20)));
    // A remembered situation takes some 300 bytes.
    let situations = args.memory.saturating_mul((1 << 20) / 300);
    let memory = usize::try_from(situations).unwrap_or(usize::MAX);
    Budget { steps: u64::MAX, memory, expired }
}

fn expired() -> bool {
    let Some((until, memory)) = LIMITS.get() else { return false };
    let reached = if Instant::now() >= *until {
        1
    } else if resident() > *memory {
        2
    } else {
        return false;
    };
    REACHED.store(reached, Ordering::Relaxed);
    true
}

/// Bytes of memory in use; 0 where the machine does not say.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0).saturating_mul(4_096)
}

fn limits_reached() {
    match REACHED.load(Ordering::Relaxed) {
        1 => out::line(format_args!("the time was up (--time)")),
        2 => out::line(format_args!("the memory was used up (--memory)")),
        _ => {}
    }
}

/// Prints the map; the verdict is that of the strongest level it has.
fn show_map(history: &Transactions, map: &Map) -> Judgement {
    let mut worst = None;
    let mut told = Vec::new();
    for (level, judgement) in map.levels() {
        let (word, detail) = match judgement {
            Judgement::Holds => ("holds", String::new()),
            Judgement::Fails(witness) => ("fails", witness.anomaly.to_string()),
            Judgement::Unknown(why) => ("unknown", why.clone()),
            Judgement::NotApplicable(why) => ("-", why.clone()),
        };
        out::line(format_args!("  {:<20} {word:<8} {detail}", level.name()));
        if let Judgement::Fails(witness) = judgement
            && !told.contains(&witness)
        {
            told.push(witness);
        }
        worst = worst.or_else(|| judgement.is_decided().then(|| judgement.clone()));
    }
    let strongest: Vec<&str> = map.strongest().into_iter().map(Level::name).collect();
    let strongest = if strongest.is_empty() { "none".into() } else { strongest.join(", ") };
    out::line(format_args!("strongest that hold: {strongest}"));
    told.iter().for_each(|witness| tell(history, witness));
    let undecided = map.levels().any(|(_, found)| matches!(found, Judgement::Unknown(_)));
    match worst {
        Some(Judgement::Holds) if undecided => Judgement::Unknown("some levels".into()),
        Some(worst) => worst,
        None => Judgement::Unknown("no level was decided".into()),
    }
}

fn show(history: &Transactions, level: Level, judgement: &Judgement) {
    match judgement {
        Judgement::Holds => out::line(format_args!("ok: {level}")),
        Judgement::Unknown(why) => out::line(format_args!("unknown: {level}: {why}")),
        Judgement::NotApplicable(why) => out::line(format_args!("unknown: {level}: {why}")),
        Judgement::Fails(witness) => {
            out::line(format_args!("violation: {level}"));
            tell(history, witness);
        }
    }
}

fn tell(history: &Transactions, witness: &check::Witness) {
    out::line(format_args!("\n{}: {}", witness.anomaly, witness.reason));
    for number in &witness.txns {
        let txn = &history.txns[*number];
        let text = history.describe(*number);
        let mark = if witness.stuck == Some(*number) { "  <- has no place" } else { "" };
        out::line(format_args!("  line {}: process {}: {text}{mark}", txn.line, txn.process));
    }
}

#[cfg(test)]
mod tests;
