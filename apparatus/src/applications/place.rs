//! A project in a folder of its own for each run: as it is, or with servers in the place of the models that its routes ask first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use kernel::{
    values::Value,
    workflow::{
        Program,
        model::Dialect,
        project::{PROJECT_FILE, Project, check},
    },
};
use serde_json::{Value as Json, json};

use super::Mutant;
use crate::victim::Trouble;

/// What of a project's folder no run reads.
const LEFT: [&str; 6] = ["src", "tests", "examples", "data", "target", "Cargo.toml"];

/// A project that is played.
pub(super) struct Stage {
    /// The name of its folder, and of its program.
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) program: PathBuf,
    /// The workflow that `try:` names.
    pub(super) workflow: Arc<Program>,
    /// The models that routes ask first.
    pub(super) first: Vec<Arc<str>>,
    /// All other members of routes.
    pub(super) others: Vec<Arc<str>>,
}

/// Who answers in a place.
#[derive(Clone, Copy)]
pub(super) struct Servers<'s> {
    pub(super) dialect: Dialect,
    /// Of the server: `http://127.0.0.1:…`.
    pub(super) address: &'s str,
    /// The longest that a call takes.
    pub(super) timeout: &'s str,
    pub(super) mutant: Option<Mutant>,
}

impl Stage {
    /// Reads a project; its program stands in `programs`.
    pub(super) fn read(folder: &Path, programs: &Path) -> Result<Stage, Trouble> {
        let folder = folder.canonicalize().map_err(|why| format!("{}: {why}", folder.display()))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let program = programs.join(&name);
        if !program.is_file() {
            return Err(format!("{name} is not built: `cargo build --workspace --bins`").into());
        }
        let project = project(&folder)?;
        let tried = project.file.try_run.as_ref().ok_or_else(|| format!("{name} does not say `try:`"))?;
        let workflow = project.workflows[&tried.workflow].clone();
        let members: Vec<_> = workflow.routes.names().filter_map(|name| workflow.routes.get(name)).collect();
        let first: Vec<_> = members.iter().filter_map(|members| members.first().cloned()).collect();
        let others = members.iter().flat_map(|members| members.iter().skip(1)).filter(|one| !first.contains(one));
        let others = others.cloned().collect();
        if first.is_empty() {
            return Err(format!("{name} has no routes").into());
        }
        Ok(Stage { name, folder, program, workflow, first, others })
    }

    /// The inputs of its seed and, where they are too few, others made from these: at most `most`.
    pub(super) fn inputs(&self, most: usize) -> Result<Vec<Json>, Trouble> {
        let mut found = Vec::new();
        jsons(&self.folder.join("seed"), &mut found)?;
        let fits = |json: &Json| {
            let value = Value::try_from(json).ok();
            let schema = self.workflow.input.as_ref();
            value.is_some_and(|value| schema.is_none_or(|schema| schema.validate(&value).is_ok()))
        };
        found.retain(fits);
        if found.is_empty() {
            return Err(format!(
                "no JSON file in the seed of {} fits its workflow `{}`",
                self.name, self.workflow.name
            )
            .into());
        }
        let texts = texts(&self.folder.join("data"))?;
        let seeds = found.clone();
        let more = (0..).map(|nth: usize| {
            let mut one = seeds[nth % seeds.len()].clone();
            varied(&mut one, nth, &texts);
            one
        });
        // Each seed is varied at most once where there are no texts to vary it with.
        let enough = if texts.is_empty() { seeds.len() } else { texts.len() };
        found.extend(more.take(enough).filter(fits));
        found.truncate(most);
        Ok(found)
    }

    /// Copies the project to `place`, which is made.
    pub(super) fn copy(&self, place: &Path) -> io::Result<()> {
        copy_project(&self.folder, place)
    }

    /// Gives the workflow of the copy in `place` a limit of money, and puts servers where its routes begin.
    pub(super) fn serve(&self, place: &Path, servers: Servers<'_>) -> Result<(), Trouble> {
        let mut models: Vec<&Arc<str>> = self.first.iter().collect();
        if servers.mutant == Some(Mutant::NobodyElse) {
            models.extend(&self.others);
        }
        let file = place.join(PROJECT_FILE);
        let mut text = fs::read_to_string(&file)?;
        for model in models {
            text = replaced(&text, model, &decl(model, servers))
                .ok_or_else(|| format!("{} has no line of its own for the model `{model}`", file.display()))?;
        }
        fs::write(file, text)?;
        if self.workflow.budget.is_none() {
            let file = place.join(&*self.workflow.file);
            let text = fs::read_to_string(&file)?;
            fs::write(&file, format!("{}\nbudget: {{ money: {BUDGET} }}\n", text.trim_end()))?;
        }
        if servers.mutant == Some(Mutant::NobodyElse) {
            for entry in fs::read_dir(place.join("workflows"))? {
                let path = entry?.path();
                fs::write(&path, without("on_failure:", &fs::read_to_string(&path)?))?;
            }
        }
        project(place)?;
        Ok(())
    }
}

