//! What the process asks of the system before it touches a secret: no core dumps, no curious neighbours,
//! and enough files. Nothing here is needed to work, so nothing here fails: it is said what is missing.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Files that are kept for the store, the control socket and whatever else is no client's connection.
const OWN_FILES: rlim_t = 64;
/// The same for each thread that answers requests.
const FILES_PER_WORKER: rlim_t = 8;
/// The most connections of one such thread, however many files there may be.
const MAX_CONNECTIONS_PER_WORKER: rlim_t = 25_600;
/// Fewer files than this are too few for a busy server.
const FEW_FILES: rlim_t = 1_024;

/// What the process is now, and what it could not become.
pub(super) struct Hardened {
    complaints: Vec<String>,
    files: rlim_t,
}

impl Hardened {
    /// Asks for everything. To be called before any secret is read.
    pub(super) fn process() -> Hardened {
        let mut complaints = Vec::new();
        if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
            complaints.push(format!("core dumps are not off ({error}): a crash may write secrets to disk"));
        }
        // Also keeps other processes of this user from reading this one's memory and environment.
        if let Err(error) = prctl::set_dumpable(false) {
            complaints.push(format!(
                "the process stays open to debuggers ({error}): its user's other processes may read secrets"
            ));
        }
        let files = match raise_file_limit() {
            Ok(files) => files,
            Err(error) => {
                complaints.push(format!("the limit on open files is not raised ({error})"));
                getrlimit(Resource::RLIMIT_NOFILE).map_or(FEW_FILES, |(soft, _)| soft)
            }
        };
        Hardened { complaints, files }
    }

    /// Writes to the log what is missing, and what that means.
    pub(super) fn report(&self) {
        for complaint in &self.complaints {
            tracing::warn!("{complaint}");
        }
        if self.files < FEW_FILES {
            tracing::warn!(
                "the process may open {} files only, so few clients are connected at once: raise `ulimit -n`",
                self.files
            );
        }
    }

    /// How many connections each of `workers` threads may have, so that the store never lacks a file.
    pub(super) fn connections_per_worker(&self, workers: usize) -> usize {
        let workers = rlim_t::try_from(workers.max(1)).unwrap_or(rlim_t::MAX);
        let own = OWN_FILES.saturating_add(workers.saturating_mul(FILES_PER_WORKER));
        let connections = self.files.saturating_sub(own) / workers;
        connections.clamp(1, MAX_CONNECTIONS_PER_WORKER) as usize
    }
}

/// Keeps other processes of this user from reading this one's memory and environment, and its memory out of
/// core dumps, until it becomes another program. Where that fails a short-lived command goes on without.
pub(super) fn close_to_debuggers() {
    let _ = prctl::set_dumpable(false);
}

/// Raises the soft limit to the hard one, which was set for just this.
fn raise_file_limit() -> nix::Result<rlim_t> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_keeps_files_for_itself() {
        let of = |files, workers| Hardened { complaints: Vec::new(), files }.connections_per_worker(workers);
        assert_eq!(of(1_024, 2), 472);
        assert_eq!(of(1_024, 1), 952);
        assert_eq!(of(20_000, 8), 2_484);
        assert_eq!(of(64, 2), 1, "a server that answers nobody is none");
        assert_eq!(of(rlim_t::MAX, 4), 25_600);
        assert_eq!(of(1_024, 0), 952);
    }

    #[test]
    fn the_process_is_closed_to_debuggers_and_dumps_no_core() {
        let hardened = Hardened::process();
        assert!(hardened.complaints.is_empty(), "{:?}", hardened.complaints);
        assert_eq!(prctl::get_dumpable(), Ok(false));
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((0, 0)));
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((soft, hardened.files), (hard, hard));
    }
}
