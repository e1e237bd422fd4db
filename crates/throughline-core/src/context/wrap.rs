//! Closures that carry a context.

use super::Context;

impl Context {
    /// Wraps a closure so that it runs with this context attached, wherever and whenever that is.
    ///
    /// It is attached, too, while a closure that never ran is dropped. No span is made. For closures that are called more than once there are [`wrap_mut`](Self::wrap_mut) and
    /// [`wrap_fn`](Self::wrap_fn).
    ///
    /// ```
    /// use throughline_core::Context;
    ///
    /// let context = Context::ROOT.with_value("job 7");
    /// let job = context.wrap(|| Context::current().value::<&str>().copied());
    /// assert_eq!(std::thread::spawn(job).join().unwrap(), Some("job 7"));
    /// ```
    pub fn wrap<F, R>(&self, work: F) -> impl FnOnce() -> R + use<F, R>
    where
        F: FnOnce() -> R,
    {
        let mut carried = Carried { work: Some(work), context: self.clone() };
        move || carried.run()
    }

    /// Wraps a closure with an argument that may be called again and again.
    ///
    /// ```
    /// use throughline_core::Context;
    ///
    /// let mut sum = 0;
    /// let mut add = Context::current().wrap_mut(|n: i32| sum += n);
    /// (1..=3).for_each(&mut add);
    /// drop(add);
    /// assert_eq!(sum, 6);
    /// ```
    pub fn wrap_mut<F, A, R>(&self, mut work: F) -> impl FnMut(A) -> R + use<F, A, R>
    where
        F: FnMut(A) -> R,
    {
        let mut context = self.clone();
        move |argument| {
            let _entered = context.enter();
            work(argument)
        }
    }

    /// Wraps a closure with an argument that may be called from many threads at once.
    ///
    /// ```
    /// use throughline_core::Context;
    ///
    /// let double = Context::current().wrap_fn(|n: i32| 2 * n);
    /// assert_eq!([1, 2].map(double), [2, 4]);
    /// ```
    pub fn wrap_fn<F, A, R>(&self, work: F) -> impl Fn(A) -> R + use<F, A, R>
    where
        F: Fn(A) -> R,
    {
        let context = self.clone();
        move |argument| context.scope(|| work(argument))
    }
}

/// A closure that runs, or is dropped, in its context.
struct Carried<F> {
    work: Option<F>,
    context: Context,
}

impl<F> Carried<F> {
    fn run<R>(&mut self) -> R
    where
        F: FnOnce() -> R,
    {
        let Some(work) = self.work.take() else { unreachable!("an `FnOnce` runs once") };
        let _entered = self.context.enter();
        work()
    }
}

impl<F> Drop for Carried<F> {
    fn drop(&mut self) {
        if self.work.is_some() {
            let _entered = self.context.enter();
            self.work = None;
        }
    }
}
