//! What responses have in common: how ids, times and pages are written.

use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

use crate::vault::Page;

/// Anything that is written as its display text.
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Bytes in lower-case hex.
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The envelope of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageBody<T> {
    docs: Vec<T>,
    total_docs: u64,
    limit: u64,
    page: u64,
    total_pages: u64,
    paging_counter: u64,
    has_prev_page: bool,
    has_next_page: bool,
    prev_page: Option<u64>,
    next_page: Option<u64>,
}

impl<T> PageBody<T> {
    pub(super) fn of<N>(page: Page<N>, doc: impl FnMut(N) -> T) -> PageBody<T> {
        let total_pages = page.total.div_ceil(page.limit).max(1);
        let has_prev_page = page.page > 1;
        let has_next_page = page.page < total_pages;
        PageBody {
            docs: page.docs.into_iter().map(doc).collect(),
            total_docs: page.total,
            limit: page.limit,
            page: page.page,
            total_pages,
            paging_counter: (page.page - 1) * page.limit + 1,
            has_prev_page,
            has_next_page,
            // Past the end the page before is the last one that there is.
            prev_page: has_prev_page.then(|| (page.page - 1).min(total_pages)),
            next_page: has_next_page.then(|| page.page + 1),
        }
    }
}
