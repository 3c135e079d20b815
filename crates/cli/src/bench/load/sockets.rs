//! Carries a [`Driver`] out: non-blocking sockets, one thread, epoll.

use super::driver::{Driver, Refusal};
use crate::Failure;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// A lane whose connection failed tries the next address after this long.
const RETRY: Duration = Duration::from_millis(20);
/// The loop looks up at least so often.
const GLANCE: Duration = Duration::from_millis(100);
const BUFFER: usize = 256 << 10;

/// The connection of one lane.
#[derive(Debug)]
enum Link {
    /// Until then nothing is tried.
    Down(u64),
    /// Since when.
    Connecting(Socket, u64),
    Up(Socket),
}

/// The sockets of one thread.
#[derive(Debug)]
pub(crate) struct Sockets<'a> {
    epoll: OwnedFd,
    addresses: &'a [SocketAddr],
    links: Vec<Link>,
    /// Which address each lane tries or has.
    turn: Vec<usize>,
    /// Which lanes are told when they can write.
    writing: Vec<bool>,
    patience: u64,
    origin: Instant,
    buffer: Vec<u8>,
    /// Connections that ended before the run did.
    pub(crate) lost: u64,
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl<'a> Sockets<'a> {
    /// `first` is the number of this thread's first lane over all threads: lanes spread over the addresses.
    pub(crate) fn new(
        addresses: &'a [SocketAddr],
        lanes: usize,
        first: usize,
        patience: Duration,
        origin: Instant,
    ) -> Result<Sockets<'a>, Failure> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|e| format!("epoll: {e}"))?;
        Ok(Sockets {
            epoll,
            addresses,
            links: (0..lanes).map(|_| Link::Down(0)).collect(),
            turn: (first..first + lanes).collect(),
            writing: vec![false; lanes],
            patience: nanos(patience),
            origin,
            buffer: vec![0; BUFFER],
            lost: 0,
        })
    }

    fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }

    /// Until the driver is done; `each` is called after every turn.
    pub(crate) fn run(
        &mut self,
        driver: &mut Driver,
        mut each: impl FnMut(&mut Driver),
    ) -> Result<(), Failure> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        let mut look = 0;
        loop {
            let now = self.now();
            if now >= look {
                look = now + nanos(RETRY);
                self.tend(driver, now)?;
            }
            driver.fill(now);
            while let Some(at) = driver.next_dirty() {
                self.write(driver, at);
            }
            each(driver);
            let now = self.now();
            if driver.is_over(now) {
                return Ok(());
            }
            let until = driver.wake(now).unwrap_or(u64::MAX).min(look);
            let pause = Duration::from_nanos(until.saturating_sub(now)).min(GLANCE);
            let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(pause.subsec_nanos()) };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&pause)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(format!("epoll: {error}")),
            }
            for event in events.drain(..) {
                let Ok(at) = usize::try_from(event.data.u64()) else { continue };
                self.happened(driver, at, event.flags)?;
            }
        }
    }

    /// Connects what is down, and gives up what waits too long.
    fn tend(&mut self, driver: &mut Driver, now: u64) -> Result<(), Failure> {
        for at in driver.overdue(now) {
            self.close(driver, at, now, "no answer in time");
        }
        for at in 0..self.links.len() {
            match &self.links[at] {
                Link::Down(until) if *until <= now => self.connect(driver, at, now)?,
                Link::Connecting(_, since) if now - since > self.patience => {
                    self.close(driver, at, now, "no connection in time");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn connect(&mut self, driver: &mut Driver, at: usize, now: u64) -> Result<(), Failure> {
        let address = self.addresses[self.turn[at] % self.addresses.len()];
        let open = || -> std::io::Result<Socket> {
            let kind = Type::STREAM;
            let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            Ok(socket)
        };
        let socket = open().map_err(|e| format!("cannot open a socket: {e}"))?;
        let begun = socket.connect(&address.into());
        let data = EventData::new_u64(at as u64);
        let flags = EventFlags::IN | EventFlags::OUT;
        epoll::add(&self.epoll, &socket, data, flags).map_err(|e| format!("epoll: {e}"))?;
        self.writing[at] = true;
        self.links[at] = Link::Connecting(socket, now);
        match begun {
            Err(e) if e.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                self.close(driver, at, now, "no connection");
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, driver: &mut Driver, at: usize, now: u64, why: &str) {
        if let Link::Up(_) = std::mem::replace(&mut self.links[at], Link::Down(now + nanos(RETRY)))
        {
            self.lost += 1;
            driver.down(at, now, why);
        }
        self.turn[at] += 1;
    }

    fn happened(
        &mut self,
        driver: &mut Driver,
        at: usize,
        flags: EventFlags,
    ) -> Result<(), Failure> {
        let failed = EventFlags::ERR | EventFlags::HUP;
        if matches!(self.links[at], Link::Connecting(..))
            && flags.intersects(EventFlags::OUT | failed)
        {
            let Link::Connecting(socket, _) =
                std::mem::replace(&mut self.links[at], Link::Down(u64::MAX))
            else {
                unreachable!("just seen");
            };
            let is_sound =
                socket.take_error().is_ok_and(|error| error.is_none()) && !flags.intersects(failed);
            if is_sound {
                self.links[at] = Link::Up(socket);
                driver.up(at);
                self.write(driver, at);
            } else {
                let now = self.now();
                self.close(driver, at, now, "no connection");
            }
            return Ok(());
        }
        if flags.contains(EventFlags::OUT) {
            self.write(driver, at);
        }
        if flags.intersects(EventFlags::IN | failed) {
            self.read(driver, at)?;
        }
        Ok(())
    }

    fn read(&mut self, driver: &mut Driver, at: usize) -> Result<(), Failure> {
        loop {
            let Link::Up(socket) = &mut self.links[at] else { return Ok(()) };
            let read = socket.read(&mut self.buffer);
            let now = self.now();
            let why = match read {
                Ok(0) => "the server closed the connection".to_owned(),
                Ok(count) => match driver.received(at, &self.buffer[..count], now) {
                    Ok(()) if count < self.buffer.len() => return Ok(()),
                    Ok(()) => continue,
                    Err(Refusal::Broken(why)) => why,
                    Err(Refusal::Password(why)) => return Err(format!("AUTH: {why}")),
                },
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => e.to_string(),
            };
            self.close(driver, at, now, &why);
        }
    }

    fn write(&mut self, driver: &mut Driver, at: usize) {
        let Link::Up(socket) = &mut self.links[at] else { return };
        let out = driver.output(at);
        let mut done = 0;
        while done < out.len() {
            match socket.write(&out[done..]) {
                Ok(count) => done += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Full; or broken, which reading will tell.
                Err(_) => break,
            }
        }
        out.drain(..done);
        let more = !out.is_empty();
        if more != self.writing[at] {
            let out = if more { EventFlags::OUT } else { EventFlags::empty() };
            let data = EventData::new_u64(at as u64);
            // It can only fail for a socket that is not there, and this one is.
            if epoll::modify(&self.epoll, &*socket, data, EventFlags::IN | out).is_ok() {
                self.writing[at] = more;
            }
        }
    }
}
