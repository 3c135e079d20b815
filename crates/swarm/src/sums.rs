//! Which of some numbers make up which of some sums: subset sum by meeting in the middle (Horowitz and Sahni
//! 1974), for one sum after the other.
//!
//! Equal numbers are taken in the order of their times. That loses no solution: what may be in one gap may be in
//! every later one, so of two equal numbers the earlier can change places with the later.

use std::collections::BTreeMap;

/// What is missing between two sums that were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) size: u64,
    /// Only what began by then can be in it; of a later gap it is no earlier.
    pub(crate) latest: u64,
    /// The operation that saw what is missing.
    pub(crate) after: usize,
}

/// An addition that may have happened once at any time after its invocation, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loose {
    pub(crate) amount: u64,
    pub(crate) invoked: u64,
}

/// Whether all gaps can be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    Yes,
    /// With this gap or one before it there is no way.
    No(usize),
    /// The steps are at an end.
    Unknown,
}

/// All that have one amount.
struct Class {
    amount: u64,
    /// In order.
    invoked: Vec<u64>,
    used: usize,
}

impl Class {
    fn left(&self, latest: u64) -> usize {
        self.invoked.partition_point(|at| *at <= latest) - self.used
    }
}

/// Whether disjoint parts of `loose` make up all `gaps`. Takes what it needs from `steps`.
pub(crate) fn fill(gaps: &[Gap], loose: &[Loose], steps: &mut u64) -> Filled {
    assert!(gaps.is_sorted_by_key(|gap| gap.latest), "what may be in a gap may be in a later one");
    let mut classes: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for one in loose {
        assert!(one.amount > 0, "an addition of nothing cannot be told");
        classes.entry(one.amount).or_default().push(one.invoked);
    }
    let class = |(amount, mut invoked): (u64, Vec<u64>)| {
        invoked.sort_unstable();
        Class { amount, invoked, used: 0 }
    };
    let mut search =
        Search { gaps, classes: classes.into_iter().map(class).collect(), steps, furthest: 0 };
    match search.from(0) {
        Some(true) => Filled::Yes,
        Some(false) => Filled::No(search.furthest),
        None => Filled::Unknown,
    }
}

struct Search<'a> {
    gaps: &'a [Gap],
    classes: Vec<Class>,
    steps: &'a mut u64,
    /// The last gap that was looked at.
    furthest: usize,
}

/// A part of the classes: its sum, and how many it takes of each as one number ([`Half::counts`]).
#[derive(Clone, Copy)]
struct Part {
    sum: u64,
    code: u128,
}

/// Some classes of which parts are taken.
struct Half {
    /// Which, and how many are left of it.
    classes: Vec<(usize, usize)>,
    /// In the order of their sums.
    parts: Vec<Part>,
}

impl Half {
    fn counts(&self, part: &Part) -> Vec<(usize, usize)> {
        let mut code = part.code;
        let mut counts = Vec::new();
        for (class, left) in &self.classes {
            let radix = *left as u128 + 1;
            let count = usize::try_from(code % radix).expect("no more than are left");
            code /= radix;
            if count > 0 {
                counts.push((*class, count));
            }
        }
        counts
    }
}

impl Search<'_> {
    /// Whether the gaps from this one on can be filled with what is left; `None`: no steps are left.
    fn from(&mut self, gap: usize) -> Option<bool> {
        let Some(Gap { size, latest, .. }) = self.gaps.get(gap).copied() else { return Some(true) };
        self.furthest = self.furthest.max(gap);
        // Large ones and small ones go by turns to either half, so that the halves are about equally large.
        let mut halves = [Vec::new(), Vec::new()];
        let mut total = 0u128;
        for (class, it) in self.classes.iter().enumerate() {
            let left = it.left(latest).min(usize::try_from(size / it.amount).unwrap_or(usize::MAX));
            if left > 0 {
                total += u128::from(it.amount) * left as u128;
                let turn = halves[0].len() > halves[1].len();
                halves[usize::from(turn)].push((class, left));
            }
        }
        if total < u128::from(size) {
            return Some(false);
        }
        let [one, other] = halves;
        let (one, other) = (self.half(one, size)?, self.half(other, size)?);
        let mut high = other.parts.len();
        for part in &one.parts {
            // Of the other half, those that are too large with this one are so with the next.
            while high > 0 && other.parts[high - 1].sum > size - part.sum {
                high -= 1;
            }
            let fitting = other.parts[..high].iter().rev();
            for rest in fitting.take_while(|rest| rest.sum == size - part.sum) {
                self.spend(1)?;
                let taken = [one.counts(part), other.counts(rest)].concat();
                taken.iter().for_each(|(class, count)| self.classes[*class].used += count);
                let whole = self.from(gap + 1);
                taken.iter().for_each(|(class, count)| self.classes[*class].used -= count);
                if whole != Some(false) {
                    return whole;
                }
            }
        }
        Some(false)
    }

    /// All parts of some classes that are no larger than `most`.
    fn half(&mut self, classes: Vec<(usize, usize)>, most: u64) -> Option<Half> {
        let mut parts = vec![Part { sum: 0, code: 0 }];
        let mut radix = 1u128;
        for (class, left) in &classes {
            let amount = self.classes[*class].amount;
            let before = parts.len();
            for count in 1..=*left {
                let by = amount * count as u64;
                let with = parts[..before].iter().filter(|part| part.sum <= most - by);
                let code = radix * count as u128;
                let with: Vec<Part> =
                    with.map(|part| Part { sum: part.sum + by, code: part.code + code }).collect();
                self.spend(with.len() as u64)?;
                parts.extend(with);
            }
            radix = radix.checked_mul(*left as u128 + 1)?;
        }
        parts.sort_unstable_by_key(|part| part.sum);
        Some(Half { classes, parts })
    }

    fn spend(&mut self, steps: u64) -> Option<()> {
        *self.steps = self.steps.checked_sub(steps)?;
        Some(())
    }
}
