//! A consistency model's object is a tiny executable specification.

use std::fmt::Debug;
use std::hash::Hash;
use stdx::Bytes;

/// What an operation touches.
pub type Key = Bytes;

/// What an object does, one operation at a time.
pub trait Model {
    /// What can be asked of it.
    type Op: Clone + Eq + Debug;
    /// What it answers.
    type Result: Clone + Eq + Debug;
    /// What it remembers.
    type State: Clone + Eq + Hash;

    /// Before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `op` answered `result` in `state`; `None` if it cannot have answered so. Without a
    /// result (the outcome is unknown) every answer will do.
    fn step(
        &self,
        state: &Self::State,
        op: &Self::Op,
        result: Option<&Self::Result>,
    ) -> Option<Self::State>;

    /// Whether `op` changes no state ever.
    fn is_read(&self, op: &Self::Op) -> bool;

    /// The keys `op` touches; operations without a common key, also by way of others, are judged apart. No
    /// key at all stands for one object.
    fn keys(&self, op: &Self::Op) -> Vec<Key> {
        let _ = op;
        Vec::new()
    }

    /// Whether `writer` only overwrites, and the answer `result` of `op` is the same whether or not `writer`
    /// ever happened, as long as nobody answers with what it wrote. If no remaining operation can tell, a
    /// shrinker may leave `writer` out. An operation that cannot tell even of itself is a blind write, and must
    /// not be able to tell of any other.
    fn cannot_tell(&self, writer: &Self::Op, op: &Self::Op, result: Option<&Self::Result>) -> bool {
        let _ = (writer, op, result);
        false
    }
}
