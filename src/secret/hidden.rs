//! A text or file that is not for eyes: a token in a header, a private key.

use std::{fmt, sync::Arc};

/// Bytes that no `Debug` shows. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Hidden(Arc<[u8]>);

impl Hidden {
    /// The bytes, for the one who sends them.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl<T: AsRef<[u8]>> From<T> for Hidden {
    fn from(bytes: T) -> Self {
        Self(bytes.as_ref().into())
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
}
