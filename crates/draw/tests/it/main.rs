//! Tests of the pictures: what is in the pages, counted; `scripts/pictures.sh` looks at them in a browser.

mod clocks;
mod cycle;
mod markup;
mod samples;
mod sheet;
mod shiviz;
mod space_time;
mod timeline;
