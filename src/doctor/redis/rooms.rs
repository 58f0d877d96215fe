//! The Redis in which rooms are kept.

use std::time::Duration;

use crate::{
    config::Config,
    doctor::finding::{Check, Checked},
    store::{ExaminedRedis, examine_redis},
};

/// Each webhook waits for Redis once or twice, and so do those who wait for its change.
const SLOW: Duration = Duration::from_millis(5);
const OLDEST: (u32, u32) = (6, 2);
const OLDEST_CLUSTER: (u32, u32) = (7, 0);
const CLUSTER_RIGHTS: &str = " +cluster|info +cluster|nodes +cluster|slots";
const URL: &str = "`store.redis_url` (REDIS_URL)";

pub(in crate::doctor) async fn check(config: &Config) -> Checked {
    let Some(address) = config.store.redis.clone() else {
        return Checked::skipped(Check::Redis, format!("{URL} is empty, so rooms are in memory"));
    };
    let authority = match config.store.ca_file.as_ref().map(std::fs::read).transpose() {
        Ok(authority) => authority,
        Err(error) => {
            return Checked::of(Check::Redis).wrong(
                format!("The file that `store.ca_file` names cannot be read: {error}."),
                "Correct `store.ca_file`.",
            );
        }
    };
    let shown = format!("{address:?}");
    let prefix = &config.store.key_prefix;
    match examine_redis(address.with_authority(authority), prefix).await {
        Ok(examined) => judge(&shown, prefix, &examined),
        Err(unusable) => Checked::of(Check::Redis).wrong(
            format!("Redis at {shown} cannot be used: {}.", unusable.reason),
            unusable.advice.map_or_else(
                || format!("Start it, or correct {URL}."),
                |advice| format!("What to do: {advice}."),
            ),
        ),
    }
}

fn judge(shown: &str, prefix: &str, examined: &ExaminedRedis) -> Checked {
    let kind = if examined.is_cluster { "Cluster" } else { "Redis" };
    let info = |name: &str| examined.info.get(name).map(String::as_str);
    let version = info("valkey_version").or(info("redis_version")).unwrap_or("unknown");
    let checked = Checked::of(Check::Redis).saying(format!(
        "{kind} {version} at {shown} answers in {:.1} ms",
        examined.ping.as_secs_f64() * 1000.0
    ));
    let checked = with_version(checked, examined, info("redis_version"));
    let checked = with_memory(checked, info("maxmemory_policy"), info("maxmemory"));
    let checked = with_rights(checked, prefix, examined);
    let checked = with_role(checked, examined, info("role"));
    with_latency(checked, examined.ping)
}

fn with_version(checked: Checked, examined: &ExaminedRedis, version: Option<&str>) -> Checked {
    let oldest = if examined.is_cluster { OLDEST_CLUSTER } else { OLDEST };
    let parsed = version.and_then(|version| {
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
        Some((numbers.next()??, numbers.next()??))
    });
    match (version, parsed) {
        (Some(version), Some(parsed)) if parsed < oldest => checked.wrong(
            format!("Redis {version} is too old: the service needs {}.{}.", oldest.0, oldest.1),
            "Use Redis 6.2 to 8 or Valkey, and for a Cluster 7.0 or later.",
        ),
        (Some(_) | None, Some(_) | None) => checked,
    }
}

fn with_memory(checked: Checked, policy: Option<&str>, limit: Option<&str>) -> Checked {
    let Some(policy) = policy.filter(|policy| *policy != "noeviction") else { return checked };
    let remedy =
        "Set it to noeviction: a full Redis then refuses webhooks, which LiveKit sends again.";
    if limit.is_none_or(|limit| limit == "0") {
        return checked.warning(
            format!("Redis' maxmemory-policy is {policy}, so it will drop rooms once a maxmemory is set."),
            remedy,
        );
    }
    checked.wrong(
        format!("Redis' maxmemory-policy is {policy}, so a full Redis drops rooms with the people in them."),
        remedy,
    )
}

