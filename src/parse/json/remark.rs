//! Records beside a message's way as JSON: checks of content, limits, filters, operators.

use mailherald_parsers::postfix::{
    AuthFailure, ContentCheck, DnsListed, Entry, Limit, OperatorAct, Part, ProxyAnswer, RateLimit,
    Refused, RefusedReason,
};

use super::record::Fields;

pub(super) fn remark_fields(entry: &Entry<'_>, fields: &mut Fields) {
    match entry {
        Entry::ContentCheck(check) => content_check(check, fields),
        Entry::Refused(refused) => self::refused(refused, fields),
        Entry::ProxyAnswer(answer) => proxy_answer(answer, fields),
        Entry::RateLimit(limit) => rate_limit(limit, fields),
        Entry::AuthFailure(failure) => auth_failure(failure, fields),
        Entry::DnsListed(listed) => dns_listed(listed, fields),
        Entry::Operation(operation) => {
            fields.set("kind", "operation");
            fields.set_queue_id("queue_id", Some(operation.queue_id));
            fields.set("act", act_name(operation.act));
        }
        Entry::OperationTotal(total) => {
            fields.set("kind", "operation_total");
            fields.set("act", act_name(total.act));
            fields.set("messages", total.messages);
        }
        Entry::Corrupt(corrupt) => {
            fields.set("kind", "corrupt");
            fields.set_queue_id("queue_id", Some(corrupt.queue_id));
        }
        Entry::Started(started) => {
            fields.set("kind", "started");
            fields.set_bytes("version", started.version);
            fields.set_true("reload", started.reload);
        }
        _ => fields.set("kind", "other"),
    }
}

fn content_check(check: &ContentCheck<'_>, fields: &mut Fields) {
    fields.set("kind", "content_check");
    fields.set_queue_id("queue_id", Some(check.queue_id));
    fields.set("action", check.action.as_str());
    fields.set_true("by_milter", check.by_milter);
    fields.set(
        "part",
        match check.part {
            Part::Header => "header",
            Part::Body => "body",
            Part::Mime => "mime",
        },
    );
    fields.set_bytes("content", check.content);
    fields.set_peer("client", check.peer.as_ref());
    fields.set_some_bytes("from", check.sender);
    fields.set_some_bytes("to", check.recipient);
    fields.set_some_bytes("proto", check.proto);
    fields.set_some_bytes("helo", check.helo);
    fields.set_some_bytes("text", check.text);
    fields.set_true("ambiguous", check.ambiguous);
}

fn refused(refused: &Refused<'_>, fields: &mut Fields) {
    fields.set("kind", "refused");
    fields.set_queue_id("queue_id", Some(refused.queue_id));
    fields.set(
        "reason",
        match refused.reason {
            RefusedReason::Hopcount => "hopcount",
            RefusedReason::Size => "size",
            RefusedReason::Lookup => "lookup",
        },
    );
}

fn proxy_answer(answer: &ProxyAnswer<'_>, fields: &mut Fields) {
    fields.set("kind", "proxy_answer");
    fields.set("accepted", answer.accepted);
    fields.set_bytes("stage", answer.stage);
    fields.set_codes(answer.codes);
    fields.set_bytes("text", answer.text);
    fields.set_queue_id("queued_as", answer.queued_as);
    fields.set_some_bytes("from", answer.sender);
    fields.set_some_bytes("to", answer.recipient);
    fields.set_some_bytes("proto", answer.proto);
    fields.set_some_bytes("helo", answer.helo);
    fields.set_some_bytes("sasl_username", answer.sasl_username);
    fields.set_true("ambiguous", answer.ambiguous);
}

