//! How the store is: whether it takes writes, how large it is, when it was last backed up.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use askama::Template;

use crate::http::console::frame::{Frame, page as draw};
use crate::http::console::show::{self, Moment};
use crate::http::console::visit::Anyone;
use crate::http::error::ApiError;
use crate::model::Timestamp;
use crate::store::embedded::Embedded;
use crate::vault::{Error, Vault, need};

/// After how many days without a backup the page says so.
const DAYS_WITHOUT_BACKUP: i64 = 7;

#[derive(Template)]
#[template(path = "health.html")]
struct Page {
    frame: Frame,
    is_writable: bool,
    store_bytes: Option<String>,
    free_bytes: Option<String>,
    is_disk_low: bool,
    journal_bytes: String,
    revision: String,
    commits: String,
    backup: Option<Moment>,
    is_backup_old: bool,
    accounts: Option<String>,
}

/// `GET /console/health`: for whoever is signed in, as `/metrics` and `/readyz` are for everyone.
pub(super) async fn page(
    Anyone(visit): Anyone,
    vault: Data<Vault>,
    store: Option<Data<Embedded>>,
) -> Result<HttpResponse, ApiError> {
    let stats = store.as_ref().map(|store| store.stats()).unwrap_or_default();
    let disk = match store {
        Some(store) => web::block(move || store.disk_use()).await.ok().and_then(Result::ok),
        None => None,
    };
    let backup = vault.last_backup().await?;
    let age = |backup: Timestamp| (Timestamp::now().seconds() - backup.seconds()) / (24 * 60 * 60);
    let reader = visit.acting::<need::ReadAll>().await?;
    let accounts = match vault.count_accounts(&reader).await {
        Ok(count) => Some(show::number(count)),
        // A key without `read` does not see how many there are.
        Err(Error::Forbidden(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let mut frame = visit.frame;
    frame.all_at_once = true;
    draw(
        StatusCode::OK,
        &Page {
            frame,
            is_writable: vault.is_writable(),
            store_bytes: disk.map(|disk| show::bytes(disk.used)),
            free_bytes: disk.map(|disk| show::bytes(disk.free)),
            is_disk_low: disk.is_some_and(|disk| disk.is_low),
            journal_bytes: show::bytes(stats.journal_bytes),
            revision: show::number(stats.last_revision.0),
            commits: show::number(stats.commits),
            backup: backup.map(Moment::from),
            is_backup_old: backup.is_none_or(|backup| age(backup) >= DAYS_WITHOUT_BACKUP),
            accounts,
        },
    )
}
