//! Who is expected in a room, as the page shows it, and what a moderator does there. LiveKit is a fake that carries calls out.

use livekit_presence::livekit::VideoGrant;
use serde_json::json;

use crate::harness::{
    ApiFault, Browser, Folder, PROCESS_KEYS, Process, ScriptedLiveKit, Sight, WebhookBody, Window,
    joined, left, started,
};

use super::{page_of, page_with_token};

/// The service with a roster and a LiveKit, and a browser.
struct Stage {
    app: Process,
    browser: Browser,
    livekit: ScriptedLiveKit,
    _folder: Folder,
}

impl Stage {
    /// With Alice in the room, whose microphone is on and who may not publish more.
    async fn start(name: &str) -> Self {
        let (folder, livekit) = (Folder::new(name), ScriptedLiveKit::start(PROCESS_KEYS).await);
        let (database, url) = (folder.path().join("history.db"), livekit.url());
        let database = format!("sqlite:{}", database.display());
        let variables = [
            ("LKP__HISTORY__URL", &*database),
            ("LIVEKIT_URL", &*url),
            ("LKP__RECONCILE__EVERY", "1h"),
        ];
        let (app, browser) = tokio::join!(Process::start(&variables), Browser::start());
        livekit.list("general", &[alice()]);
        app.webhooks([started(), alice()]).await;
        Self { app, browser, livekit, _folder: folder }
    }

    /// The address of the page with the token of a moderator of the room.
    fn moderators_page(&self) -> String {
        let video = VideoGrant {
            room: "general".into(),
            room_admin: true,
            room_join: true,
            room_list: true,
            ..VideoGrant::default()
        };
        page_with_token(&self.app, video).0
    }

    async fn open_as_moderator(&mut self, window: Window) {
        let page = self.moderators_page();
        self.browser.open_in(window, &page).await;
        self.until_row("alice", "Inside, uninvited", "the buttons", |sight| {
            !sight.moderates.is_empty()
        })
        .await;
    }

    /// Presses one of the buttons of the first person.
    async fn press(&mut self, name: &str) {
        self.browser.click(&format!("#roster-rows tr:first-child button[name={name}]")).await;
    }

    /// Waits until somebody has this status, and for something else.
    async fn until_row(
        &mut self,
        person: &str,
        status: &str,
        what: &str,
        is_seen: impl Fn(&Sight) -> bool,
    ) -> Sight {
        let has_status = |sight: &Sight| {
            sight.roster.iter().any(|row| row.person == person && row.status == status)
        };
        let what = format!("{person} as {status}, and {what}");
        self.browser.until(&what, |sight| has_status(sight) && is_seen(sight)).await
    }

    async fn until_numbers(&mut self, person: &str, status: &str, numbers: &str) -> Sight {
        self.until_row(person, status, numbers, |sight| sight.roster_numbers == numbers).await
    }
}

fn alice() -> WebhookBody {
    let microphone =
        json!({"sid": "TR_1", "type": "AUDIO", "source": "MICROPHONE", "muted": false});
    let listens = json!({"can_publish": false, "can_subscribe": true, "can_publish_data": false});
    joined("alice").with("tracks", json!([microphone])).with("permission", listens)
}

