//! A transaction by itself: what it saw of others, what it leaves behind, and whether it saw its own writes.

use super::build::Misread;
use super::words::who;
use super::writers::Writers;
use crate::txn::{Elements, Fate, KeyId, Op, Transactions, ValueId};

/// What was seen of a key, apart from what the transaction had itself written.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    Register(KeyId, ValueId),
    /// The elements that others had appended are the first so many.
    List(KeyId, Elements, usize),
}

/// What the transaction has written to a key so far.
#[derive(Clone, Copy)]
enum Own {
    Wrote(ValueId),
    /// It may have, by a compare-and-set whose outcome is not known.
    Perhaps,
}

pub(crate) struct Look {
    /// By key, with the number of the look it belongs to.
    own: Vec<(u32, Own)>,
    looks: u32,
    pub(crate) seen: Vec<Seen>,
    /// The keys it certainly wrote, in its order.
    pub(crate) keys: Vec<u32>,
    /// The first reason why a history in which nothing is found may be bad all the same.
    pub(crate) doubt: Option<String>,
}

impl Look {
    pub(crate) fn new(keys: usize) -> Look {
        let own = vec![(0, Own::Perhaps); keys];
        Look { own, looks: 0, seen: Vec::new(), keys: Vec::new(), doubt: None }
    }

    /// Fills `seen` and `keys` for one transaction.
    pub(crate) fn at(
        &mut self,
        h: &Transactions,
        writers: &Writers,
        txn: usize,
    ) -> Result<(), Misread> {
        self.looks += 1;
        self.seen.clear();
        self.keys.clear();
        let ops = h.ops(txn);
        // A single compare-and-set of unknown outcome is looked at only if its write was read.
        let happened = h.txns[txn].fate == Fate::Unknown && ops.len() == 1;
        for (at, op) in ops.iter().enumerate() {
            match *op {
                Op::Read { key, value: Some(value) } => self.read(h, txn, key, value)?,
                Op::Write { key, value } | Op::Append { key, value } => self.write(key, value),
                Op::ReadList { key, elements: Some(list) } => self.list(h, (txn, at), key, list)?,
                Op::Cas { key, from, to, done } => match done {
                    None if !happened => {
                        self.own[key.0 as usize] = (self.looks, Own::Perhaps);
                        self.doubt("whether a compare-and-set took place is not known");
                    }
                    Some(false) => self.refused(h, writers, txn, key, from)?,
                    _ => {
                        self.read(h, txn, key, from)?;
                        self.write(key, to);
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn own(&self, key: KeyId) -> Option<Own> {
        let (look, own) = self.own[key.0 as usize];
        (look == self.looks).then_some(own)
    }

    fn write(&mut self, key: KeyId, value: ValueId) {
        self.own[key.0 as usize] = (self.looks, Own::Wrote(value));
        self.keys.push(key.0);
    }

    fn read(
        &mut self,
        h: &Transactions,
        txn: usize,
        key: KeyId,
        value: ValueId,
    ) -> Result<(), Misread> {
        match self.own(key) {
            None => self.seen.push(Seen::Register(key, value)),
            Some(Own::Wrote(own)) if own != value => return Err(not_own(h, txn, key)),
            Some(Own::Wrote(_) | Own::Perhaps) => {}
        }
        Ok(())
    }

    /// A compare-and-set that found something other than `from`.
    fn refused(
        &mut self,
        h: &Transactions,
        writers: &Writers,
        txn: usize,
        key: KeyId,
        from: ValueId,
    ) -> Result<(), Misread> {
        match self.own(key) {
            Some(Own::Wrote(own)) if own == from => return Err(not_own(h, txn, key)),
            Some(Own::Wrote(_)) => {}
            None if from != ValueId::NIL && writers.times(key, from) == 0 => {}
            _ => self.doubt("a compare-and-set that failed tells only what was not there"),
        }
        Ok(())
    }

    /// A list ends with what the transaction itself had appended.
    fn list(
        &mut self,
        h: &Transactions,
        (txn, at): (usize, usize),
        key: KeyId,
        list: Elements,
    ) -> Result<(), Misread> {
        let elements = h.elements(list);
        let mut len = elements.len();
        if self.own(key).is_some() {
            for op in h.ops(txn)[..at].iter().rev() {
                match *op {
                    Op::Append { key: of, value } if of == key => {
                        if len == 0 || elements[len - 1] != value {
                            return Err(not_own(h, txn, key));
                        }
                        len -= 1;
                    }
                    _ => {}
                }
            }
        }
        self.seen.push(Seen::List(key, list, len));
        Ok(())
    }

    fn doubt(&mut self, reason: &str) {
        self.doubt.get_or_insert_with(|| reason.into());
    }
}

/// Elle calls it internal.
fn not_own(h: &Transactions, txn: usize, key: KeyId) -> Misread {
    let reason =
        format!("{} wrote to `{}` and did not read that back", who(h, txn), h.key_name(key));
    Misread { anomaly: "internal", reason, txns: vec![txn] }
}
