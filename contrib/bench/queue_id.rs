//! Postfix's long queue IDs (`src/global/mail_queue.h`): arrival second, microsecond, inode.

const BASE_52: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

/// The ID of a queue file that came to be at `micros` since 1970 in that inode.
#[must_use]
pub(crate) fn long(micros: u64, inode: u64) -> String {
    let mut id = digits(micros / 1_000_000, 52, 6);
    id.push_str(&digits(micros % 1_000_000, 52, 4));
    // The letter `z` ends the time, so the inode does without it.
    id.push('z');
    id.push_str(&digits(inode, 51, 1));
    id
}

fn digits(mut number: u64, base: u64, at_least: usize) -> String {
    let mut reversed = Vec::new();
    while number > 0 || reversed.len() < at_least {
        let digit = usize::try_from(number % base).unwrap_or_default();
        reversed.extend(BASE_52.get(digit).map(|&byte| char::from(byte)));
        number /= base;
    }
    reversed.iter().rev().collect()
}

#[test]
fn a_long_queue_id_is_the_one_that_postfix_gave() {
    assert_eq!(long(1_795_223_867_564_862, 5_431_514), "4jWZ7v40tkzmwDG");
}
