//! Catching a panic that is expected, without its message on standard error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes an `Err` with its message.
///
/// The process keeps its panic hook for all other panics. What `work` left half done must be given up.
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    result.map_err(|panic| message(panic.as_ref()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // sled prints whole pages in some messages: the first line says which check failed.
    text.and_then(|text| text.lines().next())
        .unwrap_or("a panic without a message")
        .chars()
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::catch;

    #[test]
    fn a_panic_becomes_its_first_line() {
        assert_eq!(catch(|| 3), Ok(3));
        assert_eq!(catch::<()>(|| panic!("one {}\ntwo", 1)), Err("one 1".into()));
    }
}
