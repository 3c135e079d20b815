//! `cargo xtask campaign`: thousands of swarm seeds, and a summary to be committed (docs/proof.md).
//!
//! The seeds run in child processes of this very program, because a replica that fails an invariant aborts in
//! a release build: the parent then knows which seed it was, and goes on with the next.

use crate::{Context, Outcome};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use swarm::{Options, REQUIRED, Report, run_seed};

/// Lines of its story that a failing seed prints.
const STORY: usize = 400;

#[derive(Default)]
struct Arguments {
    seeds: Option<(u64, u64)>,
    jobs: usize,
    mutants: bool,
    worker: Option<(u64, u64, u64)>,
    seed: Option<u64>,
}

pub(crate) fn run(context: &Context) -> Outcome {
    let arguments = parse(&context.arguments)?;
    if let Some((from, to, step)) = arguments.worker {
        worker(from, to, step);
        return Ok(());
    }
    if let Some(seed) = arguments.seed {
        return replay(seed);
    }
    let (from, to) = arguments.seeds.unwrap_or((0, 2_000));
    let commit = output(&context.root, "git", &["rev-parse", "--short", "HEAD"])?;
    let changed = output(&context.root, "git", &["status", "--porcelain", "--", "crates"])?;
    let changed = if changed.is_empty() { "" } else { ", with uncommitted changes" };
    let date = output(&context.root, "date", &["-u", "+%Y-%m-%d"])?;
    let campaign = all(from, to, arguments.jobs)?;
    let mutants = if arguments.mutants { mutants(&context.root)? } else { Vec::new() };
    let missing: Vec<&str> =
        REQUIRED.iter().copied().filter(|name| campaign.counter(name) == 0).collect();
    let command = format!("cargo xtask campaign {}", context.arguments.join(" "));
    let text = summary(
        &campaign,
        (from, to),
        (&format!("{commit}{changed}"), &date, command.trim()),
        &mutants,
        &missing,
    );
    let folder = context.root.join("docs/campaigns");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join(format!("{date}-{commit}.md"));
    std::fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{text}\nwritten to {}", path.display());
    for (seed, why) in &campaign.failed {
        println!("seed {seed}: {why}\n  replay: cargo xtask campaign --seed {seed}");
    }
    if !campaign.failed.is_empty() {
        return Err(format!("{} of {} seeds failed", campaign.failed.len(), campaign.seeds));
    }
    if !missing.is_empty() {
        return Err(format!("never happened, so it was not tested: {}", missing.join(", ")));
    }
    Ok(())
}

