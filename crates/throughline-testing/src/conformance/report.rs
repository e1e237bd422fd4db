//! What a suite found.

use std::fmt;

/// The cases of a suite, and what was wrong in each.
#[must_use = "a report says nothing by itself: call `assert_conforms`"]
#[derive(Debug, Default)]
pub struct Report {
    cases: Vec<(String, Outcome)>,
}

#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(Vec<String>),
    Skipped(&'static str),
}

/// What goes wrong in one case; a case goes on after a check that failed.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<String>);

// === impl Report ===

impl Report {
    /// Panics unless every case passed, and says everything that did not.
    ///
    /// # Panics
    ///
    /// If a case failed, or if none was run.
    #[track_caller]
    pub fn assert_conforms(&self) {
        assert!(self.passed() > 0 || self.failed() > 0, "no case was run");
        assert!(self.failed() == 0, "{self}");
    }

    /// How many cases passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// How many cases failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// The cases that were not run, each with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Skipped(why) => Some((name.as_str(), *why)),
            Outcome::Passed | Outcome::Failed(_) => None,
        })
    }

    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.cases.iter().filter(|(_, outcome)| of(outcome)).count()
    }

    /// Takes the outcome of a case that was run.
    pub(crate) fn ran(&mut self, name: String, Checks(failures): Checks) {
        let outcome = if failures.is_empty() { Outcome::Passed } else { Outcome::Failed(failures) };
        self.cases.push((name, outcome));
    }

    pub(crate) fn skip(&mut self, name: String, why: &'static str) {
        self.cases.push((name, Outcome::Skipped(why)));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, skipped) = (self.passed(), self.failed(), self.skipped().count());
        writeln!(f, "{passed} cases passed, {failed} failed, {skipped} were skipped")?;
        for (name, outcome) in &self.cases {
            match outcome {
                Outcome::Passed => {}
                Outcome::Skipped(why) => writeln!(f, "skipped: {name}: {why}")?,
                Outcome::Failed(failures) => {
                    writeln!(f, "FAILED: {name}")?;
                    for failure in failures {
                        writeln!(f, "    {}", failure.replace('\n', "\n    "))?;
                    }
                }
            }
        }
        Ok(())
    }
}

// === impl Checks ===

impl Checks {
    pub(crate) fn fail(&mut self, failure: impl Into<String>) {
        self.0.push(failure.into());
    }

    pub(crate) fn holds(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.fail(otherwise());
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "most of what is compared is made for it")]
    pub(crate) fn equal<T: PartialEq + fmt::Debug>(&mut self, what: impl fmt::Display, actual: T, wanted: T) {
        self.holds(actual == wanted, || format!("{what} is {actual:?} instead of {wanted:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(check: impl FnOnce(&mut Checks)) -> Checks {
        let mut checks = Checks::default();
        check(&mut checks);
        checks
    }

    #[test]
    fn every_failure_is_shown_and_the_rest_is_counted() {
        let mut report = Report::default();
        report.ran("good".to_owned(), checked(|checks| checks.equal("one", 1, 1)));
        report.ran(
            "bad".to_owned(),
            checked(|checks| {
                checks.equal("the name", "GET", "POST");
                checks.fail("no span:\nnone at all");
            }),
        );
        report.skip("not here".to_owned(), "there is no router");
        assert_eq!(
            report.to_string(),
            "1 cases passed, 1 failed, 1 were skipped\n\
             FAILED: bad\n    the name is \"GET\" instead of \"POST\"\n    no span:\n    none at all\n\
             skipped: not here: there is no router\n"
        );
    }

    #[test]
    #[should_panic(expected = "no case was run")]
    fn an_empty_report_is_no_success() {
        Report::default().assert_conforms();
    }
}
