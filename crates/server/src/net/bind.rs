//! One address of the `bind` directive.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use config::Settings;

/// An address to listen on. Written with a leading `-` it may be missing on this machine; `*` is every IPv4 address and
/// `::*` every IPv6 one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BindSpec {
    optional: bool,
    host: Host,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// Anything else goes to the resolver: a name, or an address with a zone such as `fe80::1%eth0`.
    Name(String),
}

impl BindSpec {
    pub fn parse(text: &str) -> BindSpec {
        let (optional, host) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let host = match host {
            "*" => Host::Address(Ipv4Addr::UNSPECIFIED.into()),
            "::*" => Host::Address(Ipv6Addr::UNSPECIFIED.into()),
            _ => host.parse().map_or_else(|_| Host::Name(host.to_owned()), Host::Address),
        };
        BindSpec { optional, host }
    }

    /// The address with a port.
    pub fn resolve(&self, port: u16) -> io::Result<SocketAddr> {
        match &self.host {
            Host::Address(address) => Ok(SocketAddr::new(*address, port)),
            Host::Name(name) => (name.as_str(), port)
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
        }
    }

    /// Whether the server may go on without this address after such an error.
    pub fn may_lack(&self, error: &io::Error) -> bool {
        use rustix::io::Errno;
        let Some(errno) = error.raw_os_error().map(Errno::from_raw_os_error) else { return false };
        match errno {
            // The machine does not speak this protocol, so nobody can expect the server to.
            Errno::NOPROTOOPT
            | Errno::PROTONOSUPPORT
            | Errno::SOCKTNOSUPPORT
            | Errno::PFNOSUPPORT
            | Errno::AFNOSUPPORT => true,
            Errno::ADDRNOTAVAIL => self.optional,
            _ => false,
        }
    }
}

/// One of the addresses that shall be listened on, looked up.
#[derive(Debug)]
pub(crate) struct BindAddress {
    pub(super) spec: BindSpec,
    pub(super) address: io::Result<SocketAddr>,
    pub(super) port: u16,
    /// TLS is spoken there.
    pub(super) tls: bool,
}

impl BindAddress {
    /// Looks all addresses of the settings up. For names that may take long: see [`BindAddress::are_names`].
    pub fn of(settings: &Settings) -> Vec<BindAddress> {
        let ports = [(settings.port, false), (settings.tls_port, true)];
        let look_up = |(port, tls): (u16, bool)| {
            settings.bind.iter().map(move |text| {
                let spec = BindSpec::parse(text);
                BindAddress { address: spec.resolve(port), spec, port, tls }
            })
        };
        ports.into_iter().filter(|&(port, _)| port != 0).flat_map(look_up).collect()
    }

    /// Whether the resolver has to be asked.
    pub fn are_names(settings: &Settings) -> bool {
        settings.bind.iter().any(|text| matches!(BindSpec::parse(text).host, Host::Name(_)))
    }
}

impl fmt::Display for BindSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => address.fmt(f),
            Host::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn check(text: &str, optional: bool, address: &str) {
        let spec = BindSpec::parse(text);
        assert_eq!(spec.optional, optional, "{text}");
        assert_eq!(spec.resolve(6379).unwrap().to_string(), address, "{text}");
    }

    #[test]
    fn forms() {
        check("127.0.0.1", false, "127.0.0.1:6379");
        check("-10.1.2.3", true, "10.1.2.3:6379");
        check("*", false, "0.0.0.0:6379");
        check("-*", true, "0.0.0.0:6379");
        check("::*", false, "[::]:6379");
        check("-::*", true, "[::]:6379");
        check("::1", false, "[::1]:6379");
        check("-::1", true, "[::1]:6379");
    }

    #[test]
    fn names_go_to_the_resolver() {
        let spec = BindSpec::parse("localhost");
        assert!(spec.resolve(1).unwrap().ip().is_loopback());
        assert_eq!(spec.to_string(), "localhost");
    }

    #[test]
    fn what_may_be_missing() {
        let may_lack = |spec, errno: Errno| BindSpec::parse(spec).may_lack(&errno.into());
        assert!(may_lack("-10.9.9.9", Errno::ADDRNOTAVAIL));
        assert!(!may_lack("10.9.9.9", Errno::ADDRNOTAVAIL));
        assert!(may_lack("::1", Errno::AFNOSUPPORT));
        assert!(!may_lack("-127.0.0.1", Errno::ADDRINUSE));
    }
}
