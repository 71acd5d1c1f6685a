//! The console: pages, as browsers ask for them.

mod browser;
mod protection;
mod sample;
mod sign_in;
mod values;
mod visitor;
