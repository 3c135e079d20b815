//! From what was found to the smallest part of the history in which something is still found.

use super::resolved::Resolved;
use super::{Find, Found};
use crate::Level;
use crate::meter::Meter;

/// Parts larger than this are not tried without each of their nodes: that is quadratic.
const MOST: usize = 200;

/// Leaves out one node after the other. In a part, a read from a node that is not in it constrains nothing, so that
/// whatever is found in a part is wrong with the whole.
pub(super) fn smallest(
    resolved: &Resolved,
    found: Found,
    level: Level,
    find: Find,
    meter: &mut Meter<'_>,
) -> (Resolved, Found) {
    let mut nodes = found.nodes.clone();
    nodes.sort_unstable();
    nodes.dedup();
    let mut part = resolved.part(&nodes);
    let mut look = |part: &Resolved| find(part, level, meter).ok().flatten();
    let Some(mut found) = look(&part) else { return (resolved.clone(), found) };
    let mut at = 0;
    while part.len() <= MOST && at < part.len() {
        let rest: Vec<u32> = part.nodes().filter(|&node| node as usize != at).collect();
        let fewer = part.part(&rest);
        match look(&fewer) {
            Some(again) => (part, found) = (fewer, again),
            None => at += 1,
        }
    }
    (part, found)
}
