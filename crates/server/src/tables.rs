//! The thread of the tables on disk: the engine reads and writes there, so that a node never waits for it.

use crate::disk::FileDisk;
use crate::options::{NodeOptions, StartError};
use std::sync::mpsc;
use std::thread::JoinHandle;
use storage::{Answer, Ask, Disk, Engine, EngineConfig};
use tokio::sync::mpsc as wakes;

/// The folder of the tables, within the node's.
const FOLDER: &str = "tables";
/// redb keeps at most so many bytes of pages of one table.
const MOST_PAGES: u64 = 16 << 20;

/// The shard's end.
pub(crate) struct TableThread {
    asks: mpsc::Sender<Ask>,
    /// In the order of the asks; an error is the last.
    pub(crate) answers: wakes::UnboundedReceiver<Result<Answer, String>>,
    thread: JoinHandle<()>,
}

/// An engine without tables, in a folder of its own: what an earlier life left there is removed.
pub(crate) fn engine(options: &NodeOptions) -> Result<Engine<FileDisk>, StartError> {
    let folder = options.dir.join(FOLDER);
    let disk = FileDisk::open(&folder).map_err(StartError::Folder)?;
    let pages = (options.config.tables.cache / 8).min(MOST_PAGES);
    let config = EngineConfig {
        page_bytes: usize::try_from(pages).expect("bounded by a constant"),
        outline: data::outline,
        planted: options.config.planted,
    };
    Engine::new(disk, config).map_err(|error| StartError::Log(folder, error.to_string()))
}

impl TableThread {
    /// Moves `engine` to a thread of its own.
    pub(crate) fn spawn<D: Disk + Send + 'static>(name: String, engine: Engine<D>) -> TableThread {
        // A table bounds what it writes ahead, and a group waits for one load at a time beside its reads, which
        // the gateways bound: neither channel grows without end.
        let (asks, inbox) = mpsc::channel();
        let (answer, answers) = wakes::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || run(engine, &inbox, &answer))
            .expect("the machine cannot start another thread");
        TableThread { asks, answers, thread }
    }

    /// Hands over an ask. If the thread is gone, its last words are among the answers.
    pub(crate) fn ask(&self, ask: Ask) {
        let _ = self.asks.send(ask);
    }

    /// Ends the thread and closes the files.
    pub(crate) fn join(self) {
        drop(self.asks);
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

fn run<D: Disk + Send + 'static>(
    mut engine: Engine<D>,
    inbox: &mpsc::Receiver<Ask>,
    answer: &wakes::UnboundedSender<Result<Answer, String>>,
) {
    while let Ok(ask) = inbox.recv() {
        match engine.carry_out(ask) {
            Ok(None) => {}
            Ok(Some(done)) => {
                if answer.send(Ok(done)).is_err() {
                    return;
                }
            }
            Err(error) => {
                let _ = answer.send(Err(error.to_string()));
                return;
            }
        }
    }
}
