//! A real Chromium, for tests of what only a browser can show. `tests/browser/driver.js` drives it with one command a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

use super::DEADLINE;

const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/driver.js");
const FIREFOX_DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/firefox.js");
/// No other program of the tests takes as long to start as a browser.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
const FIREFOX_TO_INSTALL: &str = "the tests in Firefox need firefox-esr (or another Firefox, named by FIREFOX), Node.js 20 or newer, and \
     the packages of tests/browser; `make test` installs them";
const LOOKS_EVERY: Duration = Duration::from_millis(30);
const TO_INSTALL: &str = "the tests of the page need Chromium, Node.js 18 or newer, and the packages of tests/browser; \
     `make test` installs them, and so do `apt-get install chromium nodejs npm` and `npm ci` in tests/browser";

/// A browser with one window. It ends with the test.
pub struct Browser {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// The window in which a page is opened.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    pub width: u32,
    pub height: u32,
    pub color_scheme: &'static str,
    pub reduced_motion: &'static str,
}

/// What a person sees on the page.
#[derive(Clone, Debug, Deserialize)]
pub struct Sight {
    /// The state of the page's connection to the service.
    pub link: String,
    /// All its states since the page was loaded.
    pub link_history: Vec<String>,
    pub link_color: String,
    /// What a screen reader says about the connection.
    pub announced: String,
    pub problem: String,
    pub rooms: Vec<RoomCard>,
    pub hints: Vec<String>,
    /// What happened, newest first.
    pub activity: Vec<String>,
    /// Differs after each load of the page.
    pub loaded_at: f64,
    pub address: String,
    pub width: u32,
    pub content_width: u32,
    pub background: String,
    /// The element that has the keyboard's focus.
    pub focus: String,
    pub animations: usize,
    /// Charts of the last hour, with their newest values as text.
    pub charts: Vec<ChartSight>,
    /// The cells of each webhook that is shown.
    pub webhooks: Vec<Vec<String>>,
    /// Of the webhook that is open.
    pub webhook_body: String,
    pub dry_run: String,
    /// Whether it shows who is expected in a room.
    pub has_roster: bool,
    pub roster: Vec<RosterRow>,
    pub roster_numbers: String,
    /// The pixels of the table that have to be scrolled to.
    pub roster_overflow: u32,
    /// Why the service refused what a moderator wanted.
    pub refusal: String,
    /// The parts that only moderators see, by their ids.
    pub moderates: Vec<String>,
    /// Whether it shows who was in a room.
    pub has_past: bool,
    pub past: Vec<PastRow>,
    pub past_numbers: String,
    /// Elements that names turned into, where there should be text alone.
    pub markup_in_names: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ChartSight {
    pub title: String,
    pub values: String,
    pub is_drawn: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct RoomCard {
    pub name: String,
    pub count: String,
    pub hint: String,
    pub people: Vec<PersonRow>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PersonRow {
    pub name: String,
    pub kind: String,
    pub sources: Vec<String>,
}

/// Somebody who is expected in the room that is looked at, is inside, or was.
#[derive(Clone, Debug, Deserialize)]
pub struct RosterRow {
    pub person: String,
    pub status: String,
    pub role: String,
    pub microphone: String,
    /// What the buttons to moderate them say.
    pub buttons: Vec<String>,
}

/// Somebody who was in the room that is looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct PastRow {
    pub person: String,
    /// When they left, as it is written.
    pub left: String,
    /// How long they were inside, as it is written.
    pub inside: String,
    /// The number of its element: another row of the table has another one.
    pub line: u32,
    /// Bars of when they were inside; none while the table is shown.
    pub bars: usize,
    pub microphones: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Value(Value),
    Error(String),
}

impl Default for Window {
    fn default() -> Self {
        Self { width: 1280, height: 800, color_scheme: "light", reduced_motion: "no-preference" }
    }
}

impl Window {
    /// A small phone's.
    pub fn phone() -> Self {
        Self { width: 360, height: 740, ..Self::default() }
    }
}

impl Browser {
    pub async fn start() -> Self {
        match Self::driven_by(DRIVER).await {
            Ok(browser) => browser,
            Err(reason) => panic!("{reason}: {TO_INSTALL}"),
        }
    }

    /// A Firefox with one tab. None where there is none and none must be there: Firefox cannot be installed everywhere.
    pub async fn firefox() -> Option<Self> {
        match Self::driven_by(FIREFOX_DRIVER).await {
            Ok(browser) => Some(browser),
            Err(reason) => {
                let why = format!("{reason}: {FIREFOX_TO_INSTALL}");
                assert_ne!(std::env::var("REQUIRE_REAL").as_deref(), Ok("1"), "{why}");
                eprintln!("NOT RUN: {why}");
                None
            }
        }
    }

    /// Starts what drives a browser, or says why it does not start.
    async fn driven_by(script: &str) -> Result<Self, String> {
        // The driver ends with its input, and ends the browser.
        let driver =
            Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err("node is missing".to_owned());
            }
            Err(error) => panic!("cannot run node: {error}"),
        };
        let mut browser = Self {
            commands: driver.stdin.take().unwrap(),
            answers: BufReader::new(driver.stdout.take().unwrap()).lines(),
        };
        match browser.answer(STARTS_WITHIN).await {
            Answer::Value(_version) => Ok(browser),
            Answer::Error(reason) => Err(reason),
        }
    }

