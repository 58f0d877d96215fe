//! What a WebSocket's client sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit_presence::web_socket::{Decoder, Incoming, MAX_MESSAGE_BYTES, Violation};

fuzz_target!(|data: &[u8]| {
    let Some((piece, frames)) = data.split_first() else { return };
    let whole = read(frames, frames.len().max(1));
    assert_eq!(read(frames, usize::from(*piece).max(1)), whole, "however the bytes arrive");
});

/// Everything that comes of these bytes, brought in pieces of this size, up to what cannot be read.
fn read(frames: &[u8], piece: usize) -> Vec<Result<Incoming, Violation>> {
    let (mut decoder, mut all) = (Decoder::default(), Vec::new());
    for bytes in frames.chunks(piece) {
        decoder.push(bytes);
        while let Some(next) = decoder.next_frame().transpose() {
            match &next {
                Ok(Incoming::Text(text)) => assert!(text.len() <= MAX_MESSAGE_BYTES),
                Ok(Incoming::Ping(payload)) => assert!(payload.len() <= 125),
                Ok(Incoming::Part | Incoming::Pong | Incoming::Close(_)) | Err(_) => {}
            }
            let is_over = next.is_err();
            all.push(next);
            if is_over {
                return all;
            }
        }
    }
    all
}
