//! The small web is the same everywhere, and its truth is true.

use std::{collections::BTreeSet, fs, path::Path};

use crm_leads::sites::{
    Drawn, Fact, Field, Kind, Odd, SEED_SET, Site, TruthFile, companies, draw, drawable, files_of, render_to, seed_set,
};

/// The bytes of a page as text.
fn decoded(site: &Site, page: &str) -> String {
    let path = if page == "/" { "index.html" } else { page.trim_start_matches('/') };
    let file = site.files.iter().find(|file| file.path == path);
    let bytes = &file.unwrap_or_else(|| panic!("{} has no {path}", site.truth.host)).bytes;
    match site.truth.charset.as_str() {
        "utf-8" => String::from_utf8(bytes.clone()).expect("a page that says utf-8 is utf-8"),
        _ => {
            const UPPER: [char; 32] = [
                '€', '?', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '?', 'Ž', '?', '?', '‘', '’', '“',
                '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '?', 'ž', 'Ÿ',
            ];
            let one =
                |byte: &u8| if (0x80..0xa0).contains(byte) { UPPER[*byte as usize - 0x80] } else { char::from(*byte) };
            bytes.iter().map(one).collect()
        }
    }
}

/// Entities become characters again.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        let known = [("lt;", "<"), ("gt;", ">"), ("quot;", "\""), ("amp;", "&"), ("middot;", "·"), ("copy;", "©")];
        if let Some((entity, c)) = known.iter().find(|(entity, _)| from.starts_with(entity)) {
            out.push_str(c);
            rest = &from[entity.len()..];
        } else if let Some((code, after)) = from.strip_prefix('#').and_then(|from| from.split_once(';'))
            && let Some(c) = code.parse().ok().and_then(char::from_u32)
        {
            out.push(c);
            rest = after;
        } else {
            out.push('&');
            rest = from;
        }
    }
    out + rest
}

/// The text of a page, without comments, scripts, styles and tags.
fn text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, from)) = rest.split_once('<') {
        out.push_str(before);
        let end = ["!--", "script", "style"]
            .iter()
            .zip(["-->", "</script>", "</style>"])
            .find(|(start, _)| from.starts_with(**start))
            .map_or(">", |(_, end)| end);
        rest = from.split_once(end).map_or("", |(_, after)| after);
    }
    unescaped(&(out + rest))
}

fn stands(site: &Site, fact: &Fact) -> bool {
    let html = decoded(site, &fact.page);
    match fact.kind {
        Kind::Prose => text(&html).contains(&fact.quote),
        Kind::Structured => html.contains(&fact.quote) || unescaped(&html).contains(&fact.quote),
    }
}

fn many() -> Vec<Drawn> {
    let mut all = seed_set();
    all.extend((1..6).flat_map(|seed| draw(seed, 60)));
    all
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    assert_eq!(files_of(7, &draw(7, 12)), files_of(7, &draw(7, 12)));
    let slugs = |seed| draw(seed, 12).iter().map(|one| one.lead.name.clone()).collect::<Vec<_>>();
    assert_ne!(slugs(7), slugs(8));
}

#[test]
fn a_drawn_company_is_never_of_the_committed_set_and_none_comes_twice() {
    let all = draw(3, 10_000);
    assert_eq!(all.len(), drawable());
    assert!(all.len() > 300, "{}", all.len());
    let slugs: BTreeSet<&str> = all.iter().map(|one| one.sites[0].truth.slug.as_str()).collect();
    assert_eq!(slugs.len(), all.len());
    assert!(SEED_SET.iter().all(|slug| !slugs.contains(slug)));
}

#[test]
fn every_quote_stands_on_its_page() {
    let mut seen = 0;
    for site in many().iter().flat_map(|one| &one.sites) {
        let truth = &site.truth;
        for fact in truth.facts.iter().chain(&truth.distractors).chain(&truth.forbidden) {
            assert!(stands(site, fact), "{}{}: `{}` is not there", truth.host, fact.page, fact.quote);
            assert!(!fact.quote.is_empty() && fact.quote.chars().count() <= 400, "{}: `{}`", truth.host, fact.quote);
            seen += 1;
        }
        for order in &truth.injections {
            let html = unescaped(&decoded(site, &order.page));
            assert!(html.contains(&order.text), "{}: `{}` is not there", truth.host, order.text);
            assert_eq!(
                text(&decoded(site, &order.page)).contains(&order.text),
                ["visible", "hidden"].contains(&&*order.place)
            );
        }
    }
    assert!(seen > 4000, "{seen}");
}

