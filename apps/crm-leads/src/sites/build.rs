//! One company becomes a site: which facts it states, where, and in what form.

use serde_json::{Value, json};

use super::{
    Chance, Company, Drawn, Field, Form, Headcount, Mentions, Odd, Site, Truth,
    lead::lead,
    metadata::{for_robots, metadata},
    odd::order,
    page::Draft,
    pages::{about_page, careers_page, contact_page, footer, home_page, pricing_page},
    technologies,
    text::{escape, strip},
    traps,
};

/// The year that fresh sites are of.
const THIS_YEAR: u32 = 2025;

/// What one site says: decided first, then written.
pub(super) struct Plan<'a> {
    /// The company.
    pub company: &'a Company,
    /// Its host.
    pub host: String,
    /// What chooses.
    pub chance: Chance,
    /// The year in its footers and news.
    pub year: u32,
    /// The size that it states, if it does.
    pub size: Option<Headcount>,
    /// The year of its beginning, if it states it.
    pub founded: Option<u32>,
    /// Its legal name, if it states it.
    pub legal_name: Option<String>,
    /// Its address, if it states it.
    pub email: Option<String>,
    /// The technologies that it states.
    pub names: Vec<String>,
    /// 0: meta tags and JSON-LD; 1: meta tags; 2: none.
    pub metadata: usize,
    /// Its odd kinds.
    pub odd: &'a [Odd],
}

impl Plan<'_> {
    /// Whether the site is of this odd kind.
    pub fn is(&self, odd: Odd) -> bool {
        self.odd.contains(&odd)
    }
}

/// The site of a company, the truth about it, and the lead: phrased by `seed`, with these odd kinds.
pub fn render(company: &Company, seed: u64, odd: &[Odd]) -> Drawn {
    let host = format!("{}.test", company.slug);
    let lead = lead(company, &host, seed);
    let mut chance = Chance::of(seed, &format!("site {}", company.slug));
    if odd.contains(&Odd::Parked) {
        return Drawn { lead, sites: vec![traps::parked(&mut chance, company, &host)] };
    }
    let mut plan = plan(company, host, chance, odd);
    let home = if plan.is(Odd::MetaRefresh) { "/start.html" } else { "/" };
    let name = company.title.clone();
    let mut draft = Draft::new(&mut plan.chance, &name, &plan.host, home);
    for (path, label) in [(home, "Home"), ("/about.html", "About"), ("/careers.html", "Careers")] {
        draft.page(path).label = label;
    }
    footer(&mut plan, &mut draft);
    home_page(&mut plan, &mut draft);
    about_page(&mut plan, &mut draft);
    careers_page(&mut plan, &mut draft);
    if plan.chance.percent(40) {
        pricing_page(&mut plan, &mut draft);
    }
    if plan.chance.percent(45) || plan.is(Odd::Stale) {
        traps::blog(&mut plan, &mut draft);
    }
    contact_page(&mut plan, &mut draft);
    metadata(&mut plan, &mut draft);

    let mut forbidden = Vec::new();
    if plan.is(Odd::RobotsDisallowed) {
        forbidden = traps::handbook(&mut plan, &mut draft);
    }
    let mut injections = Vec::new();
    if plan.is(Odd::InjectedInstructions) {
        injections = traps::inject(&mut plan, &mut draft);
    }
    if plan.is(Odd::MetaRefresh) {
        traps::refresh(&mut draft);
    }
    for (_, page) in &mut draft.pages {
        if page.title.is_empty() {
            page.title = if page.label == "Home" { name.clone() } else { format!("{} | {name}", page.label) };
        }
    }
    let disallowed: Vec<String> =
        draft.pages.iter().map(|(path, _)| path.to_string()).filter(|path| path.starts_with("/internal/")).collect();
    let charset = if plan.is(Odd::OddCharset) { "windows-1252" } else { "utf-8" };
    let mut files = draft.files(charset, plan.is(Odd::BrokenHtml));
    files.extend(for_robots(&mut plan, &draft, &disallowed));
    let conflicts = if plan.is(Odd::ConflictingHeadcount) { vec![Field::HeadcountRange] } else { Vec::new() };
    let mentions = mentions(&draft);
    let (truth_of_namesake, collision) = if plan.is(Odd::NameCollision) {
        let (site, collision) = traps::namesake(&mut plan);
        (Some(site), Some(collision))
    } else {
        (None, None)
    };
    let truth = Truth {
        host: plan.host.clone(),
        slug: company.slug.clone(),
        name,
        odd: odd.to_vec(),
        charset: charset.to_owned(),
        pages: draft.pages.iter().map(|(path, _)| path.to_string()).collect(),
        disallowed,
        facts: draft.facts,
        forbidden,
        distractors: draft.distractors,
        conflicts,
        injections,
        collision,
        mentions,
    };
    Drawn { lead, sites: std::iter::once(Site { truth, files }).chain(truth_of_namesake).collect() }
}

