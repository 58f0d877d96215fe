//! Runs the shell snippets of the documentation against real services.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    sync::watch,
    time::{sleep, timeout},
};

use crate::harness::{
    DEADLINE, Folder, PROCESS_KEYS, Process, RedisServer, ScriptedLiveKit, WebhookBody, joined,
    left, published, started,
};

use super::markdown::{Block, LineInFile, ROOT};

/// The people in the room `support`, in the order in which they come and go.
const CALLERS: [&str; 2] = ["concierge", "rosa"];

/// The service that a block of shell runs against, if it runs at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The service of the examples: anybody may read, and people come and go.
    Demo,
    /// A service that wants tokens, and where one person has joined.
    OwnService,
    NotRun(Reason),
}

/// The only reasons for which a block is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its targets must exist in the Makefile instead.
    BuildsForMinutes,
    /// `make check-packages` installs one into a root of its own.
    InstallsAPackage,
    NeedsDocker,
    NeedsKubernetes,
    NeedsLiveKitsCommandLine,
    NeedsThePackage,
}

impl Reason {
    pub const ALL: [Self; 6] = [
        Self::BuildsForMinutes,
        Self::InstallsAPackage,
        Self::NeedsDocker,
        Self::NeedsKubernetes,
        Self::NeedsLiveKitsCommandLine,
        Self::NeedsThePackage,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::BuildsForMinutes => "not run, it builds for minutes",
            Self::InstallsAPackage => "not run, it installs a package",
            Self::NeedsDocker => "not run, it needs Docker",
            Self::NeedsKubernetes => "not run, it needs Kubernetes",
            Self::NeedsLiveKitsCommandLine => "not run, it needs LiveKit's command line",
            Self::NeedsThePackage => "not run, it needs the installed package",
        }
    }
}

impl Target {
    pub fn of(block: &Block) -> Self {
        match block.marker.as_deref() {
            None => Self::Demo,
            Some("with your own service") => Self::OwnService,
            Some(other) => {
                let reason = Reason::ALL.into_iter().find(|reason| reason.words() == other);
                Self::NotRun(reason.unwrap_or_else(|| panic!("{}: {other:?}?", block.place)))
            }
        }
    }
}

/// A command of a block, with the output that it must show.
pub struct Step {
    place: LineInFile,
    command: String,
    shows: String,
}

impl Step {
    /// Whether the command is a stream, which ends once it has shown its output.
    fn is_endless(&self) -> bool {
        self.command.contains("curl -N")
    }
}

/// The commands of a block. In a `console` block each begins with `$ ` and its output follows; a `sh` block is one command.
pub fn steps(block: &Block) -> Vec<Step> {
    let place = block.place.clone();
    if block.language == "sh" {
        return vec![Step { place, command: block.text.clone(), shows: String::new() }];
    }
    let mut steps: Vec<Step> = Vec::new();
    for line in block.text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => {
                let (place, command) = (place.clone(), command.to_owned());
                steps.push(Step { place, command, shows: String::new() });
            }
            None => {
                let last = steps.last_mut().unwrap_or_else(|| panic!("{place}: no command"));
                last.shows.push_str(line);
                last.shows.push('\n');
            }
        }
    }
    steps
}

/// The surroundings of a document's snippets: a folder, and services at the addresses that they name.
pub struct Fixture {
    folder: Folder,
    demo: Process,
    own: Process,
    redis: RedisServer,
    livekit: ScriptedLiveKit,
    /// The rounds in which everybody in the room `support` has left and come back.
    rounds: AtomicUsize,
}