fn rate_limit(limit: &RateLimit<'_>, fields: &mut Fields) {
    fields.set("kind", "rate_limit");
    fields.set(
        "limit",
        match limit.limit {
            Limit::ConnectionConcurrency => "connection_concurrency",
            Limit::ConnectionRate => "connection_rate",
            Limit::MessageRate => "message_rate",
            Limit::RecipientRate => "recipient_rate",
            Limit::AuthRate => "auth_rate",
            Limit::TlsSessionRate => "tls_session_rate",
        },
    );
    fields.set("count", limit.count);
    fields.set_peer("client", Some(&limit.peer));
    // `service` is the daemon's name from the tag.
    fields.set_bytes("master_service", limit.service);
}

fn auth_failure(failure: &AuthFailure<'_>, fields: &mut Fields) {
    fields.set("kind", "auth_failure");
    fields.set_peer("client", Some(&failure.peer));
    fields.set_bytes("sasl_method", failure.mechanism);
    fields.set_bytes("text", failure.reason);
    fields.set_some_bytes("sasl_username", failure.username);
}

fn dns_listed(listed: &DnsListed<'_>, fields: &mut Fields) {
    fields.set("kind", "dns_listed");
    fields.set_bytes("address", listed.address);
    fields.set_bytes("domain", listed.domain);
    fields.set_bytes("answer", listed.answer);
}

fn act_name(act: OperatorAct) -> &'static str {
    match act {
        OperatorAct::Delete => "delete",
        OperatorAct::Hold => "hold",
        OperatorAct::Release => "release",
        OperatorAct::Requeue => "requeue",
        OperatorAct::Expire => "expire",
    }
}

#[cfg(test)]
mod tests {
    use mailherald_parsers::Parser;
    use serde_json::{Value, json};

    use super::super::record::record_json;

    /// What is printed for a line of `postfix/smtpd`, without what stands for the tag.
    fn printed(text: &str) -> Value {
        let line = format!("postfix/smtpd[7]: {text}");
        let line = format!("2026-11-21T01:28:22.522880+00:00 vm {line}");
        let mut parser = Parser::new();
        let mut record = parser.parse(line.as_bytes());
        record.stamp = mailherald_parsers::time::Stamp::Missing;
        record.host = b"";
        record.process = mailherald_parsers::Process::default();
        record_json(&record)
    }

    #[test]
    fn a_check_of_content_shows_what_it_matched() {
        assert_eq!(
            printed(
                "97C0A53F4D6: milter-header-reject: header Subject: x from a.test[192.0.2.1]; \
                 from=<> to=<b@y.test> proto=ESMTP helo=<h>: 5.7.1 no"
            ),
            json!({
                "kind": "content_check", "queue_id": "97C0A53F4D6", "action": "reject",
                "by_milter": true, "part": "header", "content": "Subject: x",
                "client": { "name": "a.test", "address": "192.0.2.1" }, "from": "",
                "to": "b@y.test", "proto": "ESMTP", "helo": "h", "text": "5.7.1 no",
            })
        );
    }

    #[test]
    fn a_limit_shows_client_and_count() {
        assert_eq!(
            printed(
                "warning: Connection rate limit exceeded: 5 from unknown[192.0.2.1] for service \
                 smtp"
            ),
            json!({
                "kind": "rate_limit", "limit": "connection_rate", "count": 5,
                "client": { "name": "unknown", "address": "192.0.2.1" }, "master_service": "smtp",
            })
        );
    }

    #[test]
    fn no_kind_of_line_is_without_a_name() {
        for text in [
            "warning: 97C0A53F4D6: queue file size limit exceeded",
            "proxy-accept: END-OF-MESSAGE: ; from=<a@x.test>",
            "warning: a[192.0.2.1]: SASL PLAIN authentication failed: no",
            "addr 192.0.2.1 listed by domain list.test as 127.0.0.2",
            "97C0A53F4D6: placed on hold",
            "Deleted: 2 messages",
            "warning: saving corrupt file \"97C0A53F4D6\" from queue \"active\" to queue \"corrupt\"",
            "daemon started -- version 3.7.11, configuration /etc/postfix",
        ] {
            let kind = printed(text).get("kind").cloned();
            assert!(kind.is_some_and(|kind| kind != "other" && kind != "ignored"), "{text}");
        }
    }
}
