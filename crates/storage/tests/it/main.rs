//! The log on the simulated disk, and tables against models.

mod crashes;
mod damage;
mod on_disk;
mod support;
mod tables;
mod verbs;
