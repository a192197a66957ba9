//! An event of each type, as it may look.

use crate::event::{
    BounceCategory, BounceType, Complaint, Confidence, Correlation, Event, EventData, EventId,
    EventType, Hit, MessageUid, Method, Notice, Reported, Service, TimeQuality,
};

/// 2026-03-01T10:00:00.084512Z.
const AT_US: i64 = 1_772_359_200_084_512;

/// A sample.
#[must_use]
pub fn sample(kind: EventType) -> Event {
    let data = match kind.service() {
        Service::Outbound => outbound(kind),
        Service::Inbound => inbound(kind),
        Service::Operational => EventData { notice: Some(notice(kind)), ..EventData::default() },
    };
    Event {
        id: EventId::of(&[b"sample", kind.name().as_bytes()]),
        kind,
        at_us: AT_US,
        time_quality: TimeQuality::Exact,
        data: Box::new(data),
    }
}

fn message() -> EventData {
    EventData {
        uid: MessageUid::of(&[b"sample"]),
        queue_id: Some("4jWZ7Z08W0zmwBB".into()),
        message_id: Some("<20260301.1@sender.example>".into()),
        from: Some("bob@sender.example".into()),
        to: Some("alice@example.com".into()),
        subject: Some("Hello".into()),
        domain: Some("example.com".into()),
        ..EventData::default()
    }
}

fn outbound(kind: EventType) -> EventData {
    let data = EventData { user: Some("bob".into()), ..message() };
    match kind {
        EventType::OutboundDelivered => answered(data, 250, "2.0.0", "250 2.0.0 Ok"),
        EventType::OutboundDeferred => {
            let data = answered(data, 450, "4.2.0", "450 4.2.0 Greylisted, try again later");
            EventData { bounce_category: Some(BounceCategory::Greylisted), ..data }
        }
        EventType::OutboundBounced => EventData {
            bounce_type: Some(BounceType::Hard),
            bounce_category: Some(BounceCategory::InvalidRecipient),
            stage: Some("RCPT TO".into()),
            ..answered(data, 550, "5.1.1", "550 5.1.1 User unknown")
        },
        EventType::OutboundRejected => EventData {
            bounce_category: Some(BounceCategory::Policy),
            ..answered(data, 550, "5.7.1", "550 5.7.1 Message refused by policy")
        },
        EventType::OutboundSpam => spam(data),
        EventType::OutboundVirus => virus(data),
        EventType::OutboundComplaint => EventData { reported: Some(Box::new(complaint())), ..data },
        EventType::OutboundOpened => EventData { hit: Some(Box::new(hit(None))), ..data },
        EventType::OutboundClicked => {
            EventData { hit: Some(Box::new(hit(Some("https://sender.example/offer")))), ..data }
        }
        EventType::OutboundQueued => EventData { size: Some(2345), nrcpt: Some(1), ..data },
        _ => data,
    }
}

fn inbound(kind: EventType) -> EventData {
    let data = EventData {
        host: Some("mail.sender.example".into()),
        ip: Some("192.0.2.9".into()),
        ..message()
    };
    match kind {
        EventType::InboundDelivered => EventData {
            response: Some("delivered to mailbox".into()),
            dsn: Some("2.0.0".into()),
            ..data
        },
        EventType::InboundBlocked => EventData {
            response: Some("550 5.1.1 <alice@example.com>: Recipient address rejected".into()),
            smtp_code: Some(550),
            dsn: Some("5.1.1".into()),
            stage: Some("RCPT TO".into()),
            ..data
        },
        EventType::InboundDeferred | EventType::InboundBounced => EventData {
            response: Some("mailbox is full".into()),
            dsn: Some("4.2.2".into()),
            bounce_category: Some(BounceCategory::MailboxFull),
            ..data
        },
        EventType::InboundSpam => spam(data),
        EventType::InboundVirus => virus(data),
        _ => data,
    }
}

fn answered(data: EventData, code: u16, dsn: &str, response: &str) -> EventData {
    EventData {
        mx: Some("mx1.example.com".into()),
        host: Some("192.0.2.25".into()),
        port: Some(25),
        response: Some(response.into()),
        smtp_code: Some(code),
        dsn: Some(dsn.into()),
        delay_us: Some(80_000),
        delays_us: Some([20_000, 20_000, 0, 40_000]),
        attempt: Some(1),
        ..data
    }
}

fn spam(data: EventData) -> EventData {
    EventData {
        score: Some(15.5),
        rules: Some("BAYES_99,URIBL_BLACK".into()),
        engine: Some("rspamd".into()),
        action: Some("rejected".into()),
        ..data
    }
}

fn virus(data: EventData) -> EventData {
    EventData {
        rules: Some("Eicar-Test-Signature".into()),
        engine: Some("clamav".into()),
        action: Some("rejected".into()),
        ..data
    }
}

fn complaint() -> Reported {
    Reported {
        trusted: true,
        correlation: Some(Correlation { method: Method::QueueId, confidence: Confidence::High }),
        report_id: Some("20260301.2@fbl.example".into()),
        reporting_mta: Some("fbl.example".into()),
        complaint: Some(Complaint {
            feedback_type: "abuse".into(),
            provider: Some("fbl.example".into()),
            original_mail_from: Some("bob@sender.example".into()),
            source_ip: Some("192.0.2.25".into()),
            arrival_date: Some("Sun, 01 Mar 2026 10:00:00 +0000".into()),
            incidents: Some(1),
            reported_domain: Some("sender.example".into()),
            reported_uri: Some("https://sender.example/offer".into()),
            cfbl_feedback_id: Some("news:7".into()),
        }),
    }
}

fn hit(url: Option<&str>) -> Hit {
    Hit {
        url: url.map(Into::into),
        country: Some("NL".into()),
        email_client: Some("Thunderbird".into()),
        user_agent: Some("Mozilla/5.0".into()),
        machine: false,
    }
}

fn notice(kind: EventType) -> Box<Notice> {
    let of_webhook = Notice::about("Production");
    let of_source = Notice { source: Some("/var/log/mail.log".to_owned()), ..Notice::default() };
    Box::new(match kind {
        EventType::SourceGap | EventType::SourceParseDrift => {
            Notice { count: Some(260), ..of_source }
        }
        EventType::SourceStalled => Notice { reason: Some("refused".to_owned()), ..of_source },
        EventType::StoreReset => Notice::default(),
        EventType::StoreDiskLow => Notice { count: Some(1 << 28), ..Notice::default() },
        EventType::ClockSkew => {
            Notice { reason: Some("ahead".to_owned()), count: Some(90), ..Notice::default() }
        }
        EventType::DeliveryDead | EventType::DeliveryDiscarded => Notice {
            event: Some(EventId::of(&[b"sample"])),
            reason: Some("dead".to_owned()),
            error: Some("HTTP 503".to_owned()),
            attempts: Some(10),
            ..of_webhook
        },
        EventType::EndpointFailing | EventType::EndpointRecovered => {
            Notice { attempts: Some(4), ..of_webhook }
        }
        EventType::EndpointDisabled => Notice { reason: Some("failing".to_owned()), ..of_webhook },
        EventType::DeliveryExpired | EventType::DlqThreshold | EventType::KeyExpiring => {
            Notice { count: Some(100), ..of_webhook }
        }
        _ => of_webhook,
    })
}
