//! The instances of the service. Each can be killed, ended, stopped and started again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{sync, time::sleep};

use crate::harness::Process;

use super::journal::Journal;

/// `shutdown.drain`, with a margin for a busy machine.
const MAX_END: Duration = Duration::from_secs(18);
/// The lines that are kept of the log of a process that has ended.
const KEPT_LINES: usize = 40;

pub struct Fleet {
    instances: Vec<Instance>,
}

pub struct Instance {
    variables: Vec<(String, String)>,
    process: sync::Mutex<Process>,
    port: AtomicU16,
    is_living: AtomicBool,
    /// Rises when the process is stopped and when it goes on.
    pauses: AtomicU32,
    last_words: Mutex<Vec<String>>,
    journal: Arc<Journal>,
}

impl Fleet {
    /// Starts an instance for each of these environments.
    pub async fn start(environments: Vec<Vec<(String, String)>>, journal: &Arc<Journal>) -> Self {
        let mut instances = Vec::new();
        for variables in environments {
            instances.push(Instance::start(variables, Arc::clone(journal)).await);
        }
        Self { instances }
    }

    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    pub fn any(&self, random: &mut fastrand::Rng) -> &Instance {
        random.choice(&self.instances).expect("a fleet is not empty")
    }

    /// An instance that is not known to be dead.
    pub fn a_living(&self, random: &mut fastrand::Rng) -> Option<&Instance> {
        let is_living = |one: &&Instance| one.is_living.load(Ordering::Relaxed);
        let living: Vec<_> = self.instances.iter().filter(is_living).collect();
        random.choice(living)
    }

    /// The name in a report of the instance with this port.
    pub fn name_at(&self, port: u16) -> String {
        match self.instances.iter().position(|one| one.port() == port) {
            Some(number) => format!("instance {number}"),
            None => "an instance that has ended".into(),
        }
    }

    /// The last lines of each instance's log.
    pub async fn last_words(&self) -> String {
        let mut words = String::new();
        for (number, instance) in self.instances.iter().enumerate() {
            instance.keep_last_words(&*instance.process.lock().await);
            let lines = instance.last_words.lock().unwrap().join("\n");
            words.extend([format!("--- instance {number}\n").as_str(), &lines, "\n"]);
        }
        words
    }
}

impl Instance {
    async fn start(variables: Vec<(String, String)>, journal: Arc<Journal>) -> Self {
        let process = spawn(&variables).await;
        Self {
            port: AtomicU16::new(process.address.port()),
            process: sync::Mutex::new(process),
            variables,
            is_living: AtomicBool::new(true),
            pauses: AtomicU32::default(),
            last_words: Mutex::default(),
            journal,
        }
    }

    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    pub fn pauses(&self) -> u32 {
        self.pauses.load(Ordering::Relaxed)
    }

    /// Kills the process, as a loss of power does, and starts another after this time.
    pub async fn die_for(&self, time: Duration) {
        let mut process = self.process.lock().await;
        self.is_living.store(false, Ordering::Relaxed);
        process.kill().await;
        sleep(time).await;
        self.replace(&mut process).await;
    }

    /// Tells the process to end, and starts another.
    pub async fn restart(&self) {
        let mut process = self.process.lock().await;
        self.is_living.store(false, Ordering::Relaxed);
        process.signal("TERM");
        match tokio::time::timeout(MAX_END, process.ended()).await {
            Ok(status) if status.success() => {}
            ended => self.journal.violated(format!("an instance told to end: {ended:?}")),
        }
        self.replace(&mut process).await;
    }

    /// Stops the process for this time.
    pub async fn stop_for(&self, time: Duration) {
        let process = self.process.lock().await;
        process.signal("STOP");
        self.pauses.fetch_add(1, Ordering::Relaxed);
        sleep(time).await;
        self.pauses.fetch_add(1, Ordering::Relaxed);
        process.signal("CONT");
    }

    /// Checks that the log has no unexpected error.
    pub async fn check_log(&self) {
        self.check(&*self.process.lock().await);
    }

    async fn replace(&self, process: &mut Process) {
        self.check(process);
        self.keep_last_words(process);
        *process = spawn(&self.variables).await;
        self.port.store(process.address.port(), Ordering::Relaxed);
        self.is_living.store(true, Ordering::Relaxed);
    }

    fn check(&self, process: &Process) {
        let log = process.log();
        // Requests while Redis is away are logged as errors.
        let is_wrong = |line: &&str| {
            line.contains(r#""level":"ERROR""#) && !line.contains("the store cannot be reached")
        };
        if let Some(error) = log.lines().find(is_wrong) {
            self.journal.violated(format!("an instance logged {error}"));
        }
    }

    fn keep_last_words(&self, process: &Process) {
        let log = process.log();
        let lines: Vec<_> = log.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(KEPT_LINES));
        let mut kept = self.last_words.lock().unwrap();
        kept.extend(last.map(|line| (*line).to_owned()));
        let outdated = kept.len().saturating_sub(2 * KEPT_LINES);
        kept.drain(..outdated);
    }
}

async fn spawn(variables: &[(String, String)]) -> Process {
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Process::start(&variables).await
}
