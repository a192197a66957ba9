//! Which targets are allowed, and what to change when one is not.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use thiserror::Error;

use super::address::{AddressClass, embedded};
use crate::profile::Profile;

/// Who made a webhook, which decides how far it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Origin {
    /// Whoever may write the configuration or start the daemon. May name this machine.
    #[default]
    File,
    /// A holder of a key of the admin API. May not.
    Api,
}

/// `[egress]`, and what the daemon knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Networks that are allowed besides the public internet. Never opens what
    /// [`AddressClass::is_never_allowed`].
    pub allow: Vec<IpNet>,
    /// Plain http only to loopback, whatever the profile says.
    pub require_https: bool,
    /// Where the daemon itself listens. Never a target, whatever else is allowed.
    pub own: Vec<SocketAddr>,
}

/// Why a webhook may not be sent there, and what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Denied {
    /// Neither http nor https.
    #[error("webhook address is neither http nor https")]
    Scheme,
    /// Credentials in a URL end in logs; a webhook authenticates by its signature.
    #[error("webhook address holds a user name or password")]
    Userinfo,
    /// A fragment is never sent, so it can only be a mistake.
    #[error("webhook address has a fragment")]
    Fragment,
    /// Plain http beyond this machine.
    #[error("profile {} requires https, except to loopback", .0.name())]
    HttpsRequired(Profile),
    /// Plain http beyond this machine, where the operator wants none.
    #[error("`egress.require_https` requires https, except to loopback")]
    HttpsOnly,
    /// The port of a service that would take a request for something else.
    #[error("port {0} belongs to another protocol; use another one")]
    Port(u16),
    /// A network that only the configuration opens.
    #[error(
        "{address} is {}; to allow it, add its network to `egress.allow_cidrs`{}",
        class.words(),
        hint(*class)
    )]
    Network {
        /// The address.
        address: IpAddr,
        /// Its kind.
        class: AddressClass,
    },
    /// A network that nothing opens.
    #[error("{address} is {}, where no webhook may be sent; use another address", class.words())]
    Never {
        /// The address.
        address: IpAddr,
        /// Its kind.
        class: AddressClass,
    },
    /// The daemon's own listener.
    #[error("{0} is this daemon itself; use another address or port")]
    Own(SocketAddr),
}

fn hint(class: AddressClass) -> &'static str {
    match class {
        AddressClass::Loopback => {
            "; a webhook of the configuration file may instead name it, as localhost or 127.0.0.1"
        }
        AddressClass::Embedding => ", and the one of the IPv4 address in it",
        _ => "",
    }
}

impl Denied {
    /// Where it leads is the reason, not how it is written.
    #[must_use]
    pub fn is_of_policy(&self) -> bool {
        match self {
            Self::Scheme | Self::Userinfo | Self::Fragment | Self::HttpsRequired(_) => false,
            Self::HttpsOnly
            | Self::Port(_)
            | Self::Network { .. }
            | Self::Never { .. }
            | Self::Own(_) => true,
        }
    }
}

impl Policy {
    /// Judges one address, on its way into a connection to `port`; None is any port.
    /// `names_loopback`: it is the target of a webhook that may reach this machine, and says so in
    /// its URL.
    ///
    /// # Errors
    /// It is not allowed.
    pub fn check_address(
        &self,
        address: IpAddr,
        port: Option<u16>,
        names_loopback: bool,
    ) -> Result<(), Denied> {
        if let Some(own) = self.own_at(address, port) {
            return Err(Denied::Own(own));
        }
        for inner in embedded(address) {
            self.check_address(inner.into(), port, false)
                .map_err(|denied| of_outer(denied, address))?;
        }
        let class = AddressClass::of(address);
        let is_named = names_loopback && class == AddressClass::Loopback;
        if class.is_never_allowed() {
            Err(Denied::Never { address, class })
        } else if class == AddressClass::Public || is_named || self.opens(address) {
            Ok(())
        } else {
            Err(Denied::Network { address, class })
        }
    }

    fn opens(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&address))
    }

    /// A listener on every address of this machine is met at any address that could be of this
    /// machine, and we cannot know which are.
    fn own_at(&self, address: IpAddr, port: Option<u16>) -> Option<SocketAddr> {
        let address = address.to_canonical();
        let is_met = |own: &&SocketAddr| {
            port.is_none_or(|port| port == own.port())
                && (own.ip().is_unspecified()
                    || own.ip().to_canonical() == address
                    || (own.ip().is_loopback() && address.is_loopback()))
        };
        self.own.iter().find(is_met).copied()
    }
}

