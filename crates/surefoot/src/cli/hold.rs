//! The emergency stop: nothing of a scope begins until it is released.

use std::sync::Arc;

use clap::{Args, builder::NonEmptyStringValueParser};
use kernel::{complaint::did_you_mean, tool::Tool, workflow::project::Project};
use runtime::{Runtime, govern::Asker};
use serde_json::json;

use super::{
    Scene,
    out::{BAD, GOOD, paint, plain},
    runs::Place,
};
use crate::{error::CliError, exit::Exit};

/// Stop a tool, a model, a workflow or a tenant at once; without a scope, list what is held
///
/// What is on its way is not called back. Runs that would act wait, without a worker, until the scope is released.
#[derive(Debug, Args)]
pub(super) struct Hold {
    /// `tool:NAME`, `tool:NAME.OPERATION`, `model:NAME`, `workflow:NAME` or `tenant:NAME`
    #[arg(long, value_name = "SCOPE", requires = "by")]
    scope: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Who stops it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Let what is held go on
#[derive(Debug, Args)]
pub(super) struct Release {
    /// What is held
    #[arg(long, value_name = "SCOPE")]
    scope: String,
    #[command(flatten)]
    place: Place,
    /// Who releases it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

fn local(by: &str) -> Asker {
    Asker { by: by.into(), auth: "local".into() }
}

impl Hold {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            let runtime = Runtime::builder(self.place.open()?).build();
            let (Some(scope), Some(by)) = (&self.scope, &self.by) else { return ls(scene, &runtime).await };
            let generation = runtime.hold(scope, &self.reason, &local(by)).await?;
            said(scene, "held", scope, by, generation);
            if let Some(project) = self.place.project()
                && let Some(doubt) = unknown(&project, scope)
            {
                scene.out.aside(doubt);
            }
            Ok(Exit::Ok)
        })
    }
}

impl Release {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            let runtime = Runtime::builder(self.place.open()?).build();
            let generation = runtime.release(&self.scope, &self.reason, &local(&self.by)).await?;
            said(scene, "released", &self.scope, &self.by, generation);
            Ok(Exit::Ok)
        })
    }
}

async fn ls(scene: &Scene, runtime: &Runtime) -> Result<Exit, CliError> {
    let charter = runtime.charter().await?;
    for (scope, hold) in charter.held() {
        if scene.out.json {
            scene.out.object(&json!({ "kind": "hold", "scope": scope, "by": hold.by, "reason": hold.reason, "at": hold.at.to_string() }));
        } else {
            scene.out.line(format!(
                "{} {scope} by {} at {}{}",
                paint(BAD, "held"),
                hold.by,
                hold.at,
                if hold.reason.is_empty() { String::new() } else { format!(": {}", plain(&hold.reason)) }
            ));
        }
    }
    if charter.held().is_empty() && !scene.out.json {
        scene.out.line("nothing is held");
    }
    Ok(Exit::Ok)
}

/// That the project has nothing of this name, if so: it is held all the same, for the data may belong to more than this project.
fn unknown(project: &Project, scope: &str) -> Option<String> {
    let (kind, name) = scope.split_once(':')?;
    let names: Vec<Arc<str>> = match (kind, name.split_once('.')) {
        ("tool", None) => project.tools.keys().cloned().collect(),
        ("tool", Some((tool, _))) => {
            let tools: Vec<_> = project.tools.iter().filter(|(name, _)| ***name == *tool).collect();
            let operations = |(name, tool): (&Arc<str>, &Arc<Tool>)| {
                tool.operations.keys().map(|operation| format!("{name}.{operation}").into()).collect::<Vec<_>>()
            };
            let all = if tools.is_empty() { project.tools.iter().collect() } else { tools };
            all.into_iter().flat_map(operations).collect()
        }
        ("model", _) => project.file.models.keys().cloned().collect(),
        ("workflow", _) => project.workflows.keys().cloned().collect(),
        _ => return None,
    };
    if names.iter().any(|one| **one == *name) {
        return None;
    }
    let meant = did_you_mean(name, names.iter().map(|name| &**name)).map(|text| format!(": {text}"));
    Some(format!("the project here has no {kind} `{name}`{}", meant.unwrap_or_default()))
}

fn said(scene: &Scene, what: &str, scope: &str, by: &str, generation: u64) {
    if scene.out.json {
        scene.out.object(&json!({ "kind": what, "scope": scope, "by": by, "generation": generation }));
    } else {
        scene.out.line(format!("{} {scope} by {by} (change {generation})", paint(GOOD, what)));
    }
}