fn with_rights(checked: Checked, prefix: &str, examined: &ExaminedRedis) -> Checked {
    let cluster = if examined.is_cluster { CLUSTER_RIGHTS } else { "" };
    let remedy = format!(
        "Give the user of {URL} `~{prefix}* &{prefix}* +@read +@write +@scripting +@pubsub +@connection -@dangerous +time +info{cluster}` (ACL SETUSER)."
    );
    let checked = match (&*examined.refused, examined.refused.first()) {
        ([], _) | (_, None) => checked,
        (refused, Some((_, words))) => {
            let names: Vec<_> = refused.iter().map(|(name, _)| name.as_str()).collect();
            checked.wrong(
                format!("Redis refuses {} to the user: {words}.", names.join(", ")),
                remedy.clone(),
            )
        }
    };
    match &examined.publishes {
        Ok(()) => checked,
        Err(words) => checked.wrong(
            format!(
                "Changes are not carried between instances, since pub/sub does not work: {words}."
            ),
            remedy,
        ),
    }
}

fn with_role(checked: Checked, examined: &ExaminedRedis, role: Option<&str>) -> Checked {
    let checked = if role == Some("slave") && !examined.is_cluster {
        checked.wrong(
            "The Redis is a replica, which refuses what the service writes.",
            format!("Name its master in {URL}, or the sentinels that know it."),
        )
    } else {
        checked
    };
    match examined.unserved_slots {
        0 => checked,
        slots => checked.wrong(
            format!("Nobody serves {slots} of the Cluster's 16384 slots, so rooms in them cannot be kept."),
            "Mend the Cluster: `redis-cli --cluster fix`.",
        ),
    }
}

fn with_latency(checked: Checked, ping: Duration) -> Checked {
    if ping <= SLOW {
        return checked;
    }
    checked.warning(
        format!(
            "Redis answers in {:.1} ms (the median of some pings), for which each webhook waits.",
            ping.as_secs_f64() * 1000.0
        ),
        "Move it into the network of the service, or look what keeps it busy (SLOWLOG GET).",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    /// What `INFO` says.
    type Info<'info> = &'info [(&'info str, &'info str)];

    fn examined(info: Info<'_>, is_cluster: bool) -> ExaminedRedis {
        ExaminedRedis {
            info: info
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            is_cluster,
            unserved_slots: 0,
            ping: Duration::from_micros(200),
            refused: Vec::new(),
            publishes: Ok(()),
        }
    }

    #[test]
    fn what_redis_says_of_itself_is_judged() {
        let cases: [(Info<'_>, bool, Verdict); 7] = [
            (&[("redis_version", "7.2.4"), ("maxmemory_policy", "noeviction")], false, Verdict::Ok),
            (&[], false, Verdict::Ok),
            (&[("redis_version", "6.0.16")], false, Verdict::Wrong),
            (&[("redis_version", "6.2.1")], true, Verdict::Wrong),
            (&[("maxmemory_policy", "allkeys-lru"), ("maxmemory", "0")], false, Verdict::Warning),
            (&[("maxmemory_policy", "volatile-ttl"), ("maxmemory", "9")], false, Verdict::Wrong),
            (&[("role", "slave")], false, Verdict::Wrong),
        ];
        for (info, is_cluster, expected) in cases {
            assert_eq!(
                judge("r", "lkp:", &examined(info, is_cluster)).verdict,
                expected,
                "{info:?}"
            );
        }
        let slow = ExaminedRedis { ping: Duration::from_millis(6), ..examined(&[], false) };
        assert_eq!(judge("r", "lkp:", &slow).verdict, Verdict::Warning);
        let holes = ExaminedRedis { unserved_slots: 1, ..examined(&[], true) };
        assert_eq!(judge("r", "lkp:", &holes).verdict, Verdict::Wrong);
    }
}