/// The inner address is the reason, the outer one is what people have written.
fn of_outer(denied: Denied, address: IpAddr) -> Denied {
    match denied {
        Denied::Network { .. } => Denied::Network { address, class: AddressClass::Embedding },
        Denied::Never { class, .. } => Denied::Never { address, class },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn policy(allow: &[&str]) -> Policy {
        Policy {
            allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
            ..Policy::default()
        }
    }

    fn check(policy: &Policy, address: &str) -> Result<(), Denied> {
        policy.check_address(address.parse().unwrap(), Some(443), false)
    }

    #[test]
    fn only_the_public_internet_is_open_by_itself() {
        let strict = Policy::default();
        for address in ["8.8.8.8", "2606:4700::1111"] {
            assert_eq!(check(&strict, address), Ok(()));
        }
        for address in ["10.0.0.1", "127.0.0.1", "100.64.0.1", "192.0.0.8", "198.18.0.1"] {
            assert!(matches!(check(&strict, address), Err(Denied::Network { .. })), "{address}");
        }
        for address in ["::1", "fd00::1", "2002:808:808::", "64:ff9b::808:808", "::ffff:8.8.8.8"] {
            assert!(matches!(check(&strict, address), Err(Denied::Network { .. })), "{address}");
        }
    }

    #[test]
    fn a_network_is_opened_by_its_cidr_and_no_other() {
        let open = policy(&["10.1.0.0/16", "fd00::/8"]);
        for address in ["10.1.2.3", "fd12::1"] {
            assert_eq!(check(&open, address), Ok(()));
        }
        assert!(check(&open, "10.2.0.1").is_err());
        assert!(check(&open, "127.0.0.1").is_err());
    }

    #[test]
    fn no_cidr_opens_link_local_metadata_multicast_or_unspecified() {
        let open = policy(&["0.0.0.0/0", "::/0"]);
        for address in [
            "169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "::",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:1:1:1:1:5601:5601",
        ] {
            assert!(matches!(check(&open, address), Err(Denied::Never { .. })), "{address}");
        }
        assert_eq!(check(&open, "10.0.0.1"), Ok(()));
    }

    #[test]
    fn an_address_in_disguise_needs_its_own_network_and_that_of_what_it_hides() {
        let mapped = "::ffff:10.0.0.1";
        assert!(check(&policy(&["10.0.0.0/8"]), mapped).is_err());
        assert!(check(&policy(&["::ffff:0:0/96"]), mapped).is_err());
        assert_eq!(check(&policy(&["::ffff:0:0/96", "10.0.0.0/8"]), mapped), Ok(()));
        // Behind NAT64, as a host without IPv4 sees the public internet.
        let nat64 = policy(&["64:ff9b::/96"]);
        assert_eq!(check(&nat64, "64:ff9b::808:808"), Ok(()));
        assert!(check(&nat64, "64:ff9b::7f00:1").is_err());
    }

    proptest! {
        /// Whatever is allowed, no IPv6 form of an IPv4 address gets further than that address.
        #[test]
        fn no_disguise_opens_more_than_what_it_hides(
            inner in any::<u32>(), port in any::<Option<u16>>(), wide in any::<bool>(),
            named in any::<bool>(),
        ) {
            let nets: &[&str] = if wide { &["::/0", "0.0.0.0/0"] } else { &["::/0"] };
            let policy = Policy { own: vec![([127, 0, 0, 1], 8025).into()], ..policy(nets) };
            let allowed = |address: IpAddr| policy.check_address(address, port, named).is_ok();
            let low = u128::from(inner);
            let turned = u128::from(!inner);
            for bits in [
                (0xffff << 32) | low,
                (0x64_ff9b << 96) | low,
                (0x64_ff9b_0001 << 80) | low,
                (0x2002 << 112) | (low << 80),
                (0x2001_0000 << 96) | turned,
            ] {
                let outer = IpAddr::from(std::net::Ipv6Addr::from(bits));
                // Loopback that is named is so by its own name only.
                let as_it_is = policy.check_address(IpAddr::from(inner.to_be_bytes()), port, false);
                prop_assert!(!allowed(outer) || as_it_is.is_ok(), "{outer}");
            }
        }
    }

    #[test]
    fn loopback_is_open_to_whoever_may_name_it_and_does() {
        let strict = Policy::default();
        let check =
            |address: &str, named| strict.check_address(address.parse().unwrap(), Some(80), named);
        for address in ["127.0.0.1", "127.1.2.3", "::1"] {
            assert_eq!(check(address, true), Ok(()));
            assert!(check(address, false).is_err());
        }
        for address in ["10.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"] {
            assert!(check(address, true).is_err(), "{address}");
        }
    }

    #[test]
    fn the_daemon_itself_is_never_a_target() {
        let own = |own: &str| Policy {
            own: vec![own.parse().unwrap()],
            ..policy(&["127.0.0.0/8", "::/0", "10.0.0.0/8"])
        };
        let check = |policy: &Policy, address: &str, port| {
            policy.check_address(address.parse().unwrap(), Some(port), true)
        };
        let loopback = own("127.0.0.1:8025");
        for address in ["127.0.0.1", "127.0.0.2", "::1"] {
            let denied = check(&loopback, address, 8025).unwrap_err();
            assert!(matches!(denied, Denied::Own(_)), "{address}");
            assert_eq!(check(&loopback, address, 8026), Ok(()));
        }
        assert_eq!(check(&loopback, "10.0.0.1", 8025), Ok(()));
        let any_port = loopback.check_address([127, 0, 0, 1].into(), None, true);
        assert_eq!(any_port, Err(Denied::Own(([127, 0, 0, 1], 8025).into())));
        let everywhere = own("[::]:8025");
        assert!(check(&everywhere, "10.0.0.1", 8025).is_err());
        assert!(check(&own("10.0.0.1:8025"), "::ffff:10.0.0.1", 8025).is_err());
    }

    #[test]
    fn a_refusal_says_what_to_change() {
        let words = |address| check(&Policy::default(), address).unwrap_err().to_string();
        assert_eq!(
            words("10.0.0.1"),
            "10.0.0.1 is in a private network; to allow it, add its network to `egress.allow_cidrs`"
        );
        assert_eq!(
            words("169.254.169.254"),
            "169.254.169.254 is link-local, where no webhook may be sent; use another address"
        );
        assert!(words("127.0.0.1").ends_with("name it, as localhost or 127.0.0.1"));
        assert!(
            words("::ffff:10.0.0.1").starts_with("::ffff:10.0.0.1 is an IPv4 address in IPv6 form")
        );
    }
}
