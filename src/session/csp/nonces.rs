//! The open nonces of 4-way logins (reference csp.md §4.3).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::imps::primitive::{ClientId, DigestSchema};
use crate::imps::{Moment, UserId};

/// How long a nonce may be used (reference csp.md §4.3).
pub const NONCE_LIFE: Duration = Duration::from_secs(60);
/// Open nonces of the whole node; beyond that the oldest is forgotten. About 6 MiB.
pub const NONCES_MAX: usize = 65_536;

type NonceKey = [u8; 32];

#[derive(Debug)]
struct Nonce {
    text: Box<str>,
    schema: DigestSchema,
    made: Moment,
    number: u64,
}

/// The open nonces, one for each (user, client), each used once.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    open: HashMap<NonceKey, Nonce>,
    /// Oldest first; entries whose nonce is used or replaced are passed over by their number.
    ages: VecDeque<(NonceKey, u64, Moment)>,
    number: u64,
}

/// Of fixed size, however long the texts are.
fn nonce_key(user: &UserId, client: &ClientId) -> NonceKey {
    let mut hash = Sha256::new();
    hash.update(user.key());
    client_key(&mut hash, client);
    hash.finalize().into()
}

/// The parts of a client's name, told apart.
pub(super) fn client_key(hash: &mut Sha256, client: &ClientId) {
    for part in [&client.url, &client.msisdn, &client.text] {
        // 0xff is in no UTF-8 text.
        hash.update([0xff, u8::from(part.is_some())]);
        hash.update(part.as_deref().unwrap_or_default());
    }
}

impl Nonces {
    /// A nonce was given; an earlier one of the same user and client no longer counts.
    pub(super) fn keep(
        &mut self,
        user: &UserId,
        client: &ClientId,
        text: Box<str>,
        schema: DigestSchema,
        now: Moment,
    ) {
        while self.ages.front().is_some_and(|(_, _, made)| now.since(*made) >= NONCE_LIFE)
            || self.ages.len() >= NONCES_MAX
        {
            if let Some((key, number, _)) = self.ages.pop_front()
                && self.open.get(&key).is_some_and(|nonce| nonce.number == number)
            {
                self.open.remove(&key);
            }
        }
        self.number += 1;
        let key = nonce_key(user, client);
        self.ages.push_back((key, self.number, now));
        self.open.insert(key, Nonce { text, schema, made: now, number: self.number });
    }

    /// The nonce that a digest answers, if there is one young enough; it is used up.
    pub(super) fn take(
        &mut self,
        user: &UserId,
        client: &ClientId,
        now: Moment,
    ) -> Option<(Box<str>, DigestSchema)> {
        let nonce = self.open.remove(&nonce_key(user, client))?;
        (now.since(nonce.made) < NONCE_LIFE).then_some((nonce.text, nonce.schema))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::at;
    use super::*;

    #[test]
    fn nonces_are_bounded_and_the_oldest_goes_first() {
        let mut nonces = Nonces::default();
        let ada: UserId = "ada@north.example".parse().unwrap();
        let client = |number: usize| ClientId { url: Some(number.to_string().into()), ..ClientId::default() };
        for number in 0..=NONCES_MAX {
            nonces.keep(&ada, &client(number), "n".into(), DigestSchema::Sha, at(0));
        }
        assert_eq!((nonces.open.len(), nonces.ages.len()), (NONCES_MAX, NONCES_MAX));
        assert_eq!(nonces.take(&ada, &client(0), at(1)), None);
        assert!(nonces.take(&ada, &client(1), at(1)).is_some());
        nonces.keep(&ada, &client(0), "n".into(), DigestSchema::Sha, at(61));
        assert_eq!((nonces.open.len(), nonces.ages.len()), (1, 1));
    }
}
