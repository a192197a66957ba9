//! An answer that is logged before the lines of the stage that it names.
//!
//! Daemons of one instance share a socket of the logging system, so a next stage begins in the log
//! before the answer `queued as` it. Two instances with `maillog_file` have a postlogd(8) each, and
//! their lines swap places. What an address of this machine took under a queue ID that nobody knows
//! yet waits as long as what a pipe took.

use mailherald_parsers::postfix::{Delivery, Relay, Status, response};

use super::{Step, direction::is_loopback, finding::is_socket, message::Message};

impl Step<'_> {
    /// Holds a message that went on under a queue ID that is not known yet. True when this line waits;
    /// it does so once.
    pub(crate) fn waits_for_stage(
        &mut self,
        message: &mut Message,
        delivery: &Delivery<'_>,
    ) -> bool {
        let waits = message.filtered_by_pipe.is_none()
            && !message.is_incomplete()
            && delivery.status == Status::Sent
            && went_to_this_machine(delivery)
            && self.is_queued_as_unknown(delivery);
        if waits {
            self.hold_for_next(message, delivery.queue_id);
        }
        waits
    }

    fn is_queued_as_unknown(&self, delivery: &Delivery<'_>) -> bool {
        let host = &self.system.host;
        response(delivery.text).queued_as.is_some_and(|next| {
            self.known(next).is_none() && !self.directory.knows_stage(host, next.as_str())
        })
    }
}

fn went_to_this_machine(delivery: &Delivery<'_>) -> bool {
    match delivery.relay {
        Relay::Host(relay) => is_loopback(relay.address) || is_socket(delivery),
        _ => false,
    }
}
