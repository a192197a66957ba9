//! Finds the parts of a mail that matter: the one for machines, and the message that came back.

use mail_parser::{Addr, DateTime, Message, MessageParser, MimeHeaders};

use super::{Authentication, Head, address, authentication, block, text};

/// A multipart is looked into when it stands in so many others at most: lists and scanners wrap a
/// report in one or two.
const DEPTH: usize = 3;

/// Parts looked at of one multipart.
const PARTS: usize = 32;

/// Headers that say what servers on the way found out.
const AUTHENTICATIONS: usize = 16;

/// Headers of each kind that say to whom it was delivered.
const RECIPIENTS: usize = 8;

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) head: Head,
    pub(super) kind: Kind,
    /// Fields of the report, decoded.
    pub(super) report: Vec<u8>,
    /// The message that came back, or its headers, decoded.
    pub(super) returned: Option<Vec<u8>>,
}

/// Kinds of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Feedback,
    Delivery,
    Disposition,
}

impl Kind {
    /// By the subtype of `message/…`. RFC 6533 has the `global-` ones.
    fn of(subtype: &str) -> Option<Self> {
        match subtype {
            "feedback-report" => Some(Self::Feedback),
            "delivery-status" | "global-delivery-status" => Some(Self::Delivery),
            "disposition-notification" | "global-disposition-notification" => {
                Some(Self::Disposition)
            }
            _ => None,
        }
    }
}

/// A message or a part of one.
struct Part<'a> {
    /// Headers and content.
    bytes: &'a [u8],
    /// In lower case, as `message/rfc822`.
    kind: String,
    boundary: Option<String>,
}

impl<'a> Part<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let parsed = headers(bytes);
        let content = parsed.as_ref().and_then(|message| message.content_type());
        let kind = content.map_or_else(String::new, |content| {
            let kind = [content.ctype(), content.subtype().unwrap_or_default()].join("/");
            kind.to_ascii_lowercase()
        });
        let boundary = content.and_then(|content| content.attribute("boundary"));
        let boundary = boundary.filter(|text| !text.is_empty()).map(str::to_owned);
        Self { bytes, kind, boundary }
    }

    fn subtype(&self) -> Option<&str> {
        self.kind.strip_prefix("message/")
    }

    fn is_returned(&self) -> bool {
        matches!(self.subtype(), Some("rfc822" | "global" | "rfc822-headers" | "global-headers"))
            || self.kind == "text/rfc822-headers"
    }

    fn content(&self) -> &'a [u8] {
        let head = block::head_bytes(self.bytes).len();
        let rest = self.bytes.get(head..).unwrap_or_default();
        let rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"));
        rest.unwrap_or_default()
    }

    /// The parts of a multipart; none of anything else.
    fn parts(&self) -> Vec<Self> {
        let boundary = self.boundary.as_ref().filter(|_| self.kind.starts_with("multipart/"));
        let Some(boundary) = boundary else { return Vec::new() };
        split(self.content(), boundary.as_bytes()).into_iter().map(Self::of).collect()
    }

    /// What it holds, its transfer encoding undone.
    fn decoded(&self) -> Vec<u8> {
        let parsed = headers(self.bytes);
        let encoding = parsed.as_ref().and_then(|message| message.content_transfer_encoding());
        let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
        if !matches!(encoding.as_str(), "base64" | "quoted-printable") {
            return self.content().to_vec();
        }
        // As a part of a type that is never looked into.
        let head = format!(
            "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        let whole = [head.as_bytes(), self.content()].concat();
        let parsed = MessageParser::default().parse(&whole);
        let part = parsed.as_ref().and_then(|message| message.parts.first());
        part.map(|part| part.contents().to_vec()).unwrap_or_default()
    }
}

/// The first report in a mail: the mail itself, or a part of its outermost multiparts.
pub(super) fn find(mail: &[u8]) -> Option<Found> {
    let whole = Part::of(mail);
    let parts = if whole.subtype().is_some_and(|subtype| Kind::of(subtype).is_some()) {
        vec![Part::of(mail)]
    } else {
        reported(&whole)?
    };
    let found = |part: &Part<'_>| part.subtype().and_then(Kind::of);
    let place = parts.iter().position(|part| found(part).is_some())?;
    let report = parts.get(place)?;
    // It stands behind the report (RFC 3462 §2), and where an order was mixed up, before it.
    let (before, behind) = parts.split_at(place);
    let returned = behind.iter().chain(before).find(|part| part.is_returned());
    Some(Found {
        head: head(mail),
        kind: found(report)?,
        report: report.decoded(),
        returned: returned.map(Part::decoded),
    })
}

