//! Moderation by the package, in the example for React. LiveKit is a fake that carries calls out.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use crate::harness::{
    ApiFault, Folder, PROCESS_KEYS, ScriptedLiveKit, WebhookBody, eventually, joined, started,
};

use super::{
    examples::{EXAMPLES, TO_BUILD, until_text},
    fixture::Fixture,
};

/// Notes everything that is drawn of Alice, backstage and in `<ParticipantList>`. An observer sees each drawing before anybody does.
const NOTE: &str = r#"
    const texts = { backstage: [], list: [] };
    globalThis.drawn = texts;
    const rowOf = (selector) => [...document.querySelectorAll(selector)].find((row) => row.textContent.includes("alice"));
    const backstage = () => {
        const seat = rowOf(".seat");
        const icon = seat?.querySelector("svg")?.getAttribute("aria-label") ?? "not inside";
        return seat ? `${seat.closest(".column").getAttribute("aria-label")}, ${icon}` : "gone";
    };
    const list = () => {
        const row = rowOf(".livekit-presence-list-person");
        const part = (name) => row.querySelector(`.livekit-presence-list-${name}`).textContent;
        return row ? `${part("role")}, ${part("states")}` : "gone";
    };
    const note = () => {
        for (const [view, text] of [["backstage", backstage()], ["list", list()]]) {
            if (text !== texts[view].at(-1)) texts[view].push(text);
        }
    };
    const all = { subtree: true, childList: true, attributes: true, characterData: true };
    new MutationObserver(note).observe(document.body, all);
    note();
"#;

const PRESS: &str = r"
    const buttons = [...document.querySelectorAll(`${argument.where} button`)];
    buttons.find((button) => button.textContent.startsWith(argument.text)).click();
";

/// What was drawn of Alice, one text after the other.
#[derive(Debug, Deserialize)]
struct Drawn {
    backstage: Vec<String>,
    list: Vec<String>,
}

impl Drawn {
    fn is_last(&self, backstage: &str, list: &str) -> bool {
        self.backstage.last().is_some_and(|last| last == backstage)
            && self.list.last().is_some_and(|last| last == list)
    }
}

const OF_ALICE_BACKSTAGE: &str = ".backstage [aria-label='Moderate alice']";
const OF_ALICE_IN_LIST: &str = ".livekit-presence-list [aria-label='Moderate alice']";

/// The example in a tab, backstage of the room where Alice is, with her microphone on.
struct Backstage {
    fixture: Fixture,
    livekit: ScriptedLiveKit,
    tab: usize,
    _folder: Folder,
}

impl Backstage {
    /// `variables` say who moderates.
    async fn open(name: &str, variables: &[(&'static str, &'static str)]) -> Self {
        let built = format!("{EXAMPLES}/react/dist");
        assert!(
            Path::new(&built).join("index.html").exists(),
            "the example is not built: {TO_BUILD}"
        );
        let (folder, livekit) = (Folder::new(name), ScriptedLiveKit::start(PROCESS_KEYS).await);
        let database = format!("sqlite:{}", folder.path().join("history.db").display());
        let mut all = vec![
            ("LKP__HISTORY__URL", &*database.leak()),
            ("LIVEKIT_URL", livekit.url().leak()),
            ("LKP__RECONCILE__EVERY", "1h"),
        ];
        all.extend(variables);
        let mut fixture = Fixture::with(&all).await;
        livekit.list("general", &[alice()]);
        fixture.webhooks([started(), alice()]).await;
        let origin = fixture.origin();
        fixture.browser.serve(&origin, &built).await;
        let tab = fixture.browser.open_tab(&format!("{origin}/")).await;
        until_text(&mut fixture.browser, tab, "alice").await;
        let mut backstage = Self { fixture, livekit, tab, _folder: folder };
        backstage.press(".sidebar", "general").await;
        backstage.run::<()>("document.querySelector('summary').click()").await;
        until_text(&mut backstage.fixture.browser, tab, "1 of 1 are here").await;
        backstage
    }

    /// With a token that makes anybody a moderator.
    async fn of_a_moderator(name: &str) -> Self {
        let grants = "publish subscribe data metadata admin";
        let variables =
            [("LKP__TOKENS__INSECURE", "true"), ("LKP__TOKENS__DEFAULT_GRANTS", grants)];
        let mut backstage = Self::open(name, &variables).await;
        let (tab, browser) = (backstage.tab, &mut backstage.fixture.browser);
        for text in ["Make speaker", "Promote"] {
            until_text(browser, tab, text).await;
        }
        backstage.run::<()>(NOTE).await;
        backstage
    }

