//! What all slow clients together keep in memory: streams on every worker, and answers that are not taken. It is counted and
//! bounded. The client that has been slow for longest is cut off first, whichever thread serves it.

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

/// A client is slow after this time. For a new answer only slow clients are cut off; without one the new client is told to ask
/// again.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Has the client's thread cut the client off. Its argument is the pin that is too much.
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
    /// What clients keep that were told to leave and have not let go yet. No other client is told for these bytes.
    leaving: usize,
    /// In the order in which they began, so that the slowest comes first.
    holders: BTreeMap<u64, Holder>,
    next: u64,
}

struct Holder {
    since: Instant,
    bytes: usize,
    /// None once the client was told.
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
        let pin = self.add(&mut self.kept(), frame, cut_off);
        self.relieve();
        pin
    }

    /// Counts a frame that is being written as an answer. None if there is no room for it, and no client has been slow for long
    /// enough to be cut off for it.
    pub fn pin_answer(self: &Arc<Self>, frame: &Arc<Frame>, cut_off: CutOff) -> Option<Pin> {
        let mut kept = self.kept();
        let is_new = !frame.is_pinned();
        if is_new && kept.bytes.saturating_add(frame.chunked().len()) > self.max_bytes {
            let slowest = kept.holders.values().find(|holder| holder.cut_off.is_some())?;
            if slowest.since.elapsed() < SLOW_AFTER {
                return None;
            }
        }
        let pin = self.add(&mut kept, frame, cut_off);
        drop(kept);
        self.relieve();
        Some(pin)
    }

    fn add(self: &Arc<Self>, kept: &mut Kept, frame: &Arc<Frame>, cut_off: CutOff) -> Pin {
        let number = kept.next;
        kept.next += 1;
        let bytes = frame.chunked().len();
        let holder = Holder { since: Instant::now(), bytes, cut_off: Some(cut_off) };
        kept.holders.insert(number, holder);
        if frame.pin() {
            kept.bytes += bytes;
        }
        self.show(kept);
        Pin { pinned: Arc::clone(self), number, frame: Arc::clone(frame) }
    }

    /// Above the bound, tells the slowest client that was not told yet. What the told clients keep counts as gone, even if others
    /// keep the same frame. Once they have let go, the next client is told if that was not enough.
    fn relieve(&self) {
        let mut kept = self.kept();
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
        if frame.unpin() {
            kept.bytes -= frame.chunked().len();
        }
        self.show(&kept);
        drop(kept);
        self.relieve();
    }

    fn show(&self, kept: &Kept) {
        self.bytes.set(i64::try_from(kept.bytes).unwrap_or(i64::MAX));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it is locked")
    }
}

impl Pin {
    /// The number with which its client is told to let go.
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
    use crate::sse::encode_chunk;

    fn frame(bytes: usize) -> Arc<Frame> {
        Arc::new(encode_chunk(|out| out.resize(out.len() + bytes, b'x')))
    }

    #[test]
    fn a_frame_counts_once_and_the_slowest_is_told_until_it_is_enough() {
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
    fn no_client_is_told_for_what_others_are_about_to_let_go() {
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
