//! F and R: what the disk and the loopback take for themselves, the unit of the latency goals.
//!
//! F is the median of three processes that each sync 4 KiB in a file of zeros of its own, at the same time; R that of
//! a round trip of 64 bytes between two threads, wherever the scheduler puts them.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 2048;
const WRITERS: usize = 3;
const SPAN: Duration = Duration::from_millis(800);

/// Medians in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sync: f64,
    pub(crate) round_trip: f64,
}

/// Measures both; files go to `folder`.
pub(crate) fn measure(folder: &Path) -> Result<Limits, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut children = Vec::new();
    for number in 0..WRITERS {
        let file = folder.join(format!("sync-{number}"));
        let mut command = Command::new(&program);
        command.args(["bench-peers", "--sync"]).arg(&file).stdout(Stdio::piped());
        children.push(command.spawn().map_err(|e| e.to_string())?);
    }
    let mut medians = Vec::new();
    for child in children {
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        medians.push(text.trim().parse::<f64>().map_err(|_| format!("a writer said `{text}`"))?);
    }
    let sync = medians.iter().sum::<f64>() / WRITERS as f64;
    let round_trip = round_trip().map_err(|e| format!("loopback: {e}"))?;
    Ok(Limits { sync, round_trip })
}

fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort();
    samples.get(samples.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

/// The child's part: the median of its own syncs, in microseconds.
pub(crate) fn sync(path: &Path) -> Result<f64, String> {
    let work = || -> std::io::Result<f64> {
        let file: File = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(&vec![0; BLOCK * BLOCKS as usize], 0)?;
        file.sync_all()?;
        let block = [1; BLOCK];
        let (started, mut samples) = (Instant::now(), Vec::new());
        for number in (0..BLOCKS).cycle() {
            if started.elapsed() > SPAN {
                break;
            }
            let asked = Instant::now();
            file.write_all_at(&block, number * BLOCK as u64)?;
            file.sync_data()?;
            samples.push(asked.elapsed());
        }
        Ok(median(samples))
    };
    work().map_err(|e| format!("{}: {e}", path.display()))
}

fn round_trip() -> std::io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut bytes = [0; 64];
        while stream.read_exact(&mut bytes).is_ok() {
            stream.write_all(&bytes)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (started, mut samples, mut bytes) = (Instant::now(), Vec::new(), [7; 64]);
    while started.elapsed() < SPAN / 2 {
        let asked = Instant::now();
        stream.write_all(&bytes)?;
        stream.read_exact(&mut bytes)?;
        samples.push(asked.elapsed());
    }
    drop(stream);
    echo.join().expect("the echo does not panic")?;
    Ok(median(samples))
}
