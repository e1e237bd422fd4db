//! A text that each thread keeps.

use std::cell::Cell;

/// Lends a text that each thread keeps, so that rendering a URL or an address need not allocate.
#[inline]
pub(crate) fn with_scratch(work: impl FnOnce(&mut String)) {
    thread_local! {
        static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
    }
    // A thread that is ending has none any more.
    let mut text = SCRATCH.try_with(Cell::take).unwrap_or_default();
    text.clear();
    work(&mut text);
    if text.capacity() <= KEPT_SCRATCH {
        let _ = SCRATCH.try_with(|scratch| scratch.set(text));
    }
}

const KEPT_SCRATCH: usize = 4096;
