//! A running scenario: LiveKit, the service, its subscribers and the people in a room.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::{
    Process, RedisSentinels, RedisServer, TcpProxy, WAIT_TIMEOUT, free_port, last_lines, patiently,
    wire,
};

use super::{
    Api, Client, Guest, Person,
    clients::Called,
    deliveries::Delivery,
    driver::Driver,
    fault_proxy::FaultProxy,
    livekit_server::{Key, LiveKitServer, Settings},
    machine_share::MachineShare,
    moderator::Moderator,
    redises::Redises,
    report::{Meanwhile, Right, print},
    service::ServiceSettings,
    tools::{Tools, say},
    watch::Watch,
};

/// The room of a scenario that needs only one.
pub const ROOM: &str = "general";

/// If LiveKit does not know of a leave after this time, the SDK has not told it.
const UNTOLD: Duration = Duration::from_secs(4);

/// What a scenario needs.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that a scenario has or has not")]
pub struct Plan {
    pub scenario: &'static str,
    /// Whether LiveKit keeps its rooms in a Redis, which outlives it.
    pub redis: bool,
    /// Whether the service reads LiveKit's Redis. Then its own store is in another one, so that it can have more instances.
    pub reads_redis: bool,
    /// Whether the test breaks LiveKit's Redis: then it keeps its data on disk, and the service reaches it by a link that can be
    /// cut.
    pub breaks_redis: bool,
    /// Whether LiveKit's Redis is behind Sentinels, which the service asks too.
    pub sentinels: bool,
    pub psrpc_lists: bool,
    /// Whether LiveKit lets the API unmute tracks.
    pub remote_unmute: bool,
    /// Whether webhooks go straight to the service, without the fault proxy.
    pub without_proxy: bool,
    /// Whether no other scenario may run meanwhile.
    pub alone: bool,
    /// Whether the service has a database, and so rosters.
    pub roster: bool,
}

impl Plan {
    pub fn named(scenario: &'static str) -> Self {
        Self {
            scenario,
            redis: false,
            reads_redis: false,
            breaks_redis: false,
            sentinels: false,
            psrpc_lists: false,
            remote_unmute: true,
            without_proxy: false,
            alone: false,
            roster: false,
        }
    }

    /// Starts everything once the machine has room for it. None where the programs are not installed.
    pub async fn start(self) -> Option<Scenario> {
        let tools = Tools::find(self.scenario)?;
        let place = MachineShare::take(self.alone).await;
        let service_port = free_port();
        let redises = Redises::start(&self).await;
        let proxy = FaultProxy::start(service_port).await;
        let settings = Settings {
            redis: redises.for_livekit(),
            psrpc_lists: self.psrpc_lists,
            remote_unmute: self.remote_unmute,
            webhook_key: Key::First,
            webhook_url: self.webhook_url(service_port, &proxy),
        };
        let (livekit, driver) =
            tokio::join!(LiveKitServer::start(&tools, settings), Driver::start(&tools));
        let redis_url = redises.url().filter(|_| self.reads_redis);
        let settings = ServiceSettings::new(livekit.port, self.roster, redis_url).await;
        let service = settings.start(service_port).await;
        let watch = Watch::open(service_port, ROOM);
        let scenario = Scenario {
            plan: self,
            livekit,
            proxy,
            watch,
            opened_at: Instant::now(),
            acted_at: Instant::now(),
            service: Some(service),
            service_port,
            service_settings: settings,
            driver,
            tools,
            redis: redises.server,
            redis_link: redises.link,
            sentinels: redises.sentinels,
            _place: place,
        };
        patiently("the subscriber's first list", async || scenario.watch.seen().is_open).await;
        Some(scenario)
    }

    fn webhook_url(&self, service_port: u16, proxy: &FaultProxy) -> String {
        let port = if self.without_proxy { service_port } else { proxy.port };
        format!("http://127.0.0.1:{port}/api/livekit/webhook")
    }
}

/// The programs and people of a scenario.
pub struct Scenario {
    pub livekit: LiveKitServer,
    pub proxy: FaultProxy,
    /// The subscriber of [`ROOM`].
    pub watch: Watch,
    plan: Plan,
    opened_at: Instant,
    /// When the scenario last did something that subscribers must see.
    acted_at: Instant,
    service: Option<Process>,
    service_port: u16,
    service_settings: ServiceSettings,
    driver: Arc<Driver>,
    tools: Tools,
    /// LiveKit's Redis.
    pub redis: Option<RedisServer>,
    /// Between the service and LiveKit's Redis, where a test breaks that.
    pub redis_link: Option<TcpProxy>,
    /// LiveKit's Redis, where it is behind Sentinels.
    pub sentinels: Option<RedisSentinels>,
    _place: MachineShare,
}