    async fn press(&mut self, place: &str, text: &str) {
        let argument = json!({"where": place, "text": text});
        self.fixture.browser.run::<()>(self.tab, PRESS, argument).await;
    }

    async fn run<T: serde::de::DeserializeOwned>(&mut self, script: &str) -> T {
        self.fixture.browser.run(self.tab, script, ()).await
    }

    async fn drawn(&mut self) -> Drawn {
        self.run("return drawn").await
    }

    async fn until_drawn(&mut self, backstage: &str, list: &str) {
        let what = format!("{backstage:?} and {list:?}");
        eventually(&what, async || self.drawn().await.is_last(backstage, list)).await;
    }

    async fn until_shown(&mut self, text: &str) {
        until_text(&mut self.fixture.browser, self.tab, text).await;
    }

    async fn audit(&mut self) -> Vec<String> {
        self.fixture.browser.audit_tab(self.tab).await
    }
}

fn alice() -> WebhookBody {
    let microphone =
        json!({"sid": "TR_1", "type": "AUDIO", "source": "MICROPHONE", "muted": false});
    joined("alice").with("tracks", json!([microphone]))
}

#[tokio::test]
async fn what_a_moderator_does_shows_before_livekit_has_done_it_and_does_not_flicker() {
    let mut backstage = Backstage::of_a_moderator("client-moderates").await;
    backstage.livekit.set_fault(ApiFault::Hangs);
    backstage.press(OF_ALICE_BACKSTAGE, "Mute").await;
    backstage.until_drawn("Viewers, microphone off", "viewer, microphone off").await;
    backstage.livekit.until_called("MutePublishedTrack", 1).await;
    assert_eq!(backstage.livekit.listed("general", "alice")["tracks"][0]["muted"], false);
    backstage.livekit.set_fault(ApiFault::None);
    backstage.press(OF_ALICE_IN_LIST, "Promote").await;
    backstage.until_drawn("Speakers, microphone off", "speaker, microphone off").await;
    let livekit = &backstage.livekit;
    eventually("the promotion", async || {
        livekit.listed("general", "alice")["permission"]["can_publish"] == true
    })
    .await;
    assert_eq!(livekit.listed("general", "alice")["tracks"][0]["muted"], true);

    // Whatever the service has to say of Alice comes before what it says of Bob.
    backstage.fixture.webhooks([joined("bob")]).await;
    backstage.until_shown("2 of 2 are here").await;
    let drawn = backstage.drawn().await;
    let views = ["Viewers, microphone on", "Viewers, microphone off", "Speakers, microphone off"];
    assert_eq!(drawn.backstage, views);
    let views = ["viewer, microphone on", "viewer, microphone off", "speaker, microphone off"];
    assert_eq!(drawn.list, views);
    assert_eq!(backstage.audit().await, [""; 0]);
}

#[tokio::test]
async fn what_livekit_refuses_is_taken_back_and_said() {
    let mut backstage = Backstage::of_a_moderator("client-refused").await;
    let all = [
        (OF_ALICE_BACKSTAGE, "Mute", "Viewers, microphone off", "viewer, microphone off"),
        (OF_ALICE_IN_LIST, "Remove", "Viewers, not inside", "gone"),
    ];
    for (place, button, seat, row) in all {
        backstage.livekit.set_fault(ApiFault::Hangs);
        backstage.press(place, button).await;
        backstage.until_drawn(seat, row).await;
        backstage.livekit.set_fault(ApiFault::Fails);
        backstage.until_drawn("Viewers, microphone on", "viewer, microphone on").await;
        backstage.until_shown("LiveKit").await;
        assert_eq!(backstage.audit().await, [""; 0], "{button}");
        backstage.press("[role=alert]", "Dismiss").await;
        let is_dismissed = "return document.querySelectorAll('[role=alert] button').length === 0";
        eventually("no refusal", async || backstage.run(is_dismissed).await).await;
    }
    let drawn = backstage.drawn().await;
    assert_eq!(drawn.list.len(), 5, "{drawn:?}");
    assert_eq!(drawn.backstage.len(), 5, "{drawn:?}");
}

#[tokio::test]
async fn whoever_does_not_moderate_sees_the_roster_without_buttons() {
    let mut backstage = Backstage::open("client-reads", &[]).await;
    backstage.until_shown("You see who is here. A moderator’s token lets you change it.").await;
    let buttons = "return document.querySelectorAll('[role=group][aria-label^=Moderate]').length";
    assert_eq!(backstage.run::<usize>(buttons).await, 0);
    assert_eq!(backstage.audit().await, [""; 0]);
}
