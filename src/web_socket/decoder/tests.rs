use super::*;

/// A frame as a client sends it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
        length => {
            frame.push(0xfe);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const GOES_ON_TO_ITS_END: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// Everything that comes of these bytes, brought in pieces of this size.
fn read(bytes: &[u8], piece: usize) -> Vec<Result<Incoming, Violation>> {
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    for bytes in bytes.chunks(piece) {
        decoder.push(bytes);
        loop {
            match decoder.next_frame() {
                Ok(None) => break,
                Ok(Some(incoming)) => all.push(Ok(incoming)),
                Err(violation) => {
                    all.push(Err(violation));
                    return all;
                }
            }
        }
    }
    all
}

fn text(text: &str) -> Incoming {
    Incoming::Text(text.to_owned())
}

#[test]
fn frames_are_read_alike_however_their_bytes_arrive() {
    let frames = [
        masked(TEXT, b"{}"),
        masked(TEXT_BEGINS, b"Hel"),
        masked(PING, b"are you there"),
        masked(GOES_ON, b"l"),
        masked(PONG, b""),
        masked(GOES_ON_TO_ITS_END, b"o"),
        masked(TEXT, "é".repeat(1_000).as_bytes()),
        masked(CLOSE, &[0x03, 0xe8]),
    ]
    .concat();
    let expected = [
        Ok(text("{}")),
        Ok(Incoming::Part),
        Ok(Incoming::Ping(b"are you there".to_vec())),
        Ok(Incoming::Part),
        Ok(Incoming::Pong),
        Ok(text("Hello")),
        Ok(text(&"é".repeat(1_000))),
        Ok(Incoming::Close(Some(1000))),
    ];
    for piece in [1, 2, 3, 7, 100, 1_000_000] {
        assert_eq!(read(&frames, piece), expected, "in pieces of {piece}");
    }
}

#[test]
fn nothing_is_kept_between_messages() {
    let mut decoder = Decoder::default();
    decoder.push(&masked(TEXT_BEGINS, b"a"));
    assert_eq!(decoder.next_frame(), Ok(Some(Incoming::Part)));
    assert!(!decoder.is_empty(), "a message is under way");
    decoder.push(&masked(GOES_ON_TO_ITS_END, b"b"));
    assert_eq!(decoder.next_frame(), Ok(Some(text("ab"))));
    assert!(decoder.is_empty());
    assert_eq!((decoder.received.capacity(), decoder.next_frame()), (0, Ok(None)));
}

#[test]
fn a_character_may_be_split_between_frames_and_a_wrong_one_is_noticed_at_once() {
    let split = [masked(TEXT_BEGINS, b"\xc3"), masked(GOES_ON_TO_ITS_END, b"\xa9")].concat();
    assert_eq!(read(&split, 100), [Ok(Incoming::Part), Ok(text("é"))]);
    let wrong = masked(TEXT_BEGINS, b"\xc3x");
    assert_eq!(read(&wrong, 100), [Err(Violation::NotUtf8)]);
    let cut = [masked(TEXT_BEGINS, b"\xc3"), masked(GOES_ON_TO_ITS_END, b"")].concat();
    assert_eq!(read(&cut, 100), [Ok(Incoming::Part), Err(Violation::NotUtf8)]);
}

#[test]
fn what_does_not_follow_the_protocol_is_refused_by_its_header() {
    let cases: [(&str, &[u8], Violation); 10] = [
        ("no mask", b"\x81\x02{}", Violation::Protocol),
        ("a reserved bit", b"\xc1\x80\0\0\0\0", Violation::Protocol),
        ("an unknown opcode", b"\x83\x80\0\0\0\0", Violation::Protocol),
        ("an unknown control opcode", b"\x8b\x80\0\0\0\0", Violation::Protocol),
        ("a ping in parts", b"\x09\x80\0\0\0\0", Violation::Protocol),
        ("a long ping", b"\x89\xfe\0\x7e\0\0\0\0", Violation::Protocol),
        ("a length in a longer form", b"\x81\xfe\0\x7d\0\0\0\0", Violation::Protocol),
        ("the rest of nothing", b"\x80\x80\0\0\0\0", Violation::Protocol),
        ("a binary message", b"\x82\x80\0\0\0\0", Violation::Binary),
        ("a long message", b"\x81\xfe\x40\x01\0\0\0\0", Violation::TooLong),
    ];
    for (what, bytes, violation) in cases {
        assert_eq!(read(bytes, 100), [Err(violation)], "{what}");
    }
    let huge = [b"\x81\xff".as_slice(), &[0xff; 8], &[0; 4]].concat();
    assert_eq!(read(&huge, 100), [Err(Violation::TooLong)]);
    let again = [masked(TEXT_BEGINS, b"a"), masked(TEXT, b"b")].concat();
    assert_eq!(read(&again, 100), [Ok(Incoming::Part), Err(Violation::Protocol)]);
}

#[test]
fn the_parts_of_a_message_together_are_no_longer_than_one_frame_may_be() {
    let part = vec![b'x'; MAX_MESSAGE_BYTES / 2];
    let begin = [masked(TEXT_BEGINS, &part), masked(GOES_ON, &part)].concat();
    let whole = [begin.clone(), masked(GOES_ON_TO_ITS_END, b"")].concat();
    assert_eq!(read(&whole, 100_000)[2], Ok(text(&"x".repeat(MAX_MESSAGE_BYTES))));
    let more = [begin, masked(GOES_ON_TO_ITS_END, b"x")].concat();
    assert_eq!(read(&more, 100_000)[2], Err(Violation::TooLong));
}

#[test]
fn a_close_has_no_code_or_one_that_may_be_sent() {
    let close = |payload: &[u8]| read(&masked(CLOSE, payload), 100).remove(0);
    assert_eq!(close(b""), Ok(Incoming::Close(None)));
    assert_eq!(close(b"\x03"), Err(Violation::Protocol));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        assert_eq!(close(&u16::to_be_bytes(code)), Ok(Incoming::Close(Some(code))), "{code}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(close(&u16::to_be_bytes(code)), Err(Violation::Protocol), "{code}");
    }
    assert_eq!(close(b"\x03\xe8bye"), Ok(Incoming::Close(Some(1000))));
    assert_eq!(close(b"\x03\xe8\xff"), Err(Violation::NotUtf8));
}

/// What fuzzing tries for longer.
#[test]
fn any_bytes_are_read_alike_however_they_arrive() {
    let mut random = fastrand::Rng::with_seed(6455);
    let first = [TEXT, TEXT_BEGINS, GOES_ON, GOES_ON_TO_ITS_END, CLOSE, PING, PONG, 0x82, 0xc1];
    for round in 0..2_000 {
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..6) {
            let payload: Vec<u8> =
                (0..random.usize(..200)).map(|_| random.u8(0x20..0x7f)).collect();
            let mut frame = masked(first[random.usize(..first.len())], &payload);
            if random.u8(..4) == 0 {
                let at = random.usize(..frame.len());
                frame[at] = random.u8(..);
            }
            bytes.extend(frame);
        }
        let whole = read(&bytes, bytes.len());
        for piece in [1, random.usize(1..50)] {
            assert_eq!(read(&bytes, piece), whole, "round {round}, pieces of {piece}");
        }
    }
}
