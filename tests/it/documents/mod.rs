//! What the documents promise: that tests which they name are there, and that each command in them works.

mod blocks;
mod claims;
mod commands;
mod mentions;
mod place;
mod shown;