#[test]
fn what_the_truth_does_not_hold_is_not_stated_in_data_for_machines() {
    let marks = [
        ("\"foundingDate\"", Field::FoundedYear),
        ("\"numberOfEmployees\"", Field::HeadcountRange),
        ("\"addressLocality\"", Field::HqCity),
        ("\"legalName\"", Field::LegalName),
        ("mailto:", Field::ContactEmail),
    ];
    for site in many().iter().flat_map(|one| &one.sites) {
        for page in site.truth.pages.iter().filter(|page| !site.truth.disallowed.contains(page)) {
            let html = decoded(site, page);
            for (mark, field) in marks {
                let told = site.truth.facts.iter().any(|fact| {
                    fact.page == *page
                        && fact.field == field
                        && fact.kind == Kind::Structured
                        && fact.quote.contains(mark)
                });
                assert_eq!(html.contains(mark), told, "{}{page}: {mark}", site.truth.host);
            }
        }
    }
}

#[test]
fn what_a_fact_says_stands_in_its_quote() {
    for truth in many().iter().flat_map(|one| &one.sites).map(|site| &site.truth) {
        for fact in truth.facts.iter().chain(&truth.forbidden) {
            let words: Vec<String> = match fact.field {
                Field::FoundedYear | Field::HqCity | Field::ContactEmail | Field::LegalName | Field::Industry => {
                    vec![fact.value.as_str().map_or_else(|| fact.value.to_string(), str::to_owned)]
                }
                Field::Technologies => fact
                    .value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|one| one.as_str())
                    .map(str::to_owned)
                    .collect(),
                _ => Vec::new(),
            };
            for word in words {
                assert!(fact.quote.contains(&word), "{}: `{word}` is not in `{}`", truth.host, fact.quote);
            }
        }
    }
}

#[test]
fn no_year_and_no_address_stands_outside_of_what_the_truth_knows() {
    for site in many().iter().flat_map(|one| &one.sites) {
        let truth = &site.truth;
        // The list of news has dates, and the footers have a year.
        for page in truth.pages.iter().filter(|page| *page != "/blog.html") {
            let mut left = text(&decoded(site, page));
            let quotes = truth.facts.iter().chain(&truth.distractors).chain(&truth.forbidden).map(|fact| &fact.quote);
            for known in quotes.chain(truth.injections.iter().map(|order| &order.text)) {
                left = left.replace(known.as_str(), "");
            }
            for line in left.lines().filter(|line| !line.contains('©')) {
                let year = line.split(|c: char| !c.is_ascii_digit()).find(|digits| {
                    digits.len() == 4 && digits.parse().is_ok_and(|year: u32| (1800..2030).contains(&year))
                });
                assert_eq!(year, None, "{}{page}: `{line}`", truth.host);
                let address =
                    |word: &str| word.split_once('@').is_some_and(|(_, host)| host.trim_end_matches('.').contains('.'));
                assert!(!line.split_whitespace().any(address), "{}{page}: `{line}`", truth.host);
            }
        }
    }
}

#[test]
fn odd_kinds_are_what_they_say() {
    for one in many() {
        let site = &one.sites[0];
        let truth = &site.truth;
        let html: Vec<String> = truth.pages.iter().map(|page| decoded(site, page)).collect();
        let sizes: BTreeSet<String> = truth
            .facts
            .iter()
            .filter(|fact| fact.field == Field::HeadcountRange)
            .map(|fact| fact.value.to_string())
            .collect();
        let has = |kind| truth.odd.contains(&kind);
        let host = &truth.host;
        assert!(!has(Odd::Parked) || (truth.facts.is_empty() && truth.distractors.is_empty()), "{host}");
        assert_eq!(has(Odd::Parked), truth.facts.is_empty(), "{host}");
        assert_eq!(has(Odd::ConflictingHeadcount), sizes.len() > 1, "{host}: {sizes:?}");
        assert_eq!(has(Odd::ConflictingHeadcount), truth.conflicts == [Field::HeadcountRange], "{host}");
        assert_eq!(has(Odd::InjectedInstructions), !truth.injections.is_empty(), "{host}");
        assert_eq!(has(Odd::RobotsDisallowed), !truth.forbidden.is_empty() && !truth.disallowed.is_empty(), "{host}");
        assert_eq!(
            has(Odd::MetaRefresh),
            html[..].iter().any(|html| html.contains("http-equiv=\"refresh\"")),
            "{host}"
        );
        assert_eq!(has(Odd::OddCharset), truth.charset == "windows-1252", "{host}");
        assert_eq!(has(Odd::NameCollision), one.sites.len() == 2 && one.sites[1].truth.host != *host, "{host}");
        assert_eq!(has(Odd::Stale), truth.facts.iter().any(|fact| fact.as_of.is_some()), "{host}");
        let closed =
            |html: &String| html.matches("<p>").count() + html.matches("<p ").count() == html.matches("</p>").count();
        if !has(Odd::Parked) {
            assert_eq!(has(Odd::BrokenHtml), !html.iter().all(closed), "{host}");
        }
        for fact in &truth.forbidden {
            let open = truth.pages.iter().filter(|page| !truth.disallowed.contains(page));
            assert!(open.into_iter().all(|page| !text(&decoded(site, page)).contains(&fact.quote)), "{host}");
        }
    }
}