impl Fixture {
    pub async fn prepare() -> Self {
        let folder = Folder::new("docs");
        put_program(folder.path());
        for name in ["Makefile", "config", "scripts", ".env.example"] {
            symlink(Path::new(ROOT).join(name), folder.path().join(name)).unwrap();
        }
        let heartbeat = ("LKP__STREAM__HEARTBEAT", "1s");
        let demo = Process::start(&[heartbeat, ("HISTORY_URL", "sqlite::memory:")]).await;
        demo.webhooks(everybody()).await;
        let pages = "pages: another-secret-of-32-characters-or-more";
        let history = format!("sqlite:{}", folder.path().join("history.db").display());
        let settings = [
            ("LKP__AUTH__MODE", "livekit"),
            ("LKP__AUTH__KEYS", pages),
            ("LIVEKIT_API_KEY", "APIkey"),
            ("LIVEKIT_API_SECRET", "the-secret-of-that-key-in-32-characters"),
            ("HISTORY_URL", history.as_str()),
        ];
        let own = Process::start(&settings).await;
        own.webhooks([joined("alice")]).await;
        let redis = RedisServer::start().await;
        let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
        Self { folder, demo, own, redis, livekit, rounds: AtomicUsize::new(0) }
    }

    /// Runs one command. It must end with 0, or be a stream (`curl -N`) that shows what it should.
    pub async fn run(&self, target: Target, step: &Step) {
        let service = match target {
            Target::Demo => &self.demo,
            Target::OwnService => &self.own,
            Target::NotRun(_) => unreachable!("it is not run"),
        };
        // Only streams show people coming and going.
        let (stop, stopped) = watch::channel(!step.is_endless());
        let ran = async {
            let ran = self.run_against(service, step).await;
            stop.send_replace(true);
            ran
        };
        if let (Err(why), ()) = tokio::join!(ran, self.come_and_go(stopped)) {
            panic!("{}: {}\n{why}", step.place, step.command);
        }
    }

    async fn run_against(&self, service: &Process, step: &Step) -> Result<(), String> {
        let mut shell = self.shell(service, &step.command);
        let mut stdout = shell.stdout.take().expect("it is piped");
        let is_endless = step.is_endless();
        let mut shown = Vec::new();
        let reading = async {
            while stdout.read_buf(&mut shown).await.unwrap() > 0 {
                if is_endless && missing(&step.shows, &shown).is_none() {
                    break;
                }
            }
        };
        let is_in_time = timeout(DEADLINE, reading).await.is_ok();
        if is_endless || !is_in_time {
            let group = Pid::from_raw(i32::try_from(shell.id().unwrap()).unwrap()).unwrap();
            let _ = kill_process_group(group, Signal::KILL);
        }
        let output = shell.wait_with_output().await.unwrap();
        let (shown, said) = (text(&shown), text(&output.stderr));
        match missing(&step.shows, shown.as_bytes()) {
            Some(line) => Err(format!("does not show\n{line}\nbut\n{shown}\n{said}")),
            None if is_endless || output.status.success() => Ok(()),
            None => Err(format!("{}\n{shown}\n{said}", output.status)),
        }
    }

    fn shell(&self, service: &Process, command: &str) -> Child {
        let redis = format!("127.0.0.1:{}", self.redis.port);
        let command = command
            .replace("localhost:8080", &service.address.to_string())
            .replace("redis.internal:6379", &redis)
            .replace("wss://livekit.example.com", &self.livekit.url());
        let bin = self.folder.path().join("bin");
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &command])
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
            .env("LIVEKIT_KEYS", PROCESS_KEYS)
            .env("PORT", service.address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Has people come and go in the room `support` of the demo, until it is told to stop and the round ends.
    async fn come_and_go(&self, stopped: watch::Receiver<bool>) {
        /// More than `stream.coalesce`, so that each change goes out by itself.
        const PAUSE: Duration = Duration::from_millis(40);
        /// More than `stream.heartbeat`, so that there is one.
        const QUIET: Duration = Duration::from_millis(1_200);
        while !*stopped.borrow() {
            let round = self.rounds.fetch_add(1, Ordering::Relaxed);
            let leave = CALLERS.map(|one| left(one).room("support").sid(&sid(one, round)));
            let come = CALLERS.map(|one| in_support(one, round + 1));
            for webhook in leave.into_iter().chain(come) {
                self.demo.webhooks([webhook]).await;
                sleep(PAUSE).await;
            }
            sleep(QUIET).await;
        }
    }
}

