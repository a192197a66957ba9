//! Numbers that follow from a seed.

/// `SplitMix64` (Steele, Lea and Flood 2014): small, fast, and the same on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to below `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low).max(1)
    }

    /// True so many times in a thousand.
    pub(crate) fn in_thousand(&mut self, times: u64) -> bool {
        self.between(0, 1000) < times
    }

    /// One of these.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        let at = usize::try_from(self.next() % N as u64).unwrap_or_default();
        choices.get(at).copied().unwrap_or(choices[0])
    }
}
