//! The command line.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use axum::http::Uri;
use clap::{Parser, Subcommand, ValueEnum};
use livekit_presence::{
    app::{App, ExportError, StartError, export_history, start_logging},
    clock::Clock,
    config::{Config, ConfigErrors, StartMode},
    conformance, demo, doctor,
    history::{EmptyRange, ExportFormat, TimeRange, parse_time},
    livekit::{ApiKey, InvalidKey},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

/// What lives for long is small here, and what is large lives for a moment. glibc's allocator is left with the gaps in between.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Who is in which LiveKit room, right now, in every browser that asks.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A TOML file with what differs from the defaults
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Run the service (this is the default)
    Serve,
    /// Run the service with a simulated LiveKit, to look at
    Demo,
    /// Print the configuration in effect, or what is wrong with it
    Check,
    /// Ask the running service whether it lives; exit 0 if so, 1 if not
    Healthcheck,
    /// Say what is wrong with a deployment, and what to do about it; exit 1 if something is
    Doctor(DoctorArguments),
    /// Play webhooks to any implementation, and say what its lists and streams lack; exit 0 for full marks, 1 if not, 2 if it cannot run
    Conformance(Box<ConformanceArguments>),
    /// Work with the history of rooms
    #[command(subcommand)]
    History(HistoryCommand),
}

#[derive(clap::Args, Clone)]
struct DoctorArguments {
    /// Where browsers and LiveKit reach the service [default: that of `http.public_url`]
    #[arg(long, value_name = "URL", value_parser = Config::parse_public_url)]
    public_url: Option<Uri>,
    /// A PEM file with certificate authorities for that address, if its certificate is signed by one's own
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The origin of a page that must be able to read
    #[arg(long)]
    origin: Option<String>,
    /// How long a stream is watched, at most 10m
    #[arg(long, value_name = "TIME", value_parser = patience, default_value = "15s")]
    patience: Duration,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Clone)]
struct ConformanceArguments {
    /// Where the implementation is, such as `http://localhost:8080`
    #[arg(value_parser = Config::parse_public_url, required_unless_present = "list_cases")]
    url: Option<Uri>,
    /// Only print what is tried
    #[arg(long)]
    list_cases: bool,
    /// Only cases of these groups
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    only: Vec<conformance::Group>,
    /// The name of the key that signs [default: the first that the configuration has]
    #[arg(long, requires = "secret")]
    key: Option<String>,
    /// Its secret
    #[arg(long, requires = "key")]
    secret: Option<String>,
    /// The path that takes webhooks
    #[arg(long, value_name = "PATH", value_parser = conformance::Paths::parse, default_value = conformance::Paths::WEBHOOK)]
    webhook_path: String,
    /// The path of a room's list; {room} stands for its name
    #[arg(long, value_name = "PATH", value_parser = conformance::Paths::parse, default_value = conformance::Paths::LIST)]
    list_path: String,
    /// The path of a room's stream; empty if there are none
    #[arg(long, value_name = "PATH", value_parser = conformance::Paths::parse_stream, default_value = conformance::Paths::STREAM)]
    stream_path: String,
    /// Anybody may read: try nothing about tokens
    #[arg(long)]
    open: bool,
    /// The origin of a page that may read; without it nothing is tried about pages
    #[arg(long)]
    origin: Option<String>,
    /// A PEM file with certificate authorities, if the certificate is signed by one's own
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long anything is waited for
    #[arg(long, value_name = "TIME", value_parser = conformance::Options::parse_wait, default_value = "5s")]
    timeout: Duration,
    /// How long a stream may be silent
    #[arg(long, value_name = "TIME", value_parser = conformance::Options::parse_wait, default_value = "20s")]
    silence: Duration,
    /// How many cases run at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 16)]
    at_once: usize,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Subcommand)]
