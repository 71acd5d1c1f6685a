//! Changing the passphrase: one small file is written anew, however many values there are.

use crate::crypto::{Keyring, Passphrase};
use crate::model::{AuditEvent, Entity, EntityKind, Operator};
use crate::vault::opening::{KEYRING, Opened, OpeningError, read_keyring, write_keyring};

impl Opened {
    /// Has `new` open the store from now on, and `old` no more. Whatever interrupts, exactly one of them does.
    ///
    /// # Errors
    /// [`OpeningError::WeakPassphrase`] for the new one, [`OpeningError::Keyring`] where the old one is wrong; the
    /// keyring is as it was then.
    pub async fn change_passphrase(
        &self,
        operator: Operator,
        old: Passphrase,
        new: Passphrase,
    ) -> Result<(), OpeningError> {
        new.check_strength()?;
        // Of two at the same time, the second meets the keyring of the first.
        let _alone = self.vault.0.passphrase_gate.lock().await;
        let bytes = read_keyring(self.engine.dir())?;
        let changed = tokio::task::spawn_blocking(move || Keyring::change_passphrase(&bytes, &old, &new));
        let changed = changed.await.map_err(|error| OpeningError::File {
            path: self.engine.dir().join(KEYRING),
            cause: std::io::Error::other(error),
        })??;
        let passphrase = Entity::unknown(EntityKind::Passphrase);
        self.vault.record_operation(operator, None, AuditEvent::PassphraseChanged, passphrase).await?;
        write_keyring(self.engine.dir(), &changed)
    }
}
