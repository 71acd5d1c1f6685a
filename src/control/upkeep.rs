//! The commands that look after the whole store. What blocks runs beside the server's own threads.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::control::command::{CompactedRow, Outcome, Refusal, failed};
use crate::control::parts::{Part, Parts, Progress};
use crate::control::secret_text::SecretText;
use crate::crypto::Passphrase;
use crate::model::{AuditEvent, Entity, EntityKind, Operator, Org, Timestamp};
use crate::vault::{Opened, Rotation, Vault};

/// How often it is looked how far a rotation has come.
const LOOK: Duration = Duration::from_millis(200);

/// Runs what blocks.
pub(super) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed("it broke: the log says where".into())),
    }
}

pub(super) async fn back_up(opened: &Opened, operator: Operator, parts: &Parts) -> Result<Outcome, Refusal> {
    let backup = Entity::unknown(EntityKind::Backup);
    opened.vault.record_operation(operator, None, AuditEvent::BackupCreated, backup).await?;
    let begun = Timestamp::now();
    let (vault, opened, to) = (&opened.vault, opened.clone(), parts.clone());
    let records = blocking(move || {
        let mut take = |bytes| match to.blocking_send(Part::Data(bytes)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        opened.back_up(begun, &mut take, &mut |done, total| {
            let progress = Progress { of: "records".into(), done, total };
            // Whoever is slow to look misses some.
            let _ = to.try_send(Part::Progress(progress));
        })
    });
    let records = records.await?;
    let (keep, kept) = oneshot::channel();
    if parts.send(Part::Keep(keep)).await.is_err() || kept.await.is_err() {
        return Err(failed("nobody kept the backup".into()));
    }
    if let Err(error) = vault.note_backup(begun).await {
        tracing::warn!("the backup is whole, but when it was made could not be noted: {error}");
    }
    Ok(Outcome::BackedUp(records))
}

pub(super) async fn change_passphrase(
    opened: &Opened,
    operator: Operator,
    old: SecretText,
    new: SecretText,
) -> Result<Outcome, Refusal> {
    let passphrase = |text: &SecretText| Passphrase::from(text.expose().to_owned());
    opened
        .change_passphrase(operator, passphrase(&old), passphrase(&new))
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(Outcome::PassphraseChanged)
}

pub(super) async fn rotate(
    vault: &Vault,
    operator: Operator,
    orgs: &[Org],
    parts: &Parts,
) -> Result<Outcome, Refusal> {
    for org in orgs {
        vault.begin_rotation(operator, org.id).await?;
    }
    // On a task of its own: it goes on also where nobody waits for it any more.
    let worker = vault.clone();
    let mut worker = tokio::spawn(async move { worker.finish_rotations().await });
    loop {
        tokio::select! {
            done = &mut worker => {
                done.map_err(|_| failed("it broke: the log says where".into()))??;
                return Ok(Outcome::Rotated(orgs.len(), vault.rotation().resealed));
            }
            () = tokio::time::sleep(LOOK) => {
                let Rotation { done, total, .. } = vault.rotation();
                let progress = Progress { of: "values".into(), done, total: Some(total) };
                // Whoever is slow to look misses some.
                let _ = parts.try_send(Part::Progress(progress));
            }
        }
    }
}

pub(super) async fn compact(opened: &Opened, operator: Operator) -> Result<Outcome, Refusal> {
    let store = Entity::unknown(EntityKind::Store);
    opened.vault.record_operation(operator, None, AuditEvent::StoreCompacted, store).await?;
    let engine = opened.engine.clone();
    let done = blocking(move || engine.compact()).await?;
    Ok(Outcome::Compacted(CompactedRow {
        records: done.records,
        bytes_before: done.bytes_before,
        bytes_after: done.bytes_after,
    }))
}
