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
    /// What was not tried right after something faded is taken to fail for whoever comes there.
    FadedFailsAll,
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
    /// What somebody took from a queue, nobody knows what, is taken to be nothing that is kept.
    BlindTakesNone,
    /// Keys that one transaction touches are judged apart.
    KeysApart,
    /// Of what is appended to a string, one may begin with another: the longer is taken for the shorter and more.
    TokensBegin,
    /// An append that was seen after two different values is taken to be where it was seen first.
    FirstPlace,
    /// Whatever changes nothing is taken not to have happened, known or not.
    IdleNever,
    /// What a guide does not have next is not tried.
    OnlyGuide,
    /// What is looked at is not counted towards the next look at the clock.
    LooksAreFree,
    /// A guide goes backwards.
    WrongGuide,
    /// Blocks of a register are put in line by their first return, those that fit anywhere as well.
    ZonesByReturn,
    /// Of elements that may come first the one that came first does, whenever it left.
    FirstCame,
    /// What must have left a queue is not given to dequeues of unknown outcome.
    NothingTaken,
    /// Components of a graph forget what can be reached from what they reached.
    NoLowLink,
    /// Of several who wrote a value the first is taken to be read from.
    FirstOfSeveral,
    /// A later read of the same key, from somebody else, says nothing.
    NoLaterRead,
    /// What is unknown knows only the last its process did before.
    ForkKnowsLast,
    /// What is unknown is a link of its process, which goes on after it.
    ForkIsLink,
    /// Of two lists that do not go together only the longer one is believed.
    LongestListOnly,
    /// The appends of a transaction need not be in a list together.
    TornLists,
    /// A node is in its own causal past.
    OwnPast,
    /// The last of each session in a causal past is not seen.
    ShortPast,
    /// Of the arcs from a session to a node the first is kept.
    FirstArc,
    /// What follows by one step is taken to follow from causes.
    NearlyNew,
    /// What happened before an operation of a process is counted for the next one.
    LateLevel,
    /// What happened before is not carried on.
    OneRound,
    /// Whatever is derived for a process is taken to agree with the order of all.
    AlwaysForward,
    /// What turned out to have happened earlier is not carried on.
    NotLowered,
    /// Lists tell a transaction no order of its own.
    NoOwnLists,
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
