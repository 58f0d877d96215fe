//! Whether the service sees clients' own addresses, by which it limits what one of them may have.

use std::net::{IpAddr, SocketAddr};

use crate::{
    config::Config,
    doctor::finding::{Check, Checked},
};

use super::{
    Service,
    reach::{MADE_UP_ADDRESS, Reached},
};

pub(super) fn check(service: &Service, reached: &Reached, config: &Config) -> Checked {
    let Reached { diagnosis, own, .. } = reached;
    let checked = Checked::of(Check::ClientAddress);
    let forwarded: Vec<_> =
        diagnosis.forwarded_for.iter().flat_map(|value| value.split(',')).map(str::trim).collect();
    let peer = diagnosis.peer.ip();
    let is_direct = own.is_some_and(|own| is_same(own, diagnosis.peer));
    if is_direct {
        return direct(checked, service, diagnosis.client == MADE_UP_ADDRESS, config);
    }
    let trust = format!(
        "Add the proxy to `http.trusted_proxies`: LKP__HTTP__TRUSTED_PROXIES={peer}, or the network that proxies are in."
    );
    match (forwarded.as_slice(), diagnosis.peer_is_trusted) {
        ([], _) => checked.wrong(
            format!("The proxy at {peer} drops X-Forwarded-For, so the service counts all clients as one, and limits them together."),
            "Have it send the client's address: `proxy_set_header X-Forwarded-For $remote_addr;` in nginx.",
        ),
        (&[MADE_UP_ADDRESS], true) => checked.wrong(
            format!("The proxy at {peer} hands X-Forwarded-For on as clients write it, so anybody passes for anybody else, and limits hold nobody."),
            "Have it put its client's address there instead: `proxy_set_header X-Forwarded-For $remote_addr;` in nginx.",
        ),
        (_, false) => checked.wrong(
            format!("The service sees the address of the proxy, {peer}, for every client: it does not believe the X-Forwarded-For of that one, and limits all clients together."),
            trust,
        ),
        (_, true) if diagnosis.client == MADE_UP_ADDRESS => Checked::skipped(
            Check::ClientAddress,
            "this machine's own address is among `http.trusted_proxies`; run this command elsewhere",
        ),
        (_, true) => checked.saying(format!("the service sees us as {}, behind {peer}", diagnosis.client)),
    }
}

/// Nothing is between the service and this machine.
fn direct(checked: Checked, service: &Service, believes: bool, config: &Config) -> Checked {
    if believes && !config.http.trusted_proxies.0.is_empty() && service.is_public {
        return Checked::skipped(
            Check::ClientAddress,
            "nothing is between here and the service, and this machine is among `http.trusted_proxies`",
        );
    }
    checked.saying("nothing is between here and the service")
}

fn is_same(own: SocketAddr, seen: SocketAddr) -> bool {
    let plain =
        |address: SocketAddr| -> (IpAddr, u16) { (address.ip().to_canonical(), address.port()) };
    plain(own) == plain(seen)
}
