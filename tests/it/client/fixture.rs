//! A service behind nginx, and a browser whose tabs watch its rooms with the package of `clients/js`.

use std::time::Duration;

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys, VideoGrant},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Browser, DEADLINE, Nginx, PROCESS_KEYS, Process, WebhookBody};

const LOOKS_EVERY: Duration = Duration::from_millis(10);

/// Runs in a tab: watches a room, and notes each status. It takes the package from the service, as the page does.
const WATCH: &str = r#"
    if (argument.without) delete globalThis[argument.without];
    const { watchRoom } = await import("/page/livekit-presence.js");
    const { tokens, ...options } = argument;
    // Gives one token after the other, and the last one for ever.
    globalThis.tokensLeft = tokens;
    if (tokens) options.token = async () => (tokensLeft.length > 1 ? tokensLeft.shift() : tokensLeft[0]);
    const room = watchRoom({ room: "general", ...options });
    globalThis.room = room;
    globalThis.statuses = [];
    globalThis.reasons = [];
    const note = () => {
        const { status, error } = room.snapshot();
        if (status !== statuses.at(-1)) statuses.push(status);
        if (error && !reasons.includes(error.message)) reasons.push(error.message);
    };
    room.subscribe(note);
    note();
"#;

const LOOK: &str = r"
    const { participants, status, version, error } = room.snapshot();
    return { people: participants.map(({ identity }) => identity), status, version, error, statuses, reasons };
";

/// What a tab shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Shown {
    pub people: Vec<String>,
    pub status: String,
    pub version: Option<u64>,
    pub error: Option<Refusal>,
    /// All statuses so far.
    pub statuses: Vec<String>,
    /// All errors so far.
    pub reasons: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Refusal {
    pub status: u16,
    pub message: String,
}

pub struct Fixture {
    pub app: Process,
    pub nginx: Option<Nginx>,
    pub browser: Browser,
    variables: Vec<(&'static str, &'static str)>,
    proxy_port: u16,
}

impl Fixture {
    pub async fn with(variables: &[(&'static str, &'static str)]) -> Self {
        let (app, browser) = tokio::join!(Process::start(variables), Browser::start());
        Self::of(app, browser, variables).await
    }

    /// In Firefox, if it is there.
    pub async fn in_firefox() -> Option<Self> {
        let (app, browser) = tokio::join!(Process::start(&[]), Browser::firefox());
        Some(Self::of(app, browser?, &[]).await)
    }

    async fn of(
        app: Process,
        browser: Browser,
        variables: &[(&'static str, &'static str)],
    ) -> Self {
        let nginx = Nginx::before(&[app.address.port()]).await;
        let proxy_port = nginx.port;
        Self { app, nginx: Some(nginx), browser, variables: variables.to_vec(), proxy_port }
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.proxy_port)
    }

    /// A blank page of the service's origin.
    pub fn blank(&self) -> String {
        format!("{}/healthz", self.origin())
    }

    pub async fn tab(&mut self) -> usize {
        let blank = self.blank();
        self.browser.open_tab(&blank).await
    }

    /// Opens a tab that watches the room `general`, with these options of the package and of `WATCH`.
    pub async fn watching(&mut self, options: Value) -> usize {
        let tab = self.tab().await;
        self.watch(tab, options).await;
        tab
    }

    /// Opens a tab with its own connection, whose time stands still except in `pass_time`.
    pub async fn watching_out_of_time(&mut self) -> usize {
        self.watching_out_of_time_as(alone()).await
    }

    pub async fn watching_out_of_time_as(&mut self, options: Value) -> usize {
        let blank = self.blank();
        let tab = self.browser.open_tab_out_of_time(&blank).await;
        self.watch(tab, options).await;
        tab
    }

    pub async fn watch(&mut self, tab: usize, options: Value) {
        self.browser.run::<()>(tab, WATCH, options).await;
    }

    pub async fn look(&mut self, tab: usize) -> Shown {
        self.browser.run(tab, LOOK, ()).await
    }

    pub async fn until(
        &mut self,
        tab: usize,
        what: &str,
        mut is_shown: impl FnMut(&Shown) -> bool,
    ) -> Shown {
        self.within(DEADLINE, tab, what, &mut is_shown).await
    }

    pub async fn within(
        &mut self,
        time: Duration,
        tab: usize,
        what: &str,
        is_shown: &mut dyn FnMut(&Shown) -> bool,
    ) -> Shown {
        let deadline = Instant::now() + time;
        loop {
            let shown = self.look(tab).await;
            if is_shown(&shown) {
                return shown;
            }
            assert!(Instant::now() < deadline, "waited {time:?} for {what}; saw {shown:#?}");
            sleep(LOOKS_EVERY).await;
        }
    }

    /// Waits until a tab is live and shows these people.
    pub async fn until_live(&mut self, tab: usize, people: &[&str]) -> Shown {
        let what = format!("{people:?} live in tab {tab}");
        self.until(tab, &what, |shown| shown.status == "live" && shown.people == people).await
    }

    pub async fn until_status(&mut self, tab: usize, status: &str) -> Shown {
        self.until(tab, status, |shown| shown.status == status).await
    }

    pub async fn webhooks(&self, webhooks: impl IntoIterator<Item = WebhookBody>) {
        self.app.webhooks(webhooks).await;
    }

    pub async fn kill_service(&mut self) {
        self.app.kill().await;
    }

    /// Starts another process at the same address, which remembers nothing.
    pub async fn restart_service(&mut self) {
        let bind = self.app.address.to_string();
        let mut variables: Vec<(&str, &str)> = self.variables.clone();
        variables.push(("LKP__HTTP__BIND", &bind));
        self.app = Process::start(&variables).await;
    }

    pub fn stop_nginx(&mut self) {
        self.nginx = None;
    }

    pub async fn start_nginx(&mut self) {
        self.nginx = Some(Nginx::at(self.proxy_port, &[self.app.address.port()]).await);
    }

    /// The value of one of the service's metrics.
    pub async fn metric(&self, name: &str) -> f64 {
        let answer = self.app.get("/metrics").await;
        let text = answer.text();
        let line = text.lines().find_map(|line| {
            line.strip_prefix("livekit_presence_")?.strip_prefix(name)?.strip_prefix(' ')
        });
        line.unwrap_or_else(|| panic!("there is no metric {name}")).parse().unwrap()
    }

    pub async fn streams_open(&self) -> f64 {
        self.metric("streams_open").await
    }

    /// Tells a tab that it is hidden or shown. A browser without a screen shows all its tabs otherwise.
    pub async fn hide(&mut self, tab: usize, is_hidden: bool) {
        let script = r#"
            Object.defineProperty(document, "hidden", { configurable: true, value: argument });
            document.dispatchEvent(new Event("visibilitychange"));
        "#;
        self.browser.run::<()>(tab, script, is_hidden).await;
    }
}

/// A token that reads the room `general` and expires in `seconds`.
pub fn token_for(seconds: i64) -> String {
    token_of(
        &VideoGrant { room: "general".into(), room_join: true, ..VideoGrant::default() },
        seconds,
    )
}

pub fn token_of(video: &VideoGrant, seconds: i64) -> String {
    let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
    let expires_at = Clock::system().now().as_secs().checked_add_signed(seconds).unwrap();
    AccessToken::sign("alice", video.clone(), expires_at, &keys).unwrap()
}

/// Options of a tab with its own connection.
pub fn alone() -> Value {
    json!({ "share": false })
}
