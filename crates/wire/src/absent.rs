//! A field that older kinds of a value did not have ([`wire_enum!`](crate::wire_enum)): nothing is written, and the
//! default is read. The kind is chosen such that the field has its default.

use crate::{Reader, WireError};
use alloc::vec::Vec;

/// Writes nothing: the value is its default.
pub fn encode<T: Default + PartialEq>(value: &T, _: &mut Vec<u8>) {
    assert!(*value == T::default(), "a field is lost in this kind");
}

/// Reads nothing.
pub fn decode<T: Default>(_: &mut Reader<'_>) -> Result<T, WireError> {
    Ok(T::default())
}
