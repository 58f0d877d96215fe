//! The real Caddy with the shipped configuration, before instances of the service.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use super::{Child, Folder, free_port, patiently, wire};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/Caddyfile");
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
const SITE: &str = "presence.example.com {";

/// A running Caddy. Ends with the test, and so do its files.
pub struct Caddy {
    pub port: u16,
    /// The port where it speaks TLS and HTTP/2, as `localhost`.
    pub tls_port: u16,
    control_port: u16,
    running: Child,
    folder: Folder,
}

impl Caddy {
    /// Starts Caddy, and waits until an instance answers behind it.
    pub async fn before(instances: &[u16]) -> Self {
        let [port, tls_port, control_port] = [free_port(), free_port(), free_port()];
        let folder = Folder::new("caddy");
        let shipped = std::fs::read_to_string(CONFIGURATION).unwrap();
        let adapted = adapted(&shipped, [port, tls_port, control_port], instances);
        std::fs::write(folder.path().join("Caddyfile"), adapted).unwrap();
        let mut command = command(folder.path(), "run");
        let running = Child::spawn(command.stdout(Stdio::null()));
        let answers = async || {
            let answer = wire::get(port, "/healthz").await;
            answer.is_ok_and(|(status, _)| status == 200)
        };
        patiently("Caddy to answer", answers).await;
        Self { port, tls_port, control_port, running, folder }
    }

    /// Reloads the configuration, as after a change.
    pub async fn reload(&self) {
        let mut command = command(self.folder.path(), "reload");
        let address = format!("127.0.0.1:{}", self.control_port);
        let done = command.args(["--force", "--address", &address]).output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Everything that Caddy has logged.
    pub fn log(&self) -> String {
        self.running.last_words(usize::MAX)
    }
}

/// A command that writes to this folder only.
fn command(folder: &Path, what: &str) -> Command {
    let mut command = Command::new("caddy");
    command
        .args([what, "--adapter", "caddyfile", "--config"])
        .arg(folder.join("Caddyfile"))
        .envs(["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"].map(|name| (name, folder)))
        .stdin(Stdio::null());
    command
}

/// The configuration with the ports of the test, and with the site at two addresses: one with the tests' certificate, and one
/// without TLS.
fn adapted(shipped: &str, ports: [u16; 3], instances: &[u16]) -> String {
    let [port, tls_port, control_port] = ports;
    let replace = |text: &str, what: &str, with: &str| {
        assert!(text.contains(what), "no {what} in:\n{shipped}");
        text.replace(what, with)
    };
    let servers: Vec<_> = instances.iter().map(|own| format!("127.0.0.1:{own}")).collect();
    let own = format!("\n{{\n\tauto_https off\n\tadmin 127.0.0.1:{control_port}\n");
    let adapted = replace(shipped, "presence-1:8080 presence-2:8080", &servers.join(" "));
    let adapted = replace(&adapted, "\n{\n", &own);
    let adapted = replace(&adapted, SITE, "(site) {");
    format!(
        "{adapted}
http://127.0.0.1:{port} {{
\timport site
}}
https://localhost:{tls_port} {{
\tbind 127.0.0.1
\ttls {TLS}/localhost.pem {TLS}/localhost-key.pem
\timport site
}}
"
    )
}