fn plan<'a>(company: &'a Company, host: String, mut chance: Chance, odd: &'a [Odd]) -> Plan<'a> {
    let founding = company.founding();
    let shown_founding = company.shown().any(|one| one.facts.iter().any(|fact| fact.field == Field::FoundedYear));
    let stale = odd.contains(&Odd::Stale);
    let year = if stale { (founding + chance.between(2, 5)).clamp(2012, 2021).max(founding + 1) } else { THIS_YEAR };
    let made_up = Headcount { min: chance.between(12, 60), max: None };
    let made_up = Headcount { max: Some(made_up.min), ..made_up };
    let needs_size = stale || odd.contains(&Odd::ConflictingHeadcount);
    let size = company.size().or(needs_size.then_some(made_up)).filter(|_| needs_size || chance.percent(88));
    let mailbox = chance.pick(&["hello", "info", "contact", "team", "office", "sales", "hi"]);
    let mut names = company.technologies.clone();
    names.truncate(3 + chance.below(5));
    Plan {
        year,
        size,
        founded: (chance.percent(72) && !shown_founding).then_some(founding),
        legal_name: chance.percent(75).then(|| legal_name(&mut chance, company)),
        email: chance.percent(88).then(|| format!("{mailbox}@{host}")),
        names: if chance.percent(90) { names } else { Vec::new() },
        metadata: [0, 0, 0, 0, 1, 1, 1, 2, 2][chance.below(9)],
        company,
        host,
        chance,
        odd,
    }
}

fn legal_name(chance: &mut Chance, company: &Company) -> String {
    let form = match company.hq.as_ref().map(|place| place.country.as_str()) {
        None | Some("US") => chance.pick(&["Inc.", "LLC", "Corp.", "Inc."]),
        Some("GB" | "IE" | "IL" | "NZ") => "Ltd",
        Some("DE" | "CH" | "AT") => "GmbH",
        Some("FR") => "SAS",
        Some("NL" | "BE") => "B.V.",
        Some("BR") => "Ltda.",
        Some("IN") => "Pvt. Ltd.",
        Some("ES") => "S.L.",
        Some("IT") => "S.r.l.",
        Some("PL") => "Sp. z o.o.",
        Some("AU" | "SG") => "Pty Ltd",
        Some("DK") => "ApS",
        Some(_) => "Ltd.",
    };
    let bare = company.title.split(['(', ',']).next().unwrap_or(&company.title).trim();
    let bare = [" Inc.", " Inc", " LLC", " GmbH", " Ltd", " Limited", " LLP", " SRL"]
        .iter()
        .find_map(|end| bare.strip_suffix(end))
        .unwrap_or(bare);
    format!("{bare}{}{form}", if form == "Inc." || form == "LLC" { chance.pick(&[", ", " "]) } else { " " })
}

/// A sentence as HTML, and the facts that it states.
pub(super) fn sentence(draft: &mut Draft, page: &str, text: &str, facts: &[(Field, Value)]) -> String {
    for (field, value) in facts {
        draft.note(page, *field, value.clone(), text, Form::Sentence);
    }
    escape(text)
}

pub(super) fn size_value(size: Headcount) -> Value {
    json!({ "min": size.min, "max": size.max })
}

/// Technologies that the pages name without the site stating that it uses them.
fn mentions(draft: &Draft) -> Mentions {
    let stated: Vec<&str> = draft
        .facts
        .iter()
        .filter(|fact| fact.field == Field::Technologies)
        .flat_map(|fact| fact.value.as_array().into_iter().flatten().filter_map(Value::as_str))
        .collect();
    let text: String = draft
        .pages
        .iter()
        .filter(|(path, _)| !path.starts_with("/internal/"))
        .map(|(_, page)| format!("{}\n", strip(&page.body)))
        .collect();
    let named = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let part = |c: char| c.is_alphanumeric() || c == '#' || c == '+';
            !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part)
        })
    };
    let found = technologies().iter().filter(|(name, spellings)| {
        !stated.contains(&name.as_str()) && (named(name) || spellings.iter().any(|spelling| named(spelling)))
    });
    Mentions { technologies: found.map(|(name, _)| name.clone()).collect() }
}

/// An order to a reader, for this site.
pub(super) fn order_for(plan: &mut Plan) -> String {
    order(&mut plan.chance, &plan.host)
}