enum HistoryCommand {
    /// Write the sessions that were inside within a time to the standard output
    Export {
        /// Where the time begins, such as 2026-01-31, 2026-01-31T12:00:00Z or milliseconds since 1970 [default: with the first session]
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<i64>,
        /// Where it ends [default: not]
        #[arg(long, value_name = "TIME", value_parser = time)]
        to: Option<i64>,
        /// How they are written
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// Why the process failed. Printed as it is.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the configuration is wrong:\n{0}")]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("the service answered {0:?}")]
    Unhealthy(String),
    #[error(transparent)]
    Range(#[from] EmptyRange),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("{0}")]
    Doctor(String),
    #[error("{0}")]
    Conformance(String),
    #[error("--key and --secret are not a key that LiveKit could have: {0}")]
    Key(#[from] InvalidKey),
    #[error("give --key and --secret, or correct the configuration:\n{0}")]
    KeyOfConfig(ConfigErrors),
}

/// The exit code of `conformance` where nothing could be tried.
const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    let done = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(file, StartMode::Serve),
        Command::Demo => serve(file, StartMode::Demo),
        Command::Check => check(file),
        Command::Healthcheck => healthcheck(file),
        Command::Doctor(arguments) => match doctor(file, arguments) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(failure) => Err(failure),
        },
        Command::Conformance(arguments) => match conformance(file, *arguments) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(failure) => {
                complain(&failure);
                return ExitCode::from(COULD_NOT_RUN);
            }
        },
        Command::History(HistoryCommand::Export { from, to, format }) => {
            export(file, (from, to), format)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr(), "livekit-presence: {failure}");
}

fn serve(file: Option<&Path>, start_mode: StartMode) -> Result<(), Failure> {
    let mut config = Config::load(file, start_mode)?;
    start_logging(&config.log);
    // The one provider of cryptography in this program; without one the first TLS connection panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if start_mode == StartMode::Demo {
        config.livekit.keys = demo::keys();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::system();
        let simulation = match start_mode {
            StartMode::Serve | StartMode::Export => None,
            StartMode::Demo => Some(demo::Simulation::new(clock.clone()).await?),
        };
        if let Some(simulation) = &simulation {
            config.livekit.url = Some(simulation.url()?);
        }
        let app = App::build(&config, clock).await?;
        let address = app.local_addr()?;
        info!(%address, "listening");
        let told_to_end = shutdown()?;
        match simulation {
            None => app.run(told_to_end).await,
            Some(simulation) => app.run(simulate_until(told_to_end, address, simulation)).await,
        }
        Ok(())
    })
}

/// LiveKit's part in the demo. It stops first, so that it posts no webhook to a service that is shutting down.
async fn simulate_until(
    told_to_end: impl Future<Output = ()>,
    address: SocketAddr,
    simulation: demo::Simulation,
) {
    info!("the demo runs: open {} in a browser", demo::page_url(address));
    tokio::select! {
        () = told_to_end => {}
        () = simulation.run(address) => {}
    }
}

/// Resolves at the first SIGTERM or SIGINT. A second one ends the process at once.
fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        next().await;
        tokio::spawn(async move {
            next().await;
            warn!("told to end twice; leaving what is open");
            std::process::exit(1);
        });
    })
}

fn check(file: Option<&Path>) -> Result<(), Failure> {
    io::stdout().write_all(Config::describe(file)?.as_bytes())?;
    Ok(())
}

