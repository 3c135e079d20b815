//! Pictures of runs and histories: SVG inside one HTML file that needs nothing else.
//!
//! | file | what it draws |
//! |---|---|
//! | `space_time` | processes as lines, messages as arrows (Lamport 1978; ShiViz, Beschastnikh et al. 2016) |
//! | `clocks` | Lamport and vector clocks, the order they make (Fidge 1988, Mattern 1989) |
//! | `shiviz` | the same run as text for ShiViz |
//! | `timeline` | operations as bars per client, with their linearization points (Herlihy and Wing 1990) |
//! | `cycle` | dependencies between transactions as a ring (Adya 1999) |
//! | `chart` | lines over two axes: throughput and latency over time, the percentile curve (Tene's HdrHistogram) |
//! | `sheet` | a report: sentences, tables and charts |
//! | `page` | the HTML around them, and the escaping of every text |
//!
//! Invariants: equal input gives equal bytes; no text of the caller is ever read as markup or as a script; a page
//! loads nothing (its content security policy forbids it); input that makes no sense gives a page that names the
//! offending part, never a panic.
#![forbid(unsafe_code)]

mod chart;
mod clocks;
mod cycle;
mod page;
mod sheet;
mod shiviz;
mod space_time;
mod timeline;
mod timeline_context;

pub use chart::{Axis, Band, Chart, Scale, Series, Unit};
pub use clocks::{Clocks, Relation};
pub use cycle::{Cycle, CycleEdge, cycle};
pub use sheet::{Sheet, Table, sheet};
pub use shiviz::shiviz;
pub use space_time::{End, Event, EventKind, Message, SpaceTime, Trouble, space_time};
pub use timeline::{Fate, Span, Timeline, timeline};
