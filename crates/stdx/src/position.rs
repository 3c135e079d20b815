//! Where a record stands in a node's log.

/// The number of records before a record in the one log of its node, counted from the log's creation and never
/// reused. "Durable up to `p`" means every record whose position is below `p`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}
