//! A real PostgreSQL that can be stopped, killed and started again.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{net::TcpStream, process::Command, sync::OnceCell};

use super::{Child, Folder, free_port, patiently};

/// An empty data folder, made once for all tests: that takes a second or two.
static EMPTY: OnceCell<PathBuf> = OnceCell::const_new();

/// A server that keeps its port and its data when it ends and is started again. Ends with the test, and so do its files.
pub struct PostgresServer {
    pub port: u16,
    folder: Folder,
    running: Option<Child>,
}

impl PostgresServer {
    /// Starts a server with an empty database, and waits until it answers.
    pub async fn start() -> Self {
        let mut server = Self::not_running().await;
        server.start_again().await;
        server
    }

    /// A server that does not run yet.
    pub async fn not_running() -> Self {
        let empty = EMPTY.get_or_init(make_empty).await;
        let folder = Folder::new("postgres");
        run(as_given(&["cp", "-a"]).arg(empty).arg(folder.path().join("data"))).await;
        Self { port: free_port(), folder, running: None }
    }

    /// Starts a server that does not run, with its data, and waits until it answers.
    pub async fn start_again(&mut self) {
        let mut command = as_its_user(&program("postgres"));
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k", ""])
            // A loss of power is not among the tests.
            .args(["-c", "fsync=off"])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.running = Some(Child::spawn(&mut command));
        patiently("PostgreSQL to answer", async || self.answers().await).await;
    }

    /// Ends the server at once, as a crash does: transactions under way are lost, and it recovers when it is started again.
    pub async fn kill(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.signal("QUIT");
        running.ended().await;
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Whether it takes a connection and speaks its protocol: asked for TLS, it says that it has none.
    async fn answers(&self) -> bool {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let asked = async {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
            socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
            socket.read_u8().await
        };
        asked.await.is_ok_and(|answer| answer == b'N')
    }
}

/// Stays in the target folder for the next runs. Its name tells the versions apart.
async fn make_empty() -> PathBuf {
    let program = program("initdb");
    let name = format!("empty{}", program.display()).replace('/', "-");
    let empty = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if empty.exists() {
        return empty;
    }
    // The way to the target folder may be closed to its user.
    let folder = Folder::new("initdb");
    if is_root() {
        run(as_given(&["chown", "postgres"]).arg(folder.path())).await;
    }
    let data = folder.path().join("data");
    let mut initdb = as_its_user(&program);
    initdb
        .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"])
        .args(["--no-sync", "--wal-segsize=1", "-D"])
        .arg(&data)
        .current_dir("/");
    run(&mut initdb).await;
    let copy = empty.with_extension(std::process::id().to_string());
    run(as_given(&["cp", "-a"]).arg(data).arg(&copy)).await;
    // Another process may have been faster.
    let _ = std::fs::rename(&copy, &empty);
    empty
}

async fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Debian keeps the programs of each version in a folder of its own.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin").join(name));
    let mut installed: Vec<_> = installed.filter(|path| path.exists()).collect();
    installed.sort();
    installed.pop().unwrap_or_else(|| name.into())
}

/// PostgreSQL refuses to run as root; then it runs as the user that Debian made for it.
fn as_its_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command =
        as_given(&["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]);
    command.arg(program);
    command
}

fn as_given(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}
