//! How a message leaves the queue: removed, expired, deleted.

use mailherald_parsers::{
    Process,
    postfix::{Corrupt, Expired, OperationTotal, OperatorAct, QueueId, Relay, Removed},
};
use smol_str::SmolStr;

use super::{
    Step,
    delivery::by_class,
    emit::{message_data, set_recipient},
    message::{Class, Message, Origin},
};
use crate::event::{BounceCategory, BounceType, EventData, EventType};

/// Why a deleted message was dropped.
const DELETED: &str = "deleted by an operator";

/// Messages that an operator deleted by name since the last total.
#[derive(Debug, Default)]
pub(crate) struct Deletions {
    by_operator: u64,
    /// The process whose daemon the tag does not tell, and what it removed in a row: qmgr's work, or
    /// an operator's.
    unknown: Option<(u32, u64)>,
}

impl Deletions {
    fn note(&mut self, by_operator: bool, process: &Process<'_>) {
        self.by_operator += u64::from(by_operator);
        let Some(pid) = process.pid.filter(|_| !by_operator && process.service.is_empty()) else {
            return;
        };
        let before = self.unknown.filter(|(known, _)| *known == pid).map_or(0, |(_, count)| count);
        self.unknown = Some((pid, before + 1));
    }

    /// What the process that logs a total had named before.
    fn take(&mut self, process: &Process<'_>) -> u64 {
        let Self { by_operator, unknown } = std::mem::take(self);
        let by_it = unknown.filter(|(pid, _)| process.pid == Some(*pid));
        by_operator + by_it.map_or(0, |(_, count)| count)
    }
}

impl Step<'_> {
    /// qmgr gave up: every recipient that still waited has bounced, softly.
    pub(crate) fn expired(&mut self, expired: &Expired<'_>) {
        self.end_pending(expired.queue_id, |class, message, data, key| {
            let recipient = key.and_then(|key| message.recipients.get(key));
            if let Some(last) = recipient.and_then(|recipient| recipient.last_deferral.clone()) {
                data.response = Some(last.response);
                data.smtp_code = last.smtp_code;
                data.dsn = Some(last.dsn);
                data.stage = last.stage;
                if class == Class::Outbound {
                    data.mx = last.mx;
                    data.host = last.host;
                    data.port = last.port;
                }
            }
            data.bounce_type = Some(BounceType::Soft);
            data.bounce_category = Some(BounceCategory::Expired);
            by_class(class, EventType::OutboundBounced, EventType::InboundBounced)
        });
    }

    /// The queue file is gone. When an operator deleted it, that ends every recipient that still
    /// waited; when qmgr did, all of them had their final lines before.
    pub(crate) fn removed(&mut self, removed: &Removed<'_>) {
        let process = &self.line.record.process;
        self.system.deletions.note(removed.by_operator, process);
        if removed.by_operator {
            self.drop_pending(removed.queue_id, DELETED);
        }
        self.system.close(removed.queue_id.as_str());
    }

    /// A damaged queue file was set aside: nobody gets it.
    pub(crate) fn corrupt(&mut self, corrupt: &Corrupt<'_>) {
        self.drop_pending(corrupt.queue_id, "queue file damaged");
        self.system.close(corrupt.queue_id.as_str());
    }

    /// `postsuper -d ALL` logs how many messages it deleted and none of their IDs. When that is
    /// every message there is, all of them are gone; otherwise nobody can tell which.
    pub(crate) fn operation_total(&mut self, total: OperationTotal) {
        let named = self.system.deletions.take(&self.line.record.process);
        if total.act != OperatorAct::Delete {
            return;
        }
        let open = self.system.queued();
        let unnamed = u64::from(total.messages).saturating_sub(named);
        if unnamed == 0 || unnamed != open.len() as u64 {
            return;
        }
        for queue_id in open {
            if let Some(queue_id) = QueueId::parse(queue_id.as_bytes()) {
                self.drop_pending(queue_id, DELETED);
            }
            self.system.close(&queue_id);
        }
    }

    fn drop_pending(&mut self, queue_id: QueueId<'_>, why: &str) {
        self.end_pending(queue_id, |class, _, data, _| {
            data.response = Some(why.into());
            by_class(class, EventType::OutboundDropped, EventType::InboundDropped)
        });
    }

    /// One event for each recipient that waits; `describe` fills it in and names its type. When no
    /// line ever named a recipient, one event without `to` stands for all.
    fn end_pending(
        &mut self,
        queue_id: QueueId<'_>,
        describe: impl Fn(
            Class,
            &Message,
            &mut EventData,
            Option<&(SmolStr, Option<SmolStr>)>,
        ) -> EventType,
    ) {
        let Some(known) = self.known(queue_id) else { return };
        if known.closed || known.origin == Origin::Internal {
            return;
        }
        let mut message = self.take_or_new(queue_id);
        let pending = waiting(&message);
        for key in pending {
            let to = key.as_ref().map_or("", |(to, _)| to);
            let class = self.class(&mut message, to, Relay::None);
            let mut data = message_data(&message, queue_id.as_str(), class);
            if let Some((to, original)) = &key {
                set_recipient(&mut data, to, original.as_ref());
            }
            let kind = describe(class, &message, &mut data, key.as_ref());
            let event = self.system.event(kind, self.trigger(), to, data);
            self.events.push(event);
            if let Some(recipient) = key.and_then(|key| message.recipients.get_mut(&key)) {
                recipient.done = true;
            }
        }
        self.put(queue_id, message);
    }
}

/// Recipients that wait, by their status lines; before there is any, by what a filter or a check said
/// of them. None stands for those that no line named.
fn waiting(message: &Message) -> Vec<Option<(SmolStr, Option<SmolStr>)>> {
    if !message.recipients.is_empty() {
        let known = u32::try_from(message.recipients.iter().count()).unwrap_or(u32::MAX);
        let unnamed = message.nrcpt.is_some_and(|all| all > known).then_some(None);
        return message.pending().cloned().map(Some).chain(unnamed).collect();
    }
    let by_filter = message.finding.iter().flat_map(|finding| &finding.recipients);
    let mut named: Vec<_> = by_filter.map(|to| Some((to.clone(), None))).collect();
    if named.is_empty() {
        named.push(message.last_recipient.clone().map(|to| (to, None)));
    }
    named
}
