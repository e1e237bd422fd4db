//! Whoever spawns is who tokio names. Alone in its binary: panic hooks are the process's.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex};

use throughline_task::{self as task, JoinSetExt};
use tokio::task::JoinSet;

#[test]
fn panics_outside_a_runtime_name_the_line_that_spawned() {
    let places = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&places);
    let before = take_hook();
    set_hook(Box::new(move |panic| noted.lock().unwrap().extend(panic.location().map(|at| at.file().to_owned()))));
    let mut tasks = JoinSet::<()>::new();
    let spawns: [&mut dyn FnMut(); 6] = [
        &mut || drop(task::spawn(async {})),
        &mut || drop(task::spawn_blocking(|| {})),
        &mut || drop(task::spawn_local(async {})),
        &mut || drop(task::spawn_linked("work", async {})),
        &mut || drop(tasks.spawn_in_context(async {})),
        &mut || drop(JoinSet::new().spawn_blocking_in_context(|| {})),
    ];
    let count = spawns.len();
    for spawn in spawns {
        assert!(catch_unwind(AssertUnwindSafe(spawn)).is_err());
    }
    set_hook(before);
    assert_eq!(*places.lock().unwrap(), vec![file!(); count]);
}
