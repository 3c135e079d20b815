//! `atoll check`: the verdict on a recorded history, or its consistency map (docs/checking.md).
//!
//! | file | what |
//! | --- | --- |
//! | `limits` | the budget in time and memory, kept even if a checker forgets to ask |
//! | `report` | the map and its witnesses for people |
//! | `json` | the same for programs |
//! | `picture` | one witness as an HTML page |

mod json;
mod limits;
mod picture;
mod report;

use crate::args::{Check, FailedCas, Nil};
use crate::whole::write_whole;
use crate::{Failure, out};
use check::format::{self, Loaded};
use check::map::{self, Map, Place};
use check::{Judgement, Level, Transactions, Witness};
use limits::Limits;
use std::io::Read;
use std::process::ExitCode;

/// The exit code of a wrong command line (EX_USAGE of sysexits.h): 0, 1 and 2 are verdicts.
pub(crate) const USAGE: u8 = 64;
/// The exit code of input that cannot be read (EX_DATAERR).
const UNREADABLE: u8 = 65;
/// The exit code of a picture that cannot be written (EX_CANTCREAT).
const UNWRITABLE: u8 = 73;

/// What `atoll check` ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// What was asked for holds.
    Ok,
    /// It does not.
    Violation,
    /// Nobody knows.
    Unknown,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Violation => "violation",
            Verdict::Unknown => "unknown",
        }
    }

    fn code(self) -> u8 {
        match self {
            Verdict::Ok => 0,
            Verdict::Violation => 1,
            Verdict::Unknown => 2,
        }
    }
}

/// What was found: one level, or all that are judged.
struct Findings<'a> {
    file: String,
    loaded: &'a Loaded,
    /// The level that was asked for, if it is one.
    model: Option<Level>,
    levels: Vec<(Level, Place)>,
    strongest: Vec<Level>,
}

impl Findings<'_> {
    /// Of a map: good if all that speaks of the history holds, bad if something fails.
    fn verdict(&self) -> Verdict {
        let any = |what: fn(&Judgement) -> bool| {
            self.levels.iter().any(|(_, place)| what(&place.judgement))
        };
        if any(|judgement| matches!(judgement, Judgement::Fails(_))) {
            Verdict::Violation
        } else if any(|judgement| matches!(judgement, Judgement::Unknown(_)))
            || !any(|judgement| *judgement == Judgement::Holds)
        {
            Verdict::Unknown
        } else {
            Verdict::Ok
        }
    }

    /// Each violation once, with the levels that were judged and have it, the strongest first.
    fn violations(&self) -> Vec<(&Witness, Vec<Level>)> {
        let mut found: Vec<(&Witness, Vec<Level>)> = Vec::new();
        for (level, place) in self.levels.iter().filter(|(_, place)| place.from.is_none()) {
            let Judgement::Fails(witness) = &place.judgement else { continue };
            match found.iter_mut().find(|(known, _)| *known == &**witness) {
                Some((_, levels)) => levels.push(*level),
                None => found.push((witness, vec![*level])),
            }
        }
        found
    }

    fn history(&self) -> &Transactions {
        &self.loaded.history
    }
}

pub(crate) fn run(args: &Check) -> ExitCode {
    if args.model == Some(Level::BoundedStaleness) && args.staleness.is_none() {
        out::error("--model bounded-staleness needs --staleness TIME: by how much a read may lag");
        return ExitCode::from(USAGE);
    }
    let limits = Limits::start(args.time, args.memory);
    match load(args, &limits) {
        Ok(loaded) => judged(args, &loaded, &limits),
        Err(failure) => {
            limits.finish();
            out::error(&failure);
            ExitCode::from(UNREADABLE)
        }
    }
}

fn judged(args: &Check, loaded: &Loaded, limits: &Limits) -> ExitCode {
    let options = map::Options { staleness: args.staleness, ..map::Options::default() };
    let (history, budget) = (&loaded.history, limits.budget());
    let (levels, strongest) = match args.model {
        Some(level) => {
            let judgement = map::judge(history, level, &options, budget);
            (vec![(level, Place { judgement, from: None })], Vec::new())
        }
        None => {
            let map: Map = map::map(history, &options, budget);
            (map.levels().map(|(level, place)| (level, place.clone())).collect(), map.strongest())
        }
    };
    limits.finish();
    let file = args.file.display().to_string();
    let findings = Findings { file, loaded, model: args.model, levels, strongest };
    if args.json {
        out::line(format_args!("{}", json::of(&findings, limits.reached())));
    } else {
        report::print(&findings, limits.reached());
    }
    let violations = findings.violations();
    // The strongest level's, but rather one that says which operation is at fault, or why there is a cycle.
    let tells =
        |(witness, _): &&(&Witness, _)| witness.stuck.is_some() || !witness.cycle.is_empty();
    let drawn = violations.iter().find(tells).or(violations.first());
    if let (Some(path), Some((witness, levels))) = (&args.html, drawn) {
        let title = format!("{}: not {}", findings.file, levels[0]);
        let html = picture::draw(history, witness, &title);
        if let Err(why) = write_whole(path, html.as_bytes()) {
            out::error(&why);
            return ExitCode::from(UNWRITABLE);
        }
        if !args.json {
            out::line(format_args!("\nnot {}: drawn in {}", levels[0], path.display()));
        }
    }
    ExitCode::from(findings.verdict().code())
}

fn load(args: &Check, limits: &Limits) -> Result<Loaded, Failure> {
    let name = args.file.display();
    let mut bytes = Vec::new();
    let most = limits.memory();
    let read = if args.file.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(&args.file).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| format!("{name}: {error}"))?;
    if u64::try_from(length).is_ok_and(|length| length == most) {
        limits.give_up("memory", "the file alone is larger than --memory");
    }
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

#[cfg(test)]
mod tests;
