//! Guards that were held where they must not be.

use throughline_core::misplaced_guards;

/// Panics if any [`ContextGuard`](throughline_core::ContextGuard) of this process was dropped out of order, forgotten,
/// or held across an `.await`.
///
/// The counter is the process's: with `cargo test` all tests of one binary share it, so the test that fails need not be
/// the one that is wrong. Forgotten guards and those held across an `.await` are only seen with debug assertions, and
/// only once the poll or scope that they were made in is over.
///
/// ```
/// use throughline_core::Context;
///
/// {
///     let _guard = Context::ROOT.attach();
/// }
/// throughline_testing::assert_no_misplaced_guards();
/// ```
///
/// # Panics
///
/// If there was such a guard.
#[track_caller]
pub fn assert_no_misplaced_guards() {
    let misplaced = misplaced_guards();
    assert!(
        misplaced == 0,
        "{misplaced} context guard(s) of this process were dropped out of order, forgotten, or held across an .await: \
         use `Context::scope` or `ContextExt::with_context`"
    );
}
