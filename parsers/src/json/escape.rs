//! Escapes in texts (RFC 8259 §7).

/// The character that `raw` begins with an escape of, and what follows. None for an escape that JSON
/// does not have. Half of a surrogate pair is U+FFFD.
pub(crate) fn character(raw: &[u8]) -> Option<(char, &[u8])> {
    let (escape, rest) = raw.split_first_chunk::<2>()?;
    let character = match escape {
        br#"\""# => '"',
        br"\\" => '\\',
        br"\/" => '/',
        br"\b" => '\u{8}',
        br"\f" => '\u{c}',
        br"\n" => '\n',
        br"\r" => '\r',
        br"\t" => '\t',
        br"\u" => return code_point(raw),
        _ => return None,
    };
    Some((character, rest))
}

/// `\u2026`, or the two of them that make a character beyond U+FFFF (RFC 8259 §7).
fn code_point(raw: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = code_unit(raw)?;
    if let (0xD800..=0xDBFF, Some((second @ 0xDC00..=0xDFFF, rest))) = (first, code_unit(rest)) {
        let value = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return Some((char::from_u32(value)?, rest));
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest))
}

/// `\u2026` as a number.
fn code_unit(raw: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = raw.strip_prefix(br"\u")?.split_first_chunk::<4>()?;
    let value = digits.iter().try_fold(0, |value, digit| {
        char::from(*digit).to_digit(16).map(|digit| value * 16 + digit)
    })?;
    Some((value, rest))
}