/// The parts of the first multipart that has a report in it.
fn reported<'a>(whole: &Part<'a>) -> Option<Vec<Part<'a>>> {
    let mut level = whole.parts();
    for _ in 0..DEPTH {
        let is_report = |part: &Part<'_>| part.subtype().is_some_and(|sub| Kind::of(sub).is_some());
        if level.iter().any(is_report) {
            return Some(level);
        }
        level = level.iter().map(Part::parts).find(|parts| !parts.is_empty())?;
    }
    None
}

/// What stands between the lines `--boundary` (RFC 2046 §5.1.1). The last part may lack its end.
fn split<'a>(content: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0);
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let here = at;
        at += line.len();
        let Some(rest) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary))
        else {
            continue;
        };
        let (is_end, rest) = match rest.strip_prefix(b"--") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if !rest.trim_ascii().is_empty() {
            continue;
        }
        parts.extend(start.and_then(|start| content.get(start..here)).map(without_line_end));
        start = (!is_end).then_some(at);
        if is_end || parts.len() >= PARTS {
            return parts;
        }
    }
    parts.extend(start.and_then(|start| content.get(start..)));
    parts
}

/// The line end in front of a boundary belongs to that.
fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

fn headers(bytes: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse_headers(bytes)
}

fn head(mail: &[u8]) -> Head {
    let Some(parsed) = headers(mail) else { return Head::default() };
    let from = parsed.from().and_then(|from| from.first()).and_then(Addr::address);
    let fields = block::head(mail);
    let authentication = fields.all("authentication-results").take(AUTHENTICATIONS);
    let authentication: Vec<Authentication> =
        authentication.filter_map(authentication::read).collect();
    let delivered = ["x-original-to", "delivered-to"].into_iter();
    let delivered = delivered.flat_map(|name| fields.all(name).take(RECIPIENTS));
    Head {
        message_id: parsed.message_id().map(|id| text(id.as_bytes())),
        written_at: parsed.date().filter(|date| date.is_valid()).map(DateTime::to_timestamp),
        from: from.map(|from| text(from.as_bytes())),
        authentication,
        delivered_to: delivered.filter_map(address).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(content: &str) -> Vec<String> {
        let parts = split(content.as_bytes(), b"x");
        parts.into_iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    }

    #[test]
    fn parts_stand_between_boundaries_and_nothing_else() {
        assert_eq!(parts("pre\r\n--x\r\na\r\n--x \r\nb\r\n--x--\r\npost\r\n--x\r\nc"), ["a", "b"]);
        assert_eq!(parts("--x\na\n--xy\n -- x\n--x"), ["a\n--xy\n -- x", ""]);
        assert_eq!(parts("--x\ncut off"), ["cut off"]);
        assert_eq!(parts("nothing"), [""; 0]);
    }

    #[test]
    fn to_whom_it_was_delivered_is_read_and_bounded() {
        let to = |headers: &str| head(headers.as_bytes()).delivered_to;
        let both = "Delivered-To: <b@c.test>\nX-Original-To: a+x@c.test\nTo: d@c.test\n\n";
        assert_eq!(to(both), ["a+x@c.test", "b@c.test"]);
        let many = "X-Original-To: a@c.test\n".repeat(100);
        assert_eq!(to(&many).len(), RECIPIENTS);
    }

    #[test]
    fn an_encoded_report_is_decoded() {
        let mail = b"Content-Type: multipart/report; boundary=x\n\n--x\n\
            Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: base64\n\n\
            QWN0aW9uOiBmYWlsZWQK\n--x--\n";
        let found = find(mail).expect("a report");
        assert_eq!((found.kind, found.report), (Kind::Delivery, b"Action: failed\n".to_vec()));
    }

    #[test]
    fn a_report_in_a_wrapper_is_found_and_one_deep_down_is_not() {
        let wrap = |inner: &str, boundary: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary={boundary}\n\n--{boundary}\n{inner}\n\
                 --{boundary}--\n"
            )
        };
        let report = "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n";
        let mut mail = report.to_owned();
        for (depth, boundary) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert_eq!(find(mail.as_bytes()).is_some(), depth <= DEPTH, "{depth}");
            mail = wrap(&mail, boundary);
        }
        assert!(find(mail.as_bytes()).is_none());
    }
}
