//! The close of a connection whose last answer must arrive.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The client has this long to read the last answer. Closing at once would reset the connection if the client still sends, and a
/// reset can take the answer with it.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// What the client sends meanwhile is thrown away, up to this much.
const MAX_DISCARDED_BYTES: usize = 16 * 1024 * 1024;

/// Closes a connection so that its last answer arrives.
pub(super) async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    // On the heap, because a connection's future would otherwise be this much larger all its life.
    let mut scratch = vec![0; 8 * 1024];
    let mut discarded = 0;
    let discard = async {
        while discarded < MAX_DISCARDED_BYTES {
            match socket.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(count) => discarded += count,
            }
        }
    };
    // A client that takes longer is cut off.
    let _ = timeout(LINGER_TIMEOUT, discard).await;
}
