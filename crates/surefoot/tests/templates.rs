//! What `init` writes is in order.

use std::{fs, path::Path};

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
    let mut seen = 0;
    for folder in templates() {
        let sources = surefoot::project::read(&folder, true).unwrap();
        for (path, text) in sources.files.iter() {
            let first = text.lines().next().unwrap_or_default();
            let Some((_, name)) = first.split_once(".editor/") else { continue };
            let node = |path: &std::sync::Arc<str>, text: &str| kernel::yaml::parse(path, text).unwrap();
            let schema = fs::read_to_string(editor.join(name)).unwrap();
            let schema = kernel::schema::Schema::load(path, &node(path, &schema)).unwrap();
            schema.validate(&node(path, text).to_value().unwrap()).unwrap_or_else(|wrong| panic!("{path}: {wrong:?}"));
            seen += 1;
        }
    }
    assert!(seen >= 5);
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
