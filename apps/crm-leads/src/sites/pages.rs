//! The pages of a company's site.

use serde_json::{Value, json};

use super::{
    Chance, Field, Form, Headcount, Odd, Paragraph,
    build::{Plan, sentence, size_value},
    company::country_name,
    metadata::script,
    page::Draft,
    phrases,
    text::{escape, opening, paragraph, plain},
    traps,
};

/// What stands at the foot of every page.
pub(super) fn footer(plan: &mut Plan, draft: &mut Draft) {
    let home = draft.home;
    let owner = plan.legal_name.clone().unwrap_or_else(|| plan.company.title.clone());
    if plan.legal_name.is_some() {
        draft.note(home, Field::LegalName, owner.clone(), &owner, Form::Label);
    }
    let copyright = match plan.chance.below(3) {
        0 => format!("Copyright © {} {owner}", plan.year),
        1 => format!("© {} {owner} All rights reserved.", plan.year),
        _ => format!("© {owner} {}", plan.year),
    };
    let mut html = format!("<div class=\"col-auto\"><div class=\"small m-0\">{}</div></div>\n", escape(&copyright));
    if let Some(year) = plan.founded
        && plan.chance.percent(18)
    {
        let label = phrases::founded_label(&mut plan.chance, year);
        draft.note(home, Field::FoundedYear, year, &label, Form::Label);
        html.push_str(&format!("<div class=\"small\">{}</div>\n", escape(&label)));
    }
    html.push_str("<div class=\"col-auto\">\n");
    let slug = &plan.company.slug;
    let networks = [
        ("LinkedIn", format!("https://www.linkedin.com/company/{slug}")),
        ("X", format!("https://x.com/{}", slug.replace('-', "_"))),
        ("GitHub", format!("https://github.com/{slug}")),
    ];
    for (label, address) in networks {
        if plan.chance.percent(if label == "LinkedIn" { 65 } else { 30 }) {
            draft.note(home, Field::SocialProfile, address.clone(), &address, Form::Link);
            html.push_str(&format!("<a class=\"small\" href=\"{address}\" rel=\"me\">{label}</a> &middot;\n"));
        }
    }
    html.push_str("<a class=\"small\" href=\"/contact.html#privacy\">Privacy</a> &middot;\n");
    if plan.is(Odd::RobotsDisallowed) {
        html.push_str("<a class=\"small\" href=\"/internal/handbook.html\">Team handbook</a> &middot;\n");
    }
    html.push_str("<a class=\"small\" href=\"/contact.html\">Contact</a>\n</div>\n");
    let cookies = phrases::cookies(&mut plan.chance);
    html.push_str(&format!("<div class=\"small cookie-notice\">{}</div>\n", escape(&cookies)));
    draft.footer = html;
}

/// The first page.
pub(super) fn home_page(plan: &mut Plan, draft: &mut Draft) {
    let home = draft.home;
    let name = draft.name.clone();
    let mut shown = plan.company.shown();
    let heading = phrases::slogan(&mut plan.chance, &name);
    let call = plan.chance.pick(&["Read our story", "Get in touch", "Tell me more", "Learn more"]);
    let mut html = String::new();
    if let Some(first) = shown.next() {
        html = own_words(draft, home, first);
        if let Some(opening) = opening(&first.text) {
            draft.note(home, Field::Description, opening.clone(), &opening, Form::Profile);
        }
    }
    draft.hero(home, &heading, &html, ("/about.html", call));
    if let Some(second) = shown.next() {
        let html = own_words(draft, home, second);
        let heading = plan.chance.pick(&["What we do", "Why it matters", "Our work", "In short"]);
        draft.section(home, heading, &html);
    }
    if plan.chance.percent(30) {
        let customers = plan.chance.between(4, 90) * 50;
        let text = format!("More than {} customers trust {name}.", phrases::number(customers));
        let value = size_value(Headcount { min: customers, max: None });
        draft.distract(home, Field::HeadcountRange, value, &text);
        draft.section(home, "In numbers", &format!("<p>{}</p>\n", escape(&text)));
    }
    if plan.chance.percent(60) {
        traps::testimonial(plan, draft, home);
    }
}

