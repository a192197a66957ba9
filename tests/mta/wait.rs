//! Waiting for a condition, with a deadline. The only place of these tests that looks at a clock.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
const STEP: Duration = Duration::from_millis(20);

/// Looks until `look` finds something, or gives up after `limit`.
#[expect(clippy::disallowed_methods, reason = "the deadline and the step of every wait")]
pub(crate) fn find<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = look();
        if found.is_some() || start.elapsed() > limit {
            return found;
        }
        std::thread::sleep(STEP);
    }
}

/// Looks until `condition` holds; false when it did not within `limit`.
pub(crate) fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    find(limit, || condition().then_some(())).is_some()
}
