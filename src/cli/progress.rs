//! What a replay shows while it works: how much is read, and then how much is sent, which with `--rate`
//! takes far longer.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::Progress;

/// How often it is drawn anew.
const REDRAW: Duration = Duration::from_millis(200);

const READING: &str = "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {msg} eta {eta}";
const SENDING: &str = "{wide_bar} {human_pos}/{human_len} deliveries {per_sec} eta {eta}";

/// A bar on standard error, when that is a terminal.
#[derive(Debug)]
pub(super) struct Shown {
    bar: ProgressBar,
    is_sending: AtomicBool,
}

impl Shown {
    /// Of so many bytes.
    pub(super) fn new(total_bytes: u64) -> Self {
        let shown = Self::on(ProgressBar::new(total_bytes));
        shown.bar.enable_steady_tick(REDRAW);
        shown
    }

    fn on(bar: ProgressBar) -> Self {
        let shown = Self { bar, is_sending: AtomicBool::new(false) };
        shown.look_like(READING);
        shown
    }

    /// Shows it.
    pub(super) fn show(&self, progress: Progress) {
        match progress {
            Progress::Read { bytes, lines } => {
                self.bar.set_position(bytes);
                self.bar.set_message(lines_text(lines, self.bar.elapsed()));
            }
            Progress::Sending { done, left } => self.show_sending(done, left),
        }
    }

    /// Leaves nothing of it on the screen.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// What was sent while it was read counts, too; what waits may become more.
    fn show_sending(&self, done: u64, left: u64) {
        self.bar.set_length(done.saturating_add(left));
        self.bar.set_position(done);
        if !self.is_sending.swap(true, Ordering::Relaxed) {
            self.look_like(SENDING);
            self.bar.reset_eta();
        }
    }

    fn look_like(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }
}

/// How many lines were read, and how many a second.
fn lines_text(lines: u64, elapsed: Duration) -> String {
    let per_second =
        lines.saturating_mul(1000) / u64::try_from(elapsed.as_millis()).unwrap_or(1).max(1);
    format!("{lines} lines, {per_second}/s")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal that remembers what was written to it.
    #[derive(Debug, Clone, Default)]
    struct Terminal(Arc<Mutex<String>>);

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is on the screen behind each step.
    fn shown(steps: &[Progress]) -> Vec<String> {
        let terminal = Terminal::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let shown = Shown::on(ProgressBar::with_draw_target(Some(2048), target));
        let screen = steps.iter().map(|&step| {
            shown.show(step);
            shown.bar.force_draw();
            terminal.0.lock().unwrap().clone()
        });
        screen.collect()
    }

    /// It once stood at its end for hours while deliveries went on, a few a second.
    #[test]
    fn the_bar_goes_on_with_deliveries_when_all_is_read() {
        let screens = shown(&[
            Progress::Read { bytes: 1024, lines: 7 },
            Progress::Read { bytes: 2048, lines: 14 },
            Progress::Sending { done: 10, left: 1990 },
            Progress::Sending { done: 1000, left: 1100 },
            Progress::Sending { done: 2100, left: 0 },
        ]);
        let words =
            ["1.00 KiB/2.00 KiB", "14 lines", "10/2,000 deliveries", "1,000/2,100", "2,100/2,100"];
        for (screen, words) in screens.iter().zip(words) {
            assert!(screen.contains(words), "{words}: {screens:?}");
        }
    }

    #[test]
    fn lines_a_second_are_told_from_the_first_moment() {
        assert_eq!(lines_text(5, Duration::ZERO), "5 lines, 5000/s");
        assert_eq!(lines_text(5, Duration::from_secs(10)), "5 lines, 0/s");
    }
}
