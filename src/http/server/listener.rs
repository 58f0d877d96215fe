//! Listens, and accepts connections while there are places for them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    delivery::Workers,
    http::{problem::Problem, settings::ServerSettings, state::HttpState},
};

use super::{connection, service::Service, wakes_itself::going_on_at_once};

/// Connections that can wait to be accepted. The system may allow fewer.
const BACKLOG: i32 = 4096;
/// A socket with this many unsent bytes counts as full. Without this limit the system lets a socket buffer megabytes, and its
/// client then reads thousands of lists that are long out of date.
const MAX_UNSENT_BYTES: u32 = 16 * 1024;
/// A connection without traffic is probed after this time, and given up after this many probes without an answer.
const KEEPALIVE_DELAY: Duration = Duration::from_secs(30);
const KEEPALIVE_PROBE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// If the answer depends on the origin, a client that is turned away has this long to send its request.
const REFUSED_HEAD_TIMEOUT: Duration = Duration::from_millis(200);
/// A client that is turned away has this long to send its request and to read the answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// Clients that are turned away at the same time with an answer. Others are cut off.
const MAX_REFUSALS: usize = 32;

/// A bound listener.
pub struct Server {
    listener: TcpListener,
    settings: ServerSettings,
}

impl Server {
    /// Binds the address. Where that is `[::]` and the machine has no IPv6, binds `0.0.0.0` instead.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(settings: &ServerSettings) -> io::Result<Self> {
        let listener = match listen(settings.bind, settings.write_timeout) {
            Err(error) if settings.bind.is_ipv6() && settings.bind.ip().is_unspecified() => {
                let bind = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), settings.bind.port());
                debug!(%error, "cannot listen on IPv6; listening on IPv4 only");
                listen(bind, settings.write_timeout)?
            }
            listener => listener?,
        };
        Ok(Self { listener: TcpListener::from_std(listener)?, settings: settings.clone() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The socket does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections until `stop`, and returns when all of them have ended or were handed off to `workers`.
    pub async fn run(self, state: Arc<HttpState>, workers: Arc<Workers>, stop: CancellationToken) {
        let service = Arc::new(Service::new(state, workers, self.settings, stop.clone()));
        let tasks = TaskTracker::new();
        let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
        let mut backoff = FIRST_BACKOFF;
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_about_one_connection(&error) => continue,
                Err(error) => {
                    warn!(%error, "cannot accept connections; trying again");
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                    continue;
                }
            };
            backoff = FIRST_BACKOFF;
            let known = service.http.trusted_proxies.peer(peer.ip());
            let service = Arc::clone(&service);
            match service.http.limits.connect(known) {
                Ok(seat) => {
                    let serving = connection::serve(socket, peer, known, seat, service);
                    tasks.spawn(going_on_at_once(serving));
                }
                Err(problem) => {
                    // Beyond `MAX_REFUSALS` the client is cut off, so that no other connection has to wait for it.
                    let Ok(place) = Arc::clone(&refusals).try_acquire_owned() else { continue };
                    tasks.spawn(refuse(socket, problem, service, place));
                }
            }
        }
        drop(self.listener);
        info!("no longer listening");
        tasks.close();
        tasks.wait().await;
    }
}

async fn refuse(
    socket: TcpStream,
    problem: Problem,
    service: Arc<Service>,
    _place: OwnedSemaphorePermit,
) {
    let answering = service.refusals.answer(socket, b"", problem, REFUSED_HEAD_TIMEOUT);
    let _ = timeout(REFUSAL_TIMEOUT, answering).await;
}

fn listen(bind: SocketAddr, user_timeout: Duration) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
    if bind.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    set_options(&socket, user_timeout)?;
    socket.bind(&bind.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets the options on the listener alone: the sockets that it accepts inherit them.
fn set_options(socket: &Socket, user_timeout: Duration) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_DELAY)
        .with_interval(KEEPALIVE_PROBE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_user_timeout(Some(user_timeout))?;
    socket.set_tcp_notsent_lowat(MAX_UNSENT_BYTES)
}

/// Whether accepting failed for this one connection only.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_have_the_options_of_the_listener() {
        let settings = ServerSettings {
            bind: "127.0.0.1:0".parse().unwrap(),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
        };
        let server = Server::bind(&settings).unwrap();
        let _client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let (socket, _) = server.listener.accept().await.unwrap();
        let socket = SockRef::from(&socket);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_DELAY);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), MAX_UNSENT_BYTES);
    }

    #[tokio::test]
    async fn both_families_are_served() {
        let settings = ServerSettings {
            bind: "[::]:0".parse().unwrap(),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
        };
        let server = Server::bind(&settings).unwrap();
        let port = server.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    }
}
