//! Which URLs a webhook may have at all: the rules that need no resolver.
//!
//! A URL has been through the WHATWG parser, so that odd spellings of an address (`0x7f.1`,
//! `2130706433`, full-width digits) are that address here, and a name is in its ASCII form.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use super::policy::{Denied, Origin, Policy};
use crate::profile::Profile;

/// Ports of services that take what they do not understand for commands, or that mail and browsers
/// must not be made to speak to: the bad ports of the WHATWG Fetch standard (§2.9), and caches,
/// databases and the like beside them. Sorted.
const DENIED_PORTS: [u16; 94] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 24, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2375, 3306, 3659, 4045, 4190, 4379, 5060, 5061,
    5432, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211, 27017, 27018,
    27019,
];

/// What decides about a URL besides the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlRules {
    /// Some profiles require https.
    pub profile: Profile,
    /// Who made the webhook.
    pub origin: Origin,
}

impl Policy {
    /// Judges a webhook's URL as it is written, and the address in it, if it is one
    /// (webhooks.md C13, §2.7). A name is judged when it is resolved.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_url(&self, url: &Url, rules: UrlRules) -> Result<(), Denied> {
        check_shape(url)?;
        self.check_scheme(url, rules.profile)?;
        let port = url.port_or_known_default().unwrap_or_default();
        if DENIED_PORTS.binary_search(&port).is_ok() {
            return Err(Denied::Port(port));
        }
        match literal(url) {
            Some(address) => {
                self.check_address(address, Some(port), names_loopback(url, rules.origin))
            }
            None => Ok(()),
        }
    }

    fn check_scheme(&self, url: &Url, profile: Profile) -> Result<(), Denied> {
        if url.scheme() == "https" || is_loopback(url) {
            Ok(())
        } else if profile.requires_https() {
            Err(Denied::HttpsRequired(profile))
        } else if self.require_https {
            Err(Denied::HttpsOnly)
        } else {
            Ok(())
        }
    }
}

/// The URL says that its target is this machine, and whoever made the webhook may say so.
pub(super) fn names_loopback(url: &Url, origin: Origin) -> bool {
    origin == Origin::File && is_loopback(url)
}

fn check_shape(url: &Url) -> Result<(), Denied> {
    if !matches!(url.scheme(), "http" | "https") {
        Err(Denied::Scheme)
    } else if !url.username().is_empty() || url.password().is_some() {
        Err(Denied::Userinfo)
    } else if url.fragment().is_some() {
        Err(Denied::Fragment)
    } else {
        Ok(())
    }
}

/// The address that stands in place of a name, or that a name stands for everywhere: a proxy has a
/// loopback, too.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(name) => is_localhost(name).then(|| Ipv4Addr::LOCALHOST.into()),
    }
}

fn is_loopback(url: &Url) -> bool {
    literal(url).is_some_and(|address| address.is_loopback())
}

