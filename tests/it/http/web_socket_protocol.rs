//! What RFC 6455 asks of a server, as a list of cases. It follows the sections of Autobahn's test suite, which cannot run here: it
//! wants an endpoint that echoes, and this one answers with messages of its own. A `token` message stands for an echo, because it is
//! answered once and changes nothing where anybody may read.

use std::time::Duration;

use futures_util::future::join_all;

use crate::harness::{Received, TestApp, WebSocket, eventually, masked};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Without the bit that marks a message's last frame.
const BEGIN: u8 = 0x01;
const GO_ON: u8 = 0x00;
const END: u8 = 0x80;

/// What the service does.
#[derive(Debug, PartialEq)]
enum Then {
    /// It answers this many messages.
    Answers(usize),
    Pongs(Vec<&'static [u8]>),
    /// It answers nothing, and closes with this code.
    Closes(u16),
    /// It echoes this close.
    Echoes(Option<u16>),
}

use Then::{Answers, Closes, Echoes, Pongs};

/// A message that is answered, with this many bytes of text in it.
fn message(bytes: usize) -> Vec<u8> {
    format!(r#"{{"token":"{}"}}"#, "x".repeat(bytes)).into_bytes()
}

fn join(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

/// A text message in as many frames as parts.
fn in_parts(parts: &[&[u8]]) -> Vec<u8> {
    let last = parts.len() - 1;
    let first_byte = |index: usize| {
        let opcode = u8::from(index == 0);
        if index == last { 0x80 | opcode } else { opcode }
    };
    let frames = parts.iter().enumerate();
    frames.flat_map(|(index, part)| masked(first_byte(index), part)).collect()
}

struct Case {
    name: &'static str,
    sent: Vec<u8>,
    then: Then,
}

fn case(name: &'static str, sent: Vec<u8>, then: Then) -> Case {
    Case { name, sent, then }
}

/// Tries all cases at once, each on a connection of its own: a second passes until the service closes one of them. Bytes arrive in
/// any pieces.
async fn run(app: &TestApp, cases: Vec<Case>) {
    let pieces =
        |case: &Case| if case.sent.len() > 2_000 { vec![1_000_000] } else { vec![1_000_000, 1] };
    let tried =
        cases.iter().flat_map(|case| pieces(case).into_iter().map(move |piece| (case, piece)));
    join_all(tried.map(async |(case, piece)| case.run(app, piece).await)).await;
}

impl Case {
    async fn run(&self, app: &TestApp, piece: usize) {
        let mut socket = WebSocket::open(app.address, "/api/livekit/rooms/ws", &[]).await;
        socket.next_of_any_kind().await;
        socket.connection.socket.set_nodelay(true).unwrap();
        for bytes in self.sent.chunks(piece) {
            socket.connection.send(bytes).await;
        }
        check(&mut socket, self.name, &self.then).await;
    }
}

async fn check(socket: &mut WebSocket, name: &str, then: &Then) {
    match then {
        Answers(count) => {
            for _ in 0..*count {
                assert_eq!(socket.next().await["event"], "watching", "{name}");
            }
        }
        Pongs(payloads) => {
            for payload in payloads {
                assert_eq!(socket.receive().await, Received::Pong(payload.to_vec()), "{name}");
            }
        }
        Closes(code) => {
            let received = socket.receive().await;
            assert!(
                matches!(received, Received::Close(Some(given), _) if given == *code),
                "{name}: {received:?}"
            );
            socket.send_frame(CLOSE, &code.to_be_bytes()).await;
            assert_eq!(socket.receive().await, Received::End, "{name}");
            return;
        }
        Echoes(code) => {
            assert_eq!(socket.receive().await, Received::Close(*code, String::new()), "{name}");
            assert_eq!(socket.receive().await, Received::End, "{name}");
            return;
        }
    }
    // The connection works, and nothing else was sent.
    socket.send_frame(PING, b"still there").await;
    assert_eq!(socket.receive().await, Received::Pong(b"still there".to_vec()), "{name}");
}

async fn app() -> TestApp {
    let settings = [
        ("LKP__AUTH__MODE", "open"),
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "0"),
        ("LKP__LIMITS__STREAMS", "1000"),
    ];
    TestApp::with(&settings).await
}

#[tokio::test]
async fn section_1_framing_of_text_and_binary() {
    let app = app().await;
    let sizes = [0, 100, 113, 114, 115, 1_000, 16_372];
    let mut cases: Vec<_> =
        sizes.map(|size| case("1.1 text", masked(TEXT, &message(size)), Answers(1))).into();
    cases.push(case("1.1 two messages at once", masked(TEXT, &message(1)).repeat(2), Answers(2)));
    cases.push(case(
        "1.1 a longer text than is taken",
        masked(TEXT, &message(16_373)),
        Closes(1009),
    ));
    cases.push(case("1.2 binary", masked(BINARY, b"x"), Closes(1003)));
    cases.push(case("1.2 empty binary", masked(BINARY, b""), Closes(1003)));
    run(&app, cases).await;
}

#[tokio::test]
async fn section_2_pings_and_pongs() {
    let app = app().await;
    let ten: Vec<&[u8]> = vec![b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"];
    let longest: &'static [u8] = &[0xfe; 125];
    let cases = vec![
        case("2.1 empty", masked(PING, b""), Pongs(vec![b""])),
        case("2.2 text", masked(PING, b"Hello"), Pongs(vec![b"Hello"])),
        case("2.3 any bytes", masked(PING, b"\x00\xff\xfe"), Pongs(vec![b"\x00\xff\xfe"])),
        case("2.4 125 bytes", masked(PING, longest), Pongs(vec![longest])),
        case("2.5 126 bytes", masked(PING, &[0xfe; 126]), Closes(1002)),
        case("2.7 a pong that nobody asked for", masked(PONG, b""), Pongs(vec![])),
        case("2.8 with a payload", masked(PONG, b"unasked"), Pongs(vec![])),
        case(
            "2.9 a pong, then a ping",
            join(&[masked(PONG, b"unasked"), masked(PING, b"asked")]),
            Pongs(vec![b"asked"]),
        ),
        case("2.10 ten pings", ten.iter().flat_map(|one| masked(PING, one)).collect(), Pongs(ten)),
    ];
    run(&app, cases).await;
}

#[tokio::test]
async fn section_3_reserved_bits() {
    let app = app().await;
    let small = message(1);
    let mut cases = Vec::new();
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            cases.push(case("3 a reserved bit", masked(opcode | bits, b""), Closes(1002)));
        }
    }
    run(&app, cases).await;
    // What came before is answered.
    let mut socket = WebSocket::open(app.address, "/api/livekit/rooms/ws", &[]).await;
    socket.next_of_any_kind().await;
    socket.send_frame(TEXT, &small).await;
    assert_eq!(socket.next().await["event"], "watching");
    socket.send_frame(TEXT | 0x40, &small).await;
    assert!(matches!(socket.receive().await, Received::Close(Some(1002), _)));
}

#[tokio::test]
async fn section_4_unknown_opcodes() {
    let app = app().await;
    let opcodes = [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf];
    let cases = opcodes
        .iter()
        .flat_map(|opcode| {
            let frame = |payload| masked(0x80 | opcode, payload);
            [
                case("4 an unknown opcode", frame(b""), Closes(1002)),
                case("4 with a payload", frame(b"x"), Closes(1002)),
            ]
        })
        .collect();
    run(&app, cases).await;
}

#[tokio::test]
async fn section_5_fragments() {
    let app = app().await;
    let whole = message(5);
    let (one, two) = whole.split_at(6);
    let parts = in_parts(&[one, two]);
    let pieces: Vec<&[u8]> = whole.chunks(1).collect();
    let first = masked(BEGIN, one);
    let cases = vec![
        case(
            "5.1 a ping in two parts",
            join(&[masked(0x09, b"a"), masked(END, b"b")]),
            Closes(1002),
        ),
        case(
            "5.2 a pong in two parts",
            join(&[masked(0x0a, b"a"), masked(END, b"b")]),
            Closes(1002),
        ),
        case("5.3 text in two parts", parts, Answers(1)),
        case("5.5 in parts of one byte", in_parts(&pieces), Answers(1)),
        case("5 with empty parts", in_parts(&[b"", one, b"", two, b""]), Answers(1)),
        case("5.9 the rest of nothing", masked(END, &whole), Closes(1002)),
        case("5.11 more of nothing", masked(GO_ON, &whole), Closes(1002)),
        case("5.18 a text within a text", join(&[first.clone(), masked(TEXT, two)]), Closes(1002)),
        case("5 a binary within a text", join(&[first.clone(), masked(BINARY, two)]), Closes(1002)),
        case("5 a binary in parts", masked(0x02, b"x"), Closes(1003)),
        case("5 a close within a text", join(&[first.clone(), masked(CLOSE, b"")]), Echoes(None)),
    ];
    run(&app, cases).await;
}

#[tokio::test]
async fn section_5_fragments_one_after_the_other() {
    let app = app().await;
    let whole = message(5);
    let (one, two) = whole.split_at(6);
    let (first, last) = (masked(BEGIN, one), masked(END, two));
    let ping = masked(PING, b"between");
    let name = "5.6 a ping between parts";
    let mut socket = WebSocket::open(app.address, "/api/livekit/rooms/ws", &[]).await;
    socket.next_of_any_kind().await;
    socket.connection.send(&first).await;
    socket.connection.send(&ping).await;
    assert_eq!(socket.receive().await, Received::Pong(b"between".to_vec()), "{name}");
    socket.connection.send(&last).await;
    assert_eq!(socket.next().await["event"], "watching", "{name}");
    let name = "5.15 more after a whole text";
    let mut socket = WebSocket::open(app.address, "/api/livekit/rooms/ws", &[]).await;
    socket.next_of_any_kind().await;
    socket.connection.send(&join(&[in_parts(&[one, two]), masked(GO_ON, b"x")])).await;
    assert_eq!(socket.next().await["event"], "watching", "{name}");
    assert!(matches!(socket.receive().await, Received::Close(Some(1002), _)), "{name}");
}

#[tokio::test]
async fn section_6_utf_8() {
    let app = app().await;
    let valid = "{\"token\":\"Hello-µ@ßöäüàá-UTF-8!! κόσμε 𐀀 \u{10ffff} \u{feff} \u{fffe}\"}";
    let split = |text: &[u8]| in_parts(&text.chunks(1).collect::<Vec<_>>());
    let mut cases = vec![
        case("6.1 an empty text", masked(TEXT, br#"{"token":""}"#), Answers(1)),
        case("6.2 valid", masked(TEXT, valid.as_bytes()), Answers(1)),
        case("6.2 valid, in frames of one byte", split(valid.as_bytes()), Answers(1)),
        case("6.4 invalid in the first part", masked(BEGIN, b"{\xff"), Closes(1007)),
    ];
    let invalid: [&[u8]; 14] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80",
        b"\xc0 ",
        b"\xe0\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xc3",
    ];
    for text in invalid {
        cases.push(case("6 invalid", masked(TEXT, text), Closes(1007)));
    }
    run(&app, cases).await;
}

#[tokio::test]
async fn section_7_close() {
    let app = app().await;
    let close = |code: u16, reason: &[u8]| masked(CLOSE, &[&code.to_be_bytes(), reason].concat());
    let small = masked(TEXT, &message(1));
    let mut cases = vec![
        case("7.1.2 two closes", close(1000, b"").repeat(2), Echoes(Some(1000))),
        case(
            "7.1.3 a ping after a close",
            join(&[close(1000, b""), masked(PING, b"x")]),
            Echoes(Some(1000)),
        ),
        case("7.1.4 a text after a close", join(&[close(1000, b""), small]), Echoes(Some(1000))),
        case("7.3.1 no code", masked(CLOSE, b""), Echoes(None)),
        case("7.3.2 half a code", masked(CLOSE, b"\x03"), Closes(1002)),
        case("7.3.4 a reason", close(1000, b"Hello World!"), Echoes(Some(1000))),
        case("7.3.5 the longest reason", close(1000, &[b'*'; 123]), Echoes(Some(1000))),
        case("7.3.6 a reason too long", close(1000, &[b'*'; 124]), Closes(1002)),
        case("7.5.1 a reason that is not UTF-8", close(1000, b"\xff"), Closes(1007)),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        cases.push(case("7.7 a code", close(code, b""), Echoes(Some(code))));
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(case("7.9 no code", close(code, b""), Closes(1002)));
    }
    run(&app, cases).await;
    // 7.1.1: a client that only goes away.
    let socket = WebSocket::open(app.address, "/api/livekit/rooms/ws", &[]).await;
    drop(socket);
    eventually("nobody to be left", async || app.metric("web_sockets_open").await == 0.0).await;
}

#[tokio::test]
async fn section_10_messages_in_fragments_of_a_fixed_size() {
    let app = app().await;
    let whole = message(16_000);
    let cases = [1_300, 128, 8_000]
        .map(|size| case("10.1", in_parts(&whole.chunks(size).collect::<Vec<_>>()), Answers(1)));
    run(&app, cases.into()).await;
}

#[tokio::test]
async fn what_a_server_must_refuse_besides() {
    let app = app().await;
    let cases = vec![
        case("5.1 of the RFC: no mask", b"\x81\x02{}".to_vec(), Closes(1002)),
        case("5.2: a length in a longer form", b"\x81\xfe\x00\x01\0\0\0\0x".to_vec(), Closes(1002)),
        case("5.2: a length without end", [&b"\x81\xff"[..], &[0xff; 12]].concat(), Closes(1009)),
    ];
    run(&app, cases).await;
}

#[tokio::test]
async fn a_client_that_floods_is_closed_and_one_that_talks_is_not() {
    let app = app().await;
    let mut socket = WebSocket::open(app.address, "/api/livekit/rooms/ws", &[]).await;
    socket.next_of_any_kind().await;
    for _ in 0..100 {
        socket.send_frame(TEXT, &message(1)).await;
        assert_eq!(socket.next().await["event"], "watching");
    }
    let flood = masked(PONG, b"").repeat(1_000);
    socket.connection.send(&flood).await;
    assert_eq!(socket.closed().await, (4429, "too_much_input".to_owned()));
}

#[tokio::test]
async fn a_client_that_does_not_finish_a_message_is_closed_and_one_that_only_listens_is_not() {
    let settings = [("LKP__AUTH__MODE", "open"), ("LKP__STREAM__HEARTBEAT", "1s")];
    let app = TestApp::with(&settings).await;
    let target = "/api/livekit/rooms/ws";
    let mut listener = WebSocket::open(app.address, target, &[]).await;
    let sent = tokio::time::Instant::now();
    let mut sockets = Vec::new();
    for begun in [masked(BEGIN, b"{"), masked(TEXT, &message(1))[..8].to_vec()] {
        let mut socket = WebSocket::open(app.address, target, &[]).await;
        socket.connection.send(&begun).await;
        sockets.push(socket);
    }
    for mut socket in sockets {
        assert_eq!(socket.closed().await, (1008, "incomplete".to_owned()));
        assert!(sent.elapsed() >= Duration::from_secs(10), "{:?}", sent.elapsed());
    }
    listener.send_frame(PING, b"still there").await;
    while listener.receive().await != Received::Pong(b"still there".to_vec()) {}
}

/// A client that does not answer a close is not waited for.
#[tokio::test]
async fn a_close_that_is_not_answered_ends_all_the_same() {
    let app = app().await;
    let mut socket = WebSocket::open(app.address, "/api/livekit/rooms/ws", &[]).await;
    socket.next_of_any_kind().await;
    let sent = tokio::time::Instant::now();
    socket.send_frame(BINARY, b"x").await;
    assert!(matches!(socket.receive().await, Received::Close(Some(1003), _)));
    assert_eq!(socket.receive().await, Received::End);
    assert!(sent.elapsed() < Duration::from_secs(4), "{:?}", sent.elapsed());
}
