//! The faults of a run: one after the other and several at a time, each healed after a while.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::sleep;

use crate::harness::{ApiFault, Direction, RedisServer, RoomService, TcpProxy};

use super::{
    balancer::{Balancer, BalancerFault},
    fixture::{Fixture, ROOMS},
    fleet::Instance,
    livekit::LiveKit,
};

/// In milliseconds.
const LOAD: Range<u64> = 10_000..20_000;
const BETWEEN_FAULTS: Range<u64> = 500..3_000;
/// The delay of a slow link, in each direction.
const SLOW: Duration = Duration::from_millis(100);
/// The fewest bytes that pass before a link is cut midway.
const MIDWAY_BYTES: u32 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Killed, and started again with the data it had acknowledged.
    RedisKilled,
    /// Killed, and started again empty.
    RedisLost,
    RedisStopped,
    RedisFlushed,
    ScriptsFlushed,
    /// All connections of an instance to Redis are cut.
    LinkCut,
    /// They are cut in the middle of a command or an answer.
    LinkCutMidway,
    LinkRefused,
    LinkSlow,
    /// Nothing arrives while the connections stay open; in the end everything arrives late.
    LinkSilent,
    InstanceKilled,
    InstanceRestarted,
    InstanceStopped,
    LiveKitCrashed,
    /// All connections of an instance to LiveKit's own Redis are cut.
    LiveKitsLinkCut,
    LiveKitsLinkCutMidway,
    LiveKitsLinkRefused,
    LiveKitsLinkSilent,
    /// LiveKit's own Redis is killed, and started again with the data it had acknowledged.
    LiveKitsRedisKilled,
    /// A value in a room is no message.
    LiveKitsValueUnreadable,
    ApiHangs,
    ApiFails,
    ApiRefuses,
    ApiLimits,
    WebhookAnswersLost,
    WebhooksHeldUp,
}

const ALL: [Fault; 26] = [
    Fault::RedisKilled,
    Fault::RedisLost,
    Fault::RedisStopped,
    Fault::RedisFlushed,
    Fault::ScriptsFlushed,
    Fault::LinkCut,
    Fault::LinkCutMidway,
    Fault::LinkRefused,
    Fault::LinkSlow,
    Fault::LinkSilent,
    Fault::InstanceKilled,
    Fault::InstanceRestarted,
    Fault::InstanceStopped,
    Fault::LiveKitCrashed,
    Fault::LiveKitsLinkCut,
    Fault::LiveKitsLinkCutMidway,
    Fault::LiveKitsLinkRefused,
    Fault::LiveKitsLinkSilent,
    Fault::LiveKitsRedisKilled,
    Fault::LiveKitsValueUnreadable,
    Fault::ApiHangs,
    Fault::ApiFails,
    Fault::ApiRefuses,
    Fault::ApiLimits,
    Fault::WebhookAnswersLost,
    Fault::WebhooksHeldUp,
];

/// What a fault affects. No two faults affect the same target at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Redis,
    /// The link between an instance and Redis.
    Link(usize),
    Instance(usize),
    LiveKit,
    /// The link between an instance and LiveKit's own Redis.
    LiveKitsLink(usize),
    LiveKitsRedis,
    Api,
    Balancer,
}

/// Chooses faults: each kind comes once before any comes again.
pub struct Faults {
    random: fastrand::Rng,
    instances: usize,
    /// The first of the instances, which read LiveKit's own Redis.
    readers: usize,
    deck: VecDeque<Fault>,
    busy: Arc<Mutex<BTreeSet<Target>>>,
}

/// A fault that has been chosen.
pub struct Dealt {
    fault: Fault,
    target: Target,
    time: Duration,
    /// Chooses among variants of the fault.
    choice: usize,
    busy: Arc<Mutex<BTreeSet<Target>>>,
}

