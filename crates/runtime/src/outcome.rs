//! What people say came of a run that is over: right or wrong, and why.

use kernel::ids::RunId;
use store::{OUTCOME_BYTES, OutcomeQuery, OutcomeSaid, RunOutcome};

use crate::{RunError, Runtime, govern::Asker};

/// What people say of a run, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// All of them say that it did what it should have done.
    Right,
    /// All of them say that it did not.
    Wrong,
    /// They differ.
    Disputed,
}

impl Together {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Together::Right => "right",
            Together::Wrong => "wrong",
            Together::Disputed => "disputed",
        }
    }

    /// What these words about one run come to; `None`: nobody has said anything.
    pub fn of<'a>(said: impl IntoIterator<Item = &'a RunOutcome>) -> Option<Together> {
        said.into_iter().fold(None, |together, one| {
            let own = if one.right { Together::Right } else { Together::Wrong };
            Some(match together {
                None => own,
                Some(others) if others == own => own,
                Some(_) => Together::Disputed,
            })
        })
    }
}

impl Runtime {
    /// Keeps what a person says came of a run, in the place of what they said before. It changes nothing of the run.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] with one sentence: the run is not over or was erased, the words are missing or too long. There is no such
    /// run, or the store fails.
    pub async fn say_outcome(
        &self,
        run: RunId,
        right: bool,
        because: &str,
        asker: &Asker,
    ) -> Result<RunOutcome, RunError> {
        let because = because.trim();
        let refused = |why: String| Err(RunError::NotTaken { why });
        if because.is_empty() {
            return refused("say in a few words why it was right or wrong".to_owned());
        }
        if because.len() > OUTCOME_BYTES {
            return refused(format!("the words have {} bytes, and {OUTCOME_BYTES} are taken", because.len()));
        }
        let (by, auth) = (asker.by.clone(), asker.auth.clone());
        let outcome = RunOutcome { run, by, auth, right, because: because.into(), at: self.inner.clock.now() };
        match self.inner.store.say_outcome(outcome.clone()).await {
            Ok(OutcomeSaid::Done) => Ok(outcome),
            Ok(OutcomeSaid::NotOver { status }) => {
                refused(format!("run {run} is {}: whether it was right is known once it is over", status.as_str()))
            }
            Ok(OutcomeSaid::Erased) => refused(format!("what run {run} held was erased: nothing more is kept of it")),
            Err(store::StoreError::NoRun { run }) => Err(RunError::NoRun { run }),
            Err(why) => Err(RunError::store("keep what came of the run", why)),
        }
    }

    /// What people say came of runs.
    ///
    /// # Errors
    /// The store fails.
    pub async fn outcomes(&self, query: OutcomeQuery) -> Result<Vec<RunOutcome>, RunError> {
        let read = self.inner.store.outcomes(query).await;
        read.map_err(|why| RunError::store("read what came of runs", why))
    }
}

#[cfg(test)]
mod tests {
    use kernel::values::Timestamp;

    use super::*;

    #[test]
    fn people_agree_or_differ() {
        let now = Timestamp::from_micros(0);
        let said = |words: &[bool]| {
            let one = |(number, right): (usize, &bool)| RunOutcome {
                run: RunId::new(now, [0; 10]),
                by: format!("p{number}").into(),
                auth: "local".into(),
                right: *right,
                because: "seen".into(),
                at: now,
            };
            let all: Vec<_> = words.iter().enumerate().map(one).collect();
            Together::of(&all)
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[true, true]), Some(Together::Right));
        assert_eq!(said(&[false]), Some(Together::Wrong));
        assert_eq!(said(&[false, true, false]), Some(Together::Disputed));
    }
}
