//! One delivery thread.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, event::Event};
use slab::Slab;
use tracing::{debug, error};

use crate::{
    clock::Clock,
    hub::Topic,
    sse::{self, Frame, Framing},
};

use super::{
    CloseReason, DeliveryConfig, DeliveryMetrics, Handoff, HandoffWatch, Inbox, Mail, Pin, Pinned,
    Transport,
    connection::{Connection, Ending, Phase, Rest, Tail, Watch, Watches, Written},
    room::{Member, WatchedRoom},
    wheel::Wheel,
};

pub(super) const WAKE: Token = Token(usize::MAX);

/// Connections of one room that are visited before another room's turn.
const SLICE: usize = 128;
/// Connections that are visited before the thread looks at its sockets again.
const VISITS: usize = 512;
/// After its last frame a connection has this long to close from its side.
const CLIENTS_END: Duration = Duration::from_secs(1);
/// Clients come back after about this time, each after a time of its own.
const RETRY_MILLIS: std::ops::Range<u64> = 1_000..5_000;
/// How far ahead "never" lies.
const NEVER: u64 = u64::MAX;

/// Owns sockets and writes frames to them.
///
/// Its inputs: sockets that can be read or written, mail (handed-off connections, changed rooms, the order to drain),
/// heartbeats that are due, and deadlines.
pub(super) struct Worker {
    index: u32,
    poll: Poll,
    inbox: Arc<Inbox>,
    config: DeliveryConfig,
    metrics: DeliveryMetrics,
    clock: Clock,
    /// Boxed, so that a slab that grows neither copies them nor keeps room for as many again.
    connections: Slab<Box<Connection>>,
    /// Connections by their streams' permits.
    by_permit: HashMap<u32, u32>,
    rooms: HashMap<u64, WatchedRoom>,
    /// Rooms whose fan-out is under way, in turn.
    fan_outs: VecDeque<u64>,
    wheel: Wheel,
    /// Connections whose socket is full, by since when.
    blocked: BTreeSet<(u64, u32)>,
    /// Connections by when they are to end.
    ends: BTreeSet<(u64, u32)>,
    /// Once draining: when the last connection is closed, whatever it does.
    drained_at: Option<u64>,
    pinned: Arc<Pinned>,
    scratch: Box<[u8]>,
    /// Times within the thread are milliseconds from here.
    started: Instant,
}

impl Worker {
    pub fn new(
        index: u32,
        poll: Poll,
        inbox: Arc<Inbox>,
        config: DeliveryConfig,
        metrics: DeliveryMetrics,
        clock: Clock,
        pinned: Arc<Pinned>,
    ) -> Self {
        let started = Instant::now();
        Self {
            index,
            poll,
            inbox,
            metrics,
            clock,
            connections: Slab::new(),
            by_permit: HashMap::new(),
            rooms: HashMap::new(),
            fan_outs: VecDeque::new(),
            wheel: Wheel::new(config.heartbeat, started),
            blocked: BTreeSet::new(),
            ends: BTreeSet::new(),
            drained_at: None,
            pinned,
            scratch: vec![0; 16 * 1024].into_boxed_slice(),
            started,
            config,
        }
    }

