//! What a caller of flush or shutdown holds.

use std::cell::Cell;
use std::ptr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::error::{Failure, ShutdownError};
use crate::lock;
use crate::shared::{Control, Failures, Phase, Shared, Waiter};

/// A flush or a shutdown that somebody waits for.
pub(crate) struct Request {
    shared: Arc<Shared>,
    goal: Goal,
    before: Failures,
    deadline: Option<Instant>,
    waiter: Option<u64>,
}

#[derive(Clone, Copy)]
enum Goal {
    Flush { generation: u64 },
    Shutdown,
}

/// How a [`Request`] ended.
pub(crate) enum Answer {
    Done(Result<(), Failure>),
    Stopped(Result<(), ShutdownError>),
    /// The deadline of a flush came; so many spans still wait.
    TimedOut(u64),
}

// === impl Request ===

impl Request {
    pub(crate) fn flush(shared: &Arc<Shared>, deadline: Duration) -> Self {
        let (generation, before) = shared.ask_to_flush();
        Self::new(shared, Goal::Flush { generation }, before, deadline)
    }

    pub(crate) fn shutdown(shared: &Arc<Shared>, deadline: Duration) -> Self {
        let before = shared.ask_to_stop();
        Self::new(shared, Goal::Shutdown, before, deadline)
    }

    fn new(shared: &Arc<Shared>, goal: Goal, before: Failures, deadline: Duration) -> Self {
        let deadline = Instant::now().checked_add(deadline);
        Self { shared: Arc::clone(shared), goal, before, deadline, waiter: None }
    }

    /// The answer, if there is one; else the waker is kept until there is.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Option<Answer> {
        let shared = Arc::clone(&self.shared);
        // A waker is the runtime's code, its clone and its drop, too: neither happens under the lock.
        let waker = waker.clone();
        let _former;
        let mut control = lock(&shared.control);
        if let Some(answer) = self.answer(&control) {
            return Some(answer);
        }
        if self.is_late() {
            return Some(self.expire(control));
        }
        _former = self.forget(&mut control);
        let number = control.next_waiter;
        control.next_waiter += 1;
        control.waiters.push(Waiter { number, waker, deadline: self.deadline });
        self.waiter = Some(number);
        if self.deadline.is_none() || shared.ensure_timer(&mut control) {
            return None;
        }
        // No thread to be had, but the deadline holds: the one way that is left to keep it.
        let own = self.forget(&mut control);
        drop(control);
        drop(own);
        Some(self.wait())
    }

    /// Blocks the thread until there is an answer.
    pub(crate) fn wait(&mut self) -> Answer {
        let shared = Arc::clone(&self.shared);
        let mut control = lock(&shared.control);
        loop {
            if let Some(answer) = self.answer(&control) {
                return answer;
            }
            // The worker would wait for itself.
            if self.is_late() || self.is_own_worker() {
                return self.expire(control);
            }
            control = match self.deadline {
                None => shared.changed.wait(control).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    match shared.changed.wait_timeout(control, left) {
                        Ok((control, _)) => control,
                        Err(poisoned) => poisoned.into_inner().0,
                    }
                }
            };
        }
    }

    /// Whether this is the thread that would have to answer.
    pub(crate) fn is_own_worker(&self) -> bool {
        WORKER_OF.get() == ptr::from_ref::<Shared>(&self.shared) as usize
    }

    fn answer(&self, control: &Control) -> Option<Answer> {
        match (&control.phase, self.goal) {
            (_, Goal::Flush { generation }) if control.done >= generation => {
                Some(Answer::Done(control.failure_since(self.before).map_or(Ok(()), Err)))
            }
            (Phase::Stopped(outcome), _) => Some(Answer::Stopped(outcome.clone())),
            _ => None,
        }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn expire(&self, mut control: MutexGuard<'_, Control>) -> Answer {
        match self.goal {
            Goal::Shutdown => Answer::Stopped(self.shared.give_up(control)),
            Goal::Flush { .. } => {
                self.shared.note_timeout(&mut control);
                Answer::TimedOut(self.shared.waiting(&control))
            }
        }
    }

    /// Takes the waker back.
    fn forget(&mut self, control: &mut Control) -> Option<Waiter> {
        let number = self.waiter.take()?;
        let at = control.waiters.iter().position(|waiter| waiter.number == number)?;
        Some(control.waiters.swap_remove(at))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.waiter.is_some() {
            let shared = Arc::clone(&self.shared);
            let own = self.forget(&mut lock(&shared.control));
            drop(own);
            // The timer may have nothing left to do.
            shared.changed.notify_all();
        }
    }
}

/// Says that the current thread is this pipeline's worker.
pub(crate) fn enter_worker(shared: &Shared) {
    WORKER_OF.set(ptr::from_ref(shared) as usize);
}

thread_local! {
    static WORKER_OF: Cell<usize> = const { Cell::new(0) };
}
