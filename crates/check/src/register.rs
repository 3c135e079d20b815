//! The two objects of the textbooks.

use crate::Model;

/// A register of whole numbers, nothing at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

/// What a register is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterOp {
    /// What does it hold?
    Read,
    /// Hold this.
    Write(u64),
    /// If it holds the first, hold the second.
    Cas(u64, u64),
}

/// What a register answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterResult {
    /// It holds this.
    Value(Option<u64>),
    /// Written.
    Done,
    /// Whether it held the first.
    Swapped(bool),
}

impl Model for Register {
    type Op = RegisterOp;
    type Result = RegisterResult;
    type State = Option<u64>;

    fn initial(&self) -> Option<u64> {
        None
    }

    fn step(
        &self,
        state: &Option<u64>,
        op: &RegisterOp,
        result: Option<&RegisterResult>,
    ) -> Option<Option<u64>> {
        let (answer, next) = match *op {
            RegisterOp::Read => (RegisterResult::Value(*state), *state),
            RegisterOp::Write(value) => (RegisterResult::Done, Some(value)),
            RegisterOp::Cas(from, to) if *state == Some(from) => {
                (RegisterResult::Swapped(true), Some(to))
            }
            RegisterOp::Cas(..) => (RegisterResult::Swapped(false), *state),
        };
        result.is_none_or(|said| *said == answer).then_some(next)
    }

    fn is_read(&self, op: &RegisterOp) -> bool {
        *op == RegisterOp::Read
    }

    fn cannot_tell(
        &self,
        writer: &RegisterOp,
        op: &RegisterOp,
        result: Option<&RegisterResult>,
    ) -> bool {
        let RegisterOp::Write(value) = *writer else { return false };
        match op {
            RegisterOp::Read => result != Some(&RegisterResult::Value(Some(value))),
            RegisterOp::Write(_) => true,
            RegisterOp::Cas(..) => false,
        }
    }
}

/// A counter, zero at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

/// What a counter is asked. The answer is the value afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterOp {
    /// What is it?
    Get,
    /// Add this.
    Add(i64),
}

impl Model for Counter {
    type Op = CounterOp;
    type Result = i64;
    type State = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, state: &i64, op: &CounterOp, result: Option<&i64>) -> Option<i64> {
        let next = match op {
            CounterOp::Get => *state,
            CounterOp::Add(by) => state.wrapping_add(*by),
        };
        result.is_none_or(|said| *said == next).then_some(next)
    }

    fn is_read(&self, op: &CounterOp) -> bool {
        matches!(op, CounterOp::Get | CounterOp::Add(0))
    }
}
