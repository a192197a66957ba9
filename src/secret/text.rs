//! The secret that signs a webhook's requests, as text.

use std::{fmt, ops::RangeInclusive};

use data_encoding::BASE64;
use rand::{TryRng, rngs::SysRng};
use thiserror::Error;

use crate::profile::{KeyMode, Profile};

/// Marks a secret whose rest is base64 (Standard Webhooks).
const PREFIX: &str = "whsec_";

/// Bytes of a generated key.
const GENERATED_BYTES: usize = 32;

/// Bytes of a decoded key (Standard Webhooks asks for 24 to 64).
const DECODED_BYTES: RangeInclusive<usize> = 24..=64;

/// Bytes of a secret that is its own key.
const LITERAL_BYTES: RangeInclusive<usize> = 16..=256;

/// A webhook secret, as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a text cannot be a secret. Never holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecretError {
    /// Standard Webhooks marks its secrets.
    #[error("secret does not begin with `whsec_`")]
    NoPrefix,
    /// What follows the prefix cannot be decoded.
    #[error("secret is not `whsec_` and padded base64")]
    NotBase64,
    /// Too weak, or not a secret at all.
    #[error("secret decodes to {found} bytes, not 24 to 64")]
    DecodedLength {
        /// Bytes after decoding.
        found: usize,
    },
    /// Too weak, or not a secret at all.
    #[error("secret has {found} bytes, not 16 to 256")]
    LiteralLength {
        /// Bytes as given.
        found: usize,
    },
    /// A line end or another invisible byte, probably from a file or a shell.
    #[error("secret holds a byte that is not printable ASCII")]
    NotPrintable,
    /// The operating system gives no random bytes.
    #[error("the system gives no random bytes for a secret")]
    NoRandomness,
}

impl Secret {
    /// Takes a secret that the operator chose, by the rules of the profile that it shall sign for
    /// (webhooks.md §2.6).
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str, profile: Profile) -> Result<Self, SecretError> {
        match profile.key_mode() {
            KeyMode::Decoded => check_decoded(text)?,
            KeyMode::Literal => check_literal(text)?,
        }
        Ok(Self(text.to_owned()))
    }

    /// A new secret of 32 random bytes, good for every profile.
    ///
    /// # Errors
    /// [`SecretError::NoRandomness`].
    pub fn generate() -> Result<Self, SecretError> {
        let mut key = [0; GENERATED_BYTES];
        SysRng.try_fill_bytes(&mut key).map_err(|_| SecretError::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", BASE64.encode(&key))))
    }

    /// The key of a scheme that takes the text as it is.
    #[must_use]
    pub fn literal_key(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The key of a scheme that decodes the text; None if it is no `whsec_` with valid base64.
    #[must_use]
    pub fn decoded_key(&self) -> Option<Vec<u8>> {
        BASE64.decode(self.0.strip_prefix(PREFIX)?.as_bytes()).ok()
    }

    /// The text, for the one time that a generated secret is shown or stored.
    #[must_use]
    pub fn reveal_once(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn check_decoded(text: &str) -> Result<(), SecretError> {
    let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::NoPrefix)?;
    let key = BASE64.decode(encoded.as_bytes()).map_err(|_| SecretError::NotBase64)?;
    if DECODED_BYTES.contains(&key.len()) {
        Ok(())
    } else {
        Err(SecretError::DecodedLength { found: key.len() })
    }
}

fn check_literal(text: &str) -> Result<(), SecretError> {
    if !LITERAL_BYTES.contains(&text.len()) {
        return Err(SecretError::LiteralLength { found: text.len() });
    }
    if text.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
        return Err(SecretError::NotPrintable);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn refusal(text: &str, profile: Profile) -> SecretError {
        Secret::parse(text, profile).unwrap_err()
    }

    fn whsec(bytes: usize) -> String {
        format!("{PREFIX}{}", BASE64.encode(&vec![7; bytes]))
    }

    #[test]
    fn standard_takes_24_to_64_decoded_bytes() {
        assert_eq!(
            refusal(&whsec(23), Profile::Standard),
            SecretError::DecodedLength { found: 23 }
        );
        assert_eq!(
            refusal(&whsec(65), Profile::Standard),
            SecretError::DecodedLength { found: 65 }
        );
        for bytes in [24, 64] {
            let secret = Secret::parse(&whsec(bytes), Profile::Standard).unwrap();
            assert_eq!(secret.decoded_key(), Some(vec![7; bytes]));
        }
    }

    #[test]
    fn standard_refuses_what_it_cannot_decode() {
        assert_eq!(refusal("your-webhook-secret", Profile::Standard), SecretError::NoPrefix);
        assert_eq!(refusal("whsec_not base64!", Profile::Standard), SecretError::NotBase64);
        assert_eq!(refusal("", Profile::Standard), SecretError::NoPrefix);
    }

    #[test]
    fn literal_profiles_take_16_to_256_printable_bytes() {
        for profile in [Profile::Jetemail, Profile::Generic, Profile::Lettermint] {
            let secret = Secret::parse("your-webhook-secret", profile).unwrap();
            assert_eq!(secret.literal_key(), b"your-webhook-secret");
            assert_eq!(secret.decoded_key(), None);
            assert_eq!(refusal(&"a".repeat(15), profile), SecretError::LiteralLength { found: 15 });
            assert_eq!(
                refusal(&"a".repeat(257), profile),
                SecretError::LiteralLength { found: 257 }
            );
            assert!(Secret::parse(&"a".repeat(256), profile).is_ok());
            assert_eq!(refusal("sixteen bytes ok\n", profile), SecretError::NotPrintable);
        }
    }

    #[test]
    fn a_generated_secret_is_valid_everywhere_and_never_the_same() {
        let secret = Secret::generate().unwrap();
        assert_eq!(secret.decoded_key().unwrap().len(), 32);
        for &profile in Profile::ALL {
            assert_eq!(Secret::parse(secret.reveal_once(), profile).unwrap(), secret);
        }
        assert_ne!(Secret::generate().unwrap(), secret);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::generate().unwrap()), "Secret(…)");
    }
}
