//! The timeline of the package, as the example for React draws it.

use std::{path::Path, time::Duration};

use serde::Deserialize;

use crate::harness::{
    DEADLINE, Folder, Window, eventually, joined_before, left, now, now_ms, published, started,
};

use super::{
    examples::{EXAMPLES, TO_BUILD},
    fixture::Fixture,
};

/// Measures what is drawn, as a person sees it.
const LOOK: &str = r#"
    const all = (selector, within = document) => [...within.querySelectorAll(selector)];
    const part = (name) => `.livekit-presence-timeline-${name}`;
    const people = all(part("row")).filter((row) => row.querySelector(part("bars"))).map((row) => {
        const whole = row.querySelector(part("bars")).getBoundingClientRect();
        const bars = (name) => all(part(name), row).map((bar) => {
            const { left, right, top, bottom } = bar.getBoundingClientRect();
            const isDrawn = bottom > top && getComputedStyle(bar).fill !== "rgb(0, 0, 0)";
            const place = (x) => (x - whole.left) / whole.width;
            return { from: place(left), to: place(right), height: (bottom - top) / whole.height, isDrawn };
        });
        return { name: row.querySelector("bdi").textContent, inside: bars("inside"), microphone: bars("microphone") };
    });
    const table = document.querySelector(part("table"));
    return {
        people,
        numbers: document.querySelector(part("numbers"))?.textContent ?? "",
        table: all("tbody tr", table ?? document.createElement("table")).map((row) => all("th, td", row).map((cell) => cell.textContent)),
        isTableSeen: (table?.getBoundingClientRect().width ?? 0) > 100 && !table.closest(part("unseen")),
        focus: (document.activeElement.ariaLabel ?? document.activeElement.textContent).trim(),
        contentWidth: document.documentElement.scrollWidth,
        width: innerWidth,
    };
"#;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drawn {
    people: Vec<Person>,
    numbers: String,
    /// The cells of each row.
    table: Vec<Vec<String>>,
    is_table_seen: bool,
    /// The label or the text of what has the keyboard's focus.
    focus: String,
    content_width: u32,
    width: u32,
}

#[derive(Debug, Deserialize)]
struct Person {
    name: String,
    inside: Vec<Bar>,
    microphone: Vec<Bar>,
}

/// A bar by its edges, as parts of the width of the timeline, and by its height, as a part of that of the row.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bar {
    from: f64,
    to: f64,
    height: f64,
    /// Whether it has a height, and a colour from the styles.
    is_drawn: bool,
}

impl Drawn {
    fn names(&self) -> Vec<&str> {
        self.people.iter().map(|person| person.name.as_str()).collect()
    }
}

impl Bar {
    fn is_live(&self) -> bool {
        (self.to - 1.0).abs() < 0.001
    }
}

/// A service with a history, and the example in a tab.
async fn example(folder: &Folder) -> (Fixture, usize) {
    let built = format!("{EXAMPLES}/react/dist");
    assert!(Path::new(&built).join("index.html").exists(), "the example is not built: {TO_BUILD}");
    let url = format!("sqlite:{}", folder.path().join("history.db").display());
    let mut fixture = Fixture::with(&[("LKP__HISTORY__URL", url.leak())]).await;
    let origin = fixture.origin();
    fixture.browser.serve(&origin, &built).await;
    let opened = now_ms() - 3_600_000;
    fixture.webhooks([started().created_at_ms(opened).room_created_at_ms(opened)]).await;
    let tab = fixture.browser.open_tab(&format!("{origin}/")).await;
    (fixture, tab)
}

async fn look(fixture: &mut Fixture, tab: usize) -> Drawn {
    fixture.browser.run(tab, LOOK, ()).await
}

async fn until(
    fixture: &mut Fixture,
    tab: usize,
    what: &str,
    is_drawn: impl Fn(&Drawn) -> bool,
) -> Drawn {
    let mut last = None;
    let waiting = async {
        loop {
            let drawn = look(fixture, tab).await;
            if is_drawn(&drawn) {
                return drawn;
            }
            last = Some(drawn);
        }
    };
    let waited = tokio::time::timeout(DEADLINE, waiting).await;
    waited.unwrap_or_else(|_| panic!("waited {DEADLINE:?} for {what}; saw {last:#?}"))
}

/// Goes on with the keyboard to what has this label or text.
async fn tab_to(fixture: &mut Fixture, tab: usize, label: &str) {
    for _ in 0..10 {
        fixture.browser.press_in(tab, "Tab").await;
        if look(fixture, tab).await.focus.starts_with(label) {
            return;
        }
    }
    panic!("the keyboard does not reach {label}");
}

