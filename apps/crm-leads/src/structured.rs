//! What a page says in a form that machines read: JSON-LD of an organisation, and links to its profiles.

use serde_json::{Map, Value, json};

use crate::{
    claim::Fact,
    countries,
    page::{Page, host},
};

/// Types of schema.org that describe an organisation.
const ORGANISATIONS: [&str; 6] =
    ["Organization", "Corporation", "LocalBusiness", "OnlineBusiness", "NGO", "SoftwareCompany"];

/// The facts of one page. Each quote is the page's own text for the property.
pub fn facts(page: &Page) -> Vec<Fact> {
    let mut found = Vec::new();
    for organisation in organisations(&page.json_ld) {
        properties(organisation, &mut found);
    }
    profiles(page, &mut found);
    if let Some(description) = page.description.as_deref().filter(|text| text.trim().len() >= 20)
        && !found.iter().any(|fact| fact.field == "description")
    {
        let (value, quote) = (json!(description.trim()), description.trim().to_owned());
        found.push(Fact { field: "description".to_owned(), value, quote, confidence: None, as_of: None });
    }
    found
}

fn organisations(data: &Value) -> Vec<&Map<String, Value>> {
    let mut found = Vec::new();
    // A page may nest its graph some levels deep; what is deeper than any real page is left alone.
    walk(data, 0, &mut found);
    found
}

fn walk<'a>(data: &'a Value, depth: usize, found: &mut Vec<&'a Map<String, Value>>) {
    if depth > 6 {
        return;
    }
    match data {
        Value::Array(items) => items.iter().for_each(|item| walk(item, depth + 1, found)),
        Value::Object(map) => {
            let is = |kind: &Value| kind.as_str().is_some_and(|kind| ORGANISATIONS.contains(&kind));
            let organisation = match map.get("@type") {
                Some(Value::Array(kinds)) => kinds.iter().any(is),
                Some(kind) => is(kind),
                None => false,
            };
            match organisation {
                // What stands inside an organisation (its customers, its parent) is another organisation.
                true => found.push(map),
                false => ["@graph", "mainEntity", "publisher", "about"]
                    .iter()
                    .filter_map(|key| map.get(*key))
                    .for_each(|inner| walk(inner, depth + 1, found)),
            }
        }
        _ => {}
    }
}

fn properties(organisation: &Map<String, Value>, found: &mut Vec<Fact>) {
    let mut add = |field: &str, value: Value, from: &Map<String, Value>, key: &str| {
        found.push(Fact { field: field.to_owned(), value, quote: quote(from, key), confidence: None, as_of: None });
    };
    for (key, field) in [("legalName", "legal_name"), ("description", "description"), ("industry", "industry")] {
        if let Some(text) = organisation.get(key).and_then(Value::as_str) {
            add(field, json!(text), organisation, key);
        }
    }
    if let Some(mail) = organisation.get("email").and_then(Value::as_str) {
        add("contact_email", json!(mail.trim_start_matches("mailto:")), organisation, "email");
    }
    let date = organisation.get("foundingDate");
    let year = date.and_then(|date| date.as_i64().or_else(|| date.as_str()?.get(..4)?.parse().ok()));
    if let Some(year) = year {
        add("founded_year", json!(year), organisation, "foundingDate");
    }
    match organisation.get("numberOfEmployees") {
        Some(Value::Object(count)) => {
            let (min, max) = (count.get("minValue"), count.get("maxValue"));
            let range = match (min, max, count.get("value")) {
                (Some(min), max, _) => Some(json!({ "min": min, "max": max })),
                (None, _, Some(value)) => Some(json!({ "min": value, "max": value })),
                _ => None,
            };
            range.into_iter().for_each(|range| add("headcount_range", range, organisation, "numberOfEmployees"));
        }
        Some(count @ (Value::Number(_) | Value::String(_))) => {
            add("headcount_range", json!({ "min": count, "max": count }), organisation, "numberOfEmployees");
        }
        _ => {}
    }
    let address = match organisation.get("address") {
        Some(Value::Array(several)) => several.first().and_then(Value::as_object),
        Some(Value::Object(one)) => Some(one),
        _ => None,
    };
    if let Some(address) = address {
        if let Some(city) = address.get("addressLocality").and_then(Value::as_str) {
            add("hq_city", json!(city), address, "addressLocality");
        }
        let country = address.get("addressCountry").and_then(|country| match country {
            Value::Object(country) => country.get("name").and_then(Value::as_str),
            country => country.as_str(),
        });
        if let Some(code) = country.and_then(countries::code) {
            add("hq_country", json!(code), address, "addressCountry");
        }
    }
    let same = match organisation.get("sameAs") {
        Some(Value::Array(urls)) => urls.clone(),
        Some(url @ Value::String(_)) => vec![url.clone()],
        _ => Vec::new(),
    };
    for url in same.iter().filter(|url| url.as_str().is_some_and(is_profile)).take(1) {
        add("social_profile", url.clone(), organisation, "sameAs");
    }
}

