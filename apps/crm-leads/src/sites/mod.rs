//! A small web, made by number: companies' sites, the truth about what they state, and the leads a sales form would hold of them.
//!
//! [`draw`] takes companies by a seed, [`seed_set`] is the committed set. The same seed gives the same bytes on every machine: there is no
//! clock, no map without an order, and the one source of chance is [`Chance`], whose arithmetic is written down.
//!
//! What a site states stands in its [`Truth`]: field, value, page, the exact quote, and whether it is structured data or prose. Figures about
//! others (a testimonial's company) stand there as distractors, and what only a disallowed page holds as forbidden. A paragraph of a
//! profile whose figures nobody has read is not shown (`data/SOURCES.md`), so that the truth is whole for the fields in [`Field`].

mod build;
mod chance;
mod company;
mod lead;
mod metadata;
mod odd;
mod page;
mod pages;
mod phrases;
mod text;
mod traps;
mod truth;
mod write;

pub use build::render;
pub use chance::Chance;
pub use company::{Company, Headcount, Paragraph, Place, Stated, companies, technologies};
pub use lead::{Contact, Lead};
pub use odd::Odd;
pub use page::File;
pub use truth::{Collision, Fact, Field, Form, Injection, Kind, Mentions, Truth, TruthFile};
pub use write::{files_of, render_to};

/// The slugs of the committed set. [`draw`] never gives one of them.
pub const SEED_SET: [&str; 20] = [
    "airbyte",
    "ambaum",
    "bizink",
    "charity-water",
    "coforma",
    "cuvette",
    "fraudio",
    "giant",
    "graylog",
    "konkurenta",
    "memory",
    "molteo",
    "namecheap",
    "octopus-deploy",
    "olark",
    "omniti",
    "serpapi",
    "silverfin",
    "surevine",
    "zaneffi",
];

/// One company as it is drawn: its site, the truth about it and the lead.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// What the sales form holds.
    pub lead: Lead,
    /// What stands on the web: the company's own site first, then a namesake's, if there is one.
    pub sites: Vec<Site>,
}

/// One host and everything a static server serves for it.
#[derive(Clone, Debug)]
pub struct Site {
    /// What its pages really state.
    pub truth: Truth,
    /// Its files, by path.
    pub files: Vec<File>,
}

/// The committed set: always the same companies, phrased by seed 0.
pub fn seed_set() -> Vec<Drawn> {
    let all = companies();
    let chosen: Vec<&Company> = SEED_SET.iter().filter_map(|slug| all.iter().find(|one| one.slug == *slug)).collect();
    dress(0, &chosen)
}

/// `n` companies drawn by `seed`, fewer if there are not so many. None is of the committed set.
///
/// At most 45 of 100 are odd, and the odd kinds come round evenly, so that twenty companies hold every kind.
pub fn draw(seed: u64, n: usize) -> Vec<Drawn> {
    let mut left: Vec<&Company> =
        companies().iter().filter(|one| one.presentable() && !SEED_SET.contains(&one.slug.as_str())).collect();
    let mut chance = Chance::of(seed, "draw");
    let mut chosen = Vec::new();
    while chosen.len() < n && !left.is_empty() {
        chosen.push(left.swap_remove(chance.below(left.len())));
    }
    dress(seed, &chosen)
}

/// How many companies can be drawn.
pub fn drawable() -> usize {
    companies().iter().filter(|one| one.presentable() && !SEED_SET.contains(&one.slug.as_str())).count()
}

fn dress(seed: u64, chosen: &[&Company]) -> Vec<Drawn> {
    let kinds = Odd::deal(seed, chosen.len());
    chosen.iter().zip(kinds).map(|(company, odd)| render(company, seed, &odd)).collect()
}
