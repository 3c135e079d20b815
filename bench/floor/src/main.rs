//! The lower bound of one machine, not a product: RESP in, group commit into a log of zeros, a stream to two followers
//! that sync as well, the reply at a quorum. No elections, terms, snapshots or read checks.
//!
//! `floor follower PORT FILE` twice, then `floor leader PORT FILE FOLLOWER_PORT...`; `NOSYNC=1` leaves the syncs out.
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Condvar, Mutex};
/// The log starts over when it is full: nothing reads it.
const CAP: i64 = 128 << 20;
struct Wal {
    fd: i32,
    off: i64,
    nosync: bool,
}
impl Wal {
    fn new(p: &str) -> Wal {
        unsafe {
            let c = std::ffi::CString::new(p).unwrap();
            let fd = libc::open(c.as_ptr(), libc::O_RDWR | libc::O_CREAT, 0o644);
            let z = vec![0u8; 1 << 20];
            for i in 0..CAP >> 20 {
                libc::pwrite(fd, z.as_ptr() as _, z.len(), i << 20);
            }
            libc::fsync(fd);
            Wal { fd, off: 0, nosync: std::env::var("NOSYNC").is_ok() }
        }
    }
    fn append(&mut self, b: &[u8]) {
        unsafe {
            if self.off + b.len() as i64 > CAP {
                self.off = 0
            }
            assert_eq!(libc::pwrite(self.fd, b.as_ptr() as _, b.len(), self.off), b.len() as isize);
            if !self.nosync {
                libc::fdatasync(self.fd);
            }
            self.off += b.len() as i64;
        }
    }
}
struct Q {
    m: Mutex<VecDeque<(u64, Arc<Vec<u8>>)>>,
    c: Condvar,
}
impl Q {
    fn new() -> Arc<Q> {
        Arc::new(Q { m: Mutex::new(VecDeque::new()), c: Condvar::new() })
    }
    fn push(&self, i: u64, b: Arc<Vec<u8>>) {
        self.m.lock().unwrap().push_back((i, b));
        self.c.notify_one();
    }
    fn take(&self) -> VecDeque<(u64, Arc<Vec<u8>>)> {
        let mut g = self.m.lock().unwrap();
        while g.is_empty() {
            g = self.c.wait(g).unwrap()
        }
        std::mem::take(&mut *g)
    }
}
fn line(b: &[u8], from: usize) -> Option<(usize, usize)> {
    let i = memchr::memchr(b'\n', b.get(from..)?)? + from;
    let mut n = 0;
    for &c in &b[from + 1..i - 1] {
        n = n * 10 + (c - b'0') as usize
    }
    Some((i + 1, n))
}
fn parse<'a>(b: &'a [u8], at: usize, a: &mut [&'a [u8]; 3]) -> Option<usize> {
    if at >= b.len() {
        return None;
    }
    let (mut p, n) = line(b, at)?;
    for k in 0..n {
        let (q, l) = line(b, p)?;
        if q + l + 2 > b.len() {
            return None;
        }
        if k < 3 {
            a[k] = &b[q..q + l]
        }
        p = q + l + 2
    }
    Some(p)
}
fn follower(port: u16, path: &str) {
    let mut w = Wal::new(path);
    let l = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut map: hashbrown::HashMap<Box<[u8]>, Box<[u8]>> = Default::default();
    loop {
        let (mut s, _) = l.accept().unwrap();
        s.set_nodelay(true).unwrap();
        let mut acc: Vec<u8> = Vec::with_capacity(1 << 20);
        let mut rb = vec![0u8; 1 << 20];
        loop {
            let n = match s.read(&mut rb) {
                Ok(0) | Err(_) => break,
                Ok(n) => n,
            };
            acc.extend_from_slice(&rb[..n]);
            let mut at = 0;
            let mut last = 0;
            let mut out: Vec<u8> = Vec::with_capacity(acc.len());
            while acc.len() - at >= 12 {
                let len = u32::from_le_bytes(acc[at..at + 4].try_into().unwrap()) as usize;
                if acc.len() - at < 12 + len {
                    break;
                }
                last = u64::from_le_bytes(acc[at + 4..at + 12].try_into().unwrap());
                out.extend_from_slice(&acc[at + 12..at + 12 + len]);
                at += 12 + len;
            }
            if at == 0 {
                continue;
            }
            w.append(&out);
            if s.write_all(&last.to_le_bytes()).is_err() {
                break;
            }
            // apply: records are [crc u32][klen u16][vlen u32][key][val]
            let mut p = 0;
            while p < out.len() {
                let kl = u16::from_le_bytes(out[p + 4..p + 6].try_into().unwrap()) as usize;
                let vl = u32::from_le_bytes(out[p + 6..p + 10].try_into().unwrap()) as usize;
                map.insert(
                    out[p + 10..p + 10 + kl].into(),
                    out[p + 10 + kl..p + 10 + kl + vl].into(),
                );
                p += 10 + kl + vl
            }
            acc.drain(..at);
        }
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "follower" {
        return follower(a[2].parse().unwrap(), &a[3]);
    }
    let port: u16 = a[2].parse().unwrap();
    let fs: Vec<u16> = a[4..].iter().map(|x| x.parse().unwrap()).collect();
    let mut w = Wal::new(&a[3]);
    let matched: Arc<Vec<AtomicU64>> =
        Arc::new((0..=fs.len()).map(|_| AtomicU64::new(0)).collect());
    let efd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) };
    let wake = move || unsafe {
        let x = 1u64;
        libc::write(efd, &x as *const u64 as _, 8);
    };
    let qs: Vec<Arc<Q>> = (0..=fs.len()).map(|_| Q::new()).collect();
    {
        let (q, m) = (qs[0].clone(), matched.clone());
        std::thread::spawn(move || {
            loop {
                let v = q.take();
                let mut b: Vec<u8> = Vec::new();
                let mut last = 0;
                for (i, x) in &v {
                    b.extend_from_slice(x);
                    last = *i
                }
                w.append(&b);
                m[0].store(last, Release);
                wake();
            }
        });
    }
    for (k, f) in fs.iter().enumerate() {
        let mut s = TcpStream::connect(("127.0.0.1", *f)).unwrap();
        s.set_nodelay(true).unwrap();
        let mut r = s.try_clone().unwrap();
        let q = qs[k + 1].clone();
        std::thread::spawn(move || {
            loop {
                let v = q.take();
                let mut b: Vec<u8> = Vec::new();
                for (i, x) in &v {
                    b.extend_from_slice(&(x.len() as u32).to_le_bytes());
                    b.extend_from_slice(&i.to_le_bytes());
                    b.extend_from_slice(x)
                }
                s.write_all(&b).unwrap();
            }
        });
        let m = matched.clone();
        std::thread::spawn(move || {
            let mut b = [0u8; 8];
            loop {
                r.read_exact(&mut b).unwrap();
                m[k + 1].store(u64::from_le_bytes(b), Release);
                wake();
            }
        });
    }
    let l = TcpListener::bind(("127.0.0.1", port)).unwrap();
    l.set_nonblocking(true).unwrap();
    let mut map: hashbrown::HashMap<Box<[u8]>, Box<[u8]>> = Default::default();
    let mut conns: Vec<Option<(Vec<u8>, Vec<u8>, u64)>> = vec![]; // in, out, ops waiting
    let mut pend: VecDeque<(u64, i32)> = VecDeque::new();
    let mut idx = 0u64;
    let mut rb = vec![0u8; 1 << 16];
    unsafe {
        let ep = libc::epoll_create1(0);
        for f in [l.as_raw_fd(), efd] {
            let mut ev = libc::epoll_event { events: libc::EPOLLIN as u32, u64: f as u64 };
            libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, f, &mut ev);
        }
        let mut evs: Vec<libc::epoll_event> = vec![std::mem::zeroed(); 1024];
        loop {
            let n = libc::epoll_wait(ep, evs.as_mut_ptr(), 1024, -1).max(0) as usize;
            let mut batch: Vec<u8> = vec![];
            let mut dirty: Vec<i32> = vec![];
            for i in 0..n {
                let fd = evs[i].u64 as i32;
                if fd == l.as_raw_fd() {
                    while let Ok((s, _)) = l.accept() {
                        s.set_nonblocking(true).unwrap();
                        s.set_nodelay(true).unwrap();
                        let f = s.into_raw_fd();
                        while conns.len() <= f as usize {
                            conns.push(None)
                        }
                        conns[f as usize] = Some((vec![], vec![], 0));
                        let mut ev =
                            libc::epoll_event { events: libc::EPOLLIN as u32, u64: f as u64 };
                        libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, f, &mut ev);
                    }
                    continue;
                }
                if fd == efd {
                    let mut x = 0u64;
                    libc::read(efd, &mut x as *mut u64 as _, 8);
                    continue;
                }
                let r = libc::read(fd, rb.as_mut_ptr() as _, rb.len());
                if r <= 0 {
                    libc::close(fd);
                    conns[fd as usize] = None;
                    continue;
                }
                let c = conns[fd as usize].as_mut().unwrap();
                c.0.extend_from_slice(&rb[..r as usize]);
                let mut at = 0;
                let b = std::mem::take(&mut c.0);
                loop {
                    let mut ar: [&[u8]; 3] = [&[]; 3];
                    let Some(e) = parse(&b, at, &mut ar) else { break };
                    at = e;
                    if ar[0].eq_ignore_ascii_case(b"SET") {
                        let h = batch.len();
                        batch.extend_from_slice(&[0; 4]);
                        batch.extend_from_slice(&(ar[1].len() as u16).to_le_bytes());
                        batch.extend_from_slice(&(ar[2].len() as u32).to_le_bytes());
                        batch.extend_from_slice(ar[1]);
                        batch.extend_from_slice(ar[2]);
                        let crc = crc32fast::hash(&batch[h + 4..]);
                        batch[h..h + 4].copy_from_slice(&crc.to_le_bytes());
                        idx += 1;
                        pend.push_back((idx, fd));
                        c.2 += 1;
                        map.insert(ar[1].into(), ar[2].into());
                    } else if ar[0].eq_ignore_ascii_case(b"GET") {
                        match map.get(ar[1]) {
                            Some(v) => {
                                write!(c.1, "${}\r\n", v.len()).unwrap();
                                c.1.extend_from_slice(v);
                                c.1.extend_from_slice(b"\r\n")
                            }
                            None => c.1.extend_from_slice(b"$-1\r\n"),
                        }
                        dirty.push(fd)
                    } else {
                        c.1.extend_from_slice(b"*0\r\n");
                        dirty.push(fd)
                    }
                }
                c.0 = b;
                c.0.drain(..at);
            }
            if !batch.is_empty() {
                let b = Arc::new(batch);
                for q in &qs {
                    q.push(idx, b.clone())
                }
            }
            let mut m: Vec<u64> = matched.iter().map(|x| x.load(Acquire)).collect();
            m.sort_unstable_by(|a, b| b.cmp(a));
            let commit = m[m.len() / 2];
            while let Some(&(i, fd)) = pend.front() {
                if i > commit {
                    break;
                }
                pend.pop_front();
                if let Some(c) = conns[fd as usize].as_mut() {
                    c.1.extend_from_slice(b"+OK\r\n");
                    dirty.push(fd)
                }
            }
            for fd in dirty {
                if let Some(c) = conns[fd as usize].as_mut() {
                    if !c.1.is_empty() {
                        libc::write(fd, c.1.as_ptr() as _, c.1.len());
                        c.1.clear()
                    }
                }
            }
        }
    }
}
