//! The message that came back with a report: its headers.

use super::block;

/// `Received` headers looked at, newest first.
const HOPS: usize = 16;

/// Headers of a message that came back, as far as the reporter left them in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Returned {
    /// Its Message-ID, without brackets.
    pub message_id: Option<String>,
    /// Servers that had it, newest first.
    pub received: Vec<Received>,
    /// All headers: names in lower case, and values without folds.
    headers: Vec<(String, String)>,
}

/// A server that had the message, and what it called it: of Postfix and Haraka the queue ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Name of the server.
    pub by: String,
    /// What stands behind `id`.
    pub id: String,
}

impl Returned {
    /// Value of the first header of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads a message or its headers alone.
pub(super) fn read(bytes: &[u8]) -> Returned {
    let head = block::head(bytes);
    let received = head.all("received").take(HOPS).filter_map(hop).collect();
    let message_id = head.get("message-id").map(bare);
    Returned {
        message_id: message_id.filter(|id| !id.is_empty()).map(str::to_owned),
        received,
        headers: head.into_fields(),
    }
}

/// Without brackets, and without what stands around them.
fn bare(id: &str) -> &str {
    let inner = id.split_once('<').map_or(id, |(_, rest)| rest);
    inner.split('>').next().unwrap_or(inner).trim()
}

/// `from a.test (a.test [192.0.2.1]) by mx.b.test (Postfix) with ESMTP id 4jX2cy3pfwz1Tp49 for
/// <c@b.test>; date` (Postfix `src/smtpd/smtpd.c`, Haraka `connection.js`). Words in comments are
/// not looked at: the client chooses some of them.
fn hop(value: &str) -> Option<Received> {
    let value = without_comments(value);
    let (path, _) = value.rsplit_once(';').unwrap_or((&value, ""));
    let mut words = path.split_whitespace();
    let (mut by, mut id) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "by" if by.is_none() => by = words.next(),
            "id" if by.is_some() => id = id.or(words.next()),
            _ => {}
        }
    }
    Some(Received { by: by?.to_owned(), id: id?.trim_matches(['<', '>']).to_owned() })
}

/// Comments may hold comments (RFC 5322 §3.2.2). One without an end reaches to the end.
fn without_comments(value: &str) -> String {
    let mut depth = 0_u32;
    let outside = value.chars().filter(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    });
    outside.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_and_id(value: &str) -> Option<(String, String)> {
        hop(value).map(|hop| (hop.by, hop.id))
    }

    #[test]
    fn a_hop_is_a_server_and_its_name_for_the_message() {
        let postfix = "from client.test (client.test [192.0.2.7]) (using TLSv1.3 with cipher \
            (256/256 bits)) by mail.sender.test (Postfix) with ESMTPSA id 4jX2cy3pfwz1Tp49 for \
            <bob@good.test>; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)";
        let expected = ("mail.sender.test".to_owned(), "4jX2cy3pfwz1Tp49".to_owned());
        assert_eq!(by_and_id(postfix), Some(expected));
        let local = "by mail.sender.test (Postfix, from userid 1000) id 97C0A53F4D6; Sat, 21 Nov";
        assert_eq!(by_and_id(local).unwrap().1, "97C0A53F4D6");
        let haraka = "from [127.0.0.1] (localhost [127.0.0.1]) by mx.test (Haraka/3.0.4) with \
            ESMTPA id 0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D.1 envelope-from <a@b>; Sat, 21 Nov";
        assert_eq!(by_and_id(haraka).unwrap().1, "0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D.1");
    }

    #[test]
    fn what_a_client_called_itself_is_no_server_and_no_id() {
        assert_eq!(by_and_id("from (by evil.test id FORGED) (x); date"), None);
        let name = "from evil (by x id FORGED) by mx.test with SMTP id REAL; by y id OTHER";
        assert_eq!(by_and_id(name).unwrap(), ("mx.test".to_owned(), "REAL".to_owned()));
    }

    #[test]
    fn a_message_id_loses_its_brackets() {
        let id = |text: &str| read(text.as_bytes()).message_id;
        assert_eq!(id("Message-ID: <a@b>\n").as_deref(), Some("a@b"));
        assert_eq!(id("message-id: (x) <a@b> y\n").as_deref(), Some("a@b"));
        assert_eq!(id("Message-Id: <>\n"), None);
    }
}