/// What a run of a workflow without a limit of its own may spend.
const BUDGET: &str = "0.10 USD";

/// What it is in millionths.
pub(super) const BUDGET_UUSD: i64 = 100_000;

/// The name of a project's model at its server: one that the gateway knows, and whose it is.
pub(super) fn wire_name(dialect: Dialect, model: &str) -> String {
    let known = match dialect {
        Dialect::OpenAiChat => "gpt-4.1-mini",
        Dialect::OpenAiResponses => "gpt-5-mini",
        Dialect::Anthropic => "claude-haiku-4-5",
        Dialect::Gemini => "gemini-2.5-flash",
    };
    format!("{known}-{model}")
}

fn decl(model: &str, Servers { dialect, address, timeout, .. }: Servers<'_>) -> String {
    let version = if dialect == Dialect::Gemini { "v1beta" } else { "v1" };
    let (word, name) = (dialect.as_str(), wire_name(dialect, model));
    format!(
        "{{ provider: {word}, base_url: \"{address}/{version}\", model: {name}, max_tokens: 4000, structured: json_schema, \
         timeout: {timeout}, price: {{ input: 0.25, output: 2.00, as_of: 2026-11-01 }} }}"
    )
}

/// `text` with another declaration of a model, which has one line.
fn replaced(text: &str, model: &str, decl: &str) -> Option<String> {
    let begins = format!("  {model}: {{");
    let at = text.lines().position(|line| line.starts_with(&begins))?;
    let with =
        |(nth, line): (usize, &str)| if nth == at { format!("  {model}: {decl}\n") } else { format!("{line}\n") };
    Some(text.lines().enumerate().map(with).collect())
}

/// A YAML text without the blocks under a key.
fn without(key: &str, text: &str) -> String {
    let (mut kept, mut inside) = (String::new(), None);
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if inside.is_some_and(|outer| indent > outer) {
            continue;
        }
        inside = line.trim_start().starts_with(key).then_some(indent);
        if inside.is_none() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn project(folder: &Path) -> Result<Project, Trouble> {
    let sources = surefoot::project::read(folder, false)?;
    let checked = check(&sources);
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    Ok(checked.project.ok_or_else(|| complaints.join("\n"))?)
}

/// All objects in the JSON files of a folder and its folders, by their paths.
fn jsons(folder: &Path, into: &mut Vec<Json>) -> Result<(), Trouble> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            jsons(&path, into)?;
        } else if path.extension().is_some_and(|end| end == "json") {
            let json: Json = serde_json::from_slice(&fs::read(&path)?)?;
            into.extend(Some(json).filter(Json::is_object));
        }
    }
    Ok(())
}

/// The first column of every 61st line of a `test.csv` in a folder of `data`; none: there is no such file.
fn texts(data: &Path) -> Result<Vec<String>, Trouble> {
    let Ok(folders) = fs::read_dir(data) else { return Ok(Vec::new()) };
    let mut texts = Vec::new();
    for folder in folders {
        let Ok(all) = fs::read_to_string(folder?.path().join("test.csv")) else { continue };
        let lines = all.lines().skip(1).step_by(61);
        texts.extend(lines.filter_map(|line| line.rsplit_once(',')).map(|(text, _)| text.trim_matches('"').to_owned()));
    }
    Ok(texts)
}

/// Another input: with another text where it has one, else known from another side.
fn varied(input: &mut Json, nth: usize, texts: &[String]) {
    if let (true, Some(text)) = (input["body"].is_string(), texts.get(nth)) {
        input["body"] = text.as_str().into();
        input["subject"] = "A question".into();
        input["message_id"] = format!("msg-{}@mail.example", 8_000 + nth).into();
        return;
    }
    let host =
        input["contact"]["email"].as_str().and_then(|email| email.split_once('@')).map(|(_, host)| host.to_owned());
    match (input["domain"].is_string(), host) {
        (true, Some(_)) => input["domain"] = Json::Null,
        (_, Some(host)) => input["domain"] = host.into(),
        _ => {}
    }
    input["version"] = json!(input["version"].as_u64().unwrap_or(1) + 1);
}

/// Copies the files of the project in `folder` to `place`, which is made: no data, and no source code.
pub(crate) fn copy_project(folder: &Path, place: &Path) -> io::Result<()> {
    fs::create_dir_all(place)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !LEFT.contains(&&*name) && !name.starts_with('.') && !name.contains(".db") {
            copy(&entry.path(), &place.join(&name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::copy(from, to).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_gets_another_declaration() {
        let text = "models:\n  a: { provider: rules }\n  ab: { provider: rules }\n";
        assert_eq!(replaced(text, "a", "{}").unwrap(), "models:\n  a: {}\n  ab: { provider: rules }\n");
        assert_eq!(replaced(text, "b", "{}"), None);
    }

    #[test]
    fn a_block_is_taken_out_of_a_file() {
        let text = "a: 1\non_failure:\n  b:\n    - c\nd:\n  on_failure: { e: f }\n  g: 2\n";
        assert_eq!(without("on_failure:", text), "a: 1\nd:\n  g: 2\n");
    }
}
