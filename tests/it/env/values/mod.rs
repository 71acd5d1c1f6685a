//! `/env/values…`

mod delete;
mod formats;
mod history;
mod list;
mod order;
mod preconditions;
mod scopes;
mod set;
