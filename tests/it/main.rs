//! The service from outside: over sockets, with real programs beside it. All tests are one binary, so that it links once.
//!
//! | folder or file | what it tests | what it starts besides the service |
//! |---|---|---|
//! | `http` | each route: its answers, refusals, limits and headers | nginx and Chromium, in two files |
//! | `delivery` | streams: slow clients, many clients, how a stream ends | nothing |
//! | `bans` | who is banned: never shown, removed by LiveKit, kept in the database | a scripted LiveKit, Redis, PostgreSQL |
//! | `reconcile` | which room LiveKit is asked about and when, and what clients see meanwhile | a scripted LiveKit, Redis |
//! | `store` | one contract for both stores, and what only one of them does | Redis |
//! | `redis` | several instances on one Redis, and what can happen to it | Redis, its Cluster and Sentinels, nginx |
//! | `livekit_redis` | LiveKit's own Redis: what is told of changes there, and what happens when it cannot be | Redis, its Cluster and Sentinels, a scripted LiveKit |
//! | `history` | the history's database, and what fills it | PostgreSQL, Redis |
//! | `roster` | rosters: what moderators write, and what everybody who watches is sent | PostgreSQL, Redis |
//! | `rules`, `replay.rs` | the rules of a room against a simulated LiveKit, and against webhooks of a real one | Redis |
//! | `kept_values.rs` | what three versions of LiveKit keep in Redis, against its own lists | nothing |
//! | `process` | what only a process shows: signals, its log, descriptors, the command line | nothing |
//! | `proxies.rs` | the shipped configurations of proxies | nginx, Caddy, curl |
//! | `page` | the page | Chromium |
//! | `client` | the package of `clients/js` | Chromium, nginx |
//! | `doctor` | what `livekit-presence doctor` says of a deployment with one mistake, and of one without | nginx, livekit-server, Redis, PostgreSQL |
//! | `conformance` | `livekit-presence conformance`, with this service and with a naive one | Redis |
//! | `docs` | the documentation: its shell snippets, links and names | Redis, a scripted LiveKit |
//! | `real` | the service beside a real LiveKit with clients of its own SDK | livekit-server, Python clients, Redis |
//! | `stress` | everything at once, while everything fails at random | Redis |
//!
//! `harness` starts those programs and lets tests speak; `captures.rs` reads the captured webhooks. A scripted LiveKit is a
//! fake whose lists and faults the test sets. The service runs inside the test (`TestApp`), or as a process (`Process`) where
//! only that shows something.
//!
//! One test: `cargo test --test it http::limits::reads_are_limited_per_address`. A folder: `cargo test --test it delivery::`.
//! All: `make test`, which installs what they need; so does `make setup-tests`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bans;
mod captures;
mod client;
mod conformance;
mod delivery;
mod docs;
mod doctor;
mod harness;
mod history;
mod http;
mod kept_values;
mod livekit_redis;
mod page;
mod process;
mod proxies;
mod real;
mod reconcile;
mod redis;
mod replay;
mod roster;
mod rules;
mod store;
mod stress;
