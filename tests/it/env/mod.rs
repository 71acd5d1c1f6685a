//! `/api/v2/public/env/…`

mod definitions;
mod import;
mod render;
mod resolve;
mod value;
mod values;
mod watch;
