//! What measurements and tests need around a run: a copy of the project, and a look at what its sites really hold.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Folders and files that make up the project; its data, its seed and this crate are left out.
const PROJECT: [&str; 7] = ["surefoot.yaml", "workflows", "prompts", "schemas", "tools", "sql", "rules"];

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

/// Whether the words of `quote` stand in a page of the site in `folder`: in what people read, or in the source for machines.
pub fn stands_on_site(folder: &Path, quote: &str) -> bool {
    let wanted = folded(quote);
    pages(folder).iter().any(|path| {
        let Ok(bytes) = fs::read(path) else { return false };
        let source = String::from_utf8(bytes)
            .unwrap_or_else(|error| error.into_bytes().iter().map(|byte| char::from(*byte)).collect());
        let decoded = decoded(&source);
        folded(&without_tags(&source)).contains(&wanted)
            || folded(&decoded).contains(&wanted)
            || squeezed(&decoded).contains(&squeezed(quote))
    })
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
