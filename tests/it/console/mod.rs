//! The console: pages, as browsers ask for them.

mod accounts;
mod browser;
mod definitions;
mod history;
mod keys;
mod permissions;
mod protection;
mod sample;
mod sign_in;
mod trail;
mod values;
mod visitor;