/// Whether nothing is wrong.
fn doctor(file: Option<&Path>, arguments: DoctorArguments) -> Result<bool, Failure> {
    let config = Config::load(file, StartMode::Serve)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let DoctorArguments { public_url, ca_file, origin, patience, json } = arguments;
    let options = doctor::Options { public_url, ca_file, origin, patience };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let clock = Clock::system();
    let report =
        runtime.block_on(doctor::run(&config, &options, &clock)).map_err(Failure::Doctor)?;
    let text = if json { report.to_json() + "\n" } else { report.to_string() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(!report.is_wrong())
}

/// A token is valid for as long as a stream is watched, and a proxy may log it.
fn patience(text: &str) -> Result<Duration, String> {
    let patience = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if patience > doctor::MAX_PATIENCE {
        return Err("write at most 10m".to_owned());
    }
    Ok(patience)
}

/// Whether there are full marks.
fn conformance(file: Option<&Path>, arguments: ConformanceArguments) -> Result<bool, Failure> {
    let Some(url) = arguments.url.clone().filter(|_| !arguments.list_cases) else {
        io::stdout().write_all(conformance::list_cases().as_bytes())?;
        return Ok(true);
    };
    let key = signing_key(file, &arguments)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = conformance::Options {
        url,
        paths: conformance::Paths {
            webhook: arguments.webhook_path,
            list: arguments.list_path,
            stream: arguments.stream_path,
        },
        key,
        only: arguments.only,
        timeout: arguments.timeout,
        silence: arguments.silence,
        at_once: arguments.at_once,
        is_open: arguments.open,
        origin: arguments.origin,
        ca_file: arguments.ca_file,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let clock = Clock::system();
    let report =
        runtime.block_on(conformance::run(&options, &clock)).map_err(Failure::Conformance)?;
    let text = if arguments.json { report.to_json() + "\n" } else { report.to_string() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(report.has_full_marks())
}

fn signing_key(file: Option<&Path>, arguments: &ConformanceArguments) -> Result<ApiKey, Failure> {
    if let (Some(name), Some(secret)) = (&arguments.key, &arguments.secret) {
        return Ok(ApiKey::new(name, secret)?);
    }
    let config = Config::load(file, StartMode::Serve).map_err(Failure::KeyOfConfig)?;
    let key = config.livekit.keys.into_iter().next();
    Ok(key.expect("a configuration without keys is not loaded"))
}

fn time(text: &str) -> Result<i64, String> {
    parse_time(text).ok_or_else(|| {
        "write 2026-01-31, 2026-01-31T12:00:00Z or milliseconds since 1970".to_owned()
    })
}

fn export(
    file: Option<&Path>,
    (from, to): (Option<i64>, Option<i64>),
    format: Format,
) -> Result<(), Failure> {
    let config = Config::load(file, StartMode::Export)?;
    let now = i64::try_from(Clock::system().now().as_millis()).unwrap_or(i64::MAX);
    let everything = TimeRange::everything(now);
    let (from, to) = (from.unwrap_or(everything.from), to.unwrap_or(everything.to));
    let range = TimeRange::new(Some(from), Some(to), now)?;
    let format = match format {
        Format::Csv => ExportFormat::Csv,
        Format::Jsonl => ExportFormat::JsonLines,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut output = io::stdout().lock();
    Ok(runtime.block_on(export_history(&config, range, format, &mut output))?)
}

fn healthcheck(file: Option<&Path>) -> Result<(), Failure> {
    const CHECK_TIMEOUT: Option<Duration> = Some(Duration::from_secs(3));
    let bind = Config::load(file, StartMode::Serve)?.http.bind;
    // `[::]` becomes 0.0.0.0 where IPv6 is off.
    let own: Vec<IpAddr> = match bind.ip() {
        IpAddr::V4(address) if address.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(address) if address.is_unspecified() => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        address => vec![address],
    };
    let own: Vec<_> = own.into_iter().map(|ip| SocketAddr::new(ip, bind.port())).collect();
    let mut socket = TcpStream::connect(own.as_slice())?;
    socket.set_read_timeout(CHECK_TIMEOUT)?;
    socket.set_write_timeout(CHECK_TIMEOUT)?;
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = String::new();
    BufReader::new(socket).read_line(&mut status)?;
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => {
            error!(status, "unhealthy");
            Err(Failure::Unhealthy(status.trim().to_owned()))
        }
    }
}
