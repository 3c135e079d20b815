//! `r(key,value,session,transaction)` and `w(..)`, a line each: Plume, PolySI, AWDIT.
//!
//! Operations of a transaction are those with its number; those of transaction -1 are of aborted ones. Sessions are
//! in the order of the file, and there is no time. A read of 0 found nothing, unless the file writes zeros.

use super::book::{Book, Shape};
use super::tape::{Fault, integer};
use super::{NilRead, Options};
use crate::names::Table;
use crate::txn::{Fate, Op, Value, ValueId};

/// A line.
struct Line {
    write: bool,
    /// Key, value, session and transaction.
    numbers: [i64; 4],
    /// Where the key is.
    key: (usize, usize),
}

struct Group {
    session: u64,
    line: u32,
    ops: u32,
    aborted: bool,
}

pub(super) fn read(bytes: &[u8], options: &Options, book: &mut Book) -> Result<(), Fault> {
    book.history.timed = false;
    let zero = book.value(&Value::Int(0));
    let mut writes_zero = false;
    let mut groups: Vec<Group> = Vec::new();
    let (mut ops, mut owners) = (Vec::new(), Vec::new());
    let mut numbers: Table<i64, u32> = Table::default();
    let mut last = (0, u32::MAX);
    let mut start = 0;
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let at = start;
        start += line.len() + 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Line { write, numbers: [_, value, session, txn], key } = parse(bytes, at, line.len())?;
        let session = u64::try_from(session).map_err(|_| Fault::new(at, "a negative session"))?;
        let aborted = txn == -1;
        if aborted && !write {
            book.ignore("reads of aborted transactions");
            continue;
        }
        let fresh = u32::try_from(groups.len()).map_err(|_| Fault::new(at, "too many"))?;
        let group = match aborted {
            true => fresh,
            false if last == (txn, last.1) && last.1 != u32::MAX => last.1,
            false => *numbers.entry(txn).or_insert(fresh),
        };
        if !aborted {
            last = (txn, group);
        }
        if group == fresh {
            let line = u32::try_from(number + 1).unwrap_or(u32::MAX);
            groups.push(Group { session, line, ops: 0, aborted });
        }
        let of = &mut groups[group as usize];
        if of.session != session {
            let reason =
                format!("transaction {txn} is of session {} in line {}", of.session, of.line);
            return Err(Fault::new(at, reason));
        }
        of.ops += 1;
        let key = book.key(&bytes[key.0..key.1], Shape::Register, key.0)?;
        let value = book.value(&Value::Int(value));
        writes_zero |= write && value == zero;
        ops.push(if write {
            Op::Write { key, value }
        } else {
            Op::Read { key, value: Some(value) }
        });
        owners.push(group);
    }
    if !writes_zero {
        nothing_for_zero(&mut ops, zero, options.nil.unwrap_or(NilRead::Absent));
    }
    gather(&mut ops, owners, &groups);
    let mut from = 0;
    for (group, time) in groups.iter().zip(0..) {
        let to = from + group.ops as usize;
        let fate = if group.aborted { Fate::Aborted } else { Fate::Committed };
        let times = (2 * time, 2 * time + 1);
        let part = ops[from..to].iter().copied();
        book.history.push(group.session, times, fate, group.line, part);
        from = to;
    }
    Ok(())
}

/// Where nobody writes a zero, a read of it is a read of nil.
fn nothing_for_zero(ops: &mut [Op], zero: ValueId, meaning: NilRead) {
    let nil = (meaning == NilRead::Absent).then_some(ValueId::NIL);
    for op in ops {
        if let Op::Read { value, .. } = op
            && *value == Some(zero)
        {
            *value = nil;
        }
    }
}

/// Brings the operations of each transaction together, in their order.
fn gather(ops: &mut Vec<Op>, owners: Vec<u32>, groups: &[Group]) {
    if owners.is_sorted() {
        return;
    }
    let mut ends = Vec::with_capacity(groups.len());
    let mut sum = 0;
    for group in groups {
        ends.push(sum);
        sum += group.ops as usize;
    }
    let mut sorted = ops.clone();
    for (op, owner) in ops.iter().zip(owners) {
        let place = &mut ends[owner as usize];
        sorted[*place] = *op;
        *place += 1;
    }
    *ops = sorted;
}

fn parse(bytes: &[u8], at: usize, len: usize) -> Result<Line, Fault> {
    let expected = |at| Fault::new(at, "expected `r(key,value,session,transaction)` or `w(..)`");
    let line = bytes[at..at + len].trim_ascii_end();
    let write = match line {
        [b'r', b'(', ..] => false,
        [b'w', b'(', ..] => true,
        _ => return Err(expected(at)),
    };
    let (mut numbers, mut key, mut from) = ([0; 4], (0, 0), 2);
    for (i, number) in numbers.iter_mut().enumerate() {
        let close = if i == 3 { b')' } else { b',' };
        let rest = &line[from..];
        let to = rest.iter().position(|&byte| !(byte.is_ascii_digit() || byte == b'-'));
        let to = to.filter(|&to| rest[to] == close).ok_or_else(|| expected(at + from))?;
        let value = integer(&rest[..to]).filter(|&value| value >= 0 || (i == 3 && value == -1));
        *number = value.ok_or_else(|| Fault::new(at + from, "expected a whole number"))?;
        if i == 0 {
            key = (at + from, at + from + to);
        }
        from += to + 1;
    }
    if from != line.len() {
        return Err(expected(at + from));
    }
    Ok(Line { write, numbers, key })
}
