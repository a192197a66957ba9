//! What kind of network an address belongs to.
//!
//! From the registries of special-purpose addresses of the IANA (RFC 6890 and its successors).
//! Where one is in several blocks, the first in these tables counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What kind of network an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// The public internet.
    Public,
    /// This machine.
    Loopback,
    /// Private networks: RFC 1918, unique local (RFC 4193) and the site-local ones before them.
    Private,
    /// Shared by the customers of one provider (RFC 6598).
    CarrierNat,
    /// IPv6 that stands for an IPv4 address: mapped, compatible, NAT64, 6to4, Teredo.
    Embedding,
    /// Protocol assignments, benchmarks, documentation, and what is not assigned at all.
    Reserved,
    /// One link (RFC 3927, RFC 4291 §2.5.6), where clouds keep the credentials of the machine.
    LinkLocal,
    /// Metadata service of a cloud outside of link-local.
    Metadata,
    /// Many machines at once.
    Multicast,
    /// No address: "this network" (RFC 1122 §3.2.1.3), which Linux takes as loopback.
    Unspecified,
}

const V4: [(Ipv4Net, AddressClass); 16] = [
    (v4(0, 0, 0, 0, 8), AddressClass::Unspecified),
    (v4(10, 0, 0, 0, 8), AddressClass::Private),
    (v4(100, 64, 0, 0, 10), AddressClass::CarrierNat),
    (v4(127, 0, 0, 0, 8), AddressClass::Loopback),
    (v4(169, 254, 0, 0, 16), AddressClass::LinkLocal),
    (v4(172, 16, 0, 0, 12), AddressClass::Private),
    (v4(192, 0, 0, 0, 24), AddressClass::Reserved),
    (v4(192, 0, 2, 0, 24), AddressClass::Reserved),
    (v4(192, 88, 99, 0, 24), AddressClass::Reserved),
    (v4(192, 168, 0, 0, 16), AddressClass::Private),
    (v4(198, 18, 0, 0, 15), AddressClass::Reserved),
    (v4(198, 51, 100, 0, 24), AddressClass::Reserved),
    (v4(203, 0, 113, 0, 24), AddressClass::Reserved),
    (v4(224, 0, 0, 0, 4), AddressClass::Multicast),
    (v4(240, 0, 0, 0, 4), AddressClass::Reserved),
    (v4(0, 0, 0, 0, 0), AddressClass::Public),
];

const V6: [(Ipv6Net, AddressClass); 18] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), AddressClass::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressClass::Loopback),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), AddressClass::Embedding),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), AddressClass::Embedding),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), AddressClass::Embedding),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), AddressClass::Embedding),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), AddressClass::Embedding),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressClass::Reserved),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), AddressClass::Reserved),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), AddressClass::Embedding),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), AddressClass::Reserved),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), AddressClass::Metadata),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressClass::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::Private),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressClass::Multicast),
    // All that is assigned to anybody; beyond it nothing is.
    (v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3), AddressClass::Public),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 0), AddressClass::Reserved),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(groups: [u16; 8], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(groups), bits)
}

impl AddressClass {
    /// The class of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let class = match address {
            IpAddr::V4(address) => V4.iter().find(|(net, _)| net.contains(&address)).map(|at| at.1),
            IpAddr::V6(address) => V6.iter().find(|(net, _)| net.contains(&address)).map(|at| at.1),
        };
        class.unwrap_or(Self::Reserved)
    }

    /// No configuration opens it.
    #[must_use]
    pub fn is_never_allowed(self) -> bool {
        matches!(self, Self::LinkLocal | Self::Metadata | Self::Multicast | Self::Unspecified)
    }

    /// For people, to be read after "is".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "in a private network",
            Self::CarrierNat => "in the shared network of a provider (100.64.0.0/10)",
            Self::Embedding => "an IPv4 address in the clothes of IPv6",
            Self::Reserved => "in a reserved network",
            Self::LinkLocal => "link-local",
            Self::Metadata => "the metadata service of a cloud",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
        }
    }
}

/// The IPv4 addresses that an IPv6 address may stand for: none for most; two where the prefix does
/// not tell which form it is.
#[must_use]
pub(super) fn embedded(address: IpAddr) -> Vec<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return Vec::new() };
    if AddressClass::of(address.into()) != AddressClass::Embedding {
        return Vec::new();
    }
    let octets = address.octets();
    let at = |places: [usize; 4]| {
        Ipv4Addr::from(places.map(|place| octets.get(place).copied().unwrap_or(0)))
    };
    let last = at([12, 13, 14, 15]);
    match address.segments() {
        // RFC 3056 §2: the 32 bits behind the prefix.
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        // RFC 4380 §4: the client's address, every bit of it turned.
        [0x2001, ..] => vec![Ipv4Addr::from(!u32::from(last))],
        // RFC 8215: for whoever runs the translator to divide; RFC 6052 §2.2, /48 and /96.
        [0x64, 0xff9b, 1, ..] => vec![last, at([6, 7, 9, 10])],
        _ => vec![last],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_block_begins_and_ends_where_its_registry_says() {
        use AddressClass::*;
        for (class, addresses) in [
            (
                Public,
                &["1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"][..],
            ),
            (Public, &["126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0"]),
            (Public, &["172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255"]),
            (Public, &["198.17.255.255", "198.20.0.0", "223.255.255.255", "8.8.8.8"]),
            (Unspecified, &["0.0.0.0", "0.255.255.255", "::"]),
            (Private, &["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255"]),
            (Private, &["192.168.0.0", "192.168.255.255", "fc00::", "fdff::1", "fec0::1"]),
            (CarrierNat, &["100.64.0.0", "100.127.255.255", "100.100.100.200"]),
            (Loopback, &["127.0.0.0", "127.255.255.255", "::1"]),
            (
                LinkLocal,
                &["169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::", "febf::1"],
            ),
            (Reserved, &["192.0.0.0", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.0"]),
            (Reserved, &["198.19.255.255", "198.51.100.7", "203.0.113.7", "240.0.0.1"]),
            (Reserved, &["255.255.255.255", "100::1", "2001:2::1", "2001:20::1", "2001:db8::1"]),
            (Reserved, &["3fff::1", "5f00::1", "4000::1", "1::1"]),
            (Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"]),
            (Metadata, &["fd00:ec2::254"]),
            (Embedding, &["::ffff:8.8.8.8", "::8.8.8.8", "::2", "64:ff9b::8.8.8.8"]),
            (Embedding, &["64:ff9b:1::1", "2001::1", "2002:808:808::1"]),
            (Public, &["2001:200::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1"]),
        ] {
            for address in addresses {
                assert_eq!(AddressClass::of(address.parse().unwrap()), class, "{address}");
            }
        }
    }

    #[test]
    fn what_stands_for_an_ipv4_address_is_seen_through() {
        for (address, inner) in [
            ("::ffff:10.0.0.1", &["10.0.0.1"][..]),
            ("::10.0.0.1", &["10.0.0.1"]),
            ("64:ff9b::a9fe:a9fe", &["169.254.169.254"]),
            ("64:ff9b:1:a9fe:a9:fe00::", &["0.0.0.0", "169.254.169.254"]),
            ("2002:7f00:1::", &["127.0.0.1"]),
            // 192.0.2.45 behind a NAT, RFC 4380 §4.
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", &["192.0.2.45"]),
            ("::1", &[]),
            ("2606:4700::1111", &[]),
            ("10.0.0.1", &[]),
        ] {
            let found: Vec<_> = embedded(address.parse().unwrap());
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, inner, "{address}");
        }
    }
}
