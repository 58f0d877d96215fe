//! The programs that must be installed, and the message where one is missing.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// The paths of the programs.
#[derive(Clone, Debug)]
pub struct Tools {
    pub livekit_server: PathBuf,
    pub python: PathBuf,
    pub redis_server: PathBuf,
    pub driver: PathBuf,
}

impl Tools {
    /// Finds the programs, of LiveKit the one that `LIVEKIT_SERVER` names if it is set; none if one is missing, which is printed to the real stderr, since the output of a passing test is
    /// hidden.
    ///
    /// # Panics
    /// A program is missing and `REQUIRE_REAL=1` is set.
    pub fn find(scenario: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = Self {
            livekit_server: std::env::var_os("LIVEKIT_SERVER")
                .map_or_else(|| root.join(".tools/bin/livekit-server"), PathBuf::from),
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

/// Prints a line, even if the test passes.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn in_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program));
    found.into_iter().find(|program| program.exists()).unwrap_or_else(|| program.into())
}
