//! `/api/v2/public/admin/…`

mod keys;
