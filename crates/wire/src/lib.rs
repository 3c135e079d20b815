//! Bytes on the wire and on disk.
//!
//! | file | what |
//! | --- | --- |
//! | `batch` | [`Batch`]: encoded records on their way to the log |
//! | `codec` | [`Wire`]: how a value becomes bytes and back, bounds checked before anything is allocated |
//! | `macros` | [`wire_struct!`] and [`wire_enum!`], which write `Wire`, kind and version bytes included |
//! | `frame` | length-prefixed frames between nodes |
//! | `resp` | RESP2 and RESP3: the incremental command parser and the reply encoder |
//!
//! Every enum that goes to disk or to a peer starts with a kind byte and a version byte, from the first day;
//! `testdata/` of the crate that owns the type pins the bytes.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod batch;
mod codec;
pub mod frame;
mod macros;
pub mod resp;

pub use batch::Batch;
pub use codec::{Reader, Wire, WireError, decode_all, encode, encode_sized};
