//! A network link between two programs, with the faults that links have.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Passes everything on to a port, except for the faults that are set.
pub struct TcpProxy {
    pub port: u16,
    link: Arc<Link>,
    running: JoinHandle<()>,
}

/// The direction of bytes, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    FromServer,
}

struct Link {
    conditions: watch::Sender<Conditions>,
    next_connection: AtomicU64,
    /// The bytes that still pass before all connections are cut, by direction.
    left: [AtomicI64; 2],
}

#[derive(Clone, Debug)]
struct Conditions {
    target: u16,
    /// Whether new connections are closed at once.
    refuses: bool,
    /// The delay of bytes, in each direction.
    latency: Duration,
    /// What passes in a second, of each connection in each direction.
    bytes_per_second: Option<u32>,
    /// Connections with lower numbers are closed.
    cut_before: u64,
    /// Connections with lower numbers stay open and carry nothing.
    silent_before: u64,
}

impl TcpProxy {
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let link = Arc::new(Link {
            conditions: watch::Sender::new(Conditions {
                target,
                refuses: false,
                latency: Duration::ZERO,
                bytes_per_second: None,
                cut_before: 0,
                silent_before: 0,
            }),
            next_connection: AtomicU64::new(0),
            left: [i64::MAX, i64::MAX].map(AtomicI64::new),
        });
        Self { port, running: tokio::spawn(accept(listener, Arc::clone(&link))), link }
    }

    /// The number of connections so far.
    pub fn connections(&self) -> u64 {
        self.link.next_connection.load(Ordering::SeqCst)
    }

    /// Closes all connections; new ones are accepted.
    pub fn cut(&self) {
        self.link.cut();
    }

    /// Closes all connections, and new ones as they come.
    pub fn refuse(&self) {
        self.change(|conditions| conditions.refuses = true);
        self.cut();
    }

    pub fn accept(&self) {
        self.change(|conditions| conditions.refuses = false);
    }

    /// Silences the connections that are open, without closing them.
    pub fn forget(&self) {
        let next = self.link.next_connection.load(Ordering::SeqCst);
        self.change(|conditions| conditions.silent_before = next);
    }

    /// Silences all connections, new ones too, until [`Self::remember`].
    pub fn black_hole(&self) {
        self.change(|conditions| conditions.silent_before = u64::MAX);
    }

    /// Delivers what was held back, and goes on.
    pub fn remember(&self) {
        self.change(|conditions| conditions.silent_before = 0);
    }

    /// Delays bytes from now on, in each direction.
    pub fn delay(&self, latency: Duration) {
        self.change(|conditions| conditions.latency = latency);
    }

    /// Lets no more pass in a second from now on, of each connection in each direction.
    pub fn narrow(&self, bytes_per_second: u32) {
        self.change(|conditions| conditions.bytes_per_second = Some(bytes_per_second));
    }

    /// Cuts all connections once `bytes` more have passed, in the middle of what is sent.
    pub fn cut_after(&self, direction: Direction, bytes: u32) {
        self.link.left[direction as usize].store(bytes.into(), Ordering::SeqCst);
    }

    /// Whether every [`Self::cut_after`] has happened.
    pub fn has_cut(&self) -> bool {
        self.link.left.iter().all(|left| left.load(Ordering::SeqCst) > i64::from(u32::MAX))
    }

    /// Closes all connections; new ones go to another port.
    pub fn turn_to(&self, target: u16) {
        self.turn_newcomers_to(target);
        self.cut();
    }

    /// Leads new connections to another port; open ones stay, as when a name gets another address.
    pub fn turn_newcomers_to(&self, target: u16) {
        self.change(|conditions| conditions.target = target);
    }

    fn change(&self, change: impl FnOnce(&mut Conditions)) {
        self.link.conditions.send_modify(change);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.running.abort();
        self.cut();
    }
}

impl Link {
    fn cut(&self) {
        let next = self.next_connection.load(Ordering::SeqCst);
        self.conditions.send_modify(|conditions| conditions.cut_before = next);
    }

    /// The number of these bytes that pass. If it is not all of them, everything is cut.
    fn take(&self, direction: Direction, bytes: usize) -> usize {
        let left = &self.left[direction as usize];
        let limit = left.load(Ordering::SeqCst);
        if limit > i64::from(u32::MAX) {
            return bytes;
        }
        let wanted = i64::try_from(bytes).unwrap();
        let had = left.fetch_sub(wanted, Ordering::SeqCst);
        if had >= wanted {
            return bytes;
        }
        left.store(i64::MAX, Ordering::SeqCst);
        usize::try_from(had).unwrap_or(0)
    }
}

async fn accept(listener: TcpListener, link: Arc<Link>) {
    while let Ok((socket, _)) = listener.accept().await {
        if !link.conditions.borrow().refuses {
            let number = link.next_connection.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(carry(socket, Arc::clone(&link), number));
        }
    }
}

async fn carry(client: TcpStream, link: Arc<Link>, number: u64) -> io::Result<()> {
    let target = link.conditions.borrow().target;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut conditions = link.conditions.subscribe();
    let there = pass(from_client, to_server, &link, number, Direction::ToServer);
    let back = pass(from_server, to_client, &link, number, Direction::FromServer);
    // When one side closes, the other is closed too.
    tokio::select! {
        ended = there => ended,
        ended = back => ended,
        _ = conditions.wait_for(|conditions| number < conditions.cut_before) => Ok(()),
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    link: &Arc<Link>,
    number: u64,
    direction: Direction,
) -> io::Result<()> {
    let (send, mut on_their_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reads = async {
        let mut buffer = vec![0; 65_536];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return Ok::<_, io::Error>(());
            }
            let _ = send.send((Instant::now(), buffer[..count].to_vec()));
        }
    };
    let mut conditions = link.conditions.subscribe();
    let writes = async {
        while let Some((came_at, bytes)) = on_their_way.recv().await {
            let arrives_at = came_at + conditions.borrow().latency;
            tokio::time::sleep_until(arrives_at.into()).await;
            let bytes_per_second = conditions.borrow().bytes_per_second;
            if let Some(bytes_per_second) = bytes_per_second {
                let part = u32::try_from(bytes.len()).unwrap();
                let time = Duration::from_secs(1) * part / bytes_per_second;
                tokio::time::sleep(time).await;
            }
            let _ = conditions.wait_for(|conditions| number >= conditions.silent_before).await;
            let passing = link.take(direction, bytes.len());
            to.write_all(&bytes[..passing]).await?;
            if passing < bytes.len() {
                link.cut();
                return Ok(());
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = reads => ended,
        ended = writes => ended,
    }
}
