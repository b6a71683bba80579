//! To a folder.

use std::{fs, io, path::Path};

use super::{Drawn, File, TruthFile};

/// Every file of these companies, by path from the folder: `sites/HOST/…`, `leads/SLUG.json`, `truth.json`.
pub fn files_of(seed: u64, drawn: &[Drawn]) -> Vec<File> {
    let mut files = Vec::new();
    for one in drawn {
        for site in &one.sites {
            let host = &site.truth.host;
            files.extend(
                site.files.iter().map(|file| File { path: format!("sites/{host}/{}", file.path), ..file.clone() }),
            );
        }
        if let Some(site) = one.sites.first() {
            files.push(File { path: format!("leads/{}.json", site.truth.slug), bytes: json(&one.lead) });
        }
    }
    let sites = drawn.iter().flat_map(|one| one.sites.iter().map(|site| site.truth.clone())).collect();
    files.push(File { path: "truth.json".to_owned(), bytes: json(&TruthFile { seed, sites }) });
    files
}

/// Writes them under `folder`, which is made if it is not there. Files that are there and not among them stay.
///
/// # Errors
/// A folder or a file that cannot be written; the message names it.
pub fn render_to(folder: &Path, seed: u64, drawn: &[Drawn]) -> io::Result<()> {
    for file in files_of(seed, drawn) {
        let path = folder.join(&file.path);
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(named)?;
        }
        fs::write(&path, &file.bytes).map_err(named)?;
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec_pretty(value).expect("leads and truths are strings, numbers and lists: they are JSON");
    bytes.push(b'\n');
    bytes
}