/// A name of this machine, whoever is asked (RFC 6761 §6.3).
#[must_use]
pub fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn check_by(url: &str, profile: Profile, origin: Origin) -> Result<(), Denied> {
        let rules = UrlRules { profile, origin };
        Policy::default().check_url(&url.parse().unwrap(), rules)
    }

    fn check(url: &str, profile: Profile) -> Result<(), Denied> {
        check_by(url, profile, Origin::File)
    }

    #[test]
    fn only_jetemail_and_generic_take_plain_http_beyond_loopback() {
        for &profile in Profile::ALL {
            assert_eq!(check("https://example.com/hook?a=1", profile), Ok(()));
            let plain = check("http://example.com/", profile);
            let refused = Err(Denied::HttpsRequired(profile));
            assert_eq!(plain, if profile.requires_https() { refused } else { Ok(()) });
        }
    }

    #[test]
    fn one_key_requires_https_of_every_profile_except_to_loopback() {
        let policy = Policy { require_https: true, ..Policy::default() };
        let rules = UrlRules { profile: Profile::Generic, origin: Origin::File };
        let check = |url: &str| policy.check_url(&url.parse().unwrap(), rules);
        assert_eq!(check("http://example.com/"), Err(Denied::HttpsOnly));
        assert_eq!(check("https://example.com/"), Ok(()));
        assert_eq!(check("http://127.0.0.1:3000/"), Ok(()));
    }

    #[test]
    fn loopback_may_be_plain_in_every_spelling_in_a_file() {
        for host in [
            "localhost:8080",
            "LOCALHOST.",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "0x7f.1",
            "2130706433",
            "[::1]",
        ] {
            let url = format!("http://{host}/");
            assert_eq!(check(&url, Profile::Standard), Ok(()), "{host}");
        }
        for host in
            ["localhost.example.com", "notlocalhost", "128.0.0.1", "[::2]", "127.0.0.1.example.com"]
        {
            assert!(check(&format!("http://{host}/"), Profile::Standard).is_err(), "{host}");
        }
    }

    #[test]
    fn an_address_is_itself_in_every_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://127.0.0.0x1/",
            "http://%31%32%37.0.0.1/",
            "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
            "http://\u{2460}\u{2461}\u{2466}\u{3002}0.0.1/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:0:1:1:1:1:80ff:fffe]/",
            "http://localhost/",
            "http://app.localhost./",
            "http://10.0.0.1/",
            "http://167772161/",
            "http://[::ffff:10.0.0.1]/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://2852039166/",
            "http://0xa9.254.0xa9fe/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://0/",
            "http://0.0.0.0/",
            "http://[::]/",
        ] {
            let result = check_by(url, Profile::Generic, Origin::Api);
            let denied = matches!(result, Err(Denied::Network { .. } | Denied::Never { .. }));
            assert!(denied, "{url}: {result:?}");
        }
    }

    #[test]
    fn a_name_that_only_looks_like_an_address_is_a_name() {
        for url in ["https://127.0.0.1.example.com/", "https://ten.example/", "https://a10.0x.org/"]
        {
            assert_eq!(check_by(url, Profile::Generic, Origin::Api), Ok(()), "{url}");
        }
        // What ends like a number and is none has no WHATWG host at all.
        for url in
            ["http://1.2.3.4.5/", "http://256.0.0.1/", "http://0x100000000/", "http://[::1%25lo]/"]
        {
            assert!(url.parse::<Url>().is_err(), "{url}");
        }
    }

    #[test]
    fn names_of_other_scripts_are_judged_in_ascii() {
        let url: Url = "https://b\u{fc}cher.example/\u{fc}".parse().unwrap();
        assert_eq!(url.as_str(), "https://xn--bcher-kva.example/%C3%BC");
        let rules = UrlRules { profile: Profile::Standard, origin: Origin::Api };
        assert_eq!(Policy::default().check_url(&url, rules), Ok(()));
        // A sign that reads as "localhost" once it is normalised.
        let url: Url = "http://\u{24db}ocalhost/".parse().unwrap();
        assert_eq!(url.host_str(), Some("localhost"));
    }

    #[test]
    fn ports_of_other_protocols_are_refused_in_every_scheme() {
        assert!(DENIED_PORTS.is_sorted());
        for port in [22, 25, 465, 587, 993, 6379, 11211, 5432] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://127.0.0.1:{port}/");
                assert_eq!(check(&url, Profile::Generic), Err(Denied::Port(port)), "{url}");
            }
        }
        for port in [80, 443, 3000, 8000, 8025, 8080, 8443, 32768, 65535] {
            let url = format!("https://example.com:{port}/");
            assert_eq!(check(&url, Profile::Generic), Ok(()), "{url}");
        }
    }

    #[test]
    fn other_schemes_credentials_and_fragments_are_refused() {
        for (url, error) in [
            ("ftp://example.com/", Denied::Scheme),
            ("file:///etc/passwd", Denied::Scheme),
            ("gopher://example.com:70/", Denied::Scheme),
            ("https://user@example.com/", Denied::Userinfo),
            ("https://:secret@example.com/", Denied::Userinfo),
            ("https://example.com@127.0.0.1/", Denied::Userinfo),
            ("https://example.com/#part", Denied::Fragment),
            ("https://example.com/#", Denied::Fragment),
        ] {
            assert_eq!(check(url, Profile::Jetemail), Err(error), "{url}");
        }
    }
}
