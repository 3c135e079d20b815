//! `cargo xtask checkers [PART]`: how long each checker takes, and how much memory, over generated histories.
//!
//! Writes docs/measurements/<date>-checkers.md (with PART, the cases whose name holds it, only prints). Each case and
//! size is a child process of its own, so that its peak of memory is its own. Figures of one machine in one hour:
//! compare only what was measured in the same run.

mod cases;

use crate::{Context, Outcome};
use cases::{By, CASES, Case};
use check::generate::{Shape, history, plant};
use check::{Budget, Judgement, Transactions, causal, convergence, isolation};
use check::{order, session, staleness, weak};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use stdx::Prng;

/// No judgement takes longer.
const LIMIT: Duration = Duration::from_secs(20);
/// So many operations in all histories of a small size together, if not more.
const ENOUGH: usize = 20_000;
const MOST_SEEDS: usize = 20;
/// Beyond this the time on a processor counts, which is known to a tick: others may use the machine, too.
const SHORT: Duration = Duration::from_millis(100);

/// When the judgement under way is to end.
static UNTIL: Mutex<Option<Instant>> = Mutex::new(None);

pub(crate) fn run(context: &Context) -> Outcome {
    let words: Vec<&str> = context.arguments.iter().map(String::as_str).collect();
    let part = match words.as_slice() {
        ["--one", number, size] => return one(number, size),
        [] => None,
        [part] => Some(*part),
        [_, extra, ..] => return Err(format!("unexpected `{extra}`")),
    };
    let cases = CASES.iter().zip(0..);
    let cases = cases.filter(|(case, _)| part.is_none_or(|part| case.name.contains(part)));
    let mut page = String::from(HEAD);
    println!("{}", page.trim_end());
    for (case, number) in cases {
        for size in case.sizes {
            let row = child(number, *size)?;
            println!("{row}");
            let _ = writeln!(page, "{row}");
        }
    }
    if part.is_some() {
        return Ok(());
    }
    let date = tell(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let commit = tell(Command::new("git").args(["rev-parse", "--short", "HEAD"]))?;
    let target = context.root.join(format!("docs/measurements/{date}-checkers.md"));
    let text = format!("# Checkers over generated histories\n\n{date}, commit {commit}\n\n{page}");
    std::fs::write(&target, text).map_err(|e| format!("{}: {e}", target.display()))?;
    println!("wrote {}", target.display());
    Ok(())
}

const HEAD: &str = "\
| history | checker | transactions | operations | histories | verdicts | mean | worst | history | peak |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

fn tell(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn child(number: usize, size: usize) -> Result<String, String> {
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    tell(Command::new(this).args(["checkers", "--one", &number.to_string(), &size.to_string()]))
}

/// Measures one case at one size and prints its row.
fn one(number: &str, size: &str) -> Outcome {
    let parse = |text: &str| text.parse().map_err(|_| format!("expected a number: `{text}`"));
    let (number, size): (usize, usize) = (parse(number)?, parse(size)?);
    let case = CASES.get(number).ok_or_else(|| format!("no case {number}"))?;
    let shape = (case.shape)(size);
    let seeds = case.seeds.unwrap_or((ENOUGH / size).clamp(1, MOST_SEEDS));
    let mut verdicts = [("holds", 0), ("fails", 0), ("unknown", 0), ("does not apply", 0)];
    let (mut sum, mut worst, mut operations, mut held) = (Duration::ZERO, Duration::ZERO, 0, 0);
    for seed in 0..seeds as u64 {
        let history = made(case, &shape, seed);
        operations += history.all_ops().len();
        held = held.max(memory("VmRSS")?);
        let (start, before) = (Instant::now(), on_processor()?);
        let judgement = judge(&history, case.by);
        let took = start.elapsed();
        let took = if took > SHORT { on_processor()? - before } else { took };
        (sum, worst) = (sum + took, worst.max(took));
        verdicts[judgement].1 += 1;
    }
    let verdicts: Vec<_> = verdicts.iter().filter(|(_, count)| *count > 0).collect();
    let verdicts: Vec<_> = verdicts.iter().map(|(name, n)| format!("{n} {name}")).collect();
    let mean = sum / u32::try_from(seeds).map_err(|e| e.to_string())?;
    println!(
        "| {} | {} | {size} | {} | {seeds} | {} | {} | {} | {held} MiB | {} MiB |",
        case.name,
        case.by.name(),
        operations / seeds,
        verdicts.join(", "),
        show(mean),
        show(worst),
        memory("VmHWM")?
    );
    Ok(())
}

/// The history of a seed; a flaw that has no place with one seed has one with the next.
fn made(case: &Case, shape: &Shape, seed: u64) -> Transactions {
    for again in 0.. {
        let seed = seed + 1_000 * again;
        let mut history = history(shape, seed);
        let Some(flaw) = case.flaw else { return history };
        if plant(&mut history, flaw, &mut Prng::new(seed)).is_some() {
            return history;
        }
    }
    unreachable!("some seed has a place for it")
}

fn expired() -> bool {
    UNTIL.lock().expect("nobody panics with it").is_some_and(|at| at < Instant::now())
}

/// The place of the verdict among the four.
fn judge(history: &Transactions, by: By) -> usize {
    *UNTIL.lock().expect("nobody panics with it") = Some(Instant::now() + LIMIT);
    let budget = &mut Budget { steps: u64::MAX, memory: 4_000_000, expired };
    let place = |judgement: &Judgement| match judgement {
        Judgement::Holds => 0,
        Judgement::Fails(_) => 1,
        Judgement::Unknown(_) => 2,
        Judgement::NotApplicable(_) => 3,
    };
    let judgement = match by {
        By::Order(level) => order::judge(history, level, budget),
        By::Weak(level) => weak::judge(history, level, budget),
        By::Causal(level) => causal::judge(history, level, budget),
        By::Session(level) => session::judge(history, level, budget),
        By::Staleness(bound) => staleness::judge(history, bound, budget),
        By::Convergence => convergence::judge(history, budget),
        By::Isolation(level) => {
            let all = isolation::judge(history, &isolation::Options::default(), budget);
            let of = all.iter().find(|(of, _)| *of == level);
            return of.map_or(3, |(_, judgement)| place(judgement));
        }
    };
    place(&judgement)
}

/// How long this process has had a processor.
fn on_processor() -> Result<Duration, String> {
    let times = std::fs::read_to_string("/proc/self/schedstat").map_err(|e| e.to_string())?;
    let nanos = times.split_whitespace().next().and_then(|word| word.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| format!("unexpected schedstat: {times}"))
}

/// A line of /proc/self/status, in MiB.
fn memory(what: &str) -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find(|line| line.starts_with(what));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.map(|kib| kib.div_ceil(1024)).ok_or_else(|| format!("no {what} in /proc/self/status"))
}

fn show(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 0.001 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
