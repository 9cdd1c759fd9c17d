//! Connections: the address of the other family is tried after 300 ms (RFC 8305), so that an IPv6
//! address that is announced and dead costs no more than that.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;

/// How long the preferred family of addresses has before the other is tried beside it.
const HAPPY_EYEBALLS: Duration = Duration::from_millis(300);

/// A connector for HTTP and, since it hands out the bare connection, for SMTP too.
pub(crate) fn connector(timeout: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_happy_eyeballs_timeout(Some(HAPPY_EYEBALLS));
    connector.set_connect_timeout(Some(timeout));
    connector
}

/// Whether a host of an address is this machine: what is said to it passes no wire.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}
