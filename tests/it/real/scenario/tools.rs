//! What must be installed, and what is said where it is not.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Tools {
    pub livekit_server: PathBuf,
    pub python: PathBuf,
    pub redis_server: PathBuf,
    pub driver: PathBuf,
}

impl Tools {
    /// None where something is missing; said on the real stderr, which a passing test's output does not reach otherwise.
    ///
    /// # Panics
    /// Something is missing, and `REQUIRE_REAL=1` says that it must not be.
    pub fn find(scenario: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = Self {
            livekit_server: root.join(".tools/bin/livekit-server"),
            python: root.join(".tools/venv/bin/python"),
            redis_server: in_path("redis-server"),
            driver: root.join("tests/real/clients.py"),
        };
        let needed = [&tools.livekit_server, &tools.python, &tools.redis_server];
        let Some(missing) = needed.into_iter().find(|program| !program.exists()) else {
            return Some(tools);
        };
        let why = format!(
            "NOT RUN: {scenario}: there is no {}; `make setup-tests` installs it",
            missing.display()
        );
        assert_ne!(std::env::var("REQUIRE_REAL").as_deref(), Ok("1"), "{why}");
        say(&why);
        None
    }
}

/// Prints a line whatever becomes of the test.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn in_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.into_iter().find(|program| program.exists()).unwrap_or_else(|| program.into())
}
