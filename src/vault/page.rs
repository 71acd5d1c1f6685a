//! Pages of a list.

use crate::store::{Engine, Record, Tree};
use crate::vault::Error;

/// Which page of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    page: u32,
    limit: u32,
}

/// A page of a list of `T`.
#[derive(Debug)]
pub struct Page<T> {
    /// What stands on it.
    pub docs: Vec<T>,
    /// How much the whole list has.
    pub total: u64,
    /// Which page it is, from 1.
    pub page: u64,
    /// How many docs a page has at most.
    pub limit: u64,
}

impl<T> Page<T> {
    pub(super) fn map<U>(self, doc: impl FnMut(T) -> U) -> Page<U> {
        let Page { docs, total, page, limit } = self;
        Page { docs: docs.into_iter().map(doc).collect(), total, page, limit }
    }
}

impl PageRequest {
    /// The largest page number.
    pub const MAX_PAGE: u32 = 2_147_483_647;
    /// The most docs that a page has.
    pub const MAX_LIMIT: u32 = 1_000;

    /// Reads `page` (default 1) and `limit` (default 10) as a request spells them.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where one is not a plain positive integer in its range.
    pub fn parse(page: Option<&str>, limit: Option<&str>) -> Result<PageRequest, Error> {
        let page = page.map_or(Some(1), |text| plain_integer(text, Self::MAX_PAGE));
        let limit = limit.map_or(Some(10), |text| plain_integer(text, Self::MAX_LIMIT));
        Ok(PageRequest {
            page: page.ok_or_else(|| {
                Error::InvalidRequest(format!("page must be an integer from 1 to {}", Self::MAX_PAGE))
            })?,
            limit: limit.ok_or_else(|| {
                Error::InvalidRequest(format!("limit must be an integer from 1 to {}", Self::MAX_LIMIT))
            })?,
        })
    }

    /// The first `limit` docs of a list, of which there are [`PageRequest::MAX_LIMIT`] at most.
    #[must_use]
    pub fn first(limit: u32) -> PageRequest {
        PageRequest { page: 1, limit: limit.clamp(1, Self::MAX_LIMIT) }
    }

    pub(super) fn skip(self) -> u64 {
        u64::from(self.page - 1) * u64::from(self.limit)
    }

    pub(super) fn limit(self) -> usize {
        self.limit as usize
    }

    pub(super) fn of<T>(self, docs: Vec<T>, total: u64) -> Page<T> {
        Page { docs, total, page: self.page.into(), limit: self.limit.into() }
    }

    /// The page of a list that is all at hand.
    pub(super) fn cut<T>(self, all: Vec<T>) -> Page<T> {
        let total = all.len() as u64;
        let skip = usize::try_from(self.skip()).unwrap_or(usize::MAX);
        self.of(all.into_iter().skip(skip).take(self.limit()).collect(), total)
    }

    /// The records of this page of a range whose total is known: no more are read than lie before its end.
    pub(super) async fn read(
        self,
        engine: &dyn Engine,
        tree: Tree,
        prefix: &[u8],
        total: u64,
    ) -> Result<Vec<Record>, Error> {
        let mut skip = self.skip();
        if skip >= total {
            return Ok(Vec::new());
        }
        let mut after: Option<Vec<u8>> = None;
        while skip > 0 {
            let step = skip.min(SCAN_STEP as u64) as usize;
            let skipped = engine.scan(tree, prefix, after.as_deref(), step).await?;
            match skipped.into_iter().last() {
                Some(last) => after = Some(last.key),
                None => return Ok(Vec::new()),
            }
            skip -= step as u64;
            tokio::task::yield_now().await;
        }
        let mut records = Vec::new();
        while records.len() < self.limit() {
            let step = (self.limit() - records.len()).min(SCAN_STEP);
            let after = records.last().map(|last: &Record| last.key.as_slice()).or(after.as_deref());
            let mut read = engine.scan(tree, prefix, after, step).await?;
            let ended = read.len() < step;
            records.append(&mut read);
            if ended {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(records)
    }
}

/// How many records are read at once where many are: other requests get their turn in between.
pub(super) const SCAN_STEP: usize = 256;

/// Lets other requests have their turn, now and then in a long row of reads: the embedded engine answers at
/// once, so that waiting for it gives way to nobody.
pub(super) async fn give_way(number: usize) {
    if number % SCAN_STEP == SCAN_STEP - 1 {
        tokio::task::yield_now().await;
    }
}

/// Gives `visit` every record of a range, a few at a time.
pub(super) async fn each_record(
    engine: &dyn Engine,
    tree: Tree,
    prefix: &[u8],
    mut visit: impl FnMut(Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let step = engine.scan(tree, prefix, after.as_deref(), SCAN_STEP).await?;
        let Some(last) = step.last() else { return Ok(()) };
        after = Some(last.key.clone());
        step.into_iter().try_for_each(&mut visit)?;
        tokio::task::yield_now().await;
    }
}

fn plain_integer(text: &str, max: u32) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|number| plain && (1..=max).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_positive_integers_in_range_are_taken() {
        for good in ["1", "10", "1000", "2147483647"] {
            assert!(PageRequest::parse(Some(good), None).is_ok(), "{good}");
        }
        for bad in
            ["", "0", "-1", "+1", "01", "1.0", "1e1", " 1", "1 ", "a", "2147483648", "99999999999999999999"]
        {
            assert!(PageRequest::parse(Some(bad), None).is_err(), "{bad}");
        }
        assert!(PageRequest::parse(None, Some("1001")).is_err());
    }
}
