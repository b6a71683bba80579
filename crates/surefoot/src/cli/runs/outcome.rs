//! What a person says came of a run.

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};
use runtime::{Runtime, govern::Asker};
use serde_json::json;

use crate::{
    cli::{
        Scene,
        out::{GOOD, paint},
        session,
    },
    error::CliError,
    exit::Exit,
};

/// Say whether a run that is over did what it should have done
///
/// It changes nothing of the run. Each person's last word counts; it is erased with the run.
#[derive(Debug, Args)]
pub(super) struct Outcome {
    /// The run: its id, four or more characters of its beginning or end, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// What came of it
    #[arg(value_enum, value_name = "OUTCOME")]
    outcome: Word,
    #[command(flatten)]
    place: super::Place,
    /// Who says so. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// It did what it should have done
    Right,
    /// It did not
    Wrong,
}

impl Outcome {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let store = self.place.open()?;
        let run = session::find_run(&*store, &self.run).await?.run;
        let runtime = Runtime::builder(store).build();
        let asker = Asker { by: self.by.as_str().into(), auth: "local".into() };
        let said = runtime.say_outcome(run, self.outcome == Word::Right, &self.because, &asker).await?;
        let word = if said.right { "right" } else { "wrong" };
        if scene.out.json {
            scene.out.object(&json!({ "kind": "outcome", "run": run, "outcome": word, "by": self.by,
                "because": said.because, "at": said.at.to_string() }));
            return Ok(Exit::Ok);
        }
        scene.out.line(format!("{} {run} was {word}, by {}", paint(GOOD, "recorded"), self.by));
        if !said.right {
            let typed = self.place.typed();
            scene.out.aside(format!("make a case of it: surefoot runs export {run}{typed} --case cases/NAME.yaml"));
        }
        Ok(Exit::Ok)
    }
}
