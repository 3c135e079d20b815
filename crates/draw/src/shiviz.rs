//! A run as text for ShiViz: host, vector clock as JSON and event, one a line.

use crate::page::json;
use crate::{Clocks, SpaceTime};

/// The regular expression that ShiViz is given for this text.
const EXPRESSION: &str = r"(?<host>\S*) (?<clock>{.*}) (?<event>.*)";

/// The run as a log that ShiViz reads: its expression, an empty line for the delimiter of executions, then one line
/// per event, causes first.
///
/// # Errors
/// As [`Clocks::of`].
pub fn shiviz(run: &SpaceTime) -> Result<String, String> {
    let clocks = Clocks::of(run)?;
    let hosts = hosts(&run.processes);
    let mut out = format!("{EXPRESSION}\n\n");
    for &at in &clocks.order {
        let event = &run.events[at];
        let known = clocks.vector[at].iter().enumerate().filter(|(_, count)| **count > 0);
        let clock: Vec<String> =
            known.map(|(host, count)| format!("{}:{count}", json(&hosts[host]))).collect();
        let mut text = event.label.clone();
        if !event.detail.is_empty() {
            text = format!("{text} | {}", event.detail);
        }
        let text: Vec<&str> = text.split_whitespace().collect();
        let line = format!("{} {{{}}} {}\n", hosts[event.process], clock.join(","), text.join(" "));
        out.push_str(&line);
    }
    Ok(out)
}

/// Names without white space or braces, as the expression wants them, and all different.
fn hosts(processes: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for (at, process) in processes.iter().enumerate() {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"{}\"\\<>&".contains(c);
        let name: String = process.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let taken = name.is_empty() || hosts.contains(&name);
        let mut host = if taken { format!("{name}#{at}") } else { name };
        while hosts.contains(&host) {
            host.push('_');
        }
        hosts.push(host);
    }
    hosts
}