    /// Opens an address in a new window.
    pub async fn open(&mut self, url: &str) {
        self.open_in(Window::default(), url).await;
    }

    pub async fn open_in(&mut self, window: Window, url: &str) {
        let mut arguments = serde_json::to_value(window).unwrap();
        arguments["url"] = url.into();
        self.tell::<()>(json!({ "open": arguments })).await;
    }

    pub async fn look(&mut self) -> Sight {
        self.tell("look".into()).await
    }

    /// Looks until the page shows something.
    pub async fn until(&mut self, what: &str, mut is_seen: impl FnMut(&Sight) -> bool) -> Sight {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let sight = self.look().await;
            if is_seen(&sight) {
                return sight;
            }
            assert!(Instant::now() < deadline, "waited {DEADLINE:?} for {what}; saw {sight:#?}");
            sleep(LOOKS_EVERY).await;
        }
    }

    /// Waits until the page is live, and shows these people in a room.
    pub async fn until_people(&mut self, room: &str, expected: &[&str]) -> Sight {
        let what = format!("{expected:?} in {room}");
        self.until(&what, |sight| sight.link == "Live" && sight.people(room) == expected).await
    }

    pub async fn until_link(&mut self, expected: &str) -> Sight {
        self.until(expected, |sight| sight.link == expected).await
    }

    /// Errors on the console, exceptions and breaches of the content security policy since the page was opened.
    pub async fn complaints(&mut self) -> Vec<String> {
        self.tell("complaints".into()).await
    }

    /// What axe finds wrong with the page's accessibility.
    pub async fn audit(&mut self) -> Vec<String> {
        self.tell("audit".into()).await
    }

    pub async fn press(&mut self, key: &str) {
        self.tell::<()>(json!({ "press": key })).await;
    }

    /// Presses a key in a tab.
    pub async fn press_in(&mut self, tab: usize, key: &str) {
        self.tell::<()>(json!({ "pressIn": { "tab": tab, "key": key } })).await;
    }

    /// Writes into a field, in place of what is there.
    pub async fn fill(&mut self, selector: &str, value: &str) {
        self.tell::<()>(json!({ "fill": { "selector": selector, "value": value } })).await;
    }

    /// Chooses from a list.
    pub async fn choose(&mut self, selector: &str, value: &str) {
        self.tell::<()>(json!({ "choose": { "selector": selector, "value": value } })).await;
    }

    pub async fn click(&mut self, selector: &str) {
        self.tell::<()>(json!({ "click": selector })).await;
    }

    pub async fn reload(&mut self) {
        self.tell::<()>("reload".into()).await;
    }

    /// Opens a tab in the profile that all tabs share, and returns its number.
    pub async fn open_tab(&mut self, url: &str) -> usize {
        self.tell(json!({ "openTab": { "url": url } })).await
    }

    /// Opens a tab whose time stands still except in `pass_time`.
    pub async fn open_tab_out_of_time(&mut self, url: &str) -> usize {
        self.tell(json!({ "openTab": { "url": url, "clock": true } })).await
    }

    /// Shows a tab as another window would.
    pub async fn resize(&mut self, tab: usize, window: Window) {
        self.tell::<()>(json!({ "resize": { "tab": tab, "window": window } })).await;
    }

    /// Serves the files of a built app at an origin, beside what the origin serves itself.
    pub async fn serve(&mut self, origin: &str, folder: &str) {
        self.tell::<()>(json!({ "serve": { "origin": origin, "folder": folder } })).await;
    }

    /// Runs the body of an async function in a tab with `argument`, and returns its result.
    pub async fn run<T: DeserializeOwned>(
        &mut self,
        tab: usize,
        script: &str,
        argument: impl Serialize,
    ) -> T {
        self.tell(json!({ "run": { "tab": tab, "script": script, "argument": argument } })).await
    }

    pub async fn close_tab(&mut self, tab: usize) {
        self.tell::<()>(json!({ "closeTab": tab })).await;
    }

    /// Takes a tab to another address.
    pub async fn go(&mut self, tab: usize, url: &str) {
        self.tell::<()>(json!({ "go": { "tab": tab, "url": url } })).await;
    }

    pub async fn pass_time(&mut self, tab: usize, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.tell::<()>(json!({ "passTime": { "tab": tab, "millis": millis } })).await;
    }

    /// Cuts all tabs off the network, or connects them again.
    pub async fn set_offline(&mut self, is_offline: bool) {
        self.tell::<()>(json!({ "offline": is_offline })).await;
    }

    /// Freezes a tab, as browsers do when nobody has looked at it for a while, or lets it go on.
    pub async fn freeze(&mut self, tab: usize, is_frozen: bool) {
        self.tell::<()>(json!({ "freeze": { "tab": tab, "isFrozen": is_frozen } })).await;
    }

    /// Ends the shared workers, as a crash does, and returns how many there were.
    pub async fn end_workers(&mut self) -> usize {
        self.tell("endWorkers".into()).await
    }

    /// What a tab holds after garbage collection, by Chromium's names.
    pub async fn holds(&mut self, tab: usize) -> BTreeMap<String, f64> {
        self.tell(json!({ "holds": tab })).await
    }

    /// What axe finds wrong with a tab's accessibility.
    pub async fn audit_tab(&mut self, tab: usize) -> Vec<String> {
        self.tell(json!({ "audit": tab })).await
    }

    async fn tell<T: DeserializeOwned>(&mut self, command: Value) -> T {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        match self.answer(DEADLINE).await {
            Answer::Value(value) => serde_json::from_value(value).unwrap(),
            Answer::Error(error) => panic!("the browser cannot do {command}: {error}"),
        }
    }

    async fn answer(&mut self, within: Duration) -> Answer {
        let line = timeout(within, self.answers.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("the browser took longer than {within:?}"));
        let line = line.unwrap().expect("the browser's driver goes on");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the driver said {line:?}"))
    }
}

impl Sight {
    pub fn room(&self, name: &str) -> Option<&RoomCard> {
        self.rooms.iter().find(|room| room.name == name)
    }

    /// The people of a room, in the page's order; nobody where the page has no such room.
    pub fn people(&self, room: &str) -> Vec<&str> {
        let people = self.room(room).into_iter().flat_map(|room| &room.people);
        people.map(|person| person.name.as_str()).collect()
    }

    pub fn person(&self, name: &str) -> Option<&PersonRow> {
        self.rooms.iter().flat_map(|room| &room.people).find(|person| person.name == name)
    }

    /// Whether the page shows somebody twice.
    pub fn has_doubles(&self) -> bool {
        let names = self.rooms.iter().flat_map(|room| &room.people).map(|person| &person.name);
        let mut seen = BTreeSet::new();
        !names.into_iter().all(|name| seen.insert(name))
    }
}
