//! A task that wakes itself while it runs goes on at once.
//!
//! hyper wakes its own task when it hands on a part of a request's body. tokio takes that for a wish to let others run: it puts the
//! task behind all others, and wakes another thread that might take it, which costs more than the whole request.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// How often a task goes on in a row before others have their turn.
const MAX_IN_A_ROW: usize = 16;

/// Wakes a task, unless it runs: then it only goes on.
#[derive(Default)]
struct Relay {
    task: AtomicWaker,
    runs: AtomicBool,
    goes_on: AtomicBool,
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order: a task that has just stopped running either sees this, or is woken.
        self.goes_on.store(true, Ordering::SeqCst);
        if !self.runs.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

/// Runs what may wake itself.
pub(super) async fn going_on_at_once<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let relay = Arc::new(Relay::default());
    let waker = Waker::from(Arc::clone(&relay));
    std::future::poll_fn(|context| {
        relay.task.register(context.waker());
        for _ in 0..MAX_IN_A_ROW {
            relay.goes_on.store(false, Ordering::SeqCst);
            relay.runs.store(true, Ordering::SeqCst);
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            relay.runs.store(false, Ordering::SeqCst);
            if polled.is_ready() {
                return polled;
            }
            if !relay.goes_on.load(Ordering::SeqCst) {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicUsize, thread, time::Duration};

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Wakes itself this often, then is ready.
    fn waking_itself(mut times: usize) -> impl Future<Output = ()> {
        poll_fn(move |context| {
            if times == 0 {
                return Poll::Ready(());
            }
            times -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[test]
    fn a_task_that_wakes_itself_goes_on_without_its_runtime_and_lets_others_run_after_a_while() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut context = Context::from_waker(&waker);
        let mut few = pin!(going_on_at_once(waking_itself(MAX_IN_A_ROW - 1)));
        assert!(few.as_mut().poll(&mut context).is_ready());
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        let mut many = pin!(going_on_at_once(waking_itself(MAX_IN_A_ROW)));
        assert!(many.as_mut().poll(&mut context).is_pending());
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert!(many.as_mut().poll(&mut context).is_ready());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_task_that_others_wake_at_any_moment_misses_none() {
        for _ in 0..500 {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let task = tokio::spawn(going_on_at_once(async move {
                let mut sum = 0;
                while let Some(number) = receiver.recv().await {
                    sum += number;
                }
                sum
            }));
            let other = thread::spawn(move || {
                for number in 0..100 {
                    sender.send(number).unwrap();
                }
            });
            let sum = tokio::time::timeout(Duration::from_secs(20), task).await;
            assert_eq!(sum.unwrap().unwrap(), 4_950);
            other.join().unwrap();
        }
    }
}