/// Chooses the channel `general` once it is there.
async fn choose_channel(fixture: &mut Fixture, tab: usize) {
    let is_there = "return document.querySelector('button.name') !== null";
    eventually("the channel", async || fixture.browser.run(tab, is_there, ()).await).await;
    tab_to(fixture, tab, "general").await;
    fixture.browser.press_in(tab, "Enter").await;
}

#[tokio::test]
async fn the_timeline_draws_who_was_there_and_its_right_edge_is_live() {
    let folder = Folder::new("timeline");
    let (mut fixture, tab) = example(&folder).await;
    let minutes = Duration::from_mins;
    fixture
        .webhooks([joined_before("alice", minutes(30)), joined_before("early", minutes(15))])
        .await;
    fixture.webhooks([now(left("early")), now(published("alice", "TR_microphone"))]).await;
    choose_channel(&mut fixture, tab).await;
    let first = until(&mut fixture, tab, "alice and early", |drawn| {
        drawn.names() == ["alice", "early"] && drawn.people[0].microphone.len() == 1
    })
    .await;
    let [alice, early] = &first.people[..] else { panic!("{first:#?}") };
    assert!(alice.inside[0].is_drawn && alice.microphone[0].is_drawn, "{first:#?}");
    assert!((alice.inside[0].from - 0.5).abs() < 0.01, "{first:#?}");
    assert!((early.inside[0].from - 0.75).abs() < 0.01, "{first:#?}");
    assert!(alice.inside[0].is_live() && alice.microphone[0].is_live(), "{first:#?}");
    assert!(alice.microphone[0].height < alice.inside[0].height, "a lighter bar in the bar");
    assert_eq!(first.numbers, "People: 1 now, at most 2");

    let moved = until(&mut fixture, tab, "the bars to move on", |drawn| {
        drawn.people[1].inside[0].to < early.inside[0].to
    })
    .await;
    assert!(moved.people[0].inside[0].is_live(), "{moved:#?}");
    fixture.webhooks([joined_before("bob", Duration::ZERO)]).await;
    until(&mut fixture, tab, "bob", |drawn| drawn.names() == ["alice", "early", "bob"]).await;
    fixture.webhooks([now(left("alice"))]).await;
    let last = until(&mut fixture, tab, "the end of alice's bar", |drawn| {
        drawn.table[0][2] != "still inside" && !drawn.people[0].inside[0].is_live()
    })
    .await;
    assert_eq!(last.names(), ["alice", "early", "bob"], "who has left stays");
    assert_eq!(last.numbers, "People: 1 now, at most 2");
}

#[tokio::test]
async fn the_timeline_is_reached_by_keyboard_as_a_table_and_is_easy_to_read_and_to_hear() {
    let folder = Folder::new("timeline-audit");
    let (mut fixture, tab) = example(&folder).await;
    let half_an_hour = Duration::from_mins(30);
    fixture
        .webhooks([joined_before("alice", half_an_hour), joined_before("bob", half_an_hour / 2)])
        .await;
    fixture.webhooks([now(published("alice", "TR_microphone")), now(left("bob"))]).await;
    choose_channel(&mut fixture, tab).await;
    let still = Window { reduced_motion: "reduce", ..Window::default() };
    let dark = Window { color_scheme: "dark", ..still };
    let narrow = Window { width: 320, height: 740, ..still };
    for window in [still, dark, narrow] {
        fixture.browser.resize(tab, window).await;
        let drawn =
            until(&mut fixture, tab, "the bars", |drawn| drawn.names() == ["alice", "bob"]).await;
        assert!(!drawn.is_table_seen);
        let heard: Vec<_> = drawn.table.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(heard, ["alice", "bob"], "those who listen have the table all the same");
        assert_eq!(drawn.content_width, drawn.width, "nothing sticks out to the side");
        assert_eq!(fixture.browser.audit_tab(tab).await, [""; 0], "{window:?}");

        tab_to(&mut fixture, tab, "Table").await;
        fixture.browser.press_in(tab, "Space").await;
        let table = until(&mut fixture, tab, "the table", |drawn| drawn.is_table_seen).await;
        assert_eq!((table.names().len(), table.table.len()), (0, 2));
        assert_eq!(table.focus, "Table", "the focus stays where it was");
        assert_eq!(table.content_width, table.width, "a wide table scrolls by itself");
        tab_to(&mut fixture, tab, "Who was in general, ").await;
        assert_eq!(fixture.browser.audit_tab(tab).await, [""; 0], "{window:?}, as a table");
        fixture.browser.press_in(tab, "Shift+Tab").await;
        fixture.browser.press_in(tab, "Space").await;
        tab_to(&mut fixture, tab, "general").await;
    }
}
