//! Which addresses a webhook may have at all.
//!
//! The rules that need no resolver: scheme, https, nothing in the URL that is not sent.

use thiserror::Error;
use url::{Host, Url};

use crate::profile::Profile;

/// Why a webhook cannot have that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
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
}

/// Checks a webhook's address by the rules of its profile (webhooks.md C13, §2.7).
///
/// # Errors
/// The first rule that it breaks.
pub fn check_url(url: &Url, profile: Profile) -> Result<(), UrlError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Userinfo);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    if url.scheme() == "http" && profile.requires_https() && !is_loopback(url) {
        return Err(UrlError::HttpsRequired(profile));
    }
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn check(url: &str, profile: Profile) -> Result<(), UrlError> {
        check_url(&url.parse().unwrap(), profile)
    }

    #[test]
    fn only_jetemail_and_generic_take_plain_http_beyond_loopback() {
        for &profile in Profile::ALL {
            assert_eq!(check("https://example.com/hook?a=1", profile), Ok(()));
            let plain = check("http://example.com/", profile);
            let refused = Err(UrlError::HttpsRequired(profile));
            assert_eq!(plain, if profile.requires_https() { refused } else { Ok(()) });
        }
    }

    #[test]
    fn loopback_may_be_plain_in_every_spelling() {
        for host in ["localhost:8080", "127.0.0.1", "127.9.9.9", "0x7f.1", "2130706433", "[::1]"] {
            assert_eq!(check(&format!("http://{host}/"), Profile::Standard), Ok(()), "{host}");
        }
        for host in ["localhost.example.com", "128.0.0.1", "[::2]", "127.0.0.1.example.com"] {
            assert!(check(&format!("http://{host}/"), Profile::Standard).is_err(), "{host}");
        }
    }

    #[test]
    fn other_schemes_credentials_and_fragments_are_refused() {
        for (url, error) in [
            ("ftp://example.com/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("https://user@example.com/", UrlError::Userinfo),
            ("https://:secret@example.com/", UrlError::Userinfo),
            ("https://example.com/#part", UrlError::Fragment),
        ] {
            assert_eq!(check(url, Profile::Jetemail), Err(error), "{url}");
        }
    }
}