/// A link to the company's own page in a network of professionals stands on many pages; the first one counts.
fn profiles(page: &Page, found: &mut Vec<Fact>) {
    if found.iter().any(|fact| fact.field == "social_profile") {
        return;
    }
    let profile = page.links.iter().find(|link| is_profile(&link.url));
    found.extend(profile.map(|link| Fact {
        field: "social_profile".to_owned(),
        value: json!(link.url),
        quote: link.url.clone(),
        confidence: None,
        as_of: None,
    }));
}

fn is_profile(url: &str) -> bool {
    let path = url::Url::parse(url).map(|url| url.path().trim_matches('/').to_owned()).unwrap_or_default();
    let shared = ["share", "intent", "sharer", "home"].iter().any(|word| path.starts_with(word));
    !path.is_empty()
        && !shared
        && matches!(host(url).as_deref(), Some("linkedin.com" | "twitter.com" | "x.com" | "github.com"))
}

/// The property as it stands in the page's data, which is kept in one form: compact, keys in order.
fn quote(from: &Map<String, Value>, key: &str) -> String {
    let value = from.get(key).cloned().unwrap_or_default();
    format!("{}:{value}", json!(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_is_read_and_those_inside_it_are_not() {
        let json_ld = json!([{ "@graph": [{
            "@type": "Organization", "legalName": "Foo Ltd", "foundingDate": "2012-05-01", "email": "mailto:hi@foo.test",
            "numberOfEmployees": { "@type": "QuantitativeValue", "minValue": 11, "maxValue": 50 },
            "address": { "addressLocality": "Leeds", "addressCountry": "United Kingdom" },
            "sameAs": ["https://foo.test/", "https://www.linkedin.com/company/foo"],
            "parentOrganization": { "@type": "Organization", "legalName": "Bar plc" },
        }] }]);
        let page = Page { json_ld, status: 200, sha256: Some("00".into()), ..Page::default() };
        let facts = facts(&page);
        let told: Vec<String> = facts.iter().map(|fact| format!("{}={}", fact.field, fact.value)).collect();
        assert_eq!(
            told,
            [
                "legal_name=\"Foo Ltd\"",
                "contact_email=\"hi@foo.test\"",
                "founded_year=2012",
                "headcount_range={\"min\":11,\"max\":50}",
                "hq_city=\"Leeds\"",
                "hq_country=\"GB\"",
                "social_profile=\"https://www.linkedin.com/company/foo\"",
            ]
        );
        let checked = crate::verify::verify(&page, &facts, &[], 2026);
        assert_eq!((checked.accepted.len(), checked.dropped.len()), (7, 0), "{:?}", checked.dropped);
    }

    #[test]
    fn data_of_any_shape_is_no_trouble() {
        for json_ld in
            [json!(null), json!("x"), json!([[[[[[[[{}]]]]]]]]), json!({ "@type": 3, "@graph": { "@type": [] } })]
        {
            assert_eq!(facts(&Page { json_ld, ..Page::default() }), []);
        }
    }
}
