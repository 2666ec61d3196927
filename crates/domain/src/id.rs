//! Typed row ids: UUID version 7 (RFC 9562, section 5.7), so that ids sort by the time they were made.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{chance::Chance, time::Timestamp};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, made at `now`.
            #[must_use]
            pub fn new(now: Timestamp, chance: &dyn Chance) -> Self {
                Self(version_7(now, chance))
            }

            /// The id of 16 bytes that [`Self::as_bytes`] gave.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The id as 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id as text, written into `room`.
            #[must_use]
            pub fn write<'a>(&self, room: &'a mut [u8; 36]) -> &'a str {
                self.0.as_hyphenated().encode_lower(room)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            /// Reads the hyphenated form only, in either case: one id, one spelling of its shape.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse::<uuid::fmt::Hyphenated>().map(|id| Self(id.into_uuid()))
            }
        }
    )*};
}

id!(
    /// An account.
    AccountId,
    /// A credential's row; what integrations send is its public part.
    CredentialId,
    /// One secret of a credential.
    SecretId,
    /// One line of the audit trail.
    EventId,
    /// An operator's own API key.
    OperatorKeyId,
    /// One request, as seen by Claviger.
    RequestId
);

impl AccountId {
    /// The canary's: no customer's, and so in no list.
    pub const CANARY: Self = Self(Uuid::nil());
    /// Under which no customer's account is ever found: what is asked for where there is none to ask for.
    pub const NOBODY: Self = Self::CANARY;
}

/// The 12 bits after the milliseconds hold their fraction (RFC 9562, section 6.2, method 3): ids of one process sort to the microsecond.
fn version_7(now: Timestamp, chance: &dyn Chance) -> Uuid {
    let mut random = [0; 10];
    chance.fill(&mut random);
    let fraction = now.micros().rem_euclid(1000) * 4096 / 1000;
    random[..2].copy_from_slice(&u16::try_from(fraction).unwrap_or(0).to_be_bytes());
    let millis = u64::try_from(now.micros().div_euclid(1000)).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Ones;

    impl Chance for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }

    #[test]
    fn ids_sort_by_the_microsecond_they_were_made_in() {
        let made: Vec<String> = (0..2_500).map(|at| EventId::new(Timestamp::from_micros(1_795_000_000_000_000 + at), &Ones).to_string()).collect();
        assert!(made.is_sorted_by(|earlier, later| earlier < later));
        assert!(made[0].as_bytes()[14] == b'7' && made[0].parse::<EventId>().is_ok());
    }
}