/// Who they are: most facts stand here.
pub(super) fn about_page(plan: &mut Plan, draft: &mut Draft) {
    let at = "/about.html";
    let name = draft.name.clone();
    let company = plan.company;
    let more: String = company.shown().skip(2).map(|one| own_words(draft, at, one)).collect();
    if !more.is_empty() {
        draft.section(at, "Who we are", &more);
    }
    let chance = &mut plan.chance.clone();
    let mut said = Vec::new();
    if let Some(year) = plan.founded.filter(|_| chance.percent(75)) {
        let text = phrases::founded(chance, &name, year);
        said.push(sentence(draft, at, &text, &[(Field::FoundedYear, year.into())]));
        if chance.percent(20) && year + 3 < plan.year {
            let text = format!("Our current product followed in {}.", year + 3);
            draft.distract(at, Field::FoundedYear, year + 3, &text);
            said.push(escape(&text));
        }
    }
    if let Some(place) = &company.hq {
        if chance.percent(70) {
            let country = country_name(&place.country);
            let (text, full) = phrases::hq(chance, &name, &place.city, country);
            let mut facts = vec![(Field::HqCity, json!(place.city))];
            if full {
                facts.push((Field::HqCountry, json!(place.country)));
            }
            said.push(sentence(draft, at, &text, &facts));
        }
    } else if company.remote_policy == "fully-remote" && chance.percent(50) {
        said.push(escape(&phrases::no_office(chance, &name)));
    }
    if let Some(size) = plan.size {
        if plan.is(Odd::Stale) {
            let n = (size.min / 2).max(3);
            let text = phrases::headcount_then(chance, &name, n, plan.year);
            let value = size_value(Headcount { min: n, max: Some(n) });
            said.push(sentence(draft, at, &text, &[(Field::HeadcountRange, value)]));
            if let Some(fact) = draft.facts.last_mut() {
                fact.as_of = Some(plan.year);
            }
        } else if plan.is(Odd::ConflictingHeadcount) || chance.percent(75) {
            let own = company.size_quote.as_deref().filter(|text| text.ends_with('.') && text.contains(' '));
            let text = match own.filter(|_| chance.percent(40)) {
                Some(own) => plain(own),
                None => phrases::headcount(chance, &name, size),
            };
            said.push(sentence(draft, at, &text, &[(Field::HeadcountRange, size_value(size))]));
        }
    }
    if let Some(industry) = company.industry.as_ref().filter(|_| chance.percent(55)) {
        let text = phrases::industry(chance, &name, industry);
        said.push(sentence(draft, at, &text, &[(Field::Industry, json!(industry))]));
    }
    if let Some(model) = company.business_model.as_ref().filter(|_| chance.percent(55))
        && let Some(text) = phrases::business_model(chance, &name, model)
    {
        said.push(sentence(draft, at, &text, &[(Field::BusinessModel, json!(model))]));
    }
    if chance.percent(20) {
        let n = chance.between(3, 9);
        let text = format!("Our support team of {n} answers within the hour.");
        let value = size_value(Headcount { min: n, max: Some(n) });
        draft.distract(at, Field::HeadcountRange, value, &text);
        said.push(escape(&text));
    }
    if said.is_empty() {
        said.push(escape("We like to keep things simple."));
    }
    let html = shuffled(chance, said);
    let heading = chance.pick(&["Our story", "About us", "The company", "Some background"]);
    draft.section(at, heading, &html);
    if chance.percent(40) {
        key_facts(plan, chance, draft, at);
    }
    let praised = chance.percent(35);
    plan.chance = chance.clone();
    if praised {
        traps::testimonial(plan, draft, at);
    }
}

/// A list of labels and values, as many companies have it.
fn key_facts(plan: &Plan, chance: &mut Chance, draft: &mut Draft, at: &'static str) {
    let colon = chance.pick(&[":", ""]);
    let mut html = String::new();
    let mut row = |label: &str, text: &str, facts: Vec<(Field, Value)>| {
        let quote = format!("{label}{colon} {text}");
        for (field, value) in facts {
            draft.note(at, field, value, &quote, Form::Label);
        }
        html.push_str(&format!("<dt>{label}{colon}</dt> <dd>{}</dd>\n", escape(text)));
    };
    if let Some(year) = plan.founded {
        let label = chance.pick(&["Founded", "Established", "Year founded"]);
        row(label, &year.to_string(), vec![(Field::FoundedYear, year.into())]);
    }
    if let Some(size) = plan.size.filter(|_| !plan.is(Odd::Stale) && !plan.is(Odd::ConflictingHeadcount)) {
        let label = chance.pick(&["Company size", "Team", "Employees", "Headcount"]);
        let unit = if *label == *"Employees" { "" } else { chance.pick(&[" employees", " people"]) };
        let text = phrases::headcount_label(chance, size, unit);
        row(label, &text, vec![(Field::HeadcountRange, size_value(size))]);
    }
    if let Some(place) = &plan.company.hq {
        let facts = vec![(Field::HqCity, json!(place.city)), (Field::HqCountry, json!(place.country))];
        let label = chance.pick(&["Headquarters", "Head office", "HQ"]);
        row(label, &format!("{}, {}", place.city, country_name(&place.country)), facts);
    }
    if let Some(industry) = &plan.company.industry {
        row("Industry", industry, vec![(Field::Industry, json!(industry))]);
    }
    if let Some(legal) = &plan.legal_name {
        row(chance.pick(&["Legal name", "Registered as", "Company"]), legal, vec![(Field::LegalName, json!(legal))]);
    }
    if !html.is_empty() {
        draft.section(at, "At a glance", &format!("<dl>\n{html}</dl>\n"));
    }
}

