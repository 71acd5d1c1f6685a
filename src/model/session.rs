//! Sessions: what a front end that acts for one linked account was let in with.

use serde::{Deserialize, Serialize};

use super::{Id, Timestamp};

/// A session: one login, and every pair of tokens that came from it. The tokens themselves are not kept; they
/// are made of this and of a key, and say no more than this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: Id,
    /// The service's own id of the account that it is for.
    pub account: Id,
    /// How often its refresh token was used: the number of its newest pair.
    pub generation: u32,
    /// When its newest token was issued, to the second.
    pub issued_at: Timestamp,
    /// From when on its newest token is refused, to the second. Older ones end earlier.
    pub expires_at: Timestamp,
    /// From when on its newest refresh token is refused, to the second.
    pub refresh_expires_at: Timestamp,
}

impl Session {
    /// Whether nothing of it is good for anything at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at <= now && self.refresh_expires_at <= now
    }
}
