//! Counts and bounds the memory that slow clients take up: those of streams, on every worker, and those of other answers. Above
//! the bound, the client that has been slow for longest is cut off first, on whichever thread it is served.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use crate::{metrics::RegistryExt, sse::Frame};

/// A client counts as slow after this time. A new answer may only displace a slow client; if there is none, the new client is
/// told to ask again.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Tells the worker or the task that serves the client to cut it off. The argument is the number of the client's pin.
pub type CutOff = Box<dyn FnOnce(u64) + Send>;

/// The frames that slow clients keep, and the clients that keep them.
pub struct Pinned {
    max_bytes: usize,
    kept: Mutex<Kept>,
    bytes: Gauge,
    cut_off: Counter,
}

#[derive(Default)]
struct Kept {
    /// Each frame counts once, even if several clients keep it.
    bytes: usize,
    /// Bytes kept by clients that were cut off and have not let go yet. They count as free, so that no other client is cut off
    /// for them.
    leaving: usize,
    /// Oldest first, so that the client that has been slow for longest comes first.
    holders: BTreeMap<u64, Holder>,
    next: u64,
}

struct Holder {
    since: Instant,
    bytes: usize,
    /// None once the client was cut off.
    cut_off: Option<CutOff>,
}

/// A frame that a client keeps until this is dropped.
pub struct Pin {
    pinned: Arc<Pinned>,
    number: u64,
    frame: Arc<Frame>,
}

impl Pinned {
    pub fn register(max_bytes: usize, registry: &mut Registry) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            kept: Mutex::default(),
            bytes: registry.register_bytes("pinned", "Lists kept for slow clients"),
            cut_off: registry.register_new(
                "slow_clients_cut_off",
                "Slow streams and answers that were cut off because slow clients kept more than stream.pinned_bytes",
            ),
        })
    }

    /// Counts a frame that a stream keeps because its socket is full. Above the bound the slowest client is cut off, which may be
    /// this one.
    pub fn pin(self: &Arc<Self>, frame: &Arc<Frame>, cut_off: CutOff) -> Pin {
        let mut kept = self.kept();
        let pin = self.add(&mut kept, frame, cut_off);
        self.relieve(kept);
        pin
    }

    /// Counts a frame that is being written as an answer. None if there is no memory left for it, and no client has been slow for
    /// long enough to be cut off instead.
    pub fn pin_answer(self: &Arc<Self>, frame: &Arc<Frame>, cut_off: CutOff) -> Option<Pin> {
        let mut kept = self.kept();
        let is_new = !frame.is_pinned();
        if is_new && kept.bytes.saturating_add(frame.kept_bytes()) > self.max_bytes {
            let slowest = kept.holders.values().find(|holder| holder.cut_off.is_some())?;
            if slowest.since.elapsed() < SLOW_AFTER {
                return None;
            }
        }
        let pin = self.add(&mut kept, frame, cut_off);
        self.relieve(kept);
        Some(pin)
    }

    fn add(self: &Arc<Self>, kept: &mut Kept, frame: &Arc<Frame>, cut_off: CutOff) -> Pin {
        let number = kept.next;
        kept.next += 1;
        kept.bytes += frame.pin();
        let bytes = frame.kept_bytes();
        let holder = Holder { since: Instant::now(), bytes, cut_off: Some(cut_off) };
        kept.holders.insert(number, holder);
        self.show(kept);
        Pin { pinned: Arc::clone(self), number, frame: Arc::clone(frame) }
    }

    /// Above the bound, cuts off the slowest client that was not cut off yet. What such clients keep counts as free, even if
    /// others keep the same frame. If that turns out not to be enough, the next client is cut off when they have let go.
    fn relieve(&self, mut kept: MutexGuard<'_, Kept>) {
        if kept.bytes.saturating_sub(kept.leaving) <= self.max_bytes {
            return;
        }
        let slowest = kept.holders.iter_mut();
        let told = slowest
            .map(|(number, holder)| (*number, holder.bytes, &mut holder.cut_off))
            .find_map(|(number, bytes, cut_off)| Some((number, bytes, cut_off.take()?)));
        let Some((number, bytes, cut_off)) = told else { return };
        kept.leaving += bytes;
        drop(kept);
        self.cut_off.inc();
        cut_off(number);
    }

    fn let_go(&self, number: u64, frame: &Frame) {
        let mut kept = self.kept();
        let holder = kept.holders.remove(&number).expect("a pin is dropped once");
        if holder.cut_off.is_none() {
            kept.leaving -= holder.bytes;
        }
        kept.bytes -= frame.unpin();
        self.show(&kept);
        self.relieve(kept);
    }

    fn show(&self, kept: &Kept) {
        self.bytes.set(i64::try_from(kept.bytes).unwrap_or(i64::MAX));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it is locked")
    }
}