    /// Runs until drained.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.is_drained() {
            match self.poll.poll(&mut events, self.patience()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    error!(%error, thread = self.index, "a delivery thread cannot wait for its sockets");
                    return;
                }
            }
            for event in &events {
                self.on_event(event);
            }
            self.on_mail();
            self.on_fan_outs();
            self.on_heartbeats();
            self.on_deadlines();
        }
    }

    fn on_event(&mut self, event: &Event) {
        if event.token() == WAKE {
            return;
        }
        let key = event.token().0;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.on_readable(key);
        }
        if event.is_writable() {
            self.on_writable(key);
        }
    }

    fn on_readable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Some(reason) = connection.discard_input(&mut self.scratch) {
            let has_ended = matches!(connection.phase, Phase::Closing);
            let reason = if has_ended { connection.end_reason } else { reason };
            self.close(key, reason);
        }
    }

    /// A socket that was full takes more: first the rest of what was begun, then the newest of everything.
    fn on_writable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Phase::Blocked { ending, .. } = connection.phase else { return };
        match connection.write_tail() {
            Ok(Written::Whole) => {}
            Ok(Written::Part(_)) => return,
            Err(error) => return self.close(key, reason_of(&error)),
        }
        match ending {
            Ending::No => self.catch_up(key),
            Ending::AfterTail => {
                self.unblock(key);
                self.write_last(key);
            }
            Ending::LastBegun => {
                self.unblock(key);
                self.finish(key);
            }
        }
    }

    fn on_mail(&mut self) {
        let Mail { handoffs, changed, replaced, cut_off, drain, .. } = self.inbox.take();
        for (handoff, transport) in handoffs {
            self.adopt(handoff, transport);
        }
        for topic in changed {
            self.on_changed(&topic);
        }
        for permit in replaced {
            if let Some(key) = self.by_permit.get(&permit) {
                self.replace(*key as usize);
            }
        }
        for (key, pin) in cut_off {
            // It may have let go meanwhile.
            if self.connections.get(key as usize).is_some_and(|one| one.keeps(pin)) {
                self.close(key as usize, CloseReason::PinnedBytes);
            }
        }
        if let Some(time) = drain {
            self.drain(time);
        }
    }

    /// Ends a stream for good, unless it is ending.
    fn replace(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.ends_at == NEVER || matches!(connection.phase, Phase::Closing) {
            return;
        }
        connection.end_reason = CloseReason::Replaced;
        self.set_end(key, self.now());
    }

    fn on_changed(&mut self, topic: &Topic) {
        topic.heard(self.index);
        if let Some(room) = self.rooms.get_mut(&topic.id())
            && room.start_fan_out()
        {
            self.fan_outs.push_back(topic.id());
        }
    }

    /// Carries new snapshots to those who watch, a slice of a room at a time.
    fn on_fan_outs(&mut self) {
        let mut visits = 0;
        while visits < VISITS
            && let Some(room) = self.fan_outs.pop_front()
        {
            match self.fan_out(room) {
                0 => {}
                visited => {
                    visits += visited;
                    self.fan_outs.push_back(room);
                }
            }
        }
    }

    /// Visits the next slice of a room. Tells how many that were; none when its fan-out is over.
    fn fan_out(&mut self, room: u64) -> usize {
        let Some(room) = self.rooms.get_mut(&room) else { return 0 };
        let newest = room.topic.newest();
        let slice = room.next_slice(SLICE);
        let visited = slice.len();
        let Some(snapshot) = newest else { return visited };
        let (mut frames, mut bytes) = (0_usize, 0);
        let mut stuck = Vec::new();
        for member in slice {
            let connection = &mut self.connections[member.connection as usize];
            if !matches!(connection.phase, Phase::Open) {
                continue;
            }
            let watch = &connection.watches.as_slice()[member.watch as usize];
            let Some(frame) = watch.frame_of(&snapshot) else { continue };
            match connection.write(frame) {
                Ok(Written::Whole) => {
                    frames += 1;
                    bytes += connection.framing.bytes_of(frame).len();
                    connection.watches.as_mut_slice()[member.watch as usize].sent =
                        Some(snapshot.version());
                }
                outcome => stuck.push((*member, Arc::clone(frame), outcome)),
            }
        }
        self.count(frames, bytes);
        if visited == 0
            && let Some(received_at) = snapshot.received_at()
        {
            self.metrics.latency.observe(self.clock.now().since(received_at).as_secs_f64());
        }
        for (member, frame, outcome) in stuck {
            let key = member.connection as usize;
            match outcome {
                Ok(Written::Part(written)) => {
                    if written > 0 {
                        self.connections[key].watches.as_mut_slice()[member.watch as usize].sent =
                            Some(snapshot.version());
                    }
                    self.block_after(key, &frame, written, Ending::No);
                }
                Ok(Written::Whole) => {}
                Err(error) => self.close(key, reason_of(&error)),
            }
        }
        visited
    }

    fn on_heartbeats(&mut self) {
        let now = Instant::now();
        while let Some(keys) = self.wheel.take_turn(now) {
            let frame = Arc::new(sse::heartbeat(self.clock.now(), self.config.heartbeat));
            for key in keys {
                self.heartbeat(key as usize, &frame);
            }
        }
    }

    fn heartbeat(&mut self, key: usize, frame: &Arc<Frame>) {
        if !matches!(self.connections[key].phase, Phase::Open) {
            return;
        }
        if self.has_been_missed(key) {
            self.metrics.repaired.inc();
            error!(thread = self.index, "a stream was behind its room; it is brought up to date");
            self.catch_up(key);
            if !self.connections.get(key).is_some_and(|one| matches!(one.phase, Phase::Open)) {
                return;
            }
        }
        self.write_frame(key, frame, Ending::No);
    }

    /// Whether a connection is behind although nobody is about to bring it up to date.
    fn has_been_missed(&self, key: usize) -> bool {
        self.connections[key].watches.as_slice().iter().any(|watch| {
            let topic = watch.subscription.topic();
            let is_behind =
                topic.newest().is_some_and(|snapshot| watch.frame_of(&snapshot).is_some());
            // Looked at after the snapshot: by then its announcement has begun, or is over.
            let is_known = topic.is_on_its_way(self.index)
                || self.rooms.get(&topic.id()).is_some_and(WatchedRoom::is_fanning_out);
            is_behind && !is_known
        })
    }

    fn on_deadlines(&mut self) {
        let now = self.now();
        while let Some(&(at, key)) = self.ends.first()
            && at <= now
        {
            self.ends.pop_first();
            self.on_end(key as usize);
        }
        let timeout = millis(self.config.write_timeout);
        while let Some(&(since, key)) = self.blocked.first()
            && since.saturating_add(timeout) <= now
        {
            self.close(key as usize, CloseReason::WriteTimeout);
        }
        if self.drained_at.is_some_and(|at| at <= now) {
            self.close_what_is_left();
        }
    }

    fn on_end(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.ends_at = NEVER;
        match &mut connection.phase {
            Phase::Open => self.write_last(key),
            Phase::Blocked { ending, .. } => {
                if *ending == Ending::No {
                    *ending = Ending::AfterTail;
                }
            }
            Phase::Closing => {
                let reason = connection.end_reason;
                self.close(key, reason);
            }
        }
    }

    fn adopt(&mut self, handoff: Handoff, transport: Transport) {
        let Handoff { watches, end, permit } = handoff;
        let Transport { socket, head, framing, permit: connection_permit } = transport;
        self.metrics.streams_opened.inc();
        self.metrics.streams_open.inc();
        let mut socket = mio::net::TcpStream::from_std(socket);
        let key = self.connections.vacant_key();
        let registered = self.poll.registry().register(&mut socket, Token(key), Interest::READABLE);
        if let Err(error) = registered {
            error!(%error, "cannot watch a stream's socket");
            self.metrics.closed(CloseReason::Socket);
            self.inbox.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let short_key = u32::try_from(key).expect("fewer than descriptors");
        let (ends_at, end_reason) = self.end_of(end.at, end.reason);
        let watches = watches.into_iter().enumerate();
        let mut watches = watches.map(|(index, watch)| self.watch(short_key, index, watch));
        let watches = match (watches.next(), watches.next()) {
            (Some(only), None) => Watches::One(only),
            (first, second) => {
                Watches::Many(first.into_iter().chain(second).chain(watches).collect())
            }
        };
        let place = self.wheel.enter(short_key, Instant::now());
        self.ends.insert((ends_at, short_key));
        let connection = Connection::new(
            socket,
            framing,
            watches,
            place,
            ends_at,
            end_reason,
            [permit, connection_permit],
        );
        self.by_permit.insert(connection.permit().key(), short_key);
        self.connections.insert(Box::new(connection));
        self.begin(key, head);
        // It may have been replaced on its way, before it was known here.
        if self.connections.get(key).is_some_and(|one| one.permit().is_revoked()) {
            self.replace(key);
        }
    }

    /// Makes a connection a member of a room, before it is looked what the room's newest snapshot is: a change that comes in
    /// between is then seen twice rather than never.
    fn watch(&mut self, key: u32, index: usize, watch: HandoffWatch) -> Watch {
        let topic = watch.subscription.topic();
        let room = self.rooms.entry(topic.id()).or_insert_with(|| {
            topic.watch(self.index);
            WatchedRoom::new(Arc::clone(topic))
        });
        let position = room
            .enter(Member { connection: key, watch: u32::try_from(index).expect("at most 100") });
        Watch { sent: watch.has, position, subscription: watch.subscription }
    }

    /// Writes the head and what the client does not have yet. Before that goes when to come back: after an instance is gone
    /// its clients would all return at the same time otherwise.
    fn begin(&mut self, key: usize, mut head: Vec<u8>) {
        let connection = &mut self.connections[key];
        let retry = sse::retry_frame(fastrand::u64(RETRY_MILLIS));
        head.extend_from_slice(connection.framing.bytes_of(&retry));
        let mut frames = Vec::new();
        let mut to_send = Vec::new();
        for (index, watch) in connection.watches.as_mut_slice().iter_mut().enumerate() {
            let Some(snapshot) = watch.subscription.topic().newest() else { continue };
            // Who was sent this list or a later one, by another instance, is sent the next that is later.
            watch.sent = watch.sent.filter(|sent| *sent >= snapshot.version());
            if let Some(frame) = watch.frame_of(&snapshot) {
                frames.push(Arc::clone(frame));
                to_send.push((index, snapshot.version()));
            }
        }
        if frames.is_empty() {
            frames.push(Arc::new(sse::heartbeat(self.clock.now(), self.config.heartbeat)));
        }
        let first = match connection.write_first(&head, &frames) {
            Ok(first) => first,
            Err(error) => return self.close(key, reason_of(&error)),
        };
        for (index, version) in to_send.into_iter().take(first.frames_begun) {
            connection.watches.as_mut_slice()[index].sent = Some(version);
        }
        let begun = frames.iter().take(first.frames_begun);
        let bytes: usize = begun.map(|frame| connection.framing.bytes_of(frame).len()).sum();
        self.count(first.frames_begun, bytes);
        match first.rest {
            Rest::OfHead(written) => {
                let head = Arc::new(sse::encode_chunk(|out| out.extend_from_slice(&head)));
                let tail = Tail::new(self.pin(key, &head), Framing::UntilClose, written);
                self.block(key, Some(tail), Ending::No);
            }
            Rest::OfFrame(written) => {
                self.block_after(key, &frames[first.frames_begun - 1], written, Ending::No);
            }
            Rest::Nothing if first.frames_begun < frames.len() => {
                self.block(key, None, Ending::No);
            }
            Rest::Nothing => {}
        }
    }

    /// Sends the newest of every room that the connection is behind with.
    fn catch_up(&mut self, key: usize) {
        for index in 0..self.connections[key].watches.as_slice().len() {
            let connection = &mut self.connections[key];
            let watch = &mut connection.watches.as_mut_slice()[index];
            let Some(snapshot) = watch.subscription.topic().newest() else { continue };
            let Some(frame) = watch.frame_of(&snapshot).map(Arc::clone) else { continue };
            match connection.write(&frame) {
                Ok(Written::Part(0)) => return self.block(key, None, Ending::No),
                Ok(written) => {
                    connection.watches.as_mut_slice()[index].sent = Some(snapshot.version());
                    let bytes = connection.framing.bytes_of(&frame).len();
                    self.count(1, bytes);
                    if let Written::Part(written) = written {
                        return self.block_after(key, &frame, written, Ending::No);
                    }
                }
                Err(error) => return self.close(key, reason_of(&error)),
            }
        }
        self.unblock(key);
    }

    /// Writes one frame that is no snapshot, to an open connection.
    fn write_frame(&mut self, key: usize, frame: &Arc<Frame>, ending: Ending) -> bool {
        let connection = &mut self.connections[key];
        match connection.write(frame) {
            Ok(Written::Whole) => {
                let bytes = connection.framing.bytes_of(frame).len();
                self.count(1, bytes);
                true
            }
            Ok(Written::Part(written)) => {
                self.block_after(key, frame, written, ending);
                false
            }
            Err(error) => {
                self.close(key, reason_of(&error));
                false
            }
        }
    }

    /// Begins the orderly end of an open connection.
    fn write_last(&mut self, key: usize) {
        let retry_after = fastrand::u64(RETRY_MILLIS);
        let reason = self.connections[key].end_reason;
        let id = (reason == CloseReason::Replaced).then_some(sse::REPLACED_ID);
        let frame = Arc::new(sse::last_frame(reason.as_str(), id, retry_after));
        if self.write_frame(key, &frame, Ending::LastBegun) {
            self.finish(key);
        }
    }

    /// The last frame is out: nothing more is written, and the client gets a moment to close from its side, so that what was
    /// written is not lost to a reset.
    fn finish(&mut self, key: usize) {
        let ends_at = self.now() + millis(CLIENTS_END);
        let connection = &mut self.connections[key];
        connection.phase = Phase::Closing;
        if connection.shut_down_writing().is_err() {
            let reason = connection.end_reason;
            return self.close(key, reason);
        }
        self.set_end(key, ends_at);
    }

    /// Notes that a socket took only part of a frame, or nothing of it.
    fn block_after(&mut self, key: usize, frame: &Arc<Frame>, written: usize, ending: Ending) {
        // A frame of which nothing was written is not kept: by then there may be a newer one. But the last one must follow.
        let keep = written > 0 || ending == Ending::LastBegun;
        let framing = self.connections[key].framing;
        let tail = keep.then(|| Tail::new(self.pin(key, frame), framing, written));
        self.block(key, tail, ending);
    }

    /// Counts a frame that a connection keeps. Whichever thread finds that too much is kept, the slowest hears of it.
    fn pin(&self, key: usize, frame: &Arc<Frame>) -> Pin {
        let inbox = Arc::clone(&self.inbox);
        let key = u32::try_from(key).expect("fewer than descriptors");
        let cut_off = move |pin| inbox.send(|mail| mail.cut_off.push((key, pin)));
        self.pinned.pin(frame, Box::new(cut_off))
    }

    fn block(&mut self, key: usize, tail: Option<Tail>, ending: Ending) {
        self.forget_blocked(key);
        let since = self.now();
        let connection = &mut self.connections[key];
        connection.phase = Phase::Blocked { since, tail: tail.map(Box::new), ending };
        self.blocked.insert((since, u32::try_from(key).expect("fewer than descriptors")));
        self.metrics.slow_subscribers.inc();
        self.set_interest(key, Interest::READABLE | Interest::WRITABLE);
    }

    fn unblock(&mut self, key: usize) {
        if self.forget_blocked(key) {
            self.connections[key].phase = Phase::Open;
            self.set_interest(key, Interest::READABLE);
        }
    }

    fn forget_blocked(&mut self, key: usize) -> bool {
        let Phase::Blocked { since, .. } = self.connections[key].phase else { return false };
        self.blocked.remove(&(since, u32::try_from(key).expect("fewer than descriptors")))
    }

    /// Asking for writability only while it is needed keeps an idle thread asleep.
    fn set_interest(&mut self, key: usize, interest: Interest) {
        let socket = &mut self.connections[key].socket;
        if let Err(error) = self.poll.registry().reregister(socket, Token(key), interest) {
            // It is closed when it times out.
            error!(%error, "cannot watch a stream's socket");
        }
    }

    fn set_end(&mut self, key: usize, at: u64) {
        let short_key = u32::try_from(key).expect("fewer than descriptors");
        self.ends.remove(&(self.connections[key].ends_at, short_key));
        self.connections[key].ends_at = at;
        self.ends.insert((at, short_key));
    }

    fn close(&mut self, key: usize, reason: CloseReason) {
        self.forget_blocked(key);
        let connection = self.connections.remove(key);
        let short_key = u32::try_from(key).expect("fewer than descriptors");
        self.ends.remove(&(connection.ends_at, short_key));
        self.by_permit.remove(&connection.permit().key());
        if let Some((moved, place)) = self.wheel.leave(connection.place) {
            self.connections[moved as usize].place = place;
        }
        for watch in connection.watches.as_slice() {
            self.unwatch(watch);
        }
        self.inbox.connections.fetch_sub(1, Ordering::Relaxed);
        // Whoever reads the count finds that it keeps nothing any longer.
        drop(connection);
        self.metrics.closed(reason);
        debug!(reason = reason.as_str(), "closed a stream");
    }

    fn unwatch(&mut self, watch: &Watch) {
        let topic = watch.subscription.topic();
        let Some(room) = self.rooms.get_mut(&topic.id()) else { return };
        for (member, position) in room.leave(watch.position).into_iter().flatten() {
            let connection = &mut self.connections[member.connection as usize];
            connection.watches.as_mut_slice()[member.watch as usize].position = position;
        }
        if room.is_empty() {
            topic.unwatch(self.index);
            self.rooms.remove(&topic.id());
        }
    }

    fn drain(&mut self, time: Duration) {
        let now = self.now();
        self.drained_at = Some(now + millis(time));
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            let at = now + fastrand::u64(..=millis(time));
            let connection = &mut self.connections[key];
            let ends_later = connection.ends_at > at && !matches!(connection.phase, Phase::Closing);
            let is_ending = connection.ends_at == NEVER;
            if ends_later && !is_ending {
                connection.end_reason = CloseReason::Drain;
                self.set_end(key, at);
            }
        }
    }

    fn close_what_is_left(&mut self) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            match self.connections[key].phase {
                Phase::Open => {
                    self.connections[key].end_reason = CloseReason::Drain;
                    self.write_last(key);
                }
                Phase::Blocked { .. } => self.close(key, CloseReason::Drain),
                Phase::Closing => {}
            }
        }
    }

    fn is_drained(&self) -> bool {
        let is_over = self.drained_at.is_some() && self.connections.is_empty();
        is_over && self.inbox.close_if_empty()
    }

    /// How long to wait for something to happen outside.
    fn patience(&self) -> Option<Duration> {
        if !self.fan_outs.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.now();
        let timeout = millis(self.config.write_timeout);
        let deadlines = [
            self.ends.first().map(|(at, _)| *at),
            self.blocked.first().map(|(since, _)| since.saturating_add(timeout)),
            self.drained_at.filter(|at| *at > now),
        ];
        let deadline = deadlines.into_iter().flatten().min();
        let until_deadline = deadline.map(|at| Duration::from_millis(at.saturating_sub(now)));
        let until_heartbeat =
            self.wheel.next_turn().map(|turn| turn.saturating_duration_since(Instant::now()));
        until_deadline.into_iter().chain(until_heartbeat).min()
    }

    /// Counts frames that were written, or begun.
    fn count(&self, frames: usize, bytes: usize) {
        self.metrics.frames.inc_by(frames as u64);
        self.metrics.bytes.inc_by(bytes as u64);
    }

    fn end_of(&self, at: Instant, reason: CloseReason) -> (u64, CloseReason) {
        match self.drained_at {
            Some(_) => (self.now(), CloseReason::Drain),
            None => (millis(at.saturating_duration_since(self.started)), reason),
        }
    }

    fn now(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER - 1)
}

/// A client that went away shows in a write as well as in a read.
fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => CloseReason::Client,
        _ => CloseReason::Socket,
    }
}
