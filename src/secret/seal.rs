//! Makes secrets fit to be stored: XChaCha20-Poly1305 under a key that is not in the store.
//!
//! Whoever copies the store without the key has no secrets. The 24 random bytes of each nonce make
//! a repeat as good as impossible (draft-irtf-cfrg-xchacha-03 §3.1). What a secret belongs to is
//! sealed in as associated data, so that it cannot be moved to another webhook.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Bytes of a sealing key.
const KEY_BYTES: usize = 32;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// Makes the id of a key no hash that anybody uses for anything else.
const ID_DOMAIN: &[u8] = b"mailherald sealing key id\0";

/// Seals and opens under one key. Shows nothing of it.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    id: [u8; 8],
}

/// What is stored in place of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which key it was sealed under.
    key_id: [u8; 8],
    nonce: [u8; NONCE_BYTES],
    /// Sixteen bytes longer than the secret.
    text: Vec<u8>,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// The key file holds something else.
    #[error("the key is not 32 bytes in base64")]
    Key,
    /// Sealed under another key.
    #[error("sealed under the key {sealed}, but the key given is {given}")]
    OtherKey {
        /// Id of the key that it was sealed under.
        sealed: String,
        /// Id of ours.
        given: String,
    },
    /// Sealed, and there is no key at all.
    #[error("sealed under the key {sealed}, but no key is given")]
    NoKey {
        /// Id of the key that it was sealed under.
        sealed: String,
    },
    /// Under this key, but changed since, or moved from elsewhere.
    #[error("damaged, or sealed for something else")]
    Damaged,
    /// The operating system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl Sealer {
    /// Takes a key as its file holds it: 32 bytes in base64.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn from_text(text: &str) -> Result<Self, SealError> {
        let bytes = data_encoding::BASE64.decode(text.trim().as_bytes());
        let bytes: [u8; KEY_BYTES] =
            bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or(SealError::Key)?;
        let mut hash = Sha256::new_with_prefix(ID_DOMAIN);
        hash.update(bytes);
        let id = hash.finalize().first_chunk().copied().unwrap_or_default();
        Ok(Self { cipher: XChaCha20Poly1305::new(&bytes.into()), id })
    }

    /// Tells keys apart, for people.
    #[must_use]
    pub fn id(&self) -> String {
        hex(self.id)
    }

    /// Seals `secret` for `owner`, which opening must name again.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn seal(&self, secret: &[u8], owner: &[u8]) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        SysRng.try_fill_bytes(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let payload = Payload { msg: secret, aad: owner };
        // Fails only for messages of 256 GiB.
        let text = self.cipher.encrypt(&XNonce::from(nonce), payload);
        Ok(Sealed { key_id: self.id, nonce, text: text.map_err(|_| SealError::Damaged)? })
    }

    /// Opens what was sealed for `owner`.
    ///
    /// # Errors
    /// It was sealed under another key, or is not what was sealed.
    pub fn open(&self, sealed: &Sealed, owner: &[u8]) -> Result<Vec<u8>, SealError> {
        if sealed.key_id != self.id {
            let (sealed, given) = (hex(sealed.key_id), self.id());
            return Err(SealError::OtherKey { sealed, given });
        }
        let payload = Payload { msg: &sealed.text, aad: owner };
        self.cipher.decrypt(&XNonce::from(sealed.nonce), payload).map_err(|_| SealError::Damaged)
    }
}

impl Sealed {
    /// It needs to be sealed again to be under `sealer`'s key.
    #[must_use]
    pub fn is_under(&self, sealer: &Sealer) -> bool {
        self.key_id == sealer.id
    }

    /// Id of the key that it was sealed under, for people.
    #[must_use]
    pub fn key_id(&self) -> String {
        hex(self.key_id)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.id())
    }
}

fn hex(id: [u8; 8]) -> String {
    data_encoding::HEXLOWER.encode(&id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const SECRET: &[u8] = b"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn sealer(byte: u8) -> Sealer {
        Sealer::from_text(&data_encoding::BASE64.encode(&[byte; KEY_BYTES])).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_its_key_and_for_its_owner_only() {
        let sealed = sealer(1).seal(SECRET, b"webhook a").unwrap();
        assert_eq!(sealer(1).open(&sealed, b"webhook a").unwrap(), SECRET);
        assert_eq!(sealer(1).open(&sealed, b"webhook b"), Err(SealError::Damaged));
        assert!(sealed.is_under(&sealer(1)) && !sealed.is_under(&sealer(2)));
    }

    #[test]
    fn a_wrong_key_is_told_from_damage() {
        let sealed = sealer(1).seal(SECRET, b"").unwrap();
        let error = sealer(2).open(&sealed, b"").unwrap_err();
        let (right, wrong) = (sealer(1).id(), sealer(2).id());
        assert_eq!(error, SealError::OtherKey { sealed: right, given: wrong });
        for at in 0..sealed.text.len() {
            let mut damaged = sealed.clone();
            *damaged.text.get_mut(at).unwrap() ^= 1;
            assert_eq!(sealer(1).open(&damaged, b""), Err(SealError::Damaged), "{at}");
        }
        let mut damaged = sealed;
        damaged.nonce = [0; NONCE_BYTES];
        assert_eq!(sealer(1).open(&damaged, b""), Err(SealError::Damaged));
    }

    #[test]
    fn nothing_readable_is_left_and_no_two_are_alike() {
        let (one, other) =
            (sealer(1).seal(SECRET, b"").unwrap(), sealer(1).seal(SECRET, b"").unwrap());
        assert_ne!(one, other);
        let stored = postcard::to_allocvec(&one).unwrap();
        assert!(!stored.windows(5).any(|part| part == b"whsec"));
        assert_eq!(postcard::from_bytes::<Sealed>(&stored).unwrap(), one);
    }

    #[test]
    fn a_key_is_32_bytes_in_base64_and_never_shown() {
        for wrong in ["", "short", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "!"] {
            assert_eq!(Sealer::from_text(wrong).unwrap_err(), SealError::Key, "{wrong}");
        }
        let spaced = format!(" {}\n", data_encoding::BASE64.encode(&[1; KEY_BYTES]));
        assert_eq!(Sealer::from_text(&spaced).unwrap().id(), sealer(1).id());
        assert_eq!(format!("{:?}", sealer(1)), format!("Sealer({})", sealer(1).id()));
    }

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1: the cipher is the published one.
    #[test]
    fn the_published_vector_holds() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        let own = Sealer::from_text(&data_encoding::BASE64.encode(&key)).unwrap();
        let nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657").try_into().unwrap();
        let text = hex(concat!(
            "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb",
            "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452",
            "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9",
            "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780a",
            "cf49"
        ));
        let sealed = Sealed { key_id: own.id, nonce, text };
        let opened = own.open(&sealed, &hex("50515253c0c1c2c3c4c5c6c7")).unwrap();
        assert!(opened.starts_with(b"Ladies and Gentlemen of the class of '99"));
    }
}