impl Pin {
    /// Identifies the pin to the code that cuts its client off.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pinned.let_go(self.number, &self.frame);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::sse::{Framing, encode_chunk};

    fn frame(bytes: usize) -> Arc<Frame> {
        Arc::new(encode_chunk(|out| out.resize(out.len() + bytes, b'x')))
    }

    #[test]
    fn a_frame_counts_once_and_the_slowest_clients_are_cut_off_until_the_bound_holds() {
        let pinned = Pinned::register(2_500, &mut Registry::default());
        let (tell, told) = mpsc::channel();
        let cut_off = || -> CutOff {
            let tell = tell.clone();
            Box::new(move |number| tell.send(number).unwrap())
        };
        let (one, two, three) = (frame(1_000), frame(1_000), frame(1_000));
        let first = pinned.pin(&one, cut_off());
        let also_first = pinned.pin(&one, cut_off());
        let second = pinned.pin(&two, cut_off());
        assert!(told.try_recv().is_err(), "the first frame counts once");
        let third = pinned.pin(&three, cut_off());
        assert_eq!(told.try_recv(), Ok(first.number()));
        assert!(told.try_recv().is_err(), "one at a time");
        drop(first);
        assert_eq!(told.try_recv(), Ok(also_first.number()), "the frame is still kept");
        drop(also_first);
        assert!(told.try_recv().is_err(), "it was enough");
        assert!(pinned.pin_answer(&one, cut_off()).is_none(), "nobody has been slow for long");
        assert!(pinned.pin_answer(&two, cut_off()).is_some(), "it is kept already");
        drop((second, third));
        assert_eq!(pinned.kept().bytes, 0);
    }

    #[test]
    fn what_is_encoded_while_a_frame_is_kept_counts_from_the_next_client_on() {
        let pinned = Pinned::register(1_000_000, &mut Registry::default());
        let frame = Arc::new(Frame::event("x", None, |out| out.extend_from_slice(b"[]")));
        let first = pinned.pin(&frame, Box::new(|_| {}));
        let alone = pinned.kept().bytes;
        assert_eq!(alone, frame.chunked().len());
        let messages = Framing::WebSocket.bytes_of(&frame).len();
        let second = pinned.pin(&frame, Box::new(|_| {}));
        assert_eq!(pinned.kept().bytes, alone + messages);
        drop(first);
        assert_eq!(pinned.kept().bytes, alone + messages, "the other still keeps it");
        drop(second);
        assert_eq!(pinned.kept().bytes, 0);
    }

    #[test]
    fn no_client_is_cut_off_for_bytes_that_others_are_about_to_free() {
        let pinned = Pinned::register(2_500, &mut Registry::default());
        let (tell, told) = mpsc::channel();
        let pins = [(); 4].map(|()| {
            let tell = tell.clone();
            pinned.pin(&frame(1_000), Box::new(move |number| tell.send(number).unwrap()))
        });
        let numbers = pins.each_ref().map(Pin::number);
        assert_eq!([told.try_recv(), told.try_recv()], [Ok(numbers[0]), Ok(numbers[1])]);
        let [first, second, ..] = pins;
        drop(first);
        assert!(told.try_recv().is_err(), "the second is still letting go");
        drop(second);
        assert!(told.try_recv().is_err(), "it was enough");
    }
}
