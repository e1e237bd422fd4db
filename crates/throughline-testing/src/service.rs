//! Services that follow a script.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};

use tower_service::Service;

use crate::{ContextLog, Gate, Point};

/// Service that answers call by call as a test tells it to, and keeps what it was asked.
///
/// Readiness, calls, polls of its futures and their drops are noted in its [`ContextLog`]. A clone follows the same
/// script.
///
/// ```
/// use tower_service::Service as _;
/// use throughline_testing::{Answer, BodyError, Point, ScriptedService};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut service = ScriptedService::<u32, &str, BodyError>::new()
///     .respond("first")
///     .answer(Answer::error(BodyError("second")).pending(2));
/// assert_eq!(service.call(1).await, Ok("first"));
/// assert_eq!(service.call(2).await, Err(BodyError("second")));
/// assert_eq!(service.take_requests(), [1, 2]);
/// assert_eq!(service.log().count(Point::Poll), 1 + 3);
/// # }
/// ```
pub struct ScriptedService<Request, Response, Error> {
    shared: Arc<Mutex<Shared<Request, Response, Error>>>,
    log: ContextLog,
}

/// What [`ScriptedService`] does when it is called once.
#[must_use = "an answer does nothing unless a service gives it"]
#[derive(Debug)]
pub struct Answer<Response, Error> {
    outcome: Outcome<Response, Error>,
    pending: usize,
    gate: Option<Gate>,
}

/// Future of [`ScriptedService`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct ScriptedFuture<Response, Error> {
    answer: Option<Answer<Response, Error>>,
    log: ContextLog,
}

#[derive(Debug)]
enum Outcome<Response, Error> {
    Done(Result<Response, Error>),
    Panic,
    PanicInCall,
}

struct Shared<Request, Response, Error> {
    answers: VecDeque<Answer<Response, Error>>,
    requests: Vec<Request>,
}

// === impl ScriptedService ===

impl<Request, Response, Error> ScriptedService<Request, Response, Error> {
    /// A service without answers: its first call panics.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared { answers: VecDeque::new(), requests: Vec::new() };
        Self { shared: Arc::new(Mutex::new(shared)), log: ContextLog::new() }
    }

    /// Answers the next call like this.
    #[must_use]
    pub fn answer(self, answer: Answer<Response, Error>) -> Self {
        self.lock().answers.push_back(answer);
        self
    }

    /// Answers the next call with this, at the first poll.
    #[must_use]
    pub fn respond(self, response: Response) -> Self {
        self.answer(Answer::response(response))
    }

    /// Lets the next call fail with this, at the first poll.
    #[must_use]
    pub fn fail(self, error: Error) -> Self {
        self.answer(Answer::error(error))
    }

    /// Notes readiness, calls, polls and drops in this log.
    #[must_use]
    pub fn observed_by(mut self, log: &ContextLog) -> Self {
        self.log = log.clone();
        self
    }

    /// Where readiness, calls, polls and drops are noted.
    #[must_use]
    pub fn log(&self) -> ContextLog {
        self.log.clone()
    }

    /// Takes what the service was asked so far.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.lock().requests)
    }

    fn lock(&self) -> MutexGuard<'_, Shared<Request, Response, Error>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Request, Response, Error> Service<Request> for ScriptedService<Request, Response, Error> {
    type Response = Response;
    type Error = Error;
    type Future = ScriptedFuture<Response, Error>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        self.log.note(Point::Ready);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.log.note(Point::Call);
        let answer = {
            let mut shared = self.lock();
            shared.requests.push(request);
            shared.answers.pop_front()
        };
        let answer = answer.expect("the script has an answer to every call");
        assert!(!matches!(answer.outcome, Outcome::PanicInCall), "scripted panic");
        ScriptedFuture { answer: Some(answer), log: self.log.clone() }
    }
}

impl<Request, Response, Error> Default for ScriptedService<Request, Response, Error> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Request, Response, Error> Clone for ScriptedService<Request, Response, Error> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), log: self.log.clone() }
    }
}

impl<Request, Response, Error> fmt::Debug for ScriptedService<Request, Response, Error> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedService").field("answers", &self.lock().answers.len()).finish_non_exhaustive()
    }
}

// === impl Answer ===

impl<Response, Error> Answer<Response, Error> {
    /// A response.
    pub fn response(response: Response) -> Self {
        Self::new(Outcome::Done(Ok(response)))
    }

    /// An error.
    pub fn error(error: Error) -> Self {
        Self::new(Outcome::Done(Err(error)))
    }

    /// Nothing, ever.
    pub fn never() -> Self {
        Self::panic().wait(&Gate::new())
    }

    /// A panic in the future's poll.
    pub fn panic() -> Self {
        Self::new(Outcome::Panic)
    }

    /// A panic in the call itself.
    pub fn panic_in_call() -> Self {
        Self::new(Outcome::PanicInCall)
    }

    fn new(outcome: Outcome<Response, Error>) -> Self {
        Self { outcome, pending: 0, gate: None }
    }

    /// First lets this many polls come to nothing, each of which wakes the task at once.
    pub fn pending(mut self, polls: usize) -> Self {
        self.pending = polls;
        self
    }

    /// Then waits for the gate.
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }
}

// === impl ScriptedFuture ===

// Nothing is pinned.
impl<Response, Error> Unpin for ScriptedFuture<Response, Error> {}

impl<Response, Error> Future for ScriptedFuture<Response, Error> {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.log.note(Point::Poll);
        let answer = self.answer.as_mut().expect("a future is not polled after it was ready");
        if answer.pending > 0 {
            answer.pending -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(gate) = &answer.gate {
            if gate.poll_opened(cx).is_pending() {
                return Poll::Pending;
            }
        }
        match self.answer.take().map(|answer| answer.outcome) {
            Some(Outcome::Done(result)) => Poll::Ready(result),
            _ => panic!("scripted panic"),
        }
    }
}

impl<Response, Error> Drop for ScriptedFuture<Response, Error> {
    fn drop(&mut self) {
        self.log.note(Point::Drop);
    }
}
