//! Pictures of runs and histories: SVG inside one HTML file that needs nothing else.
#![forbid(unsafe_code)]
