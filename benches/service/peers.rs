//! The service beside others that do the same, or less: nchan, which only passes on what it is given, a plain Node.js service, and
//! the bare loop. `make bench-peers` installs what it needs.
//!
//! The load is that of [`fan_out`]. nchan is posted the lists that the service makes from webhooks: it verifies nothing, stores nothing
//! but the last message, and knows no rooms.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use crate::{
    fan_out::{self, Load, Outcome},
    process::{KEYS, Measured},
    report::median,
    target::{Kind, Target},
};

const ROUNDS: usize = 3;

pub fn measure(rounds: Option<usize>) {
    let rounds = rounds.unwrap_or(ROUNDS);
    let Load { streams, rooms, people, .. } = Load::at(1);
    println!(
        "{streams} streams in {rooms} rooms of {people} people, an event is two frames; medians of {rounds}:"
    );
    for per_sec in [50, 500] {
        let mut results: [Vec<Outcome>; 4] = Default::default();
        for round in 1..=rounds {
            eprintln!("{per_sec} events a second, round {round} of {rounds}");
            let outcomes = round_of(&Load::at(per_sec));
            results.iter_mut().zip(outcomes).for_each(|(results, outcome)| results.extend(outcome));
        }
        report(per_sec, &results);
    }
}

const NAMES: [&str; 4] = ["this service", "nchan", "plain Node.js", "bare loop, 1 thread"];

/// None for what is not installed.
fn round_of(load: &Load) -> [Option<Outcome>; 4] {
    let service = fan_out::of_service(load);
    let bytes = service.mean_frame_bytes();
    let nchan = nchan().map(|server| of(load, Kind::Nchan, bytes, server));
    let node = node().map(|server| of(load, Kind::Lists, bytes, server));
    [Some(service), nchan, node, Some(fan_out::of_bare_loop(load, 1, bytes))]
}

fn of(load: &Load, kind: Kind, list_bytes: usize, server: Measured) -> Outcome {
    let target = Target::new(kind, &[server.address], load.rooms, load.people);
    fan_out::run(load, &mut target.with_list_bytes(list_bytes), &[server])
}

/// nginx with nchan, as many workers as processors. `BENCH_NCHAN` names the module.
fn nchan() -> Option<Measured> {
    let module = std::env::var("BENCH_NCHAN").ok()?;
    let address = free_address();
    let folder =
        std::env::temp_dir().join(format!("livekit-presence-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("nginx.conf");
    std::fs::write(&path, nginx_configuration(&module, address, &folder)).expect("a file");
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&path).arg("-e").arg(folder.join("error.log")).arg("-p").arg(&folder);
    Measured::command(command, address)
}

fn nginx_configuration(module: &str, address: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("    {what}_temp_path {folder}/{what};\n"))
        .concat();
    format!(
        "load_module {module};
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
events {{ worker_connections 19000; }}
http {{
    access_log off;
{temporary}    keepalive_requests 1000000;
    nchan_shared_memory_size 256M;
    server {{
        listen {address} backlog=4096;
        location /sub {{
            nchan_subscriber eventsource;
            nchan_channel_id $arg_id;
            nchan_subscriber_first_message oldest;
        }}
        location /pub {{
            nchan_publisher;
            nchan_channel_id $arg_id;
            nchan_message_buffer_length 1;
            nchan_message_timeout 10m;
        }}
    }}
}}
"
    )
}

fn node() -> Option<Measured> {
    let address = free_address();
    let (key, secret) = KEYS.split_once(": ").expect("a key and its secret");
    let mut command = Command::new("node");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/node/server.js"));
    command.env("PORT", address.port().to_string());
    command.env("LIVEKIT_API_KEY", key).env("LIVEKIT_API_SECRET", secret);
    Measured::command(command, address)
}

/// Nobody listens there now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it is bound")
}

type Row = (&'static str, fn(&Outcome) -> f64);

fn report(per_sec: u32, results: &[Vec<Outcome>; 4]) {
    print!("\n{:<34}", format!("{per_sec} events a second"));
    for name in NAMES {
        print!(" {name:>20}");
    }
    let rows: [Row; 7] = [
        ("KiB per idle stream", |outcome| outcome.kib_per_stream),
        ("CPU µs a frame, everything", Outcome::cpu_micros),
        ("p50 ms", |outcome| outcome.latencies.millis(500)),
        ("p99 ms", |outcome| outcome.latencies.millis(990)),
        ("bytes of a list", |outcome| outcome.mean_frame_bytes() as f64),
        ("lost, of a thousand", |outcome| 1e3 * outcome.lost as f64 / outcome.expected as f64),
        ("streams that ended", |outcome| outcome.ended as f64),
    ];
    for (name, figure) in rows {
        print!("\n  {name:<32}");
        for outcomes in results {
            match outcomes.is_empty() {
                true => print!(" {:>20}", "not installed"),
                false => print!(" {:>20.2}", median(outcomes.iter().map(figure))),
            }
        }
    }
    println!();
}