/// Puts a program of the service's name into the folder. It serves until it is ready, and then ends in order; other commands
/// are the service's own.
fn put_program(folder: &Path) {
    let program = env!("CARGO_BIN_EXE_livekit-presence");
    let script = format!(
        r#"#!/bin/bash
set -eu
case "${{1-serve}}" in serve | demo) ;; *) exec {program} "$@" ;; esac
{program} check >/dev/null
unset PORT
# The background may open it after this has looked into one that an earlier service left.
: >log
LKP__HTTP__BIND=127.0.0.1:0 LKP__LOG__FORMAT=json LKP__SHUTDOWN__DRAIN=0s {program} "$@" 2>>log &
until address=$(grep -m 1 '"listening"' log | grep -o '127.0.0.1:[0-9]*'); do
    kill -0 $! || {{ cat log >&2; exit 1; }}
    sleep 0.02
done
until curl --silent --fail --output /dev/null "http://$address/readyz"; do
    kill -0 $! || {{ cat log >&2; exit 1; }}
    sleep 0.02
done
kill -TERM $!
wait $!
"#
    );
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let file = bin.join("livekit-presence");
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The people of the examples.
fn everybody() -> Vec<WebhookBody> {
    let general = ["anouk", "ada", "amir", "ben", "chiara", "dmitri", "elif"];
    let cafe = ["uma", "viktor", "wanjiru", "yusuf"];
    let rooms = [("general", &general[..]), ("late night café ☕", &cafe)];
    let mut webhooks: Vec<_> = rooms
        .into_iter()
        .flat_map(|(room, people)| {
            let come = people.iter().map(move |one| joined(one).name(&capital(one)).room(room));
            std::iter::once(started().room(room)).chain(come)
        })
        .collect();
    let mut microphone = published("anouk", "TR_microphone");
    microphone.0["track"]["name"] = "microphone".into();
    webhooks.push(microphone);
    webhooks.push(started().room("support"));
    webhooks.extend(CALLERS.map(|one| in_support(one, 0)));
    webhooks
}

fn in_support(identity: &str, round: usize) -> WebhookBody {
    joined(identity).name(&capital(identity)).room("support").sid(&sid(identity, round))
}

/// A sid for each round, since a session that has left does not come back.
fn sid(identity: &str, round: usize) -> String {
    format!("PA_{identity}{round}")
}

fn capital(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

/// The first piece of the expected output that does not follow the piece before it, if any. Pieces end with a line or `…`.
fn missing(expected: &str, shown: &[u8]) -> Option<String> {
    let shown = without_chance(&text(shown));
    let mut rest = shown.as_str();
    let expected = without_chance(expected);
    let pieces = expected.lines().flat_map(|line| line.split('…')).map(str::trim);
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let Some((_, after)) = rest.split_once(piece) else { return Some(piece.to_owned()) };
        rest = after;
    }
    None
}

/// Replaces what differs in each run: a number of four or more digits becomes `0`, a sid its prefix.
fn without_chance(text: &str) -> String {
    let mut kept = String::new();
    for word in text.split_inclusive(|one: char| !one.is_alphanumeric() && one != '_') {
        let end = word.trim_end_matches(|one: char| !one.is_alphanumeric() && one != '_').len();
        let (word, end) = word.split_at(end);
        let is_number = word.len() > 3 && word.bytes().all(|one| one.is_ascii_digit());
        let sid = ["PA_", "TR_"].into_iter().find(|prefix| word.starts_with(prefix));
        kept.push_str(if is_number { "0" } else { sid.unwrap_or(word) });
        kept.push_str(end);
    }
    kept
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
