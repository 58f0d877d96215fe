//! Instances that share a Redis on the same machine.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{
    fan_out::{self, Load},
    fill_rooms, load,
    process::Measured,
    target::{Kind, Target},
};

pub const PORT: u16 = 26_379;
/// Rooms apart from those that have subscribers, one of them big.
const SMALL_ROOM: usize = 1_000;
const BIG_ROOM: usize = 1_001;

pub fn on_redis() {
    for count in [1, 3] {
        let Some(redis) = Measured::redis(PORT) else {
            println!("\nredis-server is not installed: nothing measured with it");
            return;
        };
        println!("\nwith Redis, {count} of the service:");
        let url = format!("redis://127.0.0.1:{PORT}");
        let services: Vec<_> =
            (0..count).map(|_| Measured::service_with(&[("REDIS_URL", &url)])).collect();
        let addresses: Vec<_> = services.iter().map(|service| service.address).collect();
        for address in &addresses {
            until_ready(*address);
        }
        fan_out(&redis, &services, &addresses);
        fill_rooms(addresses[0]);
        throughput(&redis, &services, &addresses);
        if count == 1 {
            size_of_room(&redis, addresses[0]);
        }
    }
}

fn fan_out(redis: &Measured, services: &[Measured], addresses: &[SocketAddr]) {
    let load = Load::at(50);
    let before = redis.cpu();
    let mut target = Target::new(Kind::Lists, addresses, load.rooms, load.people);
    let outcome = fan_out::run(&load, &mut target, services);
    println!(
        "  {} events a second: {outcome}; Redis {:.0} µs a webhook",
        load.per_sec,
        micros_each(redis.cpu() - before, load.webhooks()),
    );
}

fn throughput(redis: &Measured, services: &[Measured], addresses: &[SocketAddr]) {
    let requests = load::track_requests(20_000);
    let before = (redis.cpu(), cpu_of(services), script_calls(redis.address));
    let (count, per_sec) = load::flood(&requests, addresses);
    let calls = script_calls(redis.address);
    println!(
        "  webhooks: {per_sec:.0} a second; {:.1} µs of CPU each, Redis {:.1} µs; script calls each {:.3}",
        micros_each(cpu_of(services) - before.1, count),
        micros_each(redis.cpu() - before.0, count),
        (calls.count - before.2.count) as f64 / count as f64,
    );
}

/// A change costs Redis the same, however many are in the room.
fn size_of_room(redis: &Measured, address: SocketAddr) {
    for (room, people) in [(SMALL_ROOM, 10), (BIG_ROOM, 10_000)] {
        load::flood(&load::join_requests_of(room..room + 1, people), &[address]);
        let before = script_calls(redis.address);
        load::flood(&load::track_requests_of(room..room + 1, 5_000), &[address]);
        let after = script_calls(redis.address);
        let micros = (after.micros - before.micros) / (after.count - before.count) as f64;
        println!("  a change in a room of {people}: {micros:.1} µs in Redis");
    }
}

fn cpu_of(services: &[Measured]) -> Duration {
    services.iter().map(Measured::cpu).sum()
}

fn micros_each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / count as f64
}

/// What Redis counted of scripts called by their hash.
struct ScriptCalls {
    count: u64,
    micros: f64,
}

fn script_calls(redis: SocketAddr) -> ScriptCalls {
    let mut socket = TcpStream::connect(redis).expect("Redis");
    socket.write_all(b"INFO commandstats\r\n").expect("Redis");
    let lines = BufReader::new(socket).lines().map_while(Result::ok);
    let line = lines
        .skip(1)
        .take_while(|line| line.starts_with('#') || line.starts_with("cmdstat_"))
        .find(|line| line.starts_with("cmdstat_evalsha:"))
        .expect("scripts were called");
    let value = |name: &str| {
        let at = line.find(name).expect("Redis counts it") + name.len();
        line[at..].split(',').next().expect("a value").to_owned()
    };
    ScriptCalls {
        count: value("calls=").parse().expect("a number"),
        micros: value("usec=").parse().expect("a number"),
    }
}

pub fn until_ready(address: SocketAddr) {
    loop {
        let mut socket = TcpStream::connect(address).expect("the service");
        let request = b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
        socket.write_all(request).expect("the service");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("the service");
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
    }
}