impl Scenario {
    pub fn api(&self) -> Api {
        self.livekit.api()
    }

    /// Starts the time that is counted until subscribers are right.
    pub fn acts(&mut self) {
        self.acted_at = Instant::now();
    }

    /// Has clients leave at the same time, and starts the time that is counted. Now and then the SDK closes its socket before
    /// its leave is written; then the time counts from when LiveKit has found out, as it does of the dead.
    pub async fn leave(&mut self, clients: &[&Client]) {
        let leaving = truth(Inside::These(clients)).await.unwrap();
        self.acts();
        join_all(clients.iter().map(|client| client.leave())).await;
        let is_inside = async |one: &Person| {
            let room = self.api().list_participants(&clients[0].room).await;
            room.people().is_ok_and(|people| people.iter().any(|listed| listed.sid == one.sid))
        };
        for one in leaving {
            patiently("LiveKit to know of a leave", async || !is_inside(&one).await).await;
        }
        if self.acted_at.elapsed() > UNTOLD {
            say(&format!("{}: the SDK did not tell LiveKit of a leave", self.plan.scenario));
            self.acts();
        }
    }

    /// Where the service listens.
    pub fn service_address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.service_port).into()
    }

    /// Somebody with an identity and nothing else.
    pub fn guest(identity: &str) -> Guest {
        Guest { identity: identity.to_owned(), room: ROOM.to_owned(), ..Guest::default() }
    }

    /// Has somebody join [`ROOM`].
    pub async fn join(&self, identity: &str) -> Client {
        self.join_as(Self::guest(identity)).await
    }

    pub async fn join_as(&self, guest: Guest) -> Client {
        self.try_join(&guest).await.unwrap().0
    }

    pub async fn try_join(&self, guest: &Guest) -> Result<(Client, Called), String> {
        Client::join(&self.driver, &self.livekit.url(), guest).await
    }

    /// Has somebody join [`ROOM`] in a process of their own, so that they can die alone.
    pub async fn join_apart(&self, identity: &str) -> Client {
        let driver = self.new_driver().await;
        Client::join(&driver, &self.livekit.url(), &Self::guest(identity)).await.unwrap().0
    }

    /// Starts another process of clients.
    pub async fn new_driver(&self) -> Arc<Driver> {
        Driver::start(&self.tools).await
    }

    /// Kills the service, which forgets everything and cuts off its subscribers.
    pub async fn kill_service(&mut self) {
        let mut service = self.service.take().expect("it runs");
        service.signal("KILL");
        service.ended().await;
    }

    pub async fn start_service(&mut self) {
        self.service = Some(self.service_settings.start(self.service_port).await);
    }

    /// Starts another instance, which has the same store.
    pub async fn another_service(&self) -> Process {
        self.service_settings.start(free_port()).await
    }

    /// Somebody who moderates [`ROOM`] through the service.
    pub fn moderator(&self, identity: &str) -> Moderator {
        Moderator::of(self.service_port, ROOM, identity)
    }

    /// Lets time pass, where a scenario is about that.
    pub async fn time_passes(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Opens the stream of another room.
    pub fn watch_room(&self, room: &str) -> Watch {
        Watch::open(self.service_port, room)
    }

    /// Waits until the stream and a GET of [`ROOM`] both show exactly the clients inside, as these describe themselves, and
    /// prints how long that took.
    pub async fn becomes_right(&self, what: &str, inside: &[&Client], within: Duration) {
        let watched = Watched { room: ROOM, watch: &self.watch };
        let (right_after, meanwhile) =
            self.wait_until_right(watched, Inside::These(inside), within).await;
        print(&self.line(what), Right::After(right_after), &meanwhile);
    }

    /// As [`Self::becomes_right`], without printing: the scenario begins or goes on from here.
    pub async fn settles(&self, inside: &[&Client]) {
        let watched = Watched { room: ROOM, watch: &self.watch };
        self.wait_until_right(watched, Inside::These(inside), WAIT_TIMEOUT).await;
    }

    /// As [`Self::becomes_right`], for any room. Returns how long it took, and what LiveKit's own list said.
    pub async fn wait_until_right(
        &self,
        watched: Watched<'_>,
        inside: Inside<'_>,
        within: Duration,
    ) -> (Duration, String) {
        let meanwhile = Meanwhile::watch(self.api(), watched.room);
        let deadline = Instant::now() + within;
        let mut get_lagged = false;
        loop {
            let truth = truth(inside).await;
            let got = self.read(watched.room).await;
            if let Ok(truth) = &truth
                && let Some(shown_since) = watched.watch.right_since(truth)
            {
                if got.as_ref() == Ok(truth) {
                    let right_at = if get_lagged { Instant::now() } else { shown_since };
                    let right_after = right_at.saturating_duration_since(self.acted_at);
                    return (right_after, meanwhile.in_words(truth, self.acted_at).await);
                }
                get_lagged = true;
            }
            if Instant::now() >= deadline {
                let known = truth.clone().unwrap_or_default();
                let livekit = meanwhile.in_words(&known, self.acted_at).await;
                panic!(
                    "{}: subscribers of {} are not right after {within:?}\ninside: {truth:#?}\nthe \
                     stream shows: {:#?}\nGET shows: {got:#?}\nLiveKit's own list: {livekit}\n{}",
                    self.plan.scenario,
                    watched.room,
                    watched.watch.seen().frames.last(),
                    self.story(),
                );
            }
            watched.watch.changed_within(Duration::from_millis(50)).await;
        }
    }

    /// Checks that during this time each frame shows exactly the clients inside, and a GET after it, too.
    pub async fn stays_right(&self, what: &str, inside: &[&Client], time: Duration) {
        let meanwhile = Meanwhile::watch(self.api(), ROOM);
        let truth = truth(Inside::These(inside)).await.unwrap();
        let count = self.watch.frame_count();
        let wrong = self.watch.frame(count, time, |frame| frame.people != truth).await;
        assert!(wrong.is_none(), "{}: {wrong:#?}, but inside are {truth:#?}", self.line(what));
        assert_eq!(self.read(ROOM).await.as_ref(), Ok(&truth), "{}", self.line(what));
        let words = meanwhile.in_words(&truth, self.acted_at).await;
        print(&self.line(what), Right::Throughout(time), &words);
    }

    /// Prints a result that the test has measured itself.
    pub fn reports(&self, what: &str, right_after: Duration, meanwhile: &str) {
        print(&self.line(what), Right::After(right_after), meanwhile);
    }

    /// The people that a GET of a room shows.
    pub async fn read(&self, room: &str) -> Result<Vec<Person>, String> {
        let target = format!("/api/livekit/participants?room={room}");
        match wire::get(self.service_port, &target).await {
            Ok((200, body)) => {
                let list: Value = serde_json::from_slice(&body).unwrap();
                Ok(Person::read_all(list.as_array().unwrap()))
            }
            Ok((status, body)) => Err(format!("{status} {}", String::from_utf8_lossy(&body))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn line(&self, what: &str) -> String {
        if what.is_empty() {
            return self.plan.scenario.to_owned();
        }
        format!("{}: {what}", self.plan.scenario)
    }

    /// The webhooks and logs so far, to explain a failure.
    pub fn story(&self) -> String {
        let webhooks = self.proxy.deliveries().all();
        let webhooks = webhooks.iter().map(|one| {
            let at = one.at.duration_since(self.opened_at).as_secs_f64();
            let Delivery { event, room, identity, sid, answered, .. } = one;
            format!("{at:8.2} s {event} {room} {identity} {sid} {answered:?}")
        });
        let webhooks: Vec<_> = webhooks.collect();
        let acted_at = self.acted_at.duration_since(self.opened_at).as_secs_f64();
        let log = self.service.as_ref().map(Process::log).unwrap_or_default();
        format!(
            "last act: {acted_at:.2} s\nwebhooks:\n{}\nthe service's log:\n{}\nLiveKit's log:\n{}",
            webhooks.join("\n"),
            last_lines(log.lines(), 30),
            self.livekit.last_words(30)
        )
    }
}

/// A room and its subscriber.
#[derive(Clone, Copy)]
pub struct Watched<'a> {
    pub room: &'a str,
    pub watch: &'a Watch,
}

/// The clients that a room's subscribers must be shown.
#[derive(Clone, Copy)]
pub enum Inside<'a> {
    /// All of these.
    These(&'a [&'a Client]),
    /// Those of these that have not given up. A client may take its time to notice that LiveKit is gone, and then give up.
    Of(&'a [&'a Client]),
}

/// The clients inside as they describe themselves; an error names one that is not connected.
async fn truth(inside: Inside<'_>) -> Result<Vec<Person>, String> {
    let (Inside::These(clients) | Inside::Of(clients)) = inside;
    let mut people = Vec::new();
    for client in clients {
        match client.person().await {
            Some(person) => people.push(person),
            None if matches!(inside, Inside::Of(_)) && client.has_given_up().await => {}
            None => return Err(format!("{} is not connected", client.identity)),
        }
    }
    people.sort();
    Ok(people)
}