#[tokio::test]
async fn whoever_is_invited_is_shown_then_inside_and_then_as_gone() {
    let mut stage = Stage::start("page-roster-invited").await;
    stage.open_as_moderator(Window::default()).await;
    stage.browser.fill("#roster-identity", "bob").await;
    stage.browser.press("Enter").await;
    let invited = stage.until_numbers("bob", "Invited", "1 of 2 are inside").await;
    assert_eq!(invited.roster[1].role, "speaker");
    assert_eq!(invited.roster[1].buttons, ["Demote", "Forget", "Ban"]);

    stage.app.webhooks([joined("bob")]).await;
    let inside = stage.until_numbers("bob", "Inside", "2 of 2 are inside").await;
    assert_eq!(inside.people("general"), ["alice", "bob"]);
    stage.app.webhooks([left("bob"), joined("carol")]).await;
    stage.until_numbers("bob", "Has left", "2 of 3 are inside").await;
    let last = stage.until_numbers("carol", "Inside, uninvited", "2 of 3 are inside").await;
    let people: Vec<_> = last.roster.iter().map(|row| row.person.as_str()).collect();
    assert_eq!(people, ["alice", "carol", "bob"], "those who are inside come first");
    assert_eq!(last.refusal, "");
    assert_eq!(stage.browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_moderator_promotes_mutes_removes_and_bans_and_the_page_shows_it() {
    let mut stage = Stage::start("page-roster-moderates").await;
    stage.open_as_moderator(Window::default()).await;
    stage.press("promote").await;
    let promoted = |sight: &Sight| sight.roster[0].role == "speaker";
    let sight = stage.until_row("alice", "Inside, uninvited", "a speaker", promoted).await;
    assert_eq!(sight.roster[0].buttons, ["Demote", "Mute", "Remove", "Ban"]);
    assert_eq!(stage.livekit.listed("general", "alice")["permission"]["can_publish"], true);

    stage.press("mute").await;
    let muted = |sight: &Sight| sight.roster[0].microphone == "off";
    let sight = stage.until_row("alice", "Inside, uninvited", "muted", muted).await;
    assert_eq!(sight.roster[0].buttons[1], "Muted");
    assert_eq!(sight.person("alice").unwrap().sources, ["microphone muted"]);
    assert_eq!(stage.livekit.listed("general", "alice")["tracks"][0]["muted"], true);

    stage.press("remove").await;
    let gone = |sight: &Sight| sight.people("general").is_empty();
    stage.until_row("alice", "Has left, uninvited", "an empty room", gone).await;
    let back = alice().sid("PA_alice_again");
    stage.livekit.list("general", std::slice::from_ref(&back));
    stage.app.webhooks([back]).await;
    stage.until_numbers("alice", "Inside, uninvited", "1 of 1 are inside").await;
    stage.press("ban").await;
    let asks = |sight: &Sight| sight.roster[0].buttons[3] == "Ban for ever?";
    stage.until_row("alice", "Inside, uninvited", "the question", asks).await;
    assert_eq!(stage.livekit.calls("RemoveParticipant", None), 1, "the first press only asks");
    stage.press("ban").await;
    stage.until_row("alice", "Has left, uninvited", "an empty room", gone).await;
    assert_eq!(stage.livekit.listed("general", "alice"), json!(null));
    assert_eq!(stage.browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn what_livekit_refuses_is_said_and_the_page_shows_what_is() {
    let mut stage = Stage::start("page-roster-refused").await;
    stage.open_as_moderator(Window::default()).await;
    stage.livekit.set_fault(ApiFault::Fails);
    for button in ["mute", "remove"] {
        stage.press(button).await;
        let is_said = |sight: &Sight| !sight.refusal.is_empty();
        let sight = stage.until_row("alice", "Inside, uninvited", "a refusal", is_said).await;
        assert!(sight.refusal.starts_with("LiveKit"), "{button}: {}", sight.refusal);
        assert_eq!(sight.roster[0].microphone, "on", "{button}");
        assert_eq!(sight.person("alice").unwrap().sources, ["microphone on"], "{button}");
    }
    stage.livekit.set_fault(ApiFault::None);
    stage.press("mute").await;
    let muted = |sight: &Sight| sight.roster[0].microphone == "off" && sight.refusal.is_empty();
    stage.until_row("alice", "Inside, uninvited", "muted without a refusal", muted).await;
}

#[tokio::test]
async fn those_who_do_not_moderate_a_room_have_no_buttons_there() {
    let mut stage = Stage::start("page-roster-rights").await;
    let readers = page_of(&stage.app);
    stage.browser.open(&readers).await;
    let sight = stage.until_numbers("alice", "Inside, uninvited", "1 of 1 are inside").await;
    assert_eq!(sight.roster[0].buttons, [""; 0]);
    assert_eq!(sight.moderates, [""; 0]);

    stage.open_as_moderator(Window::default()).await;
    stage.app.webhooks([started().room("music"), joined("bob").room("music")]).await;
    let offers = |sight: &Sight| sight.people("music") == ["bob"];
    stage.until_row("alice", "Inside, uninvited", "another room", offers).await;
    stage.browser.choose("#roster-room", "music").await;
    let sight = stage.until_numbers("bob", "Inside, uninvited", "1 of 1 are inside").await;
    assert_eq!(sight.roster[0].buttons, [""; 0], "the token is for another room");
    assert_eq!(sight.moderates, [""; 0]);
    assert_eq!(stage.browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn the_roster_is_easy_to_read_and_to_hear_and_its_buttons_are_on_the_screen_of_a_phone() {
    let mut stage = Stage::start("page-roster-audit").await;
    stage.app.webhooks([joined("bob").name(&"Maximiliane-".repeat(8))]).await;
    let still = Window { reduced_motion: "reduce", ..Window::default() };
    let dark = Window { color_scheme: "dark", ..still };
    let phone = Window { width: 320, ..dark };
    for window in [still, dark, phone] {
        stage.open_as_moderator(window).await;
        stage.livekit.set_fault(ApiFault::Fails);
        stage.press("mute").await;
        let is_said = |sight: &Sight| !sight.refusal.is_empty();
        let sight = stage.until_row("alice", "Inside, uninvited", "a refusal", is_said).await;
        assert_eq!(sight.content_width, window.width, "nothing sticks out to the side");
        assert_eq!(sight.roster_overflow, 0, "nothing has to be scrolled to");
        assert_eq!(stage.browser.audit().await, [""; 0], "{window:?}");
    }
}

/// Whoever tries the service out moderates people who are not there.
#[tokio::test]
async fn in_the_demo_anybody_moderates() {
    let demo = Process::start_as(&["demo"], &[("LIVEKIT_KEYS", "")]);
    let (app, mut browser) = tokio::join!(demo, Browser::start());
    browser.open(&page_of(&app)).await;
    let is_offered = |sight: &Sight| sight.roster.iter().any(|row| !row.buttons.is_empty());
    browser.until("people with buttons", is_offered).await;
    browser.fill("#roster-identity", "guest of honour").await;
    browser.press("Enter").await;
    let is_invited = |sight: &Sight| {
        let mut rows = sight.roster.iter();
        rows.any(|row| row.person == "guest of honour" && row.status == "Invited")
    };
    browser.until("the guest", is_invited).await;
    browser.click("#roster-rows tr:first-child button[name=promote]").await;
    let is_promoted =
        |sight: &Sight| sight.roster.iter().filter(|row| row.role == "speaker").count() == 2;
    browser.until("a second speaker", is_promoted).await;
    assert_eq!(browser.complaints().await, [""; 0]);
}