/// How they work, and whom they look for.
pub(super) fn careers_page(plan: &mut Plan, draft: &mut Draft) {
    let at = "/careers.html";
    let name = draft.name.clone();
    let company = plan.company;
    let mut html = String::new();
    for one in company.remote.iter().filter(|one| one.held.is_none()) {
        html.push_str(&own_words(draft, at, one));
        if let Some(opening) = opening(&one.text).filter(|text| says_policy(text, &company.remote_policy)) {
            draft.note(at, Field::RemotePolicy, company.remote_policy.clone(), &opening, Form::Profile);
        }
    }
    let chance = &mut plan.chance;
    let mut said = Vec::new();
    if chance.percent(70)
        && let Some(text) = phrases::remote(chance, &name, &company.remote_policy)
    {
        said.push(sentence(draft, at, &text, &[(Field::RemotePolicy, json!(company.remote_policy))]));
    }
    if !plan.names.is_empty() {
        let text = phrases::technologies(chance, &name, &plan.names);
        said.push(sentence(draft, at, &text, &[(Field::Technologies, json!(plan.names))]));
    }
    if let Some(size) = plan.size.filter(|_| !plan.odd.contains(&Odd::Stale)) {
        if plan.odd.contains(&Odd::ConflictingHeadcount) {
            let other = size.min * 3 + chance.between(1, 9);
            let other = Headcount { min: other, max: Some(other) };
            let text = phrases::headcount(chance, &name, other);
            said.push(sentence(draft, at, &text, &[(Field::HeadcountRange, size_value(other))]));
        } else if chance.percent(45) {
            let text = phrases::headcount(chance, &name, size);
            said.push(sentence(draft, at, &text, &[(Field::HeadcountRange, size_value(size))]));
        }
    }
    if said.is_empty() && html.is_empty() {
        said.push(escape("We hire slowly and keep people for long."));
    }
    html.push_str(&shuffled(chance, said));
    let heading = chance.pick(&["Work with us", "Careers", "Join us", "Life here"]);
    draft.section(at, heading, &html);
    if chance.percent(50) {
        open_roles(plan, draft, at);
    } else {
        draft.section(at, "Open positions", "<p>There are no open positions right now.</p>\n");
    }
}

/// Whether a profile's own words name its policy outright.
fn says_policy(text: &str, policy: &str) -> bool {
    let marks: &[&str] = match policy {
        "fully-remote" => &["fully remote", "fully-remote", "full remote", "100% remote", "all remote", "all-remote"],
        "remote-first" => &["remote-first", "remote first"],
        "remote-friendly" => &["remote-friendly", "remote friendly"],
        "hybrid" => &["hybrid"],
        _ => &[],
    };
    let text = text.to_lowercase();
    marks.iter().any(|mark| text.contains(mark))
}

fn open_roles(plan: &mut Plan, draft: &mut Draft, at: &'static str) {
    let chance = &mut plan.chance;
    let mut titles: Vec<String> = plan
        .company
        .technologies
        .first()
        .map(|name| vec![format!("Senior {name} Engineer"), format!("{name} Developer")])
        .unwrap_or_default();
    titles.extend(
        [
            "Account Executive",
            "Product Designer",
            "Customer Success Manager",
            "Site Reliability Engineer",
            "Office Manager",
            "Data Analyst",
            "Sales Development Representative",
            "Technical Writer",
        ]
        .map(str::to_owned),
    );
    chance.shuffle(&mut titles);
    titles.truncate(1 + chance.below(4));
    let mut html = String::from("<ul>\n");
    let structured = plan.metadata == 0 && !plan.odd.contains(&Odd::OddCharset) && chance.percent(60);
    for title in &titles {
        let location = match (&plan.company.hq, chance.percent(60)) {
            (Some(place), false) => place.city.clone(),
            _ => "Remote".to_owned(),
        };
        let text = format!("{title} ({location})");
        let value = json!({ "title": title, "location": location });
        draft.note(at, Field::OpenRoles, value.clone(), &text, Form::Label);
        html.push_str(&format!("<li><a href=\"#apply\">{}</a></li>\n", escape(&text)));
        if structured {
            let quote = format!("\"title\": {}", script(title));
            let place = if location == "Remote" {
                "\"jobLocationType\": \"TELECOMMUTE\"".to_owned()
            } else {
                format!("\"jobLocation\": {{\"@type\": \"Place\", \"address\": {}}}", script(&location))
            };
            draft.note(at, Field::OpenRoles, value, &quote, Form::JsonLd);
            let head = format!(
                "<script type=\"application/ld+json\">\n{{\"@context\": \"https://schema.org\", \"@type\": \"JobPosting\", {quote}, \
                 {place}, \"hiringOrganization\": {{\"@type\": \"Organization\", \"name\": {}}}}}\n</script>\n",
                script(&draft.name)
            );
            draft.page(at).head.push_str(&head);
        }
    }
    html.push_str("</ul>\n");
    draft.section(at, "Open positions", &html);
}