fn parse(words: &[String]) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.jobs = cores;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or(format!("{word} needs a value"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}`: no number"));
        match word.as_str() {
            "--seeds" => {
                let text = value()?;
                let (from, to) = text.split_once("..").ok_or("--seeds takes FROM..TO")?;
                arguments.seeds = Some((number(from)?, number(to)?));
            }
            "--jobs" => {
                arguments.jobs = usize::try_from(number(&value()?)?.max(1)).unwrap_or(cores);
            }
            "--mutants" => arguments.mutants = true,
            "--seed" => arguments.seed = Some(number(&value()?)?),
            "--worker" => {
                let text = value()?;
                let parts: Result<Vec<u64>, String> = text.split(',').map(number).collect();
                let &[from, to, step] = &parts?[..] else { return Err("three numbers".into()) };
                arguments.worker = Some((from, to, step.max(1)));
            }
            other => {
                return Err(format!(
                    "no argument `{other}`; known: --seeds FROM..TO, --jobs N, --mutants, --seed N"
                ));
            }
        }
    }
    Ok(arguments)
}

/// One seed with its story.
fn replay(seed: u64) -> Outcome {
    let report = run_seed(seed, Options { story: STORY, ..Options::default() });
    report.lines().for_each(|line| println!("{line}"));
    println!("seed {seed}: {:?}, {:?}: {}", report.profile, report.workload, report.verdict);
    if report.verdict.is_ok() { Ok(()) } else { Err("the seed fails".into()) }
}

/// A child: runs its share and says so, line by line.
fn worker(from: u64, to: u64, step: u64) {
    let mut seed = from;
    while seed < to {
        println!("BEGIN\t{seed}");
        let report = run_seed(seed, Options::default());
        let again = run_seed(seed, Options::default());
        let verdict = if again == report {
            report.verdict.to_string()
        } else {
            format!("two runs differ: {:x} and {:x}", report.digest, again.digest)
        };
        println!("END\t{seed}\t{}\t{}", verdict.replace(['\n', '\t'], " "), counted(&report));
        seed += step;
    }
}

fn counted(report: &Report) -> String {
    let mut text = format!("{:?}\t{:?}\t{}", report.profile, report.workload, report.covers);
    for (name, value) in report.counters.rows() {
        let _ = write!(text, "\t{name}={value}");
    }
    text
}

/// What the parent has gathered.
#[derive(Default)]
struct Campaign {
    seeds: u64,
    covering: u64,
    failed: Vec<(u64, String)>,
    counters: BTreeMap<String, u64>,
    /// Per profile: seeds, covering ones, operations, answered, overlapping.
    profiles: BTreeMap<String, [u64; 5]>,
    workloads: BTreeMap<String, u64>,
}

impl Campaign {
    fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    fn take(&mut self, seed: u64, rest: &str) {
        let mut fields = rest.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let (verdict, profile, workload, covers) = (next(), next(), next(), next() == "true");
        self.seeds += 1;
        self.covering += u64::from(covers);
        if verdict != "ok" {
            self.failed.push((seed, verdict.chars().take(2_000).collect()));
        }
        *self.workloads.entry(workload.into()).or_default() += 1;
        let row = self.profiles.entry(profile.into()).or_default();
        row[0] += 1;
        row[1] += u64::from(covers);
        for field in fields {
            let Some((name, value)) = field.split_once('=') else { continue };
            let value = value.parse().unwrap_or(0);
            *self.counters.entry(name.into()).or_default() += value;
            match name {
                "operations" => row[2] += value,
                "operations answered" => row[3] += value,
                "operations overlapping" => row[4] += value,
                _ => {}
            }
        }
    }
}

/// All seeds, on so many processes at a time.
fn all(from: u64, to: u64, jobs: usize) -> Result<Campaign, String> {
    let (send, lines) = channel();
    let jobs = jobs as u64;
    std::thread::scope(|scope| {
        for job in 0..jobs {
            let send = send.clone();
            scope.spawn(move || share(from + job, to, jobs, &send));
        }
        drop(send);
        gather(&lines, to - from)
    })
}

/// One child after another, until its share of the seeds is done: one that dies is replaced behind the seed
/// that killed it.
fn share(from: u64, to: u64, step: u64, send: &Sender<Result<(u64, String), String>>) {
    let mut next = from;
    while next < to {
        match child(&mut next, to, step, send) {
            Ok(()) => {}
            Err(error) => {
                let _ = send.send(Err(error));
                return;
            }
        }
    }
}

fn child(
    next: &mut u64,
    to: u64,
    step: u64,
    send: &Sender<Result<(u64, String), String>>,
) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(["campaign", "--worker", &format!("{next},{to},{step}")])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let pipe = child.stdout.take().expect("piped");
    let mut begun = None;
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let mut fields = line.splitn(3, '\t');
        let kind = fields.next().unwrap_or_default();
        let seed: u64 = fields.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        match kind {
            "BEGIN" => begun = Some(seed),
            "END" => {
                begun = None;
                *next = seed + step;
                let _ = send.send(Ok((seed, fields.next().unwrap_or_default().into())));
            }
            _ => {}
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    match begun {
        Some(seed) => {
            let text = format!("safety: an invariant failed, the process ended with {status}");
            let _ = send.send(Ok((seed, format!("{text}\t?\t?\tfalse"))));
            *next = seed + step;
        }
        None if !status.success() => return Err(format!("a worker ended with {status}")),
        None => *next = to,
    }
    Ok(())
}

fn gather(lines: &Receiver<Result<(u64, String), String>>, seeds: u64) -> Result<Campaign, String> {
    let mut campaign = Campaign::default();
    for line in lines {
        let (seed, rest) = line?;
        campaign.take(seed, &rest);
        if campaign.seeds.is_multiple_of(100) || campaign.seeds == seeds {
            let (done, failed) = (campaign.seeds, campaign.failed.len());
            println!("{done} of {seeds} seeds, {failed} failed");
        }
    }
    campaign.failed.sort_unstable();
    Ok(campaign)
}

/// The table of planted bugs, from swarm's own tests: only they may plant.
fn mutants(root: &Path) -> Result<Vec<String>, String> {
    let words = ["test", "-p", "swarm", "--test", "it", "--", "--ignored", "--nocapture"];
    let text = output(root, "cargo", &[&words[..], &["seeds_needed"]].concat())?;
    Ok(text.lines().filter_map(|line| line.strip_prefix("MUTANT ")).map(String::from).collect())
}

fn output(root: &Path, program: &str, words: &[&str]) -> Result<String, String> {
    let result = Command::new(program).args(words).current_dir(root).output();
    let output = result.map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} {}: {}", words.join(" "), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn summary(
    campaign: &Campaign,
    (from, to): (u64, u64),
    (commit, date, command): (&str, &str, &str),
    mutants: &[String],
    missing: &[&str],
) -> String {
    let mut text = format!(
        "# Campaign of {date} at {commit}\n\n`{command}`: seeds {from}..{to}, each run twice and compared.\n\n\
         {} seeds, {} failed. {} had 200 operations of 3 clients on at most 5 keys, a third overlapping and \
         half answered.\n",
        campaign.seeds,
        campaign.failed.len(),
        campaign.covering,
    );
    if !missing.is_empty() {
        let _ = writeln!(text, "\nNever happened: {}.", missing.join(", "));
    }
    text.push_str("\n| faults | seeds | covering | operations | answered | overlapping |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for (profile, [seeds, covering, all, answered, overlapping]) in &campaign.profiles {
        let share = |part: &u64| part * 100 / all.max(&1);
        let (answered, overlapping) = (share(answered), share(overlapping));
        let _ = writeln!(
            text,
            "| {profile} | {seeds} | {covering} | {all} | {answered} % | {overlapping} % |"
        );
    }
    text.push_str("\n| workload | seeds |\n| --- | --- |\n");
    for (workload, seeds) in &campaign.workloads {
        let _ = writeln!(text, "| {workload} | {seeds} |");
    }
    text.push_str("\n| what happened | times |\n| --- | --- |\n");
    for (name, times) in &campaign.counters {
        let must = if REQUIRED.contains(&name.as_str()) { " (required)" } else { "" };
        let _ = writeln!(text, "| {name}{must} | {times} |");
    }
    if !mutants.is_empty() {
        text.push_str("\n| planted bug | seeds needed (median of 20 ranges) | found in | by |\n");
        text.push_str("| --- | --- | --- | --- |\n");
        for row in mutants {
            let _ = writeln!(text, "{row}");
        }
    }
    for (seed, why) in &campaign.failed {
        let _ = writeln!(text, "\nSeed {seed}: {why}");
    }
    text
}
