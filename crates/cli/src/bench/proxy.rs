//! A link between two nodes that can be cut: while it is, bytes wait, as they do while a network drops packets
//! and TCP sends them again.

use crate::Failure;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Whether the link is cut, and a bell for its mending.
#[derive(Debug, Default)]
struct State {
    cut: Mutex<bool>,
    mended: Condvar,
}

impl State {
    fn wait_until_whole(&self) {
        let cut = self.cut.lock().expect("nobody panics with it");
        drop(self.mended.wait_while(cut, |cut| *cut).expect("nobody panics with it"));
    }
}

/// A port of its own that leads to another; it ends with the process.
#[derive(Debug)]
pub(crate) struct Link {
    port: u16,
    state: Arc<State>,
}

impl Link {
    pub(crate) fn start(to: SocketAddr) -> Result<Link, Failure> {
        let failed = |error: std::io::Error| format!("cannot listen for a link: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    shared.wait_until_whole();
                    if let Ok(far) = TcpStream::connect(to) {
                        join(&shared, near, far);
                    }
                });
            }
        });
        Ok(Link { port, state })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn cut(&self, cut: bool) {
        *self.state.cut.lock().expect("nobody panics with it") = cut;
        self.state.mended.notify_all();
    }
}

fn join(state: &Arc<State>, near: TcpStream, far: TcpStream) {
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    let _ = near.set_nodelay(true).and_then(|()| far.set_nodelay(true));
    let back = Arc::clone(state);
    std::thread::spawn(move || pump(&back, far_too, near_too));
    pump(state, near, far);
}

fn pump(state: &State, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(count @ 1..) => {
                state.wait_until_whole();
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}
