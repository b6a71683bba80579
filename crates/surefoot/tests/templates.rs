//! What `init` writes is in order.

use std::{fs, path::Path, sync::Arc};

fn templates() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with(".editor"))
        .collect();
    all.sort();
    assert!(all.len() >= 2);
    all
}

#[test]
fn every_template_is_checked_without_a_word() {
    for folder in templates() {
        let sources = surefoot::project::read(&folder, true).unwrap();
        let checked = kernel::workflow::project::check(&sources);
        let said: Vec<String> = checked
            .complaints
            .iter()
            .map(|complaint| complaint.render(sources.get(&complaint.file).map(|text| &**text)))
            .collect();
        assert!(said.is_empty(), "{}", said.concat());
        assert!(checked.project.is_some());
    }
}

#[test]
fn every_file_of_a_template_says_in_its_first_line_what_it_is() {
    for folder in templates() {
        let sources = surefoot::project::read(&folder, true).unwrap();
        for (path, text) in sources.files.iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let first = text.lines().next().unwrap_or_default();
            let schema =
                first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| panic!("{path}: {first}"));
            if !schema.starts_with("https://json-schema.org/") {
                // `init` puts the shared folder beside the project's own.
                let base = if schema.contains(".editor/") { folder.parent().unwrap() } else { &folder };
                let beside = folder.join(&**path).parent().unwrap().join(schema);
                let within = beside.strip_prefix(&folder).unwrap().to_str().unwrap().replace("workflows/../", "");
                let within = within.replace("tools/../", "").replace("cases/../", "");
                let beside = base.join(within);
                assert!(beside.is_file(), "{path}: {schema} does not exist");
            }
        }
    }
}

#[test]
fn the_descriptions_for_editors_fit_the_templates() {
    let editor = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/.editor");
    let node = |path: &Arc<str>, text: &str| kernel::yaml::parse(path, text).unwrap();
    let fits = |path: &Arc<str>, text: &str, name: &str| {
        let schema = fs::read_to_string(editor.join(name)).unwrap();
        let schema = kernel::schema::Schema::load(path, &node(path, &schema)).unwrap();
        schema.validate(&node(path, text).to_value().unwrap()).unwrap_or_else(|wrong| panic!("{path}: {wrong:?}"));
    };
    let mut seen = 0;
    for folder in templates() {
        let sources = surefoot::project::read(&folder, true).unwrap();
        for (path, text) in sources.files.iter() {
            let first = text.lines().next().unwrap_or_default();
            let Some((_, name)) = first.split_once(".editor/") else { continue };
            fits(path, text, name);
            seen += 1;
        }
    }
    assert!(seen >= 5);
    // The applications use more keys than the templates.
    let mut seen = 0;
    for application in ["crm-leads", "support-desk"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps").join(application);
        let sources = surefoot::project::read(&folder, false).unwrap();
        for (path, text) in sources.files.iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let name = match path.split_once('/') {
                None if **path == *"surefoot.yaml" => "project",
                Some(("tools", _)) => "tool",
                Some(("workflows", _)) => "workflow",
                Some(("cases", _)) if text.lines().any(|line| line.starts_with("case:")) => "case",
                _ => continue,
            };
            fits(path, text, &format!("{name}.schema.json"));
            seen += 1;
        }
    }
    assert!(seen >= 10);
}

#[test]
fn the_descriptions_for_editors_know_every_key_of_a_step() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/.editor/workflow.schema.json"));
    let schema: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    let known = schema["$defs"]["step"]["properties"].as_object().unwrap();
    let missing: Vec<_> =
        kernel::step::keys().flat_map(|(_, keys)| keys).filter(|key| !known.contains_key(**key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_template_is_formatted() {
    for folder in templates() {
        let sources = surefoot::project::read(&folder, true).unwrap();
        for (path, text) in sources.files.iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let formatted = kernel::fmt::format(path, text).unwrap_or_else(|complaint| panic!("{complaint}"));
            assert_eq!(formatted, **text, "{path}");
        }
    }
}
