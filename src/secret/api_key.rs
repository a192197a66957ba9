//! Keys of the API: who may ask over the network, and for what.
//!
//! A key is known by the SHA-256 of its text: nothing that is stored or held in memory gives the text
//! back, and looking a digest up takes no time that depends on a nearly right key.

use std::{collections::BTreeMap, fmt, sync::Arc};

use data_encoding::{BASE32_NOPAD, Encoding};
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::SecretError;

/// How every key begins.
const PREFIX: &str = "api_";
/// Random bytes of a key.
const BYTES: usize = 32;
/// Bytes of the digest that name a key.
const ID_BYTES: usize = 10;

/// The text of a key, for the one who gets it. No `Debug` shows it.
pub struct Token(String);

/// SHA-256 of a [`Token`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenDigest(pub [u8; 32]);

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To see everything.
    Read,
    /// To change everything, too.
    Admin,
}

/// What is remembered of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Tells people what it is for; unique.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: u64,
    // Since the second stored form (`writer::api_keys`):
    /// Whose events it is for.
    pub owned: Owned,
}

/// Whose events somebody may ask for (webhooks.md C19).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owned {
    /// Outbound events of these users only; None for all.
    pub users: Option<Vec<String>>,
    /// Inbound events for these domains only, lower case; None for all.
    pub domains: Option<Vec<String>>,
}

impl Owned {
    /// There is nothing that it may not ask for.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.users.is_none() && self.domains.is_none()
    }

    /// Who gets events of these users and for these domains gets nothing else. None stands for all.
    #[must_use]
    pub fn covers(&self, users: Option<&[String]>, domains: Option<&[String]>) -> bool {
        let within = |own: &Option<Vec<String>>, asked: Option<&[String]>| {
            own.as_ref()
                .is_none_or(|own| asked.is_some_and(|it| it.iter().all(|one| own.contains(one))))
        };
        within(&self.users, users) && within(&self.domains, domains)
    }
}

/// All keys, as they are at this moment: a clone sees the same ones.
#[derive(Clone)]
pub struct ApiKeys(Arc<watch::Sender<Known>>);

/// The keys by digest.
pub type Known = Arc<BTreeMap<TokenDigest, ApiKey>>;

impl Token {
    /// A new one, of 256 random bits.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = [0; BYTES];
        SysRng.try_fill_bytes(&mut bytes).map_err(|_| SecretError::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", lower_case().encode(&bytes))))
    }

    /// The text, for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenDigest {
    /// Of the text that somebody gives as a key.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Names the key: `key_` and 16 characters.
    #[must_use]
    pub fn id(&self) -> String {
        let head = self.0.first_chunk::<ID_BYTES>().copied().unwrap_or_default();
        format!("key_{}", lower_case().encode(&head))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

impl Role {
    /// `read` or `admin`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl ApiKeys {
    /// These keys.
    #[must_use]
    pub fn new(known: BTreeMap<TokenDigest, ApiKey>) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(known))))
    }

    /// As they are now.
    #[must_use]
    pub fn known(&self) -> Known {
        Arc::clone(&self.0.borrow())
    }

    /// Tells when they change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Known> {
        self.0.subscribe()
    }

    /// From now on these are the keys.
    pub fn set(&self, known: BTreeMap<TokenDigest, ApiKey>) {
        self.0.send_replace(Arc::new(known));
    }
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known().keys()).finish()
    }
}

/// RFC 4648 in lower case, so that a key is one word to a double click.
fn lower_case() -> Encoding {
    let mut spec = BASE32_NOPAD.specification();
    spec.symbols.make_ascii_lowercase();
    spec.encoding().unwrap_or(BASE32_NOPAD)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn c19_what_a_key_does_not_own_it_does_not_cover() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let owned: Owned = Owned { users: list(&["ann", "bob"]), domains: None };
        let covers = |users: &Option<Vec<String>>| owned.covers(users.as_deref(), None);
        assert!(covers(&list(&["ann"])) && covers(&list(&["bob", "ann"])));
        assert!(!covers(&list(&["ann", "eve"])) && !covers(&None));
        assert!(Owned::default().covers(None, None) && Owned::default().is_everything());
        assert!(!owned.is_everything());
    }

    #[test]
    fn a_key_has_256_bits_and_no_debug_shows_it() {
        let (one, other) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        let body = one.reveal().strip_prefix("api_").unwrap();
        assert_eq!(lower_case().decode(body.as_bytes()).unwrap().len(), 32);
        assert_eq!(format!("{one:?}"), "Token(…)");
        let digest = TokenDigest::of(one.reveal());
        assert!(!digest.id().contains(body) && digest.id().len() == 20, "{}", digest.id());
    }
}
