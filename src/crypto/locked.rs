//! Memory that keys live in: its pages are kept in RAM where the system allows, so that no key reaches swap.
//!
//! Locks are per page and do not nest, while keys share pages with each other and with whatever else is on
//! the heap. So the pages are counted: a page is locked with the first key on it and unlocked with the last.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Each locked page with the number of values on it.
static PAGES: Mutex<BTreeMap<usize, (usize, region::LockGuard)>> = Mutex::new(BTreeMap::new());
/// Whether the system refused to lock some page.
static REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether every key so far is in locked memory.
pub fn all_keys_are_locked() -> bool {
    !REFUSED.load(Ordering::Relaxed)
}

/// A value on the heap in locked pages, or in ordinary ones where the system allows no more.
pub(super) struct Locked<T> {
    // Dropped before the memory is freed, as its pages may then be gone, and after the value was wiped.
    _pages: Pages,
    value: Box<Option<T>>,
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        *self.value = None;
    }
}

impl<T> Locked<T> {
    pub(super) fn new(value: T) -> Self {
        let value = Box::new(Some(value));
        Self { _pages: Pages::lock(ptr::from_ref(&*value).addr(), size_of::<Option<T>>()), value }
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        Option::as_ref(&self.value).expect("it is there until it is dropped")
    }
}

impl<T> DerefMut for Locked<T> {
    fn deref_mut(&mut self) -> &mut T {
        Option::as_mut(&mut self.value).expect("it is there until it is dropped")
    }
}

/// The pages that one value keeps locked.
struct Pages(Vec<usize>);

impl Pages {
    fn lock(address: usize, size: usize) -> Self {
        let page_size = region::page::size();
        let first = address / page_size * page_size;
        let mut pages = PAGES.lock();
        let mut kept = Vec::with_capacity(1);
        for page in (first..address + size).step_by(page_size) {
            if let Some((values, _)) = pages.get_mut(&page) {
                *values += 1;
            } else {
                match region::lock(ptr::without_provenance::<u8>(page), page_size) {
                    Ok(guard) => pages.insert(page, (1, guard)),
                    Err(_) => {
                        REFUSED.store(true, Ordering::Relaxed);
                        continue;
                    }
                };
            }
            kept.push(page);
        }
        Self(kept)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let mut pages = PAGES.lock();
        for page in &self.0 {
            if let Some((values, _)) = pages.get_mut(page) {
                *values -= 1;
                if *values == 0 {
                    pages.remove(page);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page and a neighbour on the next one: no other test has a value there.
    #[repr(align(65536))]
    struct Large([u8; 65536]);

    fn values_on(address: usize) -> usize {
        PAGES.lock().get(&address).map_or(0, |(values, _)| *values)
    }

    #[test]
    fn a_page_is_locked_as_long_as_a_value_is_on_it() {
        let large = Box::new(Large([7; 65536]));
        let at = ptr::from_ref(&large.0).addr();
        let first = Pages::lock(at + 8, 32);
        if first.0.is_empty() {
            assert!(!all_keys_are_locked(), "the system allows none, which is remembered");
            return;
        }
        let second = Pages::lock(at + 64, 32);
        assert_eq!(values_on(at), 2);
        drop(first);
        assert_eq!(values_on(at), 1);
        drop(second);
        assert_eq!(values_on(at), 0);
        let page_size = region::page::size();
        let across = Pages::lock(at + page_size - 8, 32);
        assert_eq!((values_on(at), values_on(at + page_size)), (1, 1));
        drop(across);
        assert_eq!((values_on(at), values_on(at + page_size)), (0, 0));
    }
}
