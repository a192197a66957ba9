//! So many requests a second, and no more: of each key, of each user on the machine, and of each
//! address from which strangers ask.
//!
//! One time stands for each of them: when all that it asked for would be done at its rate (the
//! generic cell rate algorithm, ITU-T I.371). It may lie ahead as far as the burst allows.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    limits::{API_BURST, API_CALLERS, API_RATE, API_STRANGER_BURST, API_STRANGER_RATE},
    secret::TokenDigest,
};

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// Everybody with that key.
    Key(TokenDigest),
    /// A user of the machine; None when the kernel does not tell which.
    User(Option<u32>),
    /// Anybody at an address, without a key that is known.
    Stranger(IpAddr),
}

impl Who {
    /// A stranger there. Of IPv6 a whole network of 64 bits is one: that is what one host is given.
    pub(super) fn stranger(address: IpAddr) -> Self {
        Self::Stranger(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                IpAddr::V6(network.into())
            }
            address @ IpAddr::V4(_) => address,
        })
    }

    /// Requests a second, and at once.
    fn rate(self) -> (u32, u32) {
        match self {
            Self::Key(_) | Self::User(_) => (API_RATE, API_BURST),
            Self::Stranger(_) => (API_STRANGER_RATE, API_STRANGER_BURST),
        }
    }
}

/// When all that each has asked for would be done.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<Who, Instant>>);

impl Paces {
    /// Lets a request pass, or says when to ask again.
    pub(super) fn admit(&self, who: Who) -> Result<(), Duration> {
        let now = Instant::now();
        let (rate, burst) = who.rate();
        let each = Duration::from_secs(1) / rate;
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = done.get(&who).copied().unwrap_or(now).max(now);
        let ahead = before.duration_since(now) + each;
        if let Some(too_far) = ahead.checked_sub(each * burst).filter(|it| !it.is_zero()) {
            return Err(too_far);
        }
        make_room(&mut done, now);
        done.insert(who, before + each);
        Ok(())
    }
}

/// Forgets those that have waited long enough; if that is nobody, the one that has waited longest.
fn make_room(done: &mut HashMap<Who, Instant>, now: Instant) {
    if done.len() < API_CALLERS {
        return;
    }
    done.retain(|_, done_at| *done_at > now);
    if done.len() >= API_CALLERS
        && let Some(first) = done.iter().min_by_key(|(_, done_at)| **done_at).map(|(who, _)| *who)
    {
        done.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn admitted(paces: &Paces, who: Who, times: u32) -> u32 {
        (0..times).map(|_| u32::from(paces.admit(who).is_ok())).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_then_the_rate_and_each_has_its_own() {
        let paces = Paces::default();
        let (one, other) = (Who::User(Some(0)), Who::Key(TokenDigest::of("a")));
        assert_eq!(admitted(&paces, one, 2 * API_BURST), API_BURST);
        assert_eq!(paces.admit(one), Err(Duration::from_secs(1) / API_RATE));
        assert_eq!(admitted(&paces, other, 3), 3);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(admitted(&paces, one, 2 * API_BURST), API_RATE);
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_have_less_and_a_network_of_ipv6_is_one() {
        let paces = Paces::default();
        let stranger = |address: &str| Who::stranger(address.parse().unwrap());
        assert_eq!(admitted(&paces, stranger("2001:db8::1"), 99), API_STRANGER_BURST);
        assert!(paces.admit(stranger("2001:db8::ffff")).is_err());
        assert!(paces.admit(stranger("2001:db8:0:1::1")).is_ok());
        assert_eq!(stranger("::ffff:192.0.2.1"), stranger("192.0.2.1"));
        assert_ne!(stranger("192.0.2.1"), stranger("192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_only_so_many_are_remembered() {
        let paces = Paces::default();
        for number in 0..3 * u32::try_from(API_CALLERS).unwrap() {
            paces.admit(Who::stranger(IpAddr::V4(number.into()))).unwrap();
        }
        assert_eq!(paces.0.lock().unwrap().len(), API_CALLERS);
    }
}
