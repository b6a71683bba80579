//! From a tool file with `sql:` to the tool.

use std::{path::PathBuf, sync::Arc};

use gateway::tool::sql::{Migration, Now, SqlOperation, SqlSpec, SqlTool};
use kernel::{
    expr::Template,
    tool::{
        Operation, Tool,
        sql::{SqlCall, stays_inside},
    },
    workflow::project::Sources,
};
use runtime::{Clock, SystemClock};

use super::{ReachError, Surroundings, evaluated};

/// Sets up `tool`, which is reached by SQL. Nothing is opened yet.
pub(super) fn tool(
    sources: &Sources,
    tool: &Tool,
    (database, migrations): (&Template, &[Arc<str>]),
    around: &Surroundings,
) -> Result<SqlTool, ReachError> {
    let bad = |detail: String| ReachError::Database { tool: tool.name.clone(), file: tool.file.clone(), detail };
    let path = evaluated(database, sources, tool, around, &bad)?;
    // What the tool file itself names stays in the project's folder, whatever links stand there. What the environment names is
    // the operator's word.
    let links = !database.roots().is_empty();
    if path.is_empty() || !(links || stays_inside(&path)) {
        return Err(bad(format!("is `{path}`, no path within the project")));
    }
    let path = PathBuf::from(path);
    let database = match (&around.folder, path.is_absolute()) {
        (_, true) => path,
        (Some(folder), false) => folder
            .canonicalize()
            .map_err(|error| bad(format!("cannot be found: the folder {}: {error}", folder.display())))?
            .join(path),
        (None, false) => {
            return Err(bad(format!("is the relative path {}, and the project has no folder", path.display())));
        }
    };
    // A bundle that names a file without holding it does not pass `check`.
    let text = |path: &Arc<str>| sources.get(path).cloned().unwrap_or_default();
    let name = |path: &Arc<str>| path.rsplit('/').next().unwrap_or_default().into();
    let migrations = migrations.iter().map(|path| Migration { name: name(path), text: text(path) }).collect();
    let operations = tool
        .operations
        .iter()
        .filter_map(|(name, operation)| {
            let call = operation.sql.as_ref()?;
            Some((name.clone(), one(operation, call, text(&call.statement))))
        })
        .collect();
    let clock = SystemClock::new();
    let now: Now = Arc::new(move || clock.now());
    Ok(SqlTool::new(SqlSpec { database, links, migrations, operations, now }))
}

fn one(operation: &Operation, call: &SqlCall, statement: Arc<str>) -> SqlOperation {
    SqlOperation {
        effect: operation.effect,
        file: call.statement.clone(),
        statement,
        rows: call.rows,
        params: operation.params.clone(),
        returns: operation.returns.clone(),
        timeout: operation.timeout,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use kernel::workflow::project;

    use super::*;

    fn set_up(database: &str, folder: Option<&Path>, variable: Option<&'static str>) -> Result<(), String> {
        let tool = format!(
            "tool: book\nsql: {{ database: {database} }}\n\
             operations: {{ all: {{ effect: read, statement: sql/all.sql, rows: many }} }}\n"
        );
        let sources: Sources = [
            ("surefoot.yaml", "project: x\n"),
            ("workflows/w.yaml", "workflow: w\nstages: [{ stage: s, steps: [{ step: a, set: 1 }] }]\n"),
            ("sql/all.sql", "SELECT 1 AS x"),
            ("tools/book.yaml", &tool),
        ]
        .into_iter()
        .collect();
        let checked = project::check(&sources);
        let Some(project) = checked.project else { return Err(checked.complaints[0].message.clone()) };
        let lookup = move |name: &str| variable.filter(|_| name == "BOOK").map(str::to_owned);
        let mut around = Surroundings::new(Arc::new(lookup));
        around.folder = folder.map(Path::to_owned);
        around.tools = BTreeMap::new();
        super::super::Reach::new(&sources, &project, &around).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_database_stays_in_the_project_unless_the_operator_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let here = Some(folder.path());
        assert_eq!(set_up("data/book.db", here, None), Ok(()));
        for outside in ["../book.db", "/tmp/book.db", "'=\"../book.db\"'", "a//b.db", "'c:book.db'", "./book.db"] {
            let refused = set_up(outside, here, None).unwrap_err();
            assert!(refused.ends_with("is no path within the project"), "{outside}: {refused}");
        }
        assert_eq!(set_up("=env.BOOK", here, Some("../book.db")), Ok(()));
        assert_eq!(set_up("=env.BOOK", None, Some("/var/book.db")), Ok(()));
        assert_eq!(
            set_up("=env.BOOK", here, None).unwrap_err(),
            "the tool `book` (tools/book.yaml) needs the environment variable BOOK, which is not set"
        );
        assert_eq!(
            set_up("=env.BOOK", here, Some("")).unwrap_err(),
            "the database of the tool `book` (tools/book.yaml) is ``, no path within the project"
        );
        assert_eq!(
            set_up("book.db", None, None).unwrap_err(),
            "the database of the tool `book` (tools/book.yaml) is the relative path book.db, and the project has no folder"
        );
    }
}
