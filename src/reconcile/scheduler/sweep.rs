//! A sweep: compares all rooms, because nobody knows what was missed. One instance at a time does it, and skips rooms that
//! another has compared since.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tracing::info;

use crate::{
    abort_on_panic,
    coordination::Lease,
    presence::RoomName,
    reconcile::{context::Context, failure::Failure},
    store::StoreError,
};

/// Rooms that are compared under one lease. After them another instance may go on.
const ROOMS_AT_ONCE: usize = 32;
/// The lease ends after this time, and an instance waits no longer than this for its rooms.
const LEASE_TIME: Duration = Duration::from_secs(20);
/// An instance that waits for the holder of the lease looks again after this time.
const LOOK_AGAIN_DELAY: Duration = Duration::from_millis(500);

/// Has all known rooms compared, if that is wanted.
pub fn start_if_due(context: &Arc<Context>) {
    let mut schedule = context.schedule();
    let now = Instant::now();
    if schedule.refusals.look(now) {
        schedule.sweep.want(now);
    }
    let Some(wanted_at) = schedule.sweep.begin(now) else { return };
    let context = Arc::clone(context);
    let sweeping = async move {
        let swept = sweep(&context, wanted_at).await;
        let mut schedule = context.schedule();
        schedule.sweep.end(Instant::now());
        // Webhooks are lost as long as the store cannot be reached.
        if swept.is_err() {
            schedule.sweep.want(wanted_at);
        }
        drop(schedule);
        context.wake.notify_one();
    };
    tokio::spawn(abort_on_panic::task("a sweep of all rooms", sweeping));
}

async fn sweep(context: &Context, wanted_at: Instant) -> Result<(), Failure> {
    let mut rooms: Vec<_> =
        context.store.rooms().await?.into_iter().map(|room| room.name).collect();
    // The store does not hold watched rooms in which nobody is known to be.
    context.schedule().suspect_watched(wanted_at);
    let all = rooms.len();
    while !rooms.is_empty() {
        let Some(held) = context.peers.lease(&Lease::Sweep, LEASE_TIME).await? else {
            sleep(LOOK_AGAIN_DELAY).await;
            continue;
        };
        let swept = sweep_some(context, &mut rooms, wanted_at).await;
        // If this fails the lease ends by itself.
        let _ = context.peers.release(&Lease::Sweep, held).await;
        swept?;
    }
    if all > 0 {
        info!(
            rooms = all,
            "compared every room that had not been compared since with LiveKit's list"
        );
    }
    Ok(())
}

/// Has the next few rooms compared that nobody has compared since, and waits for that.
async fn sweep_some(
    context: &Context,
    rooms: &mut Vec<RoomName>,
    wanted_at: Instant,
) -> Result<(), StoreError> {
    let mut some = Vec::new();
    while some.len() < ROOMS_AT_ONCE
        && let Some(room) = rooms.pop()
    {
        if !is_compared_since(context, &room, wanted_at).await? {
            some.push(room);
        }
    }
    {
        let mut schedule = context.schedule();
        for room in &some {
            schedule.suspect(room, wanted_at);
        }
        schedule.sweeping.extend(some);
    }
    context.wake.notify_one();
    let _ = timeout(LEASE_TIME, until_swept(context)).await;
    context.schedule().sweeping.clear();
    Ok(())
}

async fn until_swept(context: &Context) {
    loop {
        let swept = context.swept.notified();
        if context.schedule().sweeping.is_empty() {
            return;
        }
        swept.await;
    }
}

async fn is_compared_since(
    context: &Context,
    room: &RoomName,
    wanted_at: Instant,
) -> Result<bool, StoreError> {
    let Some(position) = context.store.position(room).await? else { return Ok(true) };
    Ok(position.compared_at >= context.store.now().await? - wanted_at.elapsed())
}
