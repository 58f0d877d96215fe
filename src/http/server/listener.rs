//! Listens, and accepts connections for as long as there are descriptors for them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    delivery::Workers,
    http::{
        middleware::unavailable::UnavailableLog,
        router::router,
        settings::ServerSettings,
        state::{Http, HttpState},
    },
};

use super::{
    connection::{self, Service},
    refusal::Refusals,
};

/// Connections that wait to be accepted. The system may allow fewer.
const BACKLOG: i32 = 4096;
/// Unsent bytes that a socket takes before it counts as full. Without this the system lets it grow to megabytes, for a client
/// that then reads thousands of lists that are long out of date.
const UNSENT_BYTES: u32 = 16 * 1024;
/// An idle connection is probed after this time, this many times, and then given up.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_PROBE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
/// A client that is turned away has this long to send its request, if that has to tell its origin.
const REQUEST_OF_REFUSED: Duration = Duration::from_millis(200);
/// And this long to read why.
const REFUSAL: Duration = Duration::from_secs(2);
/// Connections that are told at the same time; others are cut off.
const MAX_REFUSALS: usize = 32;

/// A bound listener.
pub struct Server {
    listener: TcpListener,
    settings: ServerSettings,
}

impl Server {
    /// Binds. Where the address is `[::]` and the machine has no IPv6, `0.0.0.0` is bound instead.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(settings: &ServerSettings) -> io::Result<Self> {
        let listener = match listen(settings.bind, settings.write_timeout) {
            Err(error) if settings.bind.is_ipv6() && settings.bind.ip().is_unspecified() => {
                let bind = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), settings.bind.port());
                debug!(%error, "cannot listen on IPv6, so only on IPv4");
                listen(bind, settings.write_timeout)?
            }
            listener => listener?,
        };
        Ok(Self { listener: TcpListener::from_std(listener)?, settings: settings.clone() })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts connections until `stop`, and returns when all of them have ended or been handed to `workers`.
    pub async fn run(self, state: Arc<HttpState>, workers: Arc<Workers>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        let http = Http(Arc::clone(&state));
        let unavailable = Arc::<UnavailableLog>::default();
        let service = Arc::new(Service {
            router: router(http.clone(), Arc::clone(&unavailable)),
            refusals: Refusals::new(&http, Arc::clone(&unavailable)),
            unavailable,
            http,
            workers,
            settings: self.settings,
            stop: stop.clone(),
        });
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
            let known = state.trusted_proxies.peer(peer.ip());
            match state.limits.connect(known) {
                Ok(seat) => {
                    tasks.spawn(connection::serve(socket, peer, known, seat, Arc::clone(&service)));
                }
                Err(problem) => {
                    // Who has no place to be told is cut off: nobody else may have to wait for that.
                    let Ok(place) = Arc::clone(&refusals).try_acquire_owned() else { continue };
                    let service = Arc::clone(&service);
                    tasks.spawn(async move {
                        let _place = place;
                        let answering =
                            service.refusals.answer(socket, b"", problem, REQUEST_OF_REFUSED);
                        let _ = timeout(REFUSAL, answering).await;
                    });
                }
            }
        }
        drop(self.listener);
        info!("no longer listening");
        tasks.close();
        tasks.wait().await;
    }
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

/// Set once on the listener: what it accepts inherits them.
fn set_options(socket: &Socket, user_timeout: Duration) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_PROBE_EVERY)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_user_timeout(Some(user_timeout))?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)
}

/// An error of the connection that was to be accepted, and not of accepting.
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
    use tokio::net::TcpStream;

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
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
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
