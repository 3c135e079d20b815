//! Tests of the pictures: what is in the pages, counted; `scripts/pictures.sh` looks at them in a browser.

mod clocks;