/// What it costs.
pub(super) fn pricing_page(plan: &mut Plan, draft: &mut Draft) {
    let at = "/pricing.html";
    draft.page(at).label = "Pricing";
    let model = plan.chance.pick(&["per_user", "flat", "usage", "quote"]);
    let mut html = String::new();
    if let Some(text) = phrases::pricing(&mut plan.chance, model) {
        html = format!("<p>{}</p>\n", sentence(draft, at, &text, &[(Field::PricingModel, json!(model))]));
    }
    html.push_str("<p>No hidden fees, and you can leave at any time.</p>\n");
    draft.section(at, "Pricing", &html);
}

/// Where to write to, and where they are.
pub(super) fn contact_page(plan: &mut Plan, draft: &mut Draft) {
    let at = "/contact.html";
    draft.page(at).label = "Contact";
    let name = draft.name.clone();
    let chance = &mut plan.chance;
    let mut html = String::new();
    if let Some(address) = &plan.email {
        let text = phrases::email(chance, &name, address);
        let mut said = sentence(draft, at, &text, &[(Field::ContactEmail, json!(address))]);
        if chance.percent(70) {
            let link = format!("mailto:{address}");
            said = said.replacen(address.as_str(), &format!("<a href=\"{link}\">{address}</a>"), 1);
            draft.note(at, Field::ContactEmail, json!(address), &link, Form::Link);
        }
        html.push_str(&format!("<p>{said}</p>\n"));
    } else {
        html.push_str("<p>Use the form below and we will come back to you.</p>\n");
    }
    if plan.company.hq.as_ref().is_some_and(|place| place.country == "US") && chance.percent(40) {
        let phone = format!("+1 {} 555 01{:02}", chance.between(201, 989), chance.between(0, 99));
        draft.note(at, Field::ContactPhone, json!(phone), &phone, Form::Label);
        html.push_str(&format!("<p>Phone: {phone}</p>\n"));
    }
    if let Some(place) = plan.company.hq.as_ref().filter(|_| chance.percent(55)) {
        let street = chance.pick(&["Market Street", "Station Road", "Harbour Lane", "Mill Street", "Park Avenue"]);
        let line = format!("{}, {}", place.city, country_name(&place.country));
        draft.note(at, Field::HqCity, json!(place.city), &line, Form::Label);
        draft.note(at, Field::HqCountry, json!(place.country), &line, Form::Label);
        let heading = chance.pick(&["Headquarters", "Head office", "Visit our HQ"]);
        let owner = plan.legal_name.clone().unwrap_or(name);
        if plan.legal_name.is_some() {
            draft.note(at, Field::LegalName, json!(owner), &owner, Form::Label);
        }
        html.push_str(&format!(
            "<h3>{heading}</h3>\n<address>{}<br />\n{} {street}<br />\n{}</address>\n",
            escape(&owner),
            chance.between(1, 180),
            escape(&line)
        ));
    }
    html.push_str(
        "<form method=\"post\" action=\"/contact.html\"><label>Your e-mail <input type=\"email\" name=\"email\" /></label> \
         <button type=\"submit\">Send</button></form>\n<p id=\"privacy\">We keep what you send us only as long as we need it.</p>\n",
    );
    draft.section(at, "Get in touch", &html);
}

/// Paragraphs of one to three sentences, in another order.
fn shuffled(chance: &mut Chance, mut sentences: Vec<String>) -> String {
    chance.shuffle(&mut sentences);
    let mut html = String::new();
    let mut left = &sentences[..];
    while !left.is_empty() {
        let (now, later) = left.split_at(left.len().min(1 + chance.below(3)));
        html.push_str(&format!("<p>{}</p>\n", now.join(" ")));
        left = later;
    }
    html
}

/// A paragraph of the profile, and what it states.
fn own_words(draft: &mut Draft, page: &'static str, one: &Paragraph) -> String {
    for fact in &one.facts {
        draft.note(page, fact.field, fact.value.clone(), &fact.quote, Form::Profile);
    }
    paragraph(&one.text)
}