impl Fault {
    /// The time that the fault lasts, in milliseconds.
    fn lasts(self) -> Range<u64> {
        match self {
            Self::RedisFlushed
            | Self::ScriptsFlushed
            | Self::LinkCut
            | Self::LiveKitsLinkCut
            | Self::InstanceRestarted => 0..1,
            // The cut waits until enough bytes pass.
            Self::LinkCutMidway | Self::LiveKitsLinkCutMidway => 1_000..2_000,
            Self::RedisKilled | Self::RedisLost | Self::LiveKitsRedisKilled => 0..6_000,
            Self::RedisStopped | Self::LinkSilent | Self::LiveKitsLinkSilent => 500..10_000,
            Self::LinkRefused
            | Self::LinkSlow
            | Self::LiveKitsLinkRefused
            | Self::LiveKitsValueUnreadable => 1_000..8_000,
            Self::InstanceKilled => 0..3_000,
            Self::InstanceStopped => 500..8_000,
            Self::LiveKitCrashed | Self::WebhookAnswersLost => 500..4_000,
            Self::ApiHangs | Self::ApiFails | Self::ApiRefuses => 1_000..9_000,
            Self::ApiLimits => 500..3_000,
            // Long enough, now and then, that LiveKit drops webhooks.
            Self::WebhooksHeldUp => 1_000..20_000,
        }
    }

    /// None if there is nothing that it could affect.
    fn target(
        self,
        instances: usize,
        readers: usize,
        random: &mut fastrand::Rng,
    ) -> Option<Target> {
        Some(match self {
            Self::RedisKilled
            | Self::RedisLost
            | Self::RedisStopped
            | Self::RedisFlushed
            | Self::ScriptsFlushed => Target::Redis,
            Self::LinkCut
            | Self::LinkCutMidway
            | Self::LinkRefused
            | Self::LinkSlow
            | Self::LinkSilent => Target::Link(random.usize(..instances)),
            Self::InstanceKilled | Self::InstanceRestarted | Self::InstanceStopped => {
                Target::Instance(random.usize(..instances))
            }
            Self::LiveKitCrashed => Target::LiveKit,
            Self::LiveKitsLinkCut
            | Self::LiveKitsLinkCutMidway
            | Self::LiveKitsLinkRefused
            | Self::LiveKitsLinkSilent => Target::LiveKitsLink(random.choice(0..readers)?),
            Self::LiveKitsRedisKilled | Self::LiveKitsValueUnreadable => Target::LiveKitsRedis,
            Self::ApiHangs | Self::ApiFails | Self::ApiRefuses | Self::ApiLimits => Target::Api,
            Self::WebhookAnswersLost | Self::WebhooksHeldUp => Target::Balancer,
        })
    }
}

impl Faults {
    pub fn new(random: fastrand::Rng, instances: usize, readers: usize) -> Self {
        Self { random, instances, readers, deck: VecDeque::new(), busy: Arc::default() }
    }

    /// The length of the next phase of load. Faults have their own random numbers, since the number of actions meanwhile
    /// depends on the machine.
    pub fn load_time(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(LOAD))
    }

    pub fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(BETWEEN_FAULTS))
    }

    /// The next fault whose target has none now; none if all that are left have.
    pub fn deal(&mut self) -> Option<Dealt> {
        if self.deck.is_empty() {
            let mut all = ALL;
            self.random.shuffle(&mut all);
            self.deck.extend(all);
        }
        for _ in 0..self.deck.len() {
            let fault = self.deck.pop_front()?;
            let target = fault.target(self.instances, self.readers, &mut self.random);
            let Some(target) = target else { continue };
            if self.busy.lock().unwrap().insert(target) {
                let time = Duration::from_millis(self.random.u64(fault.lasts()));
                let choice = self.random.usize(..4_000);
                return Some(Dealt { fault, target, time, choice, busy: Arc::clone(&self.busy) });
            }
            self.deck.push_back(fault);
        }
        None
    }
}

