//! The closed list of event types.

use serde::{Deserialize, Serialize};

/// Which way a message goes, as receivers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// From us to the world.
    Outbound,
    /// From the world to us.
    Inbound,
    /// Neither: it is about the service itself.
    Operational,
}

impl Service {
    /// `outbound`, `inbound` or `operational`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
            Self::Operational => "operational",
        }
    }
}

macro_rules! event_types {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $service:ident, $seed:literal;)*) => {
        /// What happened. Closed, apart from operational events.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventType { $($(#[doc = $doc])* $variant,)* }

        impl EventType {
            /// Every type, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Canonical name, `outbound.bounced`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// When it is made, for people.
            #[must_use]
            pub fn description(self) -> String {
                let text = match self { $(Self::$variant => concat!($($doc),*)),* };
                text.trim().to_owned()
            }

            /// Direction of the message it is about.
            #[must_use]
            pub fn service(self) -> Service {
                match self { $(Self::$variant => Service::$service),* }
            }

            /// Is among the fifteen types that `*` means.
            #[must_use]
            pub fn is_common(self) -> bool {
                match self { $(Self::$variant => $seed),* }
            }
        }
    };
}

event_types! {
    /// Complete in the queue.
    OutboundQueued = "outbound.queued", Outbound, true;
    /// Entered the active queue; once for each time, for the message.
    OutboundSending = "outbound.sending", Outbound, false;
    /// The final hop accepted the recipient.
    OutboundDelivered = "outbound.delivered", Outbound, true;
    /// An attempt failed for now.
    OutboundDeferred = "outbound.deferred", Outbound, true;
    /// Failed for good.
    OutboundBounced = "outbound.bounced", Outbound, true;
    /// The remote refused it for policy.
    OutboundRejected = "outbound.rejected", Outbound, true;
    /// We ended it.
    OutboundDropped = "outbound.dropped", Outbound, true;
    /// A local filter says spam.
    OutboundSpam = "outbound.spam", Outbound, true;
    /// A local filter says virus.
    OutboundVirus = "outbound.virus", Outbound, true;
    /// A feedback report came back.
    OutboundComplaint = "outbound.complaint", Outbound, true;
    /// A tracking hit: opened.
    OutboundOpened = "outbound.opened", Outbound, true;
    /// A tracking hit: clicked.
    OutboundClicked = "outbound.clicked", Outbound, true;
    /// Complete in the queue.
    InboundReceived = "inbound.received", Inbound, true;
    /// Handed to the mailbox or to the internal next hop.
    InboundDelivered = "inbound.delivered", Inbound, true;
    /// A filter says spam.
    InboundSpam = "inbound.spam", Inbound, true;
    /// Refused before acceptance.
    InboundBlocked = "inbound.blocked", Inbound, true;
    /// Handing over failed for now.
    InboundDeferred = "inbound.deferred", Inbound, false;
    /// Handing over failed for good.
    InboundBounced = "inbound.bounced", Inbound, false;
    /// A filter says virus.
    InboundVirus = "inbound.virus", Inbound, false;
    /// We ended it.
    InboundDropped = "inbound.dropped", Inbound, false;
    /// Asked for by a person.
    WebhookTest = "webhook.test", Outbound, false;
    /// A webhook is disabled: by a person, because it only failed, or because it said that it is
    /// gone.
    EndpointDisabled = "endpoint.disabled", Operational, false;
    /// A webhook is enabled again.
    EndpointEnabled = "endpoint.enabled", Operational, false;
    /// A webhook failed four times in a row.
    EndpointFailing = "endpoint.failing", Operational, false;
    /// It took an event after that.
    EndpointRecovered = "endpoint.recovered", Operational, false;
    /// The attempts for a delivery are used up.
    DeliveryDead = "delivery.dead", Operational, false;
    /// A receiver refused an event for good; the first of an hour for each webhook.
    DeliveryDiscarded = "delivery.discarded", Operational, false;
    /// Deliveries were given up that had waited for too long.
    DeliveryExpired = "delivery.expired", Operational, false;
    /// Dead letters pile up.
    DlqThreshold = "dlq.threshold", Operational, false;
    /// The log says that lines of it are lost.
    SourceGap = "source.gap", Operational, false;
    /// The disk is nearly full, and reading pauses.
    StoreDiskLow = "store.disk_low", Operational, false;
    /// The store was damaged beyond repair and is begun anew.
    StoreReset = "store.reset", Operational, false;
    /// Nothing comes from a source, or it cannot be read, or not in time.
    SourceStalled = "source.stalled", Operational, false;
    /// Most lines of a log are not understood.
    SourceParseDrift = "source.parse_drift", Operational, false;
    /// The clock of this machine differs from the receivers'.
    ClockSkew = "clock_skew", Operational, false;
    /// A secret that was replaced is soon no longer good.
    KeyExpiring = "key.expiring", Operational, false;
    /// There is a new webhook: it was made through the API, or a reload found it in the configuration.
    EndpointCreated = "endpoint.created", Operational, false;
    /// A webhook was changed in one of these ways.
    EndpointUpdated = "endpoint.updated", Operational, false;
    /// A webhook was deleted, or is not in the configuration any more.
    EndpointDeleted = "endpoint.deleted", Operational, false;
}

impl EventType {
    /// It is about the service itself. No wildcard means it, and no filter holds it back.
    #[must_use]
    pub fn is_operational(self) -> bool {
        self.service() == Service::Operational
    }

    /// The type of that canonical name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}
