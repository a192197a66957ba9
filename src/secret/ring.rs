//! The life of a webhook's secrets: which one signs, which former ones are still good, and what a
//! rotation makes of them (webhooks.md §2.6).
//!
//! Pure rules: where rings are kept is the writer's, who asks for a rotation is `api`'s.

use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;

use super::{
    keys::{FormerKey, KeyId, KeySet, LIVE_KEYS},
    seal::SealError,
    text::{Secret, SecretError},
};
use crate::profile::Profile;

/// How long a former secret stays good unless said otherwise.
pub const GRACE: Duration = Duration::from_hours(24);

/// How long it may stay good.
pub const LONGEST_GRACE: Duration = Duration::from_hours(7 * 24);

/// The secrets of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing {
    /// Id of the secret that the configuration named when this ring was made or last followed it.
    /// While it names the same, the current secret of the ring stands, also a rotated one.
    configured: KeyId,
    current: Secret,
    /// The newest first; at most two.
    former: Vec<FormerKey>,
}

/// Why a secret is not rotated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RotationError {
    /// It would be one secret too many.
    #[error("three secrets are good already, the first of them until {until:.0}")]
    TooMany {
        /// When there is room for another one.
        until: Timestamp,
    },
    /// There is nothing to rotate to.
    #[error("this is the current secret already")]
    Same,
    /// It cannot be kept.
    #[error("the secret cannot be sealed")]
    Seal(#[from] SealError),
}

impl KeyRing {
    /// With the secret that the configuration names, and no other.
    #[must_use]
    pub fn new(configured: Secret) -> Self {
        Self { configured: configured.id(), current: configured, former: Vec::new() }
    }

    /// As it was stored: `former` the newest first.
    #[must_use]
    pub fn restored(configured: KeyId, current: Secret, former: Vec<FormerKey>) -> Self {
        Self { configured, current, former }
    }

    /// The secret that the configuration named.
    #[must_use]
    pub fn configured(&self) -> KeyId {
        self.configured
    }

    /// The secret that signs.
    #[must_use]
    pub fn current(&self) -> &Secret {
        &self.current
    }

    /// Those before it, the newest first; some may have expired.
    #[must_use]
    pub fn former(&self) -> &[FormerKey] {
        &self.former
    }

