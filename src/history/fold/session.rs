//! What records do to the row of a session.

use crate::{
    history::{
        row::{SessionRow, Span, Spans},
        spans::join_nearest,
    },
    presence::{Left, LeftWhy, Media, RoomName, Shown, Stay, ToldBy},
};

/// Spans of each kind that a session keeps. Its row is read and written as a whole, and somebody who starts and stops a track all
/// the time must not make that slow.
pub(super) const MAX_SPANS: usize = 500;

impl SessionRow {
    pub fn is_open(&self) -> bool {
        self.left_at.is_none()
    }

    /// A session of which nothing was known before it was shown.
    pub(super) fn shown(room: &RoomName, shown: &Shown) -> Self {
        let mut row = Self::of(room, &shown.stay, shown.since.as_millis(), shown.told_by);
        row.send(shown.media, shown.at.as_millis());
        row
    }

    /// A session of which nothing was known before it left.
    pub(super) fn gone(room: &RoomName, left: &Left) -> Self {
        let mut row = Self::of(room, &left.stay, left.stay.joined_at.as_millis(), left.told_by);
        row.end(left);
        row
    }

    fn of(room: &RoomName, stay: &Stay, from: i64, told_by: ToldBy) -> Self {
        let mut row = Self {
            sid: stay.sid.to_string(),
            identity: stay.identity.to_string(),
            room: room.to_string(),
            instance: None,
            name: String::new(),
            kind: String::new(),
            agent: false,
            joined_at: from,
            left_at: None,
            exact: true,
            reason: None,
            joined_told_by: told_by,
            left_told_by: None,
            left_why: None,
            spans: Spans { inside: vec![Span::open(from)], ..Spans::default() },
            metadata: None,
            seq: 0,
        };
        row.describe(stay);
        row
    }

    /// Takes over what is said of a session that is shown.
    pub(super) fn show(&mut self, shown: &Shown) {
        if let Some(end) = self.left_at {
            self.reopen(end, shown);
        }
        self.send(shown.media, shown.at.as_millis());
        self.spans.bound();
        self.describe(&shown.stay);
    }

    /// Takes over that the session has left, which the store noted at `written_at`. Returns whether that says more than was known.
    pub(super) fn leave(&mut self, left: &Left, written_at: i64) -> bool {
        match self.left_at {
            None => {}
            Some(end) if self.is_corrected_by(left, end, written_at) => self.go_on_from(end),
            Some(_) => return false,
        }
        self.end(left);
        self.describe(&left.stay);
        true
    }

    /// Whether this leave is better than the one at `end`. One that was concluded is only as good as its time. If that is later than
    /// this one was noted, an audit concluded it while this one was still on its way.
    fn is_corrected_by(&self, left: &Left, end: i64, written_at: i64) -> bool {
        let is_concluded = self.left_why == Some(LeftWhy::Concluded);
        is_concluded
            && match left.why {
                LeftWhy::Said | LeftWhy::Hidden => true,
                LeftWhy::Concluded => written_at < end && left.at.at.as_millis() < end,
            }
    }

    fn describe(&mut self, stay: &Stay) {
        self.name.clone_from(&stay.name);
        stay.kind.as_str().clone_into(&mut self.kind);
        self.agent = stay.agent;
        self.metadata.clone_from(&stay.metadata);
    }

    /// A session that was hidden is inside again from now on. One that seemed to have left never had.
    fn reopen(&mut self, end: i64, shown: &Shown) {
        let at = shown.at.as_millis();
        if self.left_why == Some(LeftWhy::Hidden) {
            begin(&mut self.spans.inside, at);
        } else {
            self.go_on_from(end);
        }
        self.left_at = None;
        self.exact = true;
        self.reason = None;
        self.left_told_by = None;
        self.left_why = None;
        // What it sends no longer had ended at the latest when it seemed to leave.
        for (spans, is_sent) in self.spans.media_mut(shown.media) {
            if !is_sent {
                finish(spans, end);
            }
        }
    }

    /// Lets go on what had ended at `end`, with the session.
    fn go_on_from(&mut self, end: i64) {
        for spans in self.spans.all_mut() {
            if let Some(last) = spans.last_mut().filter(|last| last.to == Some(end)) {
                last.to = None;
            }
        }
    }

    /// Takes over what it sends from `at` on.
    fn send(&mut self, media: Media, at: i64) {
        let at = self.spans.inside.last().map_or(at, |inside| inside.from.max(at));
        for (spans, is_sent) in self.spans.media_mut(media) {
            if is_sent { begin(spans, at) } else { finish(spans, at) }
        }
    }

    fn end(&mut self, left: &Left) {
        let begun = self.spans.inside.last().map_or(self.joined_at, |inside| inside.from);
        let end = left.at.at.as_millis().max(begun);
        if let Some(inside) = self.spans.inside.last_mut() {
            inside.to = Some(end);
        }
        for (spans, _) in self.spans.media_mut(Media::default()) {
            finish(spans, end);
            spans.retain(|span| span.from < end);
            for span in spans.iter_mut() {
                span.to = span.to.map(|to| to.min(end));
            }
        }
        self.left_at = Some(end);
        self.exact = left.at.exact;
        self.reason.clone_from(&left.reason);
        self.left_told_by = Some(left.told_by);
        self.left_why = Some(left.why);
    }
}

impl Spans {
    /// The spans of each kind of track, beside whether it is sent.
    fn media_mut(&mut self, media: Media) -> [(&mut Vec<Span>, bool); 3] {
        [
            (&mut self.microphone, media.microphone),
            (&mut self.camera, media.camera),
            (&mut self.screen, media.screen),
        ]
    }

    /// Joins spans over the shortest gaps between them, until there are not too many of any kind. Nothing is sent while nobody is
    /// inside, so those of tracks are joined only within one span inside.
    fn bound(&mut self) {
        let Self { inside, microphone, camera, screen } = self;
        while inside.len() > MAX_SPANS && join_nearest(inside, |_| true) {}
        let is_inside = |gap: Span| inside.iter().any(|span| span.contains(gap));
        for spans in [microphone, camera, screen] {
            while spans.len() > MAX_SPANS && join_nearest(spans, is_inside) {}
        }
    }

    fn all_mut(&mut self) -> [&mut Vec<Span>; 4] {
        [&mut self.inside, &mut self.microphone, &mut self.camera, &mut self.screen]
    }
}

/// Something goes on from `at`, if it did not before.
fn begin(spans: &mut Vec<Span>, at: i64) {
    match spans.last_mut() {
        Some(last) if last.to.is_none_or(|end| at <= end) => last.to = None,
        Some(_) | None => spans.push(Span::open(at)),
    }
}

/// What goes on ends at `at`.
fn finish(spans: &mut Vec<Span>, at: i64) {
    let Some(last) = spans.last_mut().filter(|last| last.to.is_none()) else { return };
    if at <= last.from {
        spans.pop();
    } else {
        last.to = Some(at);
    }
}
