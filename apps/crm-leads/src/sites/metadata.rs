//! What a site says to machines: meta tags, JSON-LD, robots.txt, the sitemap.

use serde_json::{Value, json};

use super::{
    Field, File, Form, Odd,
    build::{Plan, size_value},
    page::Draft,
    text::escape,
};

/// Meta tags and JSON-LD of the home page.
pub(super) fn metadata(plan: &mut Plan, draft: &mut Draft) {
    if plan.metadata == 2 {
        return;
    }
    let home = draft.home;
    let chance = &mut plan.chance;
    let description = draft
        .facts
        .iter()
        .find(|fact| fact.field == Field::Description)
        .and_then(|fact| fact.value.as_str().map(str::to_owned));
    let mut head = String::new();
    if let Some(text) = &description {
        for (key, name, form) in [("name", "description", Form::Meta), ("property", "og:description", Form::OpenGraph)]
        {
            draft.note(home, Field::Description, json!(text), text, form);
            head.push_str(&format!("<meta {key}=\"{name}\" content=\"{}\" />\n", escape(text)));
        }
    }
    for (property, value) in
        [("og:type", "website"), ("og:title", draft.name.as_str()), ("og:site_name", draft.name.as_str())]
    {
        head.push_str(&format!("<meta property=\"{property}\" content=\"{}\" />\n", escape(value)));
    }
    // Another charset has no references inside a script: such sites have no JSON-LD.
    if plan.metadata == 0 && !plan.odd.contains(&Odd::OddCharset) {
        let mut lines = vec![
            "\"@context\": \"https://schema.org\"".to_owned(),
            format!("\"@type\": \"{}\"", chance.pick(&["Organization", "Corporation", "Organization"])),
            format!("\"name\": {}", script(&draft.name)),
            format!("\"url\": \"http://{}/\"", draft.host),
        ];
        let mut add = |draft: &mut Draft, facts: &[(Field, Value)], line: String| {
            for (field, value) in facts {
                draft.note(home, *field, value.clone(), &line, Form::JsonLd);
            }
            lines.push(line);
        };
        if let Some(legal) = plan.legal_name.as_ref().filter(|_| chance.percent(70)) {
            add(draft, &[(Field::LegalName, json!(legal))], format!("\"legalName\": {}", script(legal)));
        }
        if let Some(text) = description.as_ref().filter(|_| chance.percent(70)) {
            add(draft, &[(Field::Description, json!(text))], format!("\"description\": {}", script(text)));
        }
        if let Some(year) = plan.founded.filter(|_| chance.percent(70)) {
            let date =
                if chance.percent(30) { format!("{year}-0{}-01", chance.between(1, 9)) } else { year.to_string() };
            add(draft, &[(Field::FoundedYear, year.into())], format!("\"foundingDate\": \"{date}\""));
        }
        let one_size = !plan.odd.contains(&Odd::Stale) && !plan.odd.contains(&Odd::ConflictingHeadcount);
        if let Some(size) = plan.size.filter(|_| one_size && chance.percent(65)) {
            let inner = match size.max {
                Some(max) if max == size.min => format!("\"value\": {max}"),
                Some(max) => format!("\"minValue\": {}, \"maxValue\": {max}", size.min),
                None => format!("\"minValue\": {}", size.min),
            };
            let line = format!("\"numberOfEmployees\": {{\"@type\": \"QuantitativeValue\", {inner}}}");
            add(draft, &[(Field::HeadcountRange, size_value(size))], line);
        }
        if let Some(place) = plan.company.hq.as_ref().filter(|_| chance.percent(70)) {
            let line = format!(
                "\"address\": {{\"@type\": \"PostalAddress\", \"addressLocality\": {}, \"addressCountry\": \"{}\"}}",
                script(&place.city),
                place.country
            );
            add(draft, &[(Field::HqCity, json!(place.city)), (Field::HqCountry, json!(place.country))], line);
        }
        if let Some(industry) = plan.company.industry.as_ref().filter(|_| chance.percent(45)) {
            add(draft, &[(Field::Industry, json!(industry))], format!("\"industry\": {}", script(industry)));
        }
        if let Some(address) = plan.email.as_ref().filter(|_| chance.percent(60)) {
            add(draft, &[(Field::ContactEmail, json!(address))], format!("\"email\": \"{address}\""));
        }
        let profiles: Vec<Value> = draft
            .facts
            .iter()
            .filter(|fact| fact.field == Field::SocialProfile)
            .map(|fact| fact.value.clone())
            .collect();
        if !profiles.is_empty() && chance.percent(60) {
            let facts: Vec<(Field, Value)> =
                profiles.iter().map(|address| (Field::SocialProfile, address.clone())).collect();
            add(draft, &facts, format!("\"sameAs\": {}", Value::from(profiles)));
        }
        head.push_str(&format!(
            "<script type=\"application/ld+json\">\n{{\n  {}\n}}\n</script>\n",
            lines.join(",\n  ")
        ));
    }
    draft.page(home).head.push_str(&head);
}

/// robots.txt and the sitemap.
pub(super) fn for_robots(plan: &mut Plan, draft: &Draft, disallowed: &[String]) -> Vec<File> {
    let mut files = Vec::new();
    let host = &draft.host;
    if !disallowed.is_empty() {
        let text = format!("User-agent: *\nDisallow: /internal/\n\nSitemap: http://{host}/sitemap.xml\n");
        files.push(File { path: "robots.txt".into(), bytes: text.into_bytes() });
    } else if plan.chance.percent(80) {
        let text = plan.chance.pick(&["User-agent: *\nDisallow:\n", "User-agent: *\nAllow: /\nDisallow: /admin/\n"]);
        let text = format!("{text}\nSitemap: http://{host}/sitemap.xml\n");
        files.push(File { path: "robots.txt".into(), bytes: text.into_bytes() });
    }
    let addresses: String = draft
        .pages
        .iter()
        .filter(|(path, _)| !disallowed.iter().any(|one| one == path))
        .map(|(path, _)| format!("  <url><loc>http://{host}{path}</loc></url>\n"))
        .collect();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{addresses}</urlset>\n"
    );
    files.push(File { path: "sitemap.xml".into(), bytes: text.into_bytes() });
    files
}

/// JSON for a script element.
pub(super) fn script(text: &str) -> String {
    Value::from(text).to_string().replace("</", "<\\/")
}
