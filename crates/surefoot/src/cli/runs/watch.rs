use clap::Args;
use runtime::Runtime;
use store::Store as _;

use super::{OneRun, Place};
use crate::{
    cli::{
        Scene,
        out::{WAIT, paint},
        session,
    },
    error::CliError,
    exit::Exit,
    story::Story,
};

/// Tell a run's story from its beginning, and follow it to its end
///
/// While this command has the data directory, no other process can go on with the run: a run that is not over is told as far as it is.
#[derive(Debug, Args)]
pub(super) struct Watch {
    #[command(flatten)]
    one: OneRun,
}

impl Watch {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let place: &Place = &self.one.place;
        let store = place.open()?;
        let run = session::find_run(&*store, &self.one.run).await?.run;
        let runtime = Runtime::builder(store.clone()).build();
        let mut entries = runtime.entries(run);
        let mut story = Story::new(&scene.out, run);
        loop {
            let Some(row) = store.run(run).await? else { return Ok(Exit::NotFound) };
            while story.state.head.seq < row.head.seq {
                if scene.out.closed() {
                    return Ok(Exit::Ok);
                }
                let Some((entry, event)) = entries.next().await? else { break };
                story.tell(&entry, &event);
            }
            if row.status.is_final() {
                story.still();
                return Ok(Exit::Ok);
            }
            // Nobody else can write: what was read is all there is.
            if store.run(run).await?.is_some_and(|row| row.head.seq == story.state.head.seq) {
                story.still();
                scene.out.aside(paint(WAIT, format!("not over, {}", session::waits(&row))));
                scene.out.aside(format!("go on with: surefoot run{} --resume", place.typed()));
                return Ok(Exit::Unfinished);
            }
        }
    }
}