impl Dealt {
    /// Makes the fault happen, and heals it.
    pub async fn happen(self, fixture: Arc<Fixture>) {
        let Self { fault, target, time, .. } = &self;
        fixture.journal.count(format!("faults: {fault:?}"));
        fixture.journal.note(&format!("{fault:?} of {target:?} for {time:?}"));
        if matches!(fault, Fault::RedisLost | Fault::RedisFlushed) {
            fixture.snapshots.rooms_are_lost();
        }
        match target {
            Target::Redis => self.befall_redis(&mut *fixture.redis.lock().await).await,
            Target::Link(number) => self.befall_link(&fixture.links[*number]).await,
            Target::Instance(number) => {
                self.befall_instance(&fixture.fleet.instances()[*number]).await;
            }
            Target::LiveKit => {
                fixture.livekit.crash();
                sleep(*time).await;
                fixture.livekit.start_again();
            }
            Target::LiveKitsLink(number) => {
                self.befall_link(&fixture.livekits_links[*number]).await;
            }
            Target::LiveKitsRedis => {
                let mut redis = fixture.livekits_redis.lock().await;
                self.befall_livekits_redis(&mut redis, &fixture.livekit).await;
            }
            Target::Api => self.befall_api(&fixture.api).await,
            Target::Balancer => self.befall_balancer(&fixture.balancer).await,
        }
        fixture.journal.note(&format!("{fault:?} of {target:?} is over"));
    }

    async fn befall_redis(&self, redis: &mut RedisServer) {
        match self.fault {
            Fault::RedisFlushed => drop(redis.ask(&["FLUSHALL"]).await),
            Fault::ScriptsFlushed => drop(redis.ask(&["SCRIPT", "FLUSH"]).await),
            Fault::RedisStopped => {
                redis.pause();
                sleep(self.time).await;
                redis.resume();
            }
            fault => {
                redis.kill().await;
                sleep(self.time).await;
                if fault == Fault::RedisLost {
                    redis.lose_data();
                }
                redis.start_again().await;
            }
        }
    }

    async fn befall_link(&self, link: &TcpProxy) {
        match self.fault {
            Fault::LinkCutMidway | Fault::LiveKitsLinkCutMidway => {
                let direction = [Direction::ToServer, Direction::FromServer][self.choice % 2];
                link.cut_after(direction, MIDWAY_BYTES + u32::try_from(self.choice).unwrap());
                sleep(self.time).await;
                // Too few bytes may have passed until now.
                link.cut();
            }
            Fault::LinkRefused | Fault::LiveKitsLinkRefused => {
                link.refuse();
                sleep(self.time).await;
                link.accept();
            }
            Fault::LinkSlow => {
                link.delay(SLOW);
                sleep(self.time).await;
                link.delay(Duration::ZERO);
            }
            Fault::LinkSilent | Fault::LiveKitsLinkSilent => {
                link.black_hole();
                sleep(self.time).await;
                link.remember();
            }
            _ => link.cut(),
        }
    }

    async fn befall_livekits_redis(&self, redis: &mut RedisServer, livekit: &LiveKit) {
        if self.fault == Fault::LiveKitsValueUnreadable {
            let room = self.choice % ROOMS;
            livekit.set_readable(room, false);
            sleep(self.time).await;
            livekit.set_readable(room, true);
            return;
        }
        let mut kept = livekit.lose_redis();
        redis.kill().await;
        sleep(self.time).await;
        redis.start_again().await;
        kept.connect_again(&redis.url());
        livekit.find_redis(kept);
    }

    async fn befall_instance(&self, instance: &Instance) {
        match self.fault {
            Fault::InstanceKilled => instance.die_for(self.time).await,
            Fault::InstanceStopped => instance.stop_for(self.time).await,
            _ => instance.restart().await,
        }
    }

    async fn befall_api(&self, api: &RoomService) {
        api.set_fault(match self.fault {
            Fault::ApiHangs => ApiFault::Hangs,
            Fault::ApiFails => ApiFault::Fails,
            Fault::ApiLimits => ApiFault::Limits(2),
            _ => ApiFault::Refuses,
        });
        sleep(self.time).await;
        api.set_fault(ApiFault::None);
    }

    async fn befall_balancer(&self, balancer: &Balancer) {
        balancer.set_fault(match self.fault {
            Fault::WebhookAnswersLost => BalancerFault::LosesAnswers,
            _ => BalancerFault::Refuses,
        });
        sleep(self.time).await;
        balancer.set_fault(BalancerFault::None);
    }
}

impl Drop for Dealt {
    fn drop(&mut self) {
        self.busy.lock().unwrap().remove(&self.target);
    }
}
