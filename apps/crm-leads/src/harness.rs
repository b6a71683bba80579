//! What measurements and tests need around a run: a copy of the project, and a look at what its sites really hold.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Folders and files that make up the project; its data, its seed and this crate are left out.
const PROJECT: [&str; 10] = [
    "surefoot.yaml",
    "people.yaml",
    "routes.yaml",
    "workflows",
    "prompts",
    "schemas",
    "tools",
    "sql",
    "rules",
    "lexicons",
];

/// Copies the project's own files into `to`, which is made if it is not there.
///
/// # Errors
/// A file that cannot be read or written.
pub fn copy_project(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for name in PROJECT {
        copy(&from.join(name), &to.join(name))?;
    }
    Ok(())
}

/// Copies a file, or a folder with everything in it.
///
/// # Errors
/// A file that cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
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

/// The requests that the sites of the project in `folder` were sent: host and path, from the log of the server.
///
/// # Errors
/// The log cannot be read.
pub fn requests(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let text = fs::read_to_string(folder.join(".surefoot/sites.log"))?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let word = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    Ok(lines.map(|line| (word(&line, "host"), word(&line, "path"))).collect())
}

/// Whether the words of `quote` stand in a page of the site in `folder`: in what people read, or in the source for machines.
pub fn stands_on_site(folder: &Path, quote: &str) -> bool {
    let wanted = folded(quote);
    pages(folder).iter().any(|path| {
        let Ok(bytes) = fs::read(path) else { return false };
        let source = String::from_utf8(bytes)
            .unwrap_or_else(|error| error.into_bytes().iter().map(|byte| of_western(*byte)).collect());
        let decoded = decoded(&source);
        folded(&without_tags(&source)).contains(&wanted)
            || folded(&decoded).contains(&wanted)
            || squeezed(&decoded).contains(&squeezed(quote))
            || stands_in_data(&source, quote)
    })
}

/// A byte of windows-1252: what pages without UTF-8 are mostly written in.
fn of_western(byte: u8) -> char {
    match byte {
        0x80 => '€',
        0x85 => '…',
        0x91 => '‘',
        0x92 => '’',
        0x93 => '“',
        0x94 => '”',
        0x96 => '–',
        0x97 => '—',
        byte => char::from(byte),
    }
}

/// Whether `quote`, one property of JSON-LD, is one of the page's data: its keys may stand there in another order.
fn stands_in_data(source: &str, quote: &str) -> bool {
    let Ok(wanted) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&format!("{{{quote}}}")) else {
        return false;
    };
    let scripts = source.split("application/ld+json").skip(1).filter_map(|rest| {
        let (_, rest) = rest.split_once('>')?;
        serde_json::from_str::<serde_json::Value>(rest.split_once("</script")?.0).ok()
    });
    scripts.into_iter().any(|data| holds(&data, &wanted))
}

fn holds(data: &serde_json::Value, wanted: &serde_json::Map<String, serde_json::Value>) -> bool {
    match data {
        serde_json::Value::Object(map) => {
            wanted.iter().all(|(key, value)| map.get(key) == Some(value))
                || map.values().any(|inner| holds(inner, wanted))
        }
        serde_json::Value::Array(items) => items.iter().any(|inner| holds(inner, wanted)),
        _ => false,
    }
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|end| end == "html" || end == "htm") {
            found.push(path);
        }
    }
    found
}

/// Text without tags, the simple way: this is a check of the reader, so it is not the reader.
fn without_tags(source: &str) -> String {
    let (mut text, mut inside) = (String::new(), false);
    for c in source.chars() {
        match c {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    decoded(&text)
}

fn decoded(text: &str) -> String {
    let named = [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&nbsp;", " "),
        ("&copy;", "©"),
        ("&middot;", "·"),
        ("&ndash;", "–"),
        ("&mdash;", "—"),
        ("&rsquo;", "’"),
        ("&lsquo;", "‘"),
    ];
    named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Words with one space between them.
fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    // A tag in the middle of a sentence leaves a space before a comma that nobody sees.
    words.join(" ").replace(" ,", ",").replace(" .", ".")
}

/// Without any white space: data for machines may be printed wider than it is read.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
