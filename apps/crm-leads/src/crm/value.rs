//! Values of fields, as people write and read them.

use serde_json::{Value, json};

use crate::{brief::spoken, claim::Field, countries};

/// A field as people say it.
pub fn named(field: &str) -> String {
    match field {
        "hq_city" => "head office, city".to_owned(),
        "hq_country" => "head office, country".to_owned(),
        "headcount_range" => "people".to_owned(),
        "founded_year" => "founded".to_owned(),
        field => field.replace('_', " "),
    }
}

/// A value as people read it.
pub fn told(value: &Value) -> String {
    spoken(value)
}

/// A value as people write it into a form: [`read`] gives it back.
pub fn written(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(spoken).collect::<Vec<_>>().join("\n"),
        Value::Object(range) => match (range["min"].as_i64(), range.get("max").and_then(Value::as_i64)) {
            (Some(min), Some(max)) if min == max => min.to_string(),
            (Some(min), Some(max)) => format!("{min}-{max}"),
            (Some(min), None) => format!("{min}+"),
            _ => spoken(value),
        },
        value => spoken(value),
    }
}

/// How a value of the field is written.
pub fn hint(field: Field) -> &'static str {
    match field {
        Field::HeadcountRange => "as 50, 20-50 or 500+",
        Field::FoundedYear => "a year",
        Field::HqCountry => "a country, by its name or its two letters",
        Field::BusinessModel => "b2b, b2c or marketplace",
        Field::Technologies | Field::OpenRoles => "one a line",
        Field::ContactEmail => "an address",
        _ => "",
    }
}

/// What a person wrote, in the field's own type. `year` is this one.
///
/// # Errors
/// One sentence for whoever wrote it.
pub fn read(field: Field, text: &str, year: i64) -> Result<Value, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("write something: an empty field is filled by the next enrichment anyway".to_owned());
    }
    if text.chars().count() > 2000 {
        return Err("that is longer than 2000 characters".to_owned());
    }
    match field {
        Field::FoundedYear => {
            let founded = text.parse().ok().filter(|founded| (1600..=year).contains(founded));
            founded.map(|founded: i64| json!(founded)).ok_or_else(|| format!("`{text}` is no year from 1600 to {year}"))
        }
        Field::HeadcountRange => headcount(text).ok_or_else(|| format!("`{text}` is none of 50, 20-50, 500+")),
        Field::HqCountry => {
            countries::code(text).map(|code| json!(code)).ok_or_else(|| format!("`{text}` is no country that we know"))
        }
        Field::BusinessModel => {
            let known = ["b2b", "b2c", "marketplace"].into_iter().find(|known| known.eq_ignore_ascii_case(text));
            known.map(|known| json!(known)).ok_or_else(|| format!("`{text}` is none of b2b, b2c, marketplace"))
        }
        Field::ContactEmail => {
            super::draft::address(text).map(|address| json!(address)).ok_or_else(|| format!("`{text}` is no address"))
        }
        Field::Technologies | Field::OpenRoles => {
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            Ok(json!(lines))
        }
        _ => Ok(json!(text)),
    }
}

fn headcount(text: &str) -> Option<Value> {
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
    if let Some(min) = text.strip_suffix('+') {
        return Some(json!({ "min": number(min)?, "max": null }));
    }
    let (min, max) = match text.split_once(['-', '–']) {
        Some((min, max)) => (number(min)?, number(max)?),
        None => (number(text)?, number(text)?),
    };
    (min <= max).then(|| json!({ "min": min, "max": max }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_shows_is_read_back_as_it_was() {
        for (field, value) in [
            (Field::HeadcountRange, json!({ "min": 20, "max": 50 })),
            (Field::HeadcountRange, json!({ "min": 7, "max": 7 })),
            (Field::HeadcountRange, json!({ "min": 500, "max": null })),
            (Field::FoundedYear, json!(1999)),
            (Field::Technologies, json!(["rust", "c++, old"])),
            (Field::HqCountry, json!("DE")),
            (Field::Description, json!("Makes pumps.")),
            (Field::ContactEmail, json!("hello@pumps.test")),
        ] {
            assert_eq!(read(field, &written(&value), 2026), Ok(value));
        }
        assert_eq!(read(Field::HqCountry, "germany", 2026), Ok(json!("DE")));
    }

    #[test]
    fn what_does_not_fit_its_field_is_told() {
        for (field, text, says) in [
            (Field::FoundedYear, "2027", "`2027` is no year from 1600 to 2026"),
            (Field::HeadcountRange, "50-20", "`50-20` is none of 50, 20-50, 500+"),
            (Field::BusinessModel, "charity", "`charity` is none of b2b, b2c, marketplace"),
            (Field::ContactEmail, "hello", "`hello` is no address"),
        ] {
            assert_eq!(read(field, text, 2026), Err(says.to_owned()));
        }
    }
}
