//! `/api/v2/public/env/…`

mod definitions;
mod value;
mod values;
