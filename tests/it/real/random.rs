//! Random actions of everybody: in the end subscribers see exactly the people inside.
//!
//! It runs for three minutes, or for `REAL_RANDOM_SECS`. The seed is printed, and `REAL_RANDOM_SEED` repeats its actions,
//! though LiveKit and the clients take their own time.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::scenario::{
    Client, Driver, Guest, Inside, Plan, Scenario, Source, Watch, Watched, WebhookFault, say,
};

const ROOMS: [&str; 4] = ["amber", "birch", "cedar", "dune"];

/// Few, so that the same people come back, sometimes while they are still inside.
const IDENTITIES: usize = 16;

/// The clients that two cores carry beside LiveKit.
const MAX_INSIDE: usize = 24;

/// The time that a ghost may take, with a margin for a busy machine.
const CALM: Duration = Duration::from_secs(90);

/// A client that takes longer to answer is left alone.
const UNANSWERED: Duration = Duration::from_secs(3);

#[tokio::test]
async fn whatever_happens_subscribers_equal_the_people_inside() {
    let plan = Plan { redis: true, ..Plan::named("random") };
    let Some(scenario) = plan.start().await else { return };
    let seed = from_environment("REAL_RANDOM_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(from_environment("REAL_RANDOM_SECS").unwrap_or(180));
    say(&format!("random: REAL_RANDOM_SEED={seed} for {time:?}"));
    let mut run = Run::begin(scenario, seed).await;
    let end = Instant::now() + time;
    while Instant::now() < end {
        run.act().await;
        run.scenario.time_passes(Duration::from_millis(run.random.u64(0..400))).await;
    }
    run.end().await;
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

struct Run {
    scenario: Scenario,
    random: fastrand::Rng,
    watches: Vec<Watch>,
    /// Processes of clients that can be killed.
    drivers: [Arc<Driver>; 2],
    /// Everybody who came and did not leave. Those who are gone are removed when the list is full.
    clients: Vec<Client>,
    /// The end of the fault that webhooks meet.
    bad_until: Option<Instant>,
    began_at: Instant,
    actions: usize,
}

/// The actions with their weights, which are percentages.
const ACTIONS: [(Action, usize); 12] = [
    (Action::Join, 42),
    (Action::Kill, 2),
    (Action::SpoilWebhooks, 7),
    (Action::RestartService, 2),
    (Action::CrashLiveKit, 1),
    (Action::Of(Deed::Leave), 10),
    (Action::Of(Deed::Publish), 14),
    (Action::Of(Deed::Unpublish), 6),
    (Action::Of(Deed::Mute), 4),
    (Action::Of(Deed::Reconnect), 4),
    (Action::Of(Deed::BeRemoved), 4),
    (Action::Of(Deed::BeChanged), 4),
];

#[derive(Clone, Copy, Debug)]
enum Action {
    Join,
    Kill,
    SpoilWebhooks,
    RestartService,
    CrashLiveKit,
    Of(Deed),
}

/// An action of somebody inside, or one that happens to them.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Leave,
    Publish,
    Unpublish,
    Mute,
    Reconnect,
    BeRemoved,
    BeChanged,
}

impl Run {
    async fn begin(scenario: Scenario, seed: u64) -> Self {
        let drivers = [scenario.new_driver().await, scenario.new_driver().await];
        Self {
            watches: ROOMS.map(|room| scenario.watch_room(room)).into(),
            random: fastrand::Rng::with_seed(seed),
            drivers,
            clients: Vec::new(),
            bad_until: None,
            began_at: Instant::now(),
            actions: 0,
            scenario,
        }
    }

    /// Does one action.
    async fn act(&mut self) {
        if self.bad_until.is_some_and(|until| Instant::now() > until) {
            self.scenario.proxy.set_fault(WebhookFault::None);
            self.bad_until = None;
        }
        let action = self.choose();
        self.actions += 1;
        println!("{:6.2} s {action:?}", self.began_at.elapsed().as_secs_f64());
        match action {
            Action::Join => self.join().await,
            Action::Kill => self.kill().await,
            Action::SpoilWebhooks => self.spoil_webhooks(),
            Action::RestartService => self.restart_service().await,
            Action::CrashLiveKit => self.crash_livekit().await,
            Action::Of(deed) => self.somebody_does(deed).await,
        }
    }

    /// An action may be impossible just now; that is part of the run. So is an SDK that never answers, as it does when the
    /// connection changes under the call.
    async fn somebody_does(&mut self, deed: Deed) {
        let index = self.random.usize(..self.clients.len().max(1));
        let Some(client) = self.clients.get(index).cloned() else { return };
        let done = tokio::time::timeout(UNANSWERED, self.does(&client, deed)).await;
        println!("         {} in {}: {done:?}", client.identity, client.room);
        if matches!((deed, done), (Deed::Leave, Ok(Ok(())))) {
            self.clients.swap_remove(index);
        }
    }

    async fn does(&mut self, client: &Client, deed: Deed) -> Result<(), String> {
        let api = self.scenario.api();
        match deed {
            Deed::Leave => client.try_leave().await.map(drop),
            Deed::Publish => {
                let sources = [Source::Microphone, Source::Camera, Source::ScreenShare];
                client.try_publish(sources[self.random.usize(..sources.len())]).await.map(drop)
            }
            Deed::Unpublish => client.try_unpublish(&a_track(client).await?).await,
            Deed::Mute => {
                client.try_mute(&a_track(client).await?, self.random.bool()).await.map(drop)
            }
            Deed::Reconnect => {
                let ways = ["resume", "full-reconnect", "node-failure", "migration"];
                client.try_simulate(ways[self.random.usize(..ways.len())]).await
            }
            Deed::BeRemoved => {
                api.remove_participant(&client.room, &client.identity).await;
                Ok(())
            }
            Deed::BeChanged => {
                let update = json!({"metadata": self.random.u32(..100).to_string()});
                api.update_participant(&client.room, &client.identity, update).await;
                Ok(())
            }
        }
    }

    fn choose(&mut self) -> Action {
        let hundred = ACTIONS.iter().map(|(_, weight)| weight).sum::<usize>();
        let mut number = self.random.usize(..hundred);
        for (action, weight) in ACTIONS {
            if number < weight {
                return action;
            }
            number -= weight;
        }
        unreachable!("the number is less than all weights together");
    }

    async fn join(&mut self) {
        let guest = Guest {
            identity: format!("guest-{}", self.random.usize(..IDENTITIES)),
            room: ROOMS[self.random.usize(..ROOMS.len())].to_owned(),
            ..Guest::default()
        };
        let driver = self.random.usize(..self.drivers.len());
        if self.clients.len() >= MAX_INSIDE {
            self.forget_the_gone().await;
        }
        if self.clients.len() < MAX_INSIDE {
            let url = self.scenario.livekit.url();
            let joined = Client::join(&self.drivers[driver], &url, &guest).await;
            self.clients.extend(joined.ok().map(|(client, _)| client));
        }
    }

    /// Drops clients that are dead, removed, or replaced by another of their identity.
    async fn forget_the_gone(&mut self) {
        for client in std::mem::take(&mut self.clients) {
            if client.state().await.is_some_and(|state| state["state"] != "disconnected") {
                self.clients.push(client);
            }
        }
    }

    /// Kills a process of clients with everybody in it.
    async fn kill(&mut self) {
        let index = self.random.usize(..self.drivers.len());
        let driver = self.scenario.new_driver().await;
        std::mem::replace(&mut self.drivers[index], driver).kill().await;
    }

    fn spoil_webhooks(&mut self) {
        let faults = [
            WebhookFault::Refuse(503),
            WebhookFault::Refuse(500),
            WebhookFault::Close,
            WebhookFault::LoseAnswer,
            WebhookFault::Swallow,
            WebhookFault::Delay(Duration::from_millis(500)),
        ];
        self.scenario.proxy.set_fault(faults[self.random.usize(..faults.len())]);
        let time = Duration::from_millis(self.random.u64(500..10_000));
        self.bad_until = Some(Instant::now() + time);
    }

    async fn restart_service(&mut self) {
        self.scenario.kill_service().await;
        self.scenario.time_passes(Duration::from_millis(self.random.u64(0..3_000))).await;
        self.scenario.start_service().await;
    }

    async fn crash_livekit(&mut self) {
        self.scenario.livekit.kill().await;
        self.scenario.livekit.start_again().await;
    }

    /// Ends all faults, waits until clients have settled, and compares everything. Somebody joins half of the rooms; in the
    /// others the dead must be found without that.
    async fn end(mut self) {
        self.scenario.proxy.set_fault(WebhookFault::None);
        self.forget_the_gone().await;
        self.scenario.acts();
        for (index, room) in ROOMS.into_iter().cycle().step_by(2).take(6).enumerate() {
            let identity = format!("latecomer-{index}");
            let guest = Guest { identity, room: room.to_owned(), ..Guest::default() };
            self.clients.push(self.scenario.join_as(guest).await);
        }
        let mut slowest = Duration::ZERO;
        let (mut meanwhile, mut people) = (Vec::new(), 0);
        for (room, watch) in ROOMS.into_iter().zip(&self.watches) {
            let here: Vec<_> = self.clients.iter().filter(|one| one.room == room).collect();
            let watched = Watched { room, watch };
            let (time, words) =
                self.scenario.wait_until_right(watched, Inside::Of(&here), CALM).await;
            for client in here {
                people += usize::from(client.person().await.is_some());
            }
            slowest = slowest.max(time);
            meanwhile.push(format!("{room}: {words}"));
        }
        let actions = self.actions;
        self.scenario.reports(
            &format!("{actions} actions, {people} inside at the end"),
            slowest,
            &meanwhile.join("; "),
        );
    }
}

async fn a_track(client: &Client) -> Result<String, String> {
    let me = client.person().await.ok_or("not connected")?;
    me.tracks.into_keys().next().ok_or_else(|| "no track".to_owned())
}
