//! When the last backup was made: one record, which `doctor`, console and metrics read.

use crate::model::Timestamp;
use crate::store::{Batch, Tree, record};
use crate::vault::{Error, Vault};

/// In [`Tree::Meta`]: when the last backup was begun that came whole onto a disk.
const META_LAST_BACKUP: &[u8] = b"last-backup";

impl Vault {
    /// When the last backup was begun that came whole onto a disk, or of which this store was made. What is younger is in
    /// no backup.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn last_backup(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.get(Tree::Meta, META_LAST_BACKUP).await?.map(|seen| seen.noun))
    }

    /// Remembers that the backup that was begun at `begun` is whole and on disk.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn note_backup(&self, begun: Timestamp) -> Result<(), Error> {
        self.commit(Batch::new().put(Tree::Meta, META_LAST_BACKUP, record::encode(&begun)?)).await.map(drop)
    }
}
