//! Each format against small files with every trap in it, a round trip, and files that are damaged.

mod damage;
mod faults;
mod samples;
