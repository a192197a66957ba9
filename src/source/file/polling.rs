//! Where events cannot be relied on.

use std::path::Path;

use rustix::fs::statfs;

/// File systems that others change, or that pass changes through, without an event here: the
/// numbers of `linux/magic.h`, `fs/smb/client/cifsfs.h` and `fs/smb/server/vfs.h`.
const SILENT: [u32; 14] = [
    0x0000_6969, // NFS
    0x0000_517b, // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB 2 and later
    0x0102_1997, // 9p
    0x6573_5546, // FUSE
    0x794c_7630, // overlayfs: nothing is told of the layers below
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x0bd0_0bd0, // Lustre
    0x0116_1970, // GFS2
    0x7461_636f, // OCFS2
    0x786f_4256, // VirtualBox's shared folders
    0x4750_4653, // GPFS
];

/// Growth without an event, this often running, is no chance.
const MISSES: u8 = 2;

/// This directory lies on a file system that may change without an event.
pub(super) fn is_silent(directory: &Path) -> bool {
    let kind = statfs(directory).ok().and_then(|stat| u32::try_from(stat.f_type).ok());
    kind.is_some_and(|kind| SILENT.contains(&kind))
}

/// Whether events come when files grow.
#[derive(Debug)]
pub(super) struct Trust {
    /// The last wait was ended by an event.
    was_woken: bool,
    misses: u8,
}

impl Trust {
    /// Nothing is held against the events yet.
    pub(super) fn new() -> Self {
        Self { was_woken: true, misses: 0 }
    }

    /// What the next round finds need not have been told by an event.
    pub(super) fn excuse(&mut self) {
        self.was_woken = true;
    }

    /// After each wait. `has_grown` says what the round before it found, `is_woken` how the wait
    /// ended: an event may come a moment later than the look that found what it tells.
    pub(super) fn judge(&mut self, has_grown: bool, is_woken: bool) {
        let was_woken = std::mem::replace(&mut self.was_woken, is_woken);
        if is_woken {
            self.misses = 0;
        } else if has_grown && !was_woken {
            self.misses = self.misses.saturating_add(1);
        }
    }

    /// Events do not come.
    pub(super) fn is_lost(&self) -> bool {
        self.misses >= MISSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step is whether a round found growth, and whether an event ended the wait after it.
    fn is_lost_after(steps: &[(bool, bool)]) -> bool {
        let mut trust = Trust::new();
        for &(has_grown, is_woken) in steps {
            trust.judge(has_grown, is_woken);
        }
        trust.is_lost()
    }

    #[test]
    fn row_26_growth_without_an_event_twice_running_loses_the_trust_in_events() {
        let (silence, miss) = ((false, false), (true, false));
        assert!(is_lost_after(&[silence, miss, silence, silence, miss]));
        assert!(!is_lost_after(&[silence, miss]));
        assert!(!is_lost_after(&[silence, silence, silence]));
    }

    #[test]
    fn row_26_an_event_that_comes_late_or_in_between_keeps_the_trust() {
        let (silence, miss, event) = ((false, false), (true, false), (false, true));
        assert!(!is_lost_after(&[silence, miss, event, silence, miss]));
        // The look was faster than the event.
        assert!(!is_lost_after(&[silence, (true, true), silence, (true, true)]));
        // The first look of all, and the one after an event, owe nothing to polling.
        assert!(!is_lost_after(&[miss, event, miss, silence, event, miss]));
    }

    #[test]
    fn row_26_a_local_file_system_is_watched() {
        assert!(!is_silent(Path::new("/proc")));
        assert!(!is_silent(Path::new("/nowhere")));
    }
}
