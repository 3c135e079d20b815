//! One command as a client sent it.

use crate::{Reader, Wire, WireError};
use alloc::vec::Vec;
use core::fmt;

/// One command as a client sent it: the name and its arguments, side by side. What a [`super::Parser`] or
/// `decode` yields is never empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Args {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Args {
    /// No arguments yet, with room for `count` of them in `bytes` bytes.
    pub fn with_capacity(count: usize, bytes: usize) -> Args {
        Args { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(count) }
    }

    /// Appends one argument. Panics past 4 GiB: [`super::Limits`] refuses such commands long before.
    pub fn push(&mut self, arg: &[u8]) {
        self.bytes.extend_from_slice(arg);
        self.finish();
    }

    /// Appends to the argument being built; [`Args::finish`] ends it.
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
        debug_assert!(self.ends.last().is_none_or(|&last| last <= end), "ends never go back");
        self.ends.push(end);
    }

    /// How many arguments there are, the name included.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is not even a name.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes the arguments take together.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// How much memory is set aside for them.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    /// Argument `i`, 0 being the name. Panics if there is none.
    pub fn get(&self, i: usize) -> &[u8] {
        let from = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[from..self.ends[i] as usize]
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
        let mut all = Args::with_capacity(count, count * 8);
        for arg in args {
            all.push(arg.as_ref());
        }
        all
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
        out.reserve(self.bytes.len() + 2 * self.len() + 2);
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
        let mut args = Args::with_capacity(count, 0);
        for _ in 0..count {
            let arg = from.bytes()?;
            if u32::try_from(args.bytes_len() + arg.len()).is_err() {
                return Err(WireError::Invalid("command of 4 GiB"));
            }
            args.push(arg);
        }
        Ok(args)
    }
}
