//! Scripts (testdata), bytes (golden), small rules (units), and random worlds in which each planted bug is found.

mod golden;
mod language;
mod leases;
mod mutants;
mod scripts;
mod units;
mod world;