#[test]
fn the_committed_set_has_every_odd_kind_and_at_least_half_of_it_has_none() {
    let set = seed_set();
    assert_eq!(set.len(), SEED_SET.len());
    assert!(set.len() >= 16);
    let known = |slug: &&str| companies().iter().any(|one| one.slug == **slug && one.presentable());
    assert!(SEED_SET.iter().all(known), "every one has words of its own");
    for kind in Odd::ALL {
        assert!(set.iter().any(|one| one.sites[0].truth.odd.contains(&kind)), "{kind:?}");
    }
    assert!(set.iter().filter(|one| one.sites[0].truth.odd.is_empty()).count() * 2 >= set.len());
}

#[test]
fn a_lead_has_a_domain_or_an_address_of_its_own_company() {
    for one in many() {
        let (lead, host) = (&one.lead, &one.sites[0].truth.host);
        assert!(lead.domain.as_ref().is_none_or(|domain| domain == host), "{host}");
        assert!(lead.contact.email.as_ref().is_none_or(|email| email.ends_with(&format!("@{host}"))), "{host}");
        assert!(lead.domain.is_some() || lead.contact.email.is_some(), "{host}");
        assert_eq!((lead.id.len(), lead.id.as_bytes()[14], lead.version), (36, b'7', 1), "{}", lead.id);
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for site in many().iter().flat_map(|one| &one.sites) {
        for page in &site.truth.pages {
            let html = decoded(site, page);
            for to in html.split("href=\"/").skip(1).filter_map(|from| from.split(['"', '#']).next()) {
                let path = format!("/{to}");
                let known = site.truth.pages.contains(&path) || to.is_empty();
                assert!(known || site.truth.odd == [Odd::NameCollision], "{}{page} links to {path}", site.truth.host);
            }
        }
    }
}

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seed");
    let files = files_of(0, &seed_set());
    let mut size = 0;
    for file in &files {
        let there = fs::read(folder.join(&file.path)).unwrap_or_default();
        assert!(there == file.bytes, "seed/{} is stale: run the example `sites` with `seed`", file.path);
        let local = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/")];
        let text = String::from_utf8_lossy(&file.bytes);
        assert!(!local.iter().any(|place| text.contains(place)), "{} names a place of one machine", file.path);
        size += file.bytes.len();
    }
    assert!(size < 3_000_000, "{size} bytes");
    let made: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut folders = vec![folder.clone()];
    while let Some(at) = folders.pop() {
        for found in fs::read_dir(&at).expect("the committed set is there") {
            let path = found.expect("its entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&folder).expect("it is inside").to_string_lossy().replace('\\', "/");
                assert!(made.contains(name.as_str()), "seed/{name} is made by nothing: delete it");
            }
        }
    }
}

#[test]
fn what_is_written_reads_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let drawn = draw(11, 5);
    render_to(folder.path(), 11, &drawn).expect("it can be written");
    let truth: TruthFile =
        serde_json::from_slice(&fs::read(folder.path().join("truth.json")).expect("truth.json")).expect("its shape");
    assert_eq!(truth.seed, 11);
    assert!(truth.sites.iter().all(|one| folder.path().join("sites").join(&one.host).join("index.html").is_file()));
    let blocked = folder.path().join("truth.json");
    let error = render_to(&blocked, 11, &drawn).expect_err("a file is no folder").to_string();
    assert!(error.contains("truth.json"), "{error}");
}
