//! What goes wrong, one thing after the other and several at a time, each healed after a while.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::sleep;

use crate::harness::ApiMood;

use super::{balancer::BalancerMood, run::Stage};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    InstanceKilled,
    InstanceRestarted,
    InstanceStopped,
    LiveKitCrashed,
    ApiHangs,
    ApiFails,
    ApiRefuses,
    ApiLimits,
    WebhookAnswersLost,
    WebhooksHeldUp,
}

const ALL: [Fault; 10] = [
    Fault::InstanceKilled,
    Fault::InstanceRestarted,
    Fault::InstanceStopped,
    Fault::LiveKitCrashed,
    Fault::ApiHangs,
    Fault::ApiFails,
    Fault::ApiRefuses,
    Fault::ApiLimits,
    Fault::WebhookAnswersLost,
    Fault::WebhooksHeldUp,
];

/// What a fault befalls. Two at a time befall nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Instance(usize),
    LiveKit,
    Api,
    Balancer,
}

/// Deals faults: each kind comes once before any comes again.
pub struct Faults {
    random: fastrand::Rng,
    deck: VecDeque<Fault>,
    busy: Arc<Mutex<BTreeSet<Target>>>,
}

/// A fault that is about to happen.
pub struct Dealt {
    fault: Fault,
    target: Target,
    time: Duration,
    busy: Arc<Mutex<BTreeSet<Target>>>,
}

impl Fault {
    /// How long it lasts, in milliseconds.
    fn lasts(self) -> Range<u64> {
        match self {
            Self::InstanceRestarted => 0..1,
            Self::InstanceKilled => 0..3_000,
            Self::InstanceStopped => 500..8_000,
            Self::LiveKitCrashed => 500..4_000,
            Self::ApiHangs | Self::ApiFails | Self::ApiRefuses => 1_000..9_000,
            Self::ApiLimits => 500..3_000,
            Self::WebhookAnswersLost => 500..4_000,
            // Sometimes so long that LiveKit gives webhooks up.
            Self::WebhooksHeldUp => 1_000..20_000,
        }
    }

    fn target(self, instances: usize, random: &mut fastrand::Rng) -> Target {
        match self {
            Self::InstanceKilled | Self::InstanceRestarted | Self::InstanceStopped => {
                Target::Instance(random.usize(..instances))
            }
            Self::LiveKitCrashed => Target::LiveKit,
            Self::ApiHangs | Self::ApiFails | Self::ApiRefuses | Self::ApiLimits => Target::Api,
            Self::WebhookAnswersLost | Self::WebhooksHeldUp => Target::Balancer,
        }
    }
}

impl Faults {
    pub fn new(random: fastrand::Rng) -> Self {
        Self { random, deck: VecDeque::new(), busy: Arc::default() }
    }

    /// The next that befalls something which is well; none where all that is left befalls what is not.
    pub fn deal(&mut self, instances: usize) -> Option<Dealt> {
        if self.deck.is_empty() {
            let mut all = ALL;
            self.random.shuffle(&mut all);
            self.deck.extend(all);
        }
        for _ in 0..self.deck.len() {
            let fault = self.deck.pop_front()?;
            let target = fault.target(instances, &mut self.random);
            if self.busy.lock().unwrap().insert(target) {
                let time = Duration::from_millis(self.random.u64(fault.lasts()));
                return Some(Dealt { fault, target, time, busy: Arc::clone(&self.busy) });
            }
            self.deck.push_back(fault);
        }
        None
    }
}

impl Dealt {
    /// Lets it happen, and heals it.
    pub async fn happen(self, stage: Arc<Stage>) {
        let Stage { journal, livekit, api, balancer, .. } = &*stage;
        let Self { fault, target, time, .. } = &self;
        journal.note(&format!("{fault:?} ({target:?}) for {time:?}"));
        journal.count(format!("faults: {fault:?}"));
        match fault {
            Fault::InstanceKilled => self.instance(&stage).die_for(*time).await,
            Fault::InstanceRestarted => self.instance(&stage).restart().await,
            Fault::InstanceStopped => self.instance(&stage).stop_for(*time).await,
            Fault::LiveKitCrashed => {
                livekit.crash();
                sleep(*time).await;
                livekit.start_again();
            }
            Fault::ApiHangs | Fault::ApiFails | Fault::ApiRefuses | Fault::ApiLimits => {
                api.set(match fault {
                    Fault::ApiHangs => ApiMood::Hangs,
                    Fault::ApiFails => ApiMood::Fails,
                    Fault::ApiLimits => ApiMood::Limits(2),
                    _ => ApiMood::Refuses,
                });
                sleep(*time).await;
                api.set(ApiMood::Works);
            }
            Fault::WebhookAnswersLost | Fault::WebhooksHeldUp => {
                balancer.set(match fault {
                    Fault::WebhookAnswersLost => BalancerMood::LosesAnswers,
                    _ => BalancerMood::Refuses,
                });
                sleep(*time).await;
                balancer.set(BalancerMood::Works);
            }
        }
        journal.note(&format!("{fault:?} ({target:?}) is over"));
    }

    fn instance<'stage>(&self, stage: &'stage Stage) -> &'stage super::fleet::Instance {
        let Target::Instance(number) = self.target else { unreachable!("it befalls an instance") };
        &stage.fleet.instances()[number]
    }
}

impl Drop for Dealt {
    fn drop(&mut self) {
        self.busy.lock().unwrap().remove(&self.target);
    }
}
