//! A text or file that is not for eyes: a token in a header, a private key.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use sha2::{Digest, Sha256};

/// Bytes that no `Debug` shows. Cheap to clone, and to compare: each carries its digest.
#[derive(Clone)]
pub struct Hidden {
    bytes: Arc<[u8]>,
    digest: [u8; 32],
}

impl Hidden {
    /// The bytes, for the one who sends them.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T: AsRef<[u8]>> From<T> for Hidden {
    fn from(bytes: T) -> Self {
        let bytes: Arc<[u8]> = bytes.as_ref().into();
        Self { digest: Sha256::digest(&bytes).into(), bytes }
    }
}

impl PartialEq for Hidden {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Hidden {}

impl Hash for Hidden {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Some(Hidden::from("Bearer abc"))), "Some(Hidden(…))");
    }

    #[test]
    fn what_is_equal_is_equal_wherever_it_came_from() {
        assert_eq!(Hidden::from("abc"), Hidden::from(vec![b'a', b'b', b'c']));
        assert_ne!(Hidden::from("abc"), Hidden::from("abd"));
    }
}
