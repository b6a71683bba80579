//! Makes the small web of `crm_leads::sites`.
//!
//! - `sites seed`: writes the committed set again, into `seed/` of this crate.
//! - `sites draw SEED COUNT FOLDER`: writes companies drawn by number.
//! - `sites census SEED COUNT`: prints how many facts of each field and kind they state.
#![allow(clippy::print_stdout, reason = "this is a command")]

use std::{collections::BTreeMap, error::Error, path::Path};

use crm_leads::sites::{Field, Kind, Odd, draw, render_to, seed_set};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["seed"] => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seed");
            if folder.is_dir() {
                std::fs::remove_dir_all(&folder)?;
            }
            render_to(&folder, 0, &seed_set())?;
        }
        ["draw", seed, count, folder] => {
            let seed = seed.parse()?;
            render_to(Path::new(folder), seed, &draw(seed, count.parse()?))?;
        }
        ["census", seed, count] => census(seed.parse()?, count.parse()?),
        _ => return Err("say `seed`, `draw SEED COUNT FOLDER` or `census SEED COUNT`".into()),
    }
    Ok(())
}

fn census(seed: u64, count: usize) {
    let drawn = draw(seed, count);
    let truths: Vec<_> = drawn.iter().flat_map(|one| one.sites.iter().map(|site| &site.truth)).collect();
    println!("seed {seed}: {} companies, {} hosts", drawn.len(), truths.len());
    println!("{:<18}{:>8}{:>12}{:>8}{:>12}", "field", "hosts", "structured", "prose", "distractors");
    for field in Field::ALL {
        let of = |kind| {
            truths.iter().flat_map(|one| &one.facts).filter(|fact| fact.field == field && fact.kind == kind).count()
        };
        let hosts = truths.iter().filter(|one| one.facts.iter().any(|fact| fact.field == field)).count();
        let others = truths.iter().flat_map(|one| &one.distractors).filter(|fact| fact.field == field).count();
        println!("{:<18}{hosts:>8}{:>12}{:>8}{others:>12}", field.to_string(), of(Kind::Structured), of(Kind::Prose));
    }
    let mut odd: BTreeMap<Odd, usize> = BTreeMap::new();
    for one in &drawn {
        for kind in one.sites.first().into_iter().flat_map(|site| &site.truth.odd) {
            *odd.entry(*kind).or_default() += 1;
        }
    }
    let clean = drawn.iter().filter(|one| one.sites.iter().all(|site| site.truth.odd.is_empty())).count();
    println!("without any odd kind: {clean}; {odd:?}");
}
