//! The seam between the loop and the network: tests have receivers of their own behind it.

use std::{fmt::Debug, future::Future, pin::Pin};

use crate::{
    clock::SharedClock,
    config::Webhook,
    deliver::{self, AttemptReport, Client},
    event::Event,
};

/// Makes attempts.
pub(in crate::app) trait Transport: Debug + Send + Sync {
    /// Makes attempt `number` (from 1) to tell `webhook` of `event`. Always comes to an end.
    fn attempt<'a>(
        &'a self,
        webhook: &'a Webhook,
        event: &'a Event,
        number: u32,
    ) -> Pin<Box<dyn Future<Output = AttemptReport> + Send + 'a>>;
}

/// Attempts over HTTP.
#[derive(Debug)]
pub(in crate::app) struct Http {
    pub(in crate::app) client: Client,
    pub(in crate::app) clock: SharedClock,
}

impl Transport for Http {
    fn attempt<'a>(
        &'a self,
        webhook: &'a Webhook,
        event: &'a Event,
        number: u32,
    ) -> Pin<Box<dyn Future<Output = AttemptReport> + Send + 'a>> {
        Box::pin(deliver::attempt(&self.client, webhook, event, number, &*self.clock))
    }
}
