//! One command as a client sent it.

use crate::{Reader, Wire, WireError};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// One command as a client sent it: the name and its arguments, side by side. What a [`super::Parser`] or
/// `decode` yields is never empty. A copy shares the bytes: a command is held by its connection, by the request
/// that carries it and by each message of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Args(Arc<Words>);

/// A command that is being built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    bytes: Vec<u8>,
    ends: Ends,
}

/// How many ends stand in place. Most commands are no longer.
const IN_PLACE: usize = 4;

/// Where each argument ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ends {
    len: u32,
    first: [u32; IN_PLACE],
    rest: Vec<u32>,
}

impl Ends {
    fn push(&mut self, end: u32) {
        match self.first.get_mut(self.len as usize) {
            Some(place) => *place = end,
            None => self.rest.push(end),
        }
        self.len += 1;
    }

    fn get(&self, i: usize) -> u32 {
        assert!(i < self.len as usize, "argument {i} of {}", self.len);
        if i < IN_PLACE { self.first[i] } else { self.rest[i - IN_PLACE] }
    }
}

impl Words {
    /// Nothing yet, with room for `count` arguments in `bytes` bytes.
    pub(crate) fn with_capacity(count: usize, bytes: usize) -> Words {
        let rest = Vec::with_capacity(count.saturating_sub(IN_PLACE));
        let ends = Ends { rest, ..Ends::default() };
        Words { bytes: Vec::with_capacity(bytes), ends }
    }

    /// Appends to the argument being built; [`Words::finish`] ends it.
    pub(crate) fn extend(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    /// Makes room for the argument being built.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Ends the argument being built.
    pub(crate) fn finish(&mut self) {
        let end = u32::try_from(self.bytes.len()).expect("a command is shorter than 4 GiB");
        self.ends.push(end);
    }

    /// How many bytes the arguments take together.
    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// How much memory is set aside for them.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.ends.rest.capacity() * size_of::<u32>()
    }

    /// The command, and nothing here.
    pub(crate) fn take(&mut self) -> Args {
        Args(Arc::new(core::mem::take(self)))
    }
}

impl Args {
    /// Appends one argument. Panics past 4 GiB: [`super::Limits`] refuses such commands long before.
    pub fn push(&mut self, arg: &[u8]) {
        let words = Arc::make_mut(&mut self.0);
        words.extend(arg);
        words.finish();
    }

    /// How many arguments there are, the name included.
    pub fn len(&self) -> usize {
        self.0.ends.len as usize
    }

    /// Whether there is not even a name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the arguments take together.
    pub fn bytes_len(&self) -> usize {
        self.0.bytes_len()
    }

    /// Argument `i`, 0 being the name. Panics if there is none.
    pub fn get(&self, i: usize) -> &[u8] {
        let from = if i == 0 { 0 } else { self.0.ends.get(i - 1) };
        &self.0.bytes[from as usize..self.0.ends.get(i) as usize]
    }

    /// Argument `i`, if there is one.
    pub fn try_get(&self, i: usize) -> Option<&[u8]> {
        (i < self.len()).then(|| self.get(i))
    }

    /// The command's name as it was sent; empty if there is none.
    pub fn name(&self) -> &[u8] {
        self.try_get(0).unwrap_or_default()
    }

    /// Whether argument `i` exists and is `word`, whatever the case of its letters.
    pub fn is(&self, i: usize, word: &str) -> bool {
        self.try_get(i).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// All arguments in order, the name first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|i| self.get(i))
    }

    /// The command as a client sends it: an array of bulk strings.
    pub fn encode_resp(&self, out: &mut Vec<u8>) {
        super::encode::header(b'*', self.len(), out);
        for arg in self.iter() {
            super::encode::bulk(arg, out);
        }
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for Args {
    fn from_iter<I: IntoIterator<Item = A>>(args: I) -> Args {
        let args = args.into_iter();
        let count = args.size_hint().0;
        let mut words = Words::with_capacity(count, count * 8);
        for arg in args {
            words.extend(arg.as_ref());
            words.finish();
        }
        words.take()
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            write!(f, "{space}\"{}\"", arg.escape_ascii())?;
        }
        Ok(())
    }
}

/// The count, then each argument with its length. Without kind and version bytes of its own: the command that
/// carries it has them.
impl Wire for Args {
    fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes_len() + 2 * self.len() + 2);
        self.len().encode(out);
        for arg in self.iter() {
            arg.len().encode(out);
            out.extend_from_slice(arg);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Args, WireError> {
        let count = from.count()?;
        if count == 0 {
            return Err(WireError::Invalid("empty command"));
        }
        // Looked through once for its size, so that it is copied once.
        let (mut ahead, mut bytes) = (from.clone(), 0);
        for _ in 0..count {
            bytes += ahead.bytes()?.len();
        }
        if u32::try_from(bytes).is_err() {
            return Err(WireError::Invalid("command of 4 GiB"));
        }
        let mut words = Words::with_capacity(count, bytes);
        for _ in 0..count {
            words.extend(from.bytes()?);
            words.finish();
        }
        Ok(words.take())
    }
}
