//! Guards that are where they should not be. The counter is the process's, hence one test in a binary of its own.

use throughline_core::{Context, misplaced_guards};

fn marked(mark: u32) -> Context {
    Context::ROOT.with_value(mark)
}

fn here() -> Option<u32> {
    Context::current().value::<u32>().copied()
}

fn counted(work: impl FnOnce()) -> u64 {
    let before = misplaced_guards();
    work();
    misplaced_guards() - before
}

#[test]
fn misplaced_guards_are_counted_and_harmless() {
    let mut tests: Vec<fn()> = vec![
        nested_guards_are_not_counted,
        the_outer_guard_dropped_first_is_counted,
        three_guards_in_any_order_are_safe,
        a_forgotten_guard_is_noticed_by_the_next_one,
        no_stale_context_stays_whatever_the_order,
    ];
    if cfg!(debug_assertions) {
        tests.push(a_guard_that_outlives_its_scope_is_counted);
    }
    for test in tests {
        // A thread of its own: what one leaves attached is not the next one's.
        std::thread::spawn(test).join().unwrap();
    }
}

fn nested_guards_are_not_counted() {
    let count = counted(|| {
        for _ in 0..3 {
            let _one = marked(1).attach();
            let two = marked(2).attach();
            marked(3).scope(|| drop(marked(4).attach()));
            drop(two);
            let _two = marked(2).attach();
        }
    });
    assert_eq!(count, 0);
}

fn the_outer_guard_dropped_first_is_counted() {
    let count = counted(|| {
        let one = marked(1).attach();
        let two = marked(2).attach();
        drop(one);
        assert_eq!(here(), None, "what was current before the outer one");
        drop(two);
    });
    assert!(count >= 1);
    assert_eq!(counted(|| drop(marked(1).attach())), 0, "and nothing is counted afterwards");
}

fn three_guards_in_any_order_are_safe() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1]] {
        let count = counted(|| {
            let mut guards: Vec<_> = (0..3).map(|mark| Some(marked(mark).attach())).collect();
            for at in order {
                drop(guards[at].take());
            }
        });
        assert!(count >= 1, "{order:?}");
    }
    assert_eq!(counted(|| drop(marked(1).attach())), 0);
}

fn a_forgotten_guard_is_noticed_by_the_next_one() {
    let count = counted(|| {
        let _outer = marked(1).attach();
        std::mem::forget(marked(2).attach());
        assert_eq!(here(), Some(2));
    });
    assert_eq!(count, 1);
    assert_eq!(here(), None, "the outer guard restores all the same");
}

fn a_guard_that_outlives_its_scope_is_counted() {
    let mut kept = None;
    let count = counted(|| marked(1).scope(|| kept = Some(marked(2).attach())));
    assert_eq!(count, 1, "as a future that holds one across an await");
    drop(kept);
}

fn no_stale_context_stays_whatever_the_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1]] {
        let mut guards: Vec<_> = (0..3).map(|mark| Some(marked(mark).attach())).collect();
        for at in order {
            drop(guards[at].take());
        }
        assert_eq!(here(), None, "{order:?}: the next request on this thread would be in a foreign trace");
    }
}
