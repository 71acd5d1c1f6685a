//! What was acknowledged is there, whatever happens to the process, the power or the files.

mod full;
mod kill;
mod ledger;
mod sync;
mod torn;
