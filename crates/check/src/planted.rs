//! Bugs of one line that tests plant to see that the twin of `order` finds them. Outside of tests there are none.

#[cfg(test)]
use std::cell::Cell;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// What touches in time is taken to be ordered.
    TouchIsOrder,
    /// Touching operations of one process are taken to overlap.
    ProcessMayTouch,
    /// The order of a process is not respected.
    NoProcess,
    /// What is unknown is taken to have failed.
    UnknownFailed,
    /// What is unknown is taken to have happened at once.
    UnknownHappened,
    /// What was seen is taken to have happened, whoever else may have written it.
    SeenIsCertain,
    /// The memo forgets what has its place.
    MemoWithoutPlaced,
    /// The memo forgets the state.
    MemoWithoutState,
    /// The memo forgets what was used up.
    MemoWithoutUsed,
    /// A failed compare-and-set is taken to say nothing.
    FailedSaysNothing,
    /// What is still needed is never left, although somebody could bring it back.
    NothingComesBack,
    /// Of equal pending operations the one that returns later stands for both.
    LaterStands,
    /// What left a queue at one time is taken to be ordered.
    QueueTouches,
    /// A write is left out of a violation although it was read.
    ShrinkAnything,
    /// Keys that one transaction touches are judged apart.
    KeysApart,
}

#[cfg(test)]
thread_local! {
    static NOW: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether `bug` is planted.
#[cfg(test)]
pub(crate) fn is(bug: Bug) -> bool {
    NOW.get() == Some(bug)
}

/// Whether `bug` is planted: never.
#[cfg(not(test))]
pub(crate) const fn is(_bug: Bug) -> bool {
    false
}

/// Runs `work` with `bug` planted.
#[cfg(test)]
pub(crate) fn with<T>(bug: Bug, work: impl FnOnce() -> T) -> T {
    NOW.set(Some(bug));
    let result = work();
    NOW.set(None);
    result
}
