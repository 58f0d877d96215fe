//! The real nginx with the shipped configuration, before instances of the service.

use std::process::Stdio;

use tokio::process::Command;

use super::{Child, Folder, free_port, patiently, wire};

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/nginx.conf");
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");

/// A running nginx. Ends with the test, and so do its files.
pub struct Nginx {
    pub port: u16,
    /// The port where it speaks TLS and HTTP/2, as `localhost`.
    pub tls_port: u16,
    _running: Child,
    _folder: Folder,
}

impl Nginx {
    /// Starts nginx, and waits until an instance answers behind it.
    pub async fn before(instances: &[u16]) -> Self {
        Self::at(free_port(), instances).await
    }

    /// Starts nginx at this port.
    pub async fn at(port: u16, instances: &[u16]) -> Self {
        Self::start(port, instances, "").await
    }

    /// Starts nginx with more lines in the location of subscribers.
    pub async fn with(lines: &str, instances: &[u16]) -> Self {
        Self::start(free_port(), instances, lines).await
    }

    /// Starts nginx with a configuration of few lines, as somebody writes it who has not seen the shipped one. `lines` are those of
    /// its only location.
    pub async fn of_few_lines(lines: &str, instance: u16) -> Self {
        let port = free_port();
        let configuration = format!(
            "daemon off;\npid nginx.pid;\nerror_log stderr emerg;\nevents {{}}\nhttp {{\naccess_log off;\n\
             client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\n\
             uwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n\
             server {{\nlisten 127.0.0.1:{port};\nlocation / {{\n{lines}\n\
             proxy_pass http://127.0.0.1:{instance};\n}}\n}}\n}}\n"
        );
        Self::run(port, 0, &configuration).await
    }

    async fn start(port: u16, instances: &[u16], own_lines: &str) -> Self {
        let tls_port = free_port();
        let shipped = std::fs::read_to_string(CONFIGURATION).unwrap();
        let adapted = adapted(&shipped, port, tls_port, instances);
        let own = format!("location / {{\n{own_lines}");
        assert!(adapted.contains("location / {"), "no location:\n{shipped}");
        Self::run(port, tls_port, &adapted.replace("location / {", &own)).await
    }

    async fn run(port: u16, tls_port: u16, configuration: &str) -> Self {
        let folder = Folder::new("nginx");
        std::fs::create_dir_all(folder.path().join("logs")).unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            // One process, so that killing it leaves no others behind.
            .args(["-g", "master_process off;"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let running = Child::spawn(&mut command);
        let answers = async || {
            let answer = wire::get(port, "/healthz").await;
            answer.is_ok_and(|(status, _)| matches!(status, 200 | 401))
        };
        patiently("nginx to answer", answers).await;
        Self { port, tls_port, _running: running, _folder: folder }
    }
}

/// The configuration with the ports of the test in place of `presence-1:8080` and so on. A comment in the file shows two ways to
/// listen for the public. The test uses the older one too, because newer versions of nginx still know it.
fn adapted(shipped: &str, port: u16, tls_port: u16, instances: &[u16]) -> String {
    let mut lines = Vec::new();
    let (mut is_in_servers, mut listens, mut listens_for_public) = (false, false, false);
    for line in shipped.lines() {
        let words = line.trim_start();
        let is_server = words.starts_with("server presence-");
        if is_server && !is_in_servers {
            let (_, rest) = words.split_once(":8080").expect("the port is 8080");
            lines.extend(instances.iter().map(|own| format!("server 127.0.0.1:{own}{rest}")));
        } else if words.starts_with("listen ") {
            lines.push(format!("listen 127.0.0.1:{port};"));
            lines.push(format!("ssl_certificate {TLS}/localhost.pem;"));
            lines.push(format!("ssl_certificate_key {TLS}/localhost-key.pem;"));
            listens = true;
        } else if let Some((_, older)) = words.split_once("before nginx 1.25.1: listen 443 ") {
            lines.push(format!("listen 127.0.0.1:{tls_port} {older}"));
            listens_for_public = true;
        } else if !is_server {
            lines.push(line.to_owned());
        }
        is_in_servers = is_server;
    }
    let servers = lines.iter().filter(|line| line.starts_with("server 127.0.0.1:")).count();
    assert!(servers >= instances.len(), "no servers:\n{shipped}");
    assert!(listens && listens_for_public, "nowhere to listen:\n{shipped}");
    lines.join("\n")
}
