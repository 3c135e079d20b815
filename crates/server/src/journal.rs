//! The log thread: the only place of a node that waits for a disk.

use crate::metrics::LogMetrics;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;
use stdx::Position;
use storage::{Disk, Log};
use tokio::sync::mpsc as wakes;
use wire::Batch;

/// What the log thread is asked for.
pub(crate) struct Job {
    /// To append and sync.
    pub(crate) batch: Batch,
    /// The newest release known when the write left. A release rides with the next write, so that it costs no
    /// wake of its own: it only frees space, and space is needed only by the next write.
    pub(crate) release: Option<Position>,
}

/// What a log can do for its thread; a trait so that tests run the shard over a log that fails on demand.
pub(crate) trait Journal: Send + 'static {
    /// Appends `batch` and syncs. An error is final.
    fn write(&mut self, batch: &Batch) -> Result<(), String>;
    /// Nothing before `position` is needed any more.
    fn release(&mut self, position: Position);
    /// Does a bounded piece of preparing what later writes need; true if there is more to do.
    fn maintain(&mut self) -> Result<bool, String>;
}

impl<D: Disk + Send + 'static> Journal for Log<D> {
    fn write(&mut self, batch: &Batch) -> Result<(), String> {
        self.append(batch).map_err(|e| e.to_string())?;
        let durable = self.sync().map_err(|e| e.to_string())?;
        assert_eq!(durable, batch.end(), "the log synced another batch than was written");
        Ok(())
    }

    fn release(&mut self, position: Position) {
        Log::release(self, position);
    }

    fn maintain(&mut self) -> Result<bool, String> {
        Log::maintain(self).map_err(|e| e.to_string())
    }
}

/// The shard's end.
pub(crate) struct LogThread {
    jobs: mpsc::Sender<Job>,
    /// The batch that is durable now, or why it will never be.
    pub(crate) answers: wakes::UnboundedReceiver<Result<Batch, String>>,
    thread: JoinHandle<()>,
}

impl LogThread {
    /// Moves `log` to a thread of its own.
    pub(crate) fn spawn<J: Journal>(name: String, log: J, metrics: LogMetrics) -> LogThread {
        let (jobs, inbox) = mpsc::channel();
        // At most one write is under way (the host's rule), so neither channel can grow.
        let (answer, answers) = wakes::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || run(log, &inbox, &answer, &metrics))
            .expect("the machine cannot start another thread");
        LogThread { jobs, answers, thread }
    }

    /// Hands over a write. If the thread is gone, its last words are among the answers.
    pub(crate) fn write(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    /// Ends the thread once the write under way is done, and closes the log's files.
    pub(crate) fn join(self) {
        drop(self.jobs);
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

fn run<J: Journal>(
    mut log: J,
    inbox: &mpsc::Receiver<Job>,
    answer: &wakes::UnboundedSender<Result<Batch, String>>,
    metrics: &LogMetrics,
) {
    let mut more = true;
    loop {
        // Housekeeping fills the time in which nobody waits for a sync.
        let job = match inbox.try_recv() {
            Ok(job) => Some(job),
            Err(mpsc::TryRecvError::Empty) if more => None,
            Err(_) => match inbox.recv() {
                Ok(job) => Some(job),
                Err(_) => return,
            },
        };
        let Some(job) = job else {
            match log.maintain() {
                Ok(left) => more = left,
                Err(reason) => {
                    let _ = answer.send(Err(reason));
                    return;
                }
            }
            continue;
        };
        if let Some(before) = job.release {
            log.release(before);
        }
        let started = Instant::now();
        let written = log.write(&job.batch);
        metrics.wrote(started.elapsed(), job.batch.bytes_len());
        let written = written.map(|()| job.batch);
        let failed = written.is_err();
        if answer.send(written).is_err() || failed {
            return;
        }
        more = true;
    }
}
