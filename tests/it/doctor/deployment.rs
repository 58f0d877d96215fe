//! A deployment, and what the command says of it.

use std::process::Output;

use serde_json::Value;

use crate::harness::{PROCESS_KEYS, Process, within_deadline};

/// The service with its configuration, which the command reads too.
pub struct Deployment {
    pub service: Process,
    variables: Vec<(String, String)>,
}

/// What the command said, as a machine reads it.
#[derive(Debug)]
pub struct Said {
    pub report: Value,
    pub exit: Option<i32>,
}

impl Deployment {
    /// With these variables beside the least that is needed.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let least = [
            ("LIVEKIT_KEYS", PROCESS_KEYS),
            ("LKP__AUTH__MODE", "livekit"),
            // So that nothing is hinted at.
            ("LKP__AUTH__COOKIE", "token"),
        ];
        let variables: Vec<_> = least.iter().chain(variables).copied().collect();
        let service = Process::start(&variables).await;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut variables: Vec<_> = variables.iter().map(own).collect();
        variables.push(("LKP__HTTP__BIND".to_owned(), service.address.to_string()));
        Self { service, variables }
    }

    pub fn port(&self) -> u16 {
        self.service.address.port()
    }

    /// What the command says with the configuration of the service, at its own address.
    pub async fn examined(&self) -> Said {
        self.examined_with(&[], &[]).await
    }

    /// What it says of the service behind this port.
    pub async fn examined_at(&self, port: u16) -> Said {
        let url = format!("http://127.0.0.1:{port}");
        self.examined_with(&["--public-url", &url], &[]).await
    }

    /// What it says with more arguments, and with other variables than the service has.
    pub async fn examined_with(&self, arguments: &[&str], others: &[(&str, &str)]) -> Said {
        let own = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let variables: Vec<_> = own.chain(others.iter().copied()).collect();
        Said::by(Process::command(
            &[&["doctor", "--json", "--patience", "3s"], arguments].concat(),
            &variables,
        ))
        .await
    }
}

impl Said {
    pub async fn by(mut command: tokio::process::Command) -> Self {
        let output: Output = within_deadline("doctor", command.output()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let report = serde_json::from_str(&text).unwrap_or_else(|_| {
            panic!("no report: {text}{}", String::from_utf8_lossy(&output.stderr))
        });
        Self { report, exit: output.status.code() }
    }

    /// Without what a busy machine adds: a Redis that answers slowly.
    fn findings(&self) -> Vec<&Value> {
        let checks = self.report["checks"].as_array().unwrap();
        let all = checks.iter().flat_map(|check| check["findings"].as_array().unwrap());
        all.filter(|one| !one["what"].as_str().unwrap().contains("the median of some pings"))
            .collect()
    }

    pub fn verdict(&self, check: &str) -> &str {
        let checks = self.report["checks"].as_array().unwrap();
        let found = checks.iter().find(|one| one["check"] == check);
        found.unwrap_or_else(|| panic!("no {check} in {:#}", self.report))["verdict"]
            .as_str()
            .unwrap()
    }

    /// That this is the only thing that is wrong, with these words in the sentence that says so, and in its remedy.
    pub fn is_only(&self, check: &str, what: &str, remedy: &str) {
        self.is_all(&[(check, "wrong", what, remedy)]);
    }

    /// That these are the findings, and no others.
    pub fn is_all(&self, expected: &[(&str, &str, &str, &str)]) {
        let findings = self.findings();
        assert_eq!(findings.len(), expected.len(), "{:#}", self.report);
        for (finding, (check, verdict, what, remedy)) in findings.iter().zip(expected) {
            assert_eq!(
                (&finding["check"], &finding["verdict"]),
                (&Value::from(*check), &Value::from(*verdict)),
                "{finding:#}"
            );
            assert!(finding["what"].as_str().unwrap().contains(what), "{finding:#}");
            assert!(finding["remedy"].as_str().unwrap().contains(remedy), "{finding:#}");
        }
        let is_wrong = expected.iter().any(|(_, verdict, ..)| *verdict == "wrong");
        assert_eq!(self.exit, Some(i32::from(is_wrong)), "{:#}", self.report);
    }
}
