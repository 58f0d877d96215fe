//! Sentinels, which know which Redis is the master. They are asked for each connection, and the master is asked whether it is
//! one: <https://redis.io/docs/latest/develop/reference/sentinel-clients/>.

use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    RedisResult, TlsCertificates, TlsMode,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tracing::info;

/// The default port of sentinels.
const PORT: u16 = 26_379;

pub(crate) const FORM: &str = "must be like redis+sentinel://user:password@host:26379,host2:26379/service/0 or rediss+sentinel://…, with ?sentinel_user=…&sentinel_password=… where sentinels have their own";

/// What to ask sentinels for. Their addresses are the nodes of the address.
#[derive(Clone)]
pub(crate) struct Sentinels {
    service: String,
    /// The sentinels' own user and password, if they are not those of Redis.
    credentials: Option<RedisConnectionInfo>,
}

impl Sentinels {
    /// Reads an address without its scheme: the sentinels with the credentials for Redis, and what to ask them for.
    pub fn parse(rest: &str, is_tls: bool) -> Result<(Vec<ConnectionInfo>, Self), String> {
        let scheme = if is_tls { "rediss" } else { "redis" };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (rest, path) = rest.split_once('/').ok_or(FORM)?;
        let (service, database) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() || database.contains('/') {
            return Err(FORM.to_owned());
        }
        let (user, hosts) = rest.rsplit_once('@').map_or(("", rest), |(user, hosts)| (user, hosts));
        let at = if user.is_empty() { "" } else { "@" };
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        let nodes = hosts.map(|host| {
            let port = if has_port(host) { String::new() } else { format!(":{PORT}") };
            info_of(&format!("{scheme}://{user}{at}{host}{port}/{database}"))
        });
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            return Err(FORM.to_owned());
        }
        Ok((nodes, Self { service: service.to_owned(), credentials: credentials(query)? }))
    }

    pub fn service(&self) -> &str {
        &self.service
    }

    /// The address of the master, as these sentinels see it now.
    pub async fn master(
        &self,
        nodes: &[ConnectionInfo],
        certificates: Option<TlsCertificates>,
    ) -> RedisResult<ConnectionAddr> {
        let redis = nodes[0].redis_settings();
        let credentials = self.credentials.as_ref();
        let asked = self.ask(nodes, credentials, certificates.clone()).await;
        let asked = match asked {
            // Often sentinels have the password of Redis.
            Err(error) if wants_password(&error) && self.credentials.is_none() => {
                self.ask(nodes, Some(redis), certificates).await.map_err(|_| error)
            }
            asked => asked,
        };
        asked
            .inspect(|master| info!(%master, service = self.service, "the sentinels name a master"))
    }

    async fn ask(
        &self,
        nodes: &[ConnectionInfo],
        credentials: Option<&RedisConnectionInfo>,
        certificates: Option<TlsCertificates>,
    ) -> RedisResult<ConnectionAddr> {
        let (redis, tcp) = (nodes[0].redis_settings(), nodes[0].tcp_settings());
        let addresses = nodes.iter().map(|node| node.addr().clone());
        let kind = SentinelServerType::Master;
        let mut builder = SentinelClientBuilder::new(addresses, &self.service, kind)?
            .set_client_to_redis_tcp_settings(tcp.clone())
            .set_client_to_sentinel_tcp_settings(tcp.clone());
        if let Some(user) = redis.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = redis.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = credentials.and_then(RedisConnectionInfo::username) {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = credentials.and_then(RedisConnectionInfo::password) {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if matches!(nodes[0].addr(), ConnectionAddr::TcpTls { .. }) {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
            if let Some(certificates) = certificates {
                builder = builder
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_certificates(certificates);
            }
        }
        let client = builder.build()?.async_get_client().await?;
        Ok(client.get_connection_info().addr().clone())
    }
}

fn wants_password(error: &RedisError) -> bool {
    error.code() == Some("NOAUTH") || error.to_string().contains("NOAUTH")
}

/// Whether there is a colon after the bracket of an IPv6 address, or anywhere in another host.
fn has_port(host: &str) -> bool {
    host.rsplit(']').next().is_some_and(|end| end.contains(':'))
}

fn credentials(query: &str) -> Result<Option<RedisConnectionInfo>, String> {
    let (mut user, mut password) = ("", "");
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            _ => return Err(FORM.to_owned()),
        }
    }
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    // Parsed as in an address, so that the same characters are escaped.
    let info = info_of(&format!("redis://{user}:{password}@sentinel"))?;
    Ok(Some(info.redis_settings().clone()))
}

fn info_of(address: &str) -> Result<ConnectionInfo, String> {
    address.into_connection_info().map_err(|_| FORM.to_owned())
}