    /// The secrets that are good at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> KeySet {
        KeySet::at(now, self.current.clone(), &self.former)
    }

    /// Follows the configuration, which may name another secret than before; then that one is
    /// current, and the one before it stays good for [`GRACE`]. False when nothing changed.
    pub fn follow(&mut self, configured: &Secret, now: Timestamp) -> bool {
        if configured.id() == self.configured {
            return false;
        }
        self.configured = configured.id();
        if *configured != self.current {
            self.replace(configured.clone(), GRACE, now);
        }
        true
    }

    /// The ring in which `new` signs, and the secret before it stays good for `grace`. Without any
    /// grace no former secret stays good, whatever it was promised.
    ///
    /// # Errors
    /// More than three would be good, or `new` is current already.
    pub fn rotated(
        &self,
        new: Secret,
        grace: Duration,
        now: Timestamp,
    ) -> Result<Self, RotationError> {
        if new == self.current {
            return Err(RotationError::Same);
        }
        let mut ring = self.clone();
        ring.former.retain(|key| key.secret != new);
        ring.prune(now);
        if !grace.is_zero()
            && ring.former.len() + 2 > LIVE_KEYS
            && let Some(until) = ring.former.iter().map(|key| key.valid_until).min()
        {
            return Err(RotationError::TooMany { until });
        }
        ring.replace(new, grace, now);
        Ok(ring)
    }

    /// Forgets former secrets that are none for this profile: they cannot sign for it.
    ///
    /// # Errors
    /// The secret that signs is none.
    pub fn fit(&mut self, profile: Profile) -> Result<(), SecretError> {
        Secret::parse(self.current.reveal_once(), profile)?;
        self.former.retain(|key| Secret::parse(key.secret.reveal_once(), profile).is_ok());
        Ok(())
    }

    /// Forgets what has expired. False when nothing has.
    pub fn prune(&mut self, now: Timestamp) -> bool {
        let before = self.former.len();
        self.former.retain(|key| key.valid_until > now);
        self.former.len() < before
    }

    /// What a changed configuration pushes out is the oldest.
    fn replace(&mut self, new: Secret, grace: Duration, now: Timestamp) {
        self.former.retain(|key| key.secret != new);
        let secret = std::mem::replace(&mut self.current, new);
        if grace.is_zero() {
            self.former.clear();
            return;
        }
        let valid_until = now.checked_add(grace).unwrap_or(Timestamp::MAX);
        self.former.insert(0, FormerKey { secret, valid_until });
        self.prune(now);
        self.former.truncate(LIVE_KEYS - 1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn secret(name: &str) -> Secret {
        Secret::parse(&format!("secret-of-a-test-{name}"), Profile::Generic).unwrap()
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn good(ring: &KeyRing, hour: i64) -> String {
        ring.at(at(hour))
            .all()
            .map(Secret::hint)
            .map(|hint| hint.trim_start_matches("st-"))
            .collect()
    }

    fn rotated(ring: &KeyRing, name: &str, hours: u32, hour: i64) -> KeyRing {
        ring.rotated(secret(name), HOUR * hours, at(hour)).unwrap()
    }

    #[test]
    fn a_rotated_secret_signs_and_the_former_one_is_good_for_its_grace() {
        let ring = rotated(&KeyRing::new(secret("A")), "B", 24, 0);
        assert_eq!((good(&ring, 23).as_str(), good(&ring, 24).as_str()), ("BA", "B"));
    }

    #[test]
    fn without_grace_no_former_secret_stays_good() {
        let ring = rotated(&KeyRing::new(secret("A")), "B", 24, 0);
        assert_eq!(good(&rotated(&ring, "C", 0, 1), 1), "C");
    }

    #[test]
    fn a_fourth_secret_is_refused_until_there_is_room_or_without_grace() {
        let ring = rotated(&KeyRing::new(secret("A")), "B", 24, 0);
        let ring = rotated(&ring, "C", 48, 1);
        assert_eq!(good(&ring, 2), "CBA");
        let refused = ring.rotated(secret("D"), HOUR, at(23)).unwrap_err();
        assert_eq!(refused, RotationError::TooMany { until: at(24) });
        assert_eq!(good(&rotated(&ring, "D", 1, 24), 24), "DCB");
        assert_eq!(good(&rotated(&ring, "D", 0, 2), 2), "D");
        // To a former one is back, and needs no room.
        assert_eq!(good(&rotated(&ring, "A", 1, 2), 2), "ACB");
        assert_eq!(ring.rotated(secret("C"), HOUR, at(2)), Err(RotationError::Same));
    }

    #[test]
    fn a_rotated_secret_stands_until_the_configuration_names_another_one() {
        let mut ring = rotated(&KeyRing::new(secret("A")), "B", 24, 0);
        assert!(!ring.follow(&secret("A"), at(1)));
        assert_eq!(good(&ring, 1), "BA");
        // The file catches up: nothing changes for receivers.
        assert!(ring.follow(&secret("B"), at(2)));
        assert_eq!(good(&ring, 2), "BA");
        // And says something else.
        assert!(ring.follow(&secret("C"), at(3)));
        assert_eq!((good(&ring, 3).as_str(), good(&ring, 26).as_str()), ("CBA", "CB"));
        assert_eq!(good(&ring, 27), "C");
        // And takes that back.
        assert!(ring.follow(&secret("B"), at(4)));
        assert_eq!(good(&ring, 4), "BCA");
    }

    #[test]
    fn a_file_that_changes_again_and_again_pushes_out_the_oldest() {
        let mut ring = KeyRing::new(secret("A"));
        for (hour, name) in ["B", "C", "D"].into_iter().enumerate() {
            assert!(ring.follow(&secret(name), at(i64::try_from(hour).unwrap())));
        }
        assert_eq!(good(&ring, 3), "DCB");
    }
}
