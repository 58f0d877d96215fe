//! Pages, tables, and what is wrong with a question.

use super::*;

fn people(count: usize) -> Vec<PastSession> {
    let session = |nth: usize| {
        let from = i64::try_from(nth).unwrap() * 1_000;
        past(&format!("PA_{nth}"), "general", &format!("person-{nth}"), from, Some(from + 500_000))
    };
    (0..count).map(session).collect()
}

#[tokio::test]
async fn next_leads_through_all_pages_and_the_last_has_none() {
    let with = WithPast::of(&people(5)).await;
    let mut target = format!("rooms/general/attendance?{ON_THE_DAY}&limit=2");
    let mut seen = Vec::new();
    loop {
        let page = with.json(&target).await;
        let people = page["people"].as_array().unwrap();
        seen.push(people.iter().map(|one| one["identity"].clone()).collect::<Vec<_>>());
        let Some(next) = page["next"].as_str() else { break };
        target = format!("rooms/general/attendance?limit=2&cursor={next}");
    }
    let named =
        |nth: &[usize]| nth.iter().map(|nth| json!(format!("person-{nth}"))).collect::<Vec<_>>();
    assert_eq!(seen, [named(&[0, 1]), named(&[2, 3]), named(&[4])]);
}

// A proxy refuses an answer whose head is longer than it takes: 4 KiB in nginx.
#[tokio::test]
async fn a_cursor_is_short_however_long_identities_are_and_a_header_only_of_tables() {
    let sessions = [0, 1, 2].map(|nth| {
        let identity = format!("{nth}{}", "\"".repeat(5_000));
        past(&format!("PA_{nth}"), "general", &identity, 0, Some(500_000)).in_instance("RM_1")
    });
    let with = WithPast::of(&sessions).await;
    life(&with, "RM_1", "general", 0, None).await;
    for target in [
        format!("rooms/general/attendance?{ON_THE_DAY}"),
        format!("rooms/general/attendance?{ON_THE_DAY}&by=instance"),
        "sessions/RM_1?".to_owned(),
    ] {
        let page = with.get(&format!("{target}&limit=1")).await;
        assert!(page.head.get("x-next-cursor").is_none(), "{target}");
        let table = with.get(&format!("{target}&limit=1&format=csv")).await;
        let next = table.header("x-next-cursor");
        assert!(next.len() < 300, "{target}: {}", next.len());
        assert_eq!(page.json()["next"], next, "{target}");
        let second = with.get(&format!("{target}&limit=2&format=csv&cursor={next}")).await;
        assert!(second.head.get("x-next-cursor").is_none(), "{target}");
        assert_eq!(second.text().lines().count(), 1 + 2, "{target}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_room_or_route_is_refused() {
    let with = WithPast::of(&people(5)).await;
    let page = with.json(&format!("rooms/general/attendance?{ON_THE_DAY}&limit=2")).await;
    let next = page["next"].as_str().unwrap();
    for target in [
        format!("rooms/other/attendance?cursor={next}"),
        format!("rooms/general/attendance?by=instance&cursor={next}"),
        format!("people/general?cursor={next}"),
        format!("sessions?cursor={next}"),
        format!("rooms/general/attendance?cursor={next}&to=5"),
    ] {
        let refused = with.app.get_as_operator(&format!("/api/livekit/{target}")).await;
        assert!(refused.problem(400).contains("cursor"), "{target}");
    }
}

// What a client makes up as a cursor is at most another place in its own room.
#[tokio::test]
async fn a_made_up_cursor_reads_no_life_of_another_room() {
    use livekit_presence::history::{Cursor, Position, TimeRange};
    let secret = past("PA_1", "secret", "mallory", 0, Some(500_000)).in_instance("RM_secret");
    let with = WithPast::of(&[secret]).await;
    life(&with, "RM_secret", "secret", 0, None).await;
    let question = ["attendance by instance", "general"];
    let range = TimeRange { from: DAY, to: 2 * DAY, now: 0 };
    let mut cursor = Cursor::new(&question, &range, Position(DAY, "RM_secret".to_owned()));
    cursor.within = Some(Position(-1, String::new()));
    let page = with.json(&format!("rooms/general/attendance?by=instance&cursor={cursor}")).await;
    assert_eq!(page["instances"], json!([]));
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_said() {
    let with = WithPast::of(&[]).await;
    let cases = [
        ("rooms/general/attendance?from=yesterday", "`from` must be a time"),
        ("rooms/general/attendance?to=-1", "`to` must be a time"),
        ("rooms/general/attendance?from=2&to=1", "must be before"),
        ("rooms/general/attendance?from=1&from=2", "give `from` once"),
        ("rooms/general/attendance?limit=0", "`limit` must be"),
        ("rooms/general/attendance?limit=1001", "`limit` must be"),
        ("rooms/general/attendance?limit=many", "`limit` must be"),
        ("rooms/general/attendance?cursor=abc", "`cursor` must be"),
        ("rooms/general/attendance?format=xml", "`format` can be"),
        ("rooms/general/attendance?by=day", "`by` can be `instance`"),
        ("analytics?by=week", "`by` can be `day`"),
        ("sessions?room=a&room=b", "name one `room`"),
        ("analytics?room=", "room name is empty"),
        ("rooms/%0A/attendance", "control character"),
        ("rooms/%FF/attendance", "not UTF-8"),
        ("people/%FF", "not UTF-8"),
    ];
    for (target, expected) in cases {
        let refused = with.app.get_as_operator(&format!("/api/livekit/{target}")).await;
        let detail = refused.problem(400);
        assert!(detail.contains(expected), "{target}: {detail}");
    }
    let long = format!("rooms/general/attendance?cursor={}", "a".repeat(40_000));
    with.app.get_as_operator(&format!("/api/livekit/{long}")).await.problem(400);
}

#[tokio::test]
async fn a_table_is_the_same_as_rows_and_no_name_is_a_formula() {
    let sessions = [
        past("PA_1", "general", "=cmd|' /C calc'!A0", 0, Some(1_000))
            .named("Doe, \"Jane\"\nof Sales"),
        past("PA_2", "general", "bob", 500, Some(1_500)).named("@SUM(A1)"),
    ];
    let with = WithPast::of(&sessions).await;
    let table = with
        .get(&format!("rooms/general/attendance?from=2100-01-01&to={}&format=csv", DAY + 1_000))
        .await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(table.header("content-disposition"), "attachment; filename=\"attendance.csv\"");
    assert_eq!(
        table.text(),
        "identity,name,kind,firstJoinedAt,firstJoinedAtMs,lastLeftAt,lastLeftAtMs,isInside,durationMs,microphoneMs,\
         cameraMs,screenMs,exact,sessions\r\n\
         '=cmd|' /C calc'!A0,\"Doe, \"\"Jane\"\"\nof Sales\",STANDARD,2100-01-01T00:00:00.000Z,4102444800000,\
         2100-01-01T00:00:01.000Z,4102444801000,false,1000,0,0,0,true,1\r\n\
         bob,'@SUM(A1),STANDARD,2100-01-01T00:00:00.500Z,4102444800500,2100-01-01T00:00:01.500Z,4102444801500,false,500,0,0,0,true,1\r\n"
    );
    let bearer = format!("Bearer {}", with.app.list_token());
    let headers = [("Authorization", &*bearer), ("Accept", "text/csv")];
    for target in [
        "sessions",
        "sessions/RM_1",
        "people/bob",
        "analytics",
        "rooms/general/attendance?by=instance",
    ] {
        let answer = with.app.get(&format!("/api/livekit/{target}"), &headers).await;
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.header("content-type").starts_with("text/csv"), "{target}");
    }
    let head = with.app.ask("HEAD", "/api/livekit/rooms/general/attendance", &headers).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_table_has_a_thousand_rows_where_the_question_does_not_say_how_many() {
    let with = WithPast::of(&people(1_001)).await;
    let table = with.get(&format!("rooms/general/attendance?{ON_THE_DAY}&format=csv")).await;
    assert_eq!(table.text().lines().count(), 1 + 1_000);
    assert!(!table.header("x-next-cursor").is_empty());
    let page = with.json(&format!("rooms/general/attendance?{ON_THE_DAY}")).await;
    assert_eq!(page["people"].as_array().unwrap().len(), 100);
}
