//! The stream that a message belongs to, by the configured routes (events.md §4).
//!
//! Decided when the message is queued, or with its first event, and kept; later stages of its story
//! inherit it.
//! Which webhooks want which stream is `queue`'s business.

use smol_str::SmolStr;

use super::{
    Step,
    message::{Message, Origin},
};
use crate::event::route::Traits;

/// A later stage has what the first one had, even if that is nothing.
fn is_settled(message: &Message) -> bool {
    message.route.is_some() || message.origin == Origin::Child
}

impl Step<'_> {
    /// Decides the stream of a message, if it was not before.
    pub(crate) fn settle_route(&self, message: &mut Message) {
        if !is_settled(message) {
            message.route = self.route(message, message.sender.as_deref());
        }
    }

    /// The stream of a message from `sender`: the first route that leads.
    pub(crate) fn route(&self, message: &Message, sender: Option<&str>) -> Option<SmolStr> {
        self.route_with(message, sender, &[])
    }

    /// The same for a message with these headers, which nothing but a milter sees.
    pub(crate) fn route_with(
        &self,
        message: &Message,
        sender: Option<&str>,
        headers: &[(SmolStr, SmolStr)],
    ) -> Option<SmolStr> {
        if is_settled(message) {
            return message.route.clone();
        }
        let user = message.user.as_deref();
        let (instance, service) = (&*self.system.instance, message.service.as_deref());
        let traits = Traits { user, instance, service, sender, headers };
        let mut routes = self.direction.routes.iter();
        routes.find(|route| route.leads(traits)).map(|route| (*route.name).into())
    }

    /// The service in a syslog tag, if a route asks for it: most hosts need not keep it.
    pub(crate) fn service_in(&self, tag: &[u8]) -> Option<Box<str>> {
        let mut asked = self.direction.routes.iter().flat_map(|route| &route.services);
        let is_in = |service: &&String| {
            tag.split(|&byte| byte == b'/').any(|component| component == service.as_bytes())
        };
        asked.find(is_in).map(|service| service.as_str().into())
    }
}
