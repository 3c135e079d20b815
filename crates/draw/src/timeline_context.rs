//! Of a history too large to look at, what lies around the violation.

use crate::{Span, Timeline};

/// More operations than these are not drawn.
pub(crate) const MOST: usize = 400;

/// What is drawn of a history.
pub(crate) struct Context {
    /// The spans drawn, with their points, and their order.
    pub(crate) shown: Timeline,
    /// Per span drawn, its place in the order of the whole history, counted from 1.
    pub(crate) number: Vec<Option<usize>>,
    /// How many there are in all.
    pub(crate) of: usize,
}

impl Context {
    /// Of a valid history: all of it, or the guilty operations and those invoked next to them.
    pub(crate) fn of(history: &Timeline) -> Context {
        let mut spans = history.spans.clone();
        let mut number = vec![None; spans.len()];
        let mut reached = 0;
        for (place, &at) in history.order.iter().enumerate() {
            // The earliest time at which the order lets it take effect.
            reached = spans[at].point.unwrap_or(spans[at].from).max(reached);
            spans[at].point = Some(spans[at].point.unwrap_or(reached));
            number[at] = Some(place + 1);
        }
        let kept = kept(&spans);
        let mut place = vec![None; spans.len()];
        for (new, &old) in kept.iter().enumerate() {
            place[old] = Some(new);
        }
        let shown = Timeline {
            title: history.title.clone(),
            reason: history.reason.clone(),
            rows: history.rows.clone(),
            spans: kept.iter().map(|&at| spans[at].clone()).collect(),
            order: history.order.iter().filter_map(|&at| place[at]).collect(),
        };
        let number = kept.iter().map(|&at| number[at]).collect();
        Context { shown, number, of: spans.len() }
    }
}

/// The operations to draw, ascending. Without a guilty one, the last ones.
fn kept(spans: &[Span]) -> Vec<usize> {
    let mut by_time: Vec<usize> = (0..spans.len()).collect();
    if spans.len() <= MOST {
        return by_time;
    }
    by_time.sort_by_key(|&at| (spans[at].from, at));
    let mut is_focus: Vec<bool> = by_time.iter().map(|&at| spans[at].guilty).collect();
    if !is_focus.contains(&true) {
        is_focus[spans.len() - 1] = true;
    }
    // How many invocations lie between an operation and the next guilty one, looking forth and back.
    let mut far = vec![usize::MAX; spans.len()];
    let mut walk = |places: &mut dyn Iterator<Item = usize>| {
        let mut steps = usize::MAX;
        for place in places {
            steps = if is_focus[place] { 0 } else { steps.saturating_add(1) };
            far[place] = far[place].min(steps);
        }
    };
    walk(&mut (0..spans.len()));
    walk(&mut (0..spans.len()).rev());
    let mut nearest: Vec<usize> = (0..spans.len()).collect();
    nearest.sort_by_key(|&place| (far[place], place));
    let mut kept: Vec<usize> = nearest.into_iter().take(MOST).map(|place| by_time[place]).collect();
    kept.sort_unstable();
    kept
}
