//! `cargo run -p draw --example samples FOLDER` writes pages to look at, for `scripts/pictures.sh`.

#[path = "../tests/it/samples.rs"]
mod samples;

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).ok_or_else(|| io::Error::other("which folder?"))?;
    let write = |name: &str, page: String| fs::write(Path::new(&folder).join(name), page);
    write("run-30.html", draw::space_time(&samples::gossip(30)))?;
    write("run-3000.html", draw::space_time(&samples::gossip(3_000)))?;
    write("run-nasty.html", draw::space_time(&samples::nasty_run()))?;
    write("timeline.html", draw::timeline(&samples::stale_read()))?;
    write("timeline-20000.html", draw::timeline(&samples::long_history(20_000)))?;
    write("timeline-nasty.html", draw::timeline(&samples::nasty_timeline()))?;
    for length in [2, 3, 6] {
        write(&format!("cycle-{length}.html"), draw::cycle(&samples::ring(length)))?;
    }
    write("cycle-nasty.html", draw::cycle(&samples::nasty_cycle()))?;
    write("report.html", draw::sheet(&samples::report("A minute with a fault")))?;
    write("report-nasty.html", draw::sheet(&samples::report(samples::NASTY)))?;
    for count in [30, 3_000] {
        write(&format!("relations-{count}.json"), relations(count)?)?;
    }
    write("run.shiviz", draw::shiviz(&samples::gossip(30)).map_err(io::Error::other)?)
}

/// Pairs of events and how they stand to each other, as the vector clocks here say: what clicking them must say too.
fn relations(count: usize) -> io::Result<String> {
    let run = samples::gossip(count);
    let clocks = draw::Clocks::of(&run).map_err(io::Error::other)?;
    let mut chance = samples::Chance(0xc11c);
    let mut pairs = Vec::new();
    while pairs.len() < 300 {
        let mut event = || chance.below(run.events.len() as u64) as usize;
        let (a, b) = (event(), event());
        if a != b {
            let relation = format!("{:?}", clocks.relation(a, b)).to_lowercase();
            pairs.push(format!("[{a},{b},\"{relation}\"]"));
        }
    }
    Ok(format!("[{}]", pairs.join(",")))
}
