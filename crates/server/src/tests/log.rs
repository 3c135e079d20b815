//! The log thread.

use crate::journal::{Job, Journal, LogThread};
use crate::metrics::LogMetrics;
use stdx::Position;
use wire::Batch;

/// Fails the write that ends at `fails`.
struct Failing {
    fails: u64,
    chores: u32,
}

impl Journal for Failing {
    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        if batch.end().0 == self.fails { Err("sync log-7: no space".to_owned()) } else { Ok(()) }
    }
    fn release(&mut self, _: Position) {}
    fn maintain(&mut self) -> Result<bool, String> {
        self.chores = self.chores.saturating_sub(1);
        Ok(self.chores > 0)
    }
}

fn job(first: u64) -> Job {
    let mut batch = Batch::new(Position(first));
    batch.push(0, |out| out.push(1));
    Job { batch, release: None }
}

#[test]
fn each_write_is_answered_and_a_failure_is_the_last_answer() {
    let journal = Failing { fails: 3, chores: 5 };
    let mut log = LogThread::spawn("log".to_owned(), journal, LogMetrics::default());
    for first in 0..2 {
        log.write(job(first));
        assert_eq!(log.answers.blocking_recv(), Some(Ok(job(first).batch)));
    }
    log.write(job(2));
    log.write(job(3));
    assert_eq!(log.answers.blocking_recv(), Some(Err("sync log-7: no space".to_owned())));
    assert_eq!(log.answers.blocking_recv(), None, "nothing is tried after a failed sync");
    log.join();
}
