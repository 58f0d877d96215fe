//! What steps on a room say to its history. The store's clock is far from LiveKit's here, so that each time shows whose it is.

mod endings;
mod stays;

use super::*;

/// A room whose steps are noted for its history.
struct Noted {
    fixture: Fixture,
    metadata: bool,
}

impl Noted {
    fn new() -> Self {
        Self { fixture: Fixture::new(), metadata: false }
    }

    fn started() -> Self {
        let mut noted = Self::new();
        let start = noted.at(0, EventKind::Room(RoomLifecycle::Started));
        noted.apply(&start);
        noted
    }

    /// A webhook that LiveKit makes this long after the start of the test. It arrives 250 ms later.
    fn at(&mut self, secs: u64, kind: EventKind) -> Event {
        let mut event = self.fixture.at(secs).event(kind);
        event.received_at = arrival(secs * 1000 + 250);
        event
    }

    fn joined(&mut self, secs: u64, who: Who) -> Vec<String> {
        let event = self.at(secs, EventKind::Joined(who.0));
        self.apply(&event)
    }

    fn left(&mut self, secs: u64, who: Who) -> Vec<String> {
        let event = self.leave(secs, who);
        self.apply(&event)
    }

    /// A leave with LiveKit's description of the session.
    fn leave(&mut self, secs: u64, who: Who) -> Event {
        let info = who.0;
        let event = self.at(secs, EventKind::Left { sid: info.sid.clone(), was_active: true });
        let details = EventDetails {
            participant: info.is_visible().then(|| info.as_participant()),
            disconnect_reason: Some("CLIENT_INITIATED".into()),
            ..EventDetails::default()
        };
        Event { details: Arc::new(details), ..event }
    }

    fn apply(&mut self, event: &Event) -> Vec<String> {
        let mut transitions = Vec::new();
        let Fixture { room, rules, now, .. } = &mut self.fixture;
        let applied = room.apply_noting(event, *now, rules, &mut transitions);
        let step = StepTaken::of_event(room, event, &applied, &transitions, *now, self.metadata);
        in_words(&step.records())
    }

    /// Compares with a list that is asked for now. Probes of those whom it omits say that they are gone.
    fn compared(&mut self, secs: u64, who: Vec<Who>) -> Vec<String> {
        let now = Fixture::time(secs);
        let listing =
            Listing { asked_at: now, sessions: who.into_iter().map(|who| who.0).collect() };
        let Fixture { room, rules, .. } = &self.fixture;
        let gone = |target: ProbeTarget| Probed {
            sid: target.sid,
            asked_at: now,
            answer: ProbeAnswer::Gone,
        };
        let probed: Vec<_> = missing(room, &listing, rules).into_iter().map(gone).collect();
        let repairs = plan(room, &listing, &probed, rules);
        self.repaired(secs + 1, &repairs)
    }

    fn after_probe(&mut self, secs: u64, step: Repair) -> Vec<String> {
        let room = &self.fixture.room;
        let repairs = Repairs {
            asked_at: Fixture::time(secs),
            epoch: room.epoch(),
            version: room.version(),
            confirms: false,
            unlisted_at: None,
            cause: RepairCause::Comparison,
            steps: vec![step],
        };
        self.repaired(secs, &repairs)
    }

    /// LiveKit carries out what a moderator wants, and this follows from it.
    fn moderated(&mut self, secs: u64, steps: Vec<Repair>) -> Vec<String> {
        let repairs = Repairs::moderated(&self.fixture.room, Fixture::time(secs), steps);
        self.repaired(secs, &repairs)
    }

    fn repaired(&mut self, secs: u64, repairs: &Repairs) -> Vec<String> {
        let mut transitions = Vec::new();
        let Fixture { room, rules, now, .. } = self.fixture.at(secs);
        let repaired = room.repair_noting(repairs, *now, rules, &mut transitions);
        let step = StepTaken::of_repair(room, &repaired, &transitions, *now, self.metadata);
        in_words(&step.records())
    }
}

/// A time by the clock of the instance, in milliseconds after the start of the test. It goes as LiveKit's.
fn arrival(millis: u64) -> HostTime {
    HostTime::from_millis(LIVEKIT_EPOCH.unsigned_abs() * 1000 + millis)
}

fn in_words(records: &[Record]) -> Vec<String> {
    records.iter().map(record_in_words).collect()
}

/// `3.250` is by LiveKit's clock, `store 3.250` by the store's, both in seconds after the start of the test.
fn time_in_words(time: LiveKitTime) -> String {
    let millis = time.as_millis();
    let (clock, epoch) = match millis >= STORE_EPOCH.cast_signed() * 1000 {
        true => ("store ", STORE_EPOCH.cast_signed()),
        false => ("", LIVEKIT_EPOCH),
    };
    let millis = millis - epoch * 1000;
    format!("{clock}{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

fn moment_in_words(moment: Moment) -> String {
    format!("{}{}", if moment.exact { "" } else { "about " }, time_in_words(moment.at))
}

fn stay_in_words(stay: &Stay) -> String {
    let room = stay.room_sid.as_ref().map_or(String::new(), |sid| format!(" in {sid}"));
    format!("{}/{}{room}", stay.identity, stay.sid)
}

fn record_in_words(record: &Record) -> String {
    match record {
        Record::Opened(Opened { sid, created_at, at }) => {
            format!("opened {sid} {}, said {}", time_in_words(*created_at), time_in_words(*at))
        }
        Record::Closed(Closed { sid, at, reason, told_by }) => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(" {reason}"));
            format!("closed {sid} {}, {told_by:?}{reason}", moment_in_words(*at))
        }
        Record::Shown(Shown { stay, since, is_revealed, media, at, told_by }) => {
            let kinds = [
                (*is_revealed, " again"),
                (media.microphone, " mic"),
                (media.camera, " cam"),
                (media.screen, " screen"),
            ];
            let kinds: String = kinds.iter().filter(|(is, _)| *is).map(|(_, kind)| *kind).collect();
            let (since, at) = (time_in_words(*since), time_in_words(*at));
            format!("shown {} since {since}, seen {at}, {told_by:?}{kinds}", stay_in_words(stay))
        }
        Record::Left(Left { stay, at, reason, why, told_by }) => {
            let reason = reason.as_ref().map_or(String::new(), |reason| format!(" {reason}"));
            let (stay, at) = (stay_in_words(stay), moment_in_words(*at));
            format!("left {stay} {at}, {why:?}, {told_by:?}{reason}")
        }
    }
}
