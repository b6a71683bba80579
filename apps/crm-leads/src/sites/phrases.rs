//! How a copywriter would say it. Every list is chosen from by number; `{}` slots are filled by name.

use super::{Chance, Headcount};

/// Fills `{name}` slots.
pub(super) fn fill(template: &str, slots: &[(&str, &str)]) -> String {
    slots.iter().fold(template.to_owned(), |text, (slot, value)| text.replace(&format!("{{{slot}}}"), value))
}

/// One of `from`, filled.
pub(super) fn say(chance: &mut Chance, from: &[&str], slots: &[(&str, &str)]) -> String {
    fill(chance.pick(from), slots)
}

/// A number for readers: `1,700`.
pub(super) fn number(n: u32) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A small number in words, others in figures.
fn words(n: u32) -> String {
    const SMALL: [&str; 21] = [
        "no",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    match n {
        0..=20 => SMALL[n as usize].to_owned(),
        21..=99 if n.is_multiple_of(10) => TENS[n as usize / 10].to_owned(),
        _ => number(n),
    }
}

const EXACTLY: &[&str] = &[
    "{name} is a team of {n}.",
    "We are a team of {n} people who care about doing this well.",
    "Today there are {n} of us.",
    "{n} people work at {name}.",
    "We currently employ {n} people.",
    "At {name} you will join {n} colleagues.",
    "Our {n} employees make all of this possible.",
    "We're {n} people strong and still growing.",
    "With a staff of {n}, we are big enough to deliver and small enough to listen.",
    "Around {n} people now call {name} their workplace.",
    "Our headcount recently reached {n}.",
    "We are a tight-knit crew of {n}.",
    "Our {n}-strong team looks after customers on five continents.",
    "The {n}-person team behind {name} is spread over several time zones.",
];

const IN_WORDS: &[&str] = &[
    "We are a team of {w}.",
    "There are {w} of us at {name}.",
    "{name} is {w} people who love what they do.",
    "Just {w} people, one shared calendar and a lot of coffee.",
];

const BETWEEN: &[&str] = &[
    "There are between {a} and {b} of us, depending on the season.",
    "We have between {a} and {b} employees.",
    "{name} employs {a} to {b} people.",
    "A company of {a}–{b} people, and we like it that way.",
    "We are somewhere between {a} and {b} people these days.",
    "Our team counts {a}-{b} members.",
    "With {a} to {b} employees, we are still small enough for everybody to be heard.",
    "Today {name} is a {a}-{b} person company.",
];

const AT_LEAST: &[&str] = &[
    "More than {a} people work at {name}.",
    "We are a team of over {a}.",
    "{name} has grown to {a}+ employees.",
    "Over {a} colleagues share one mission.",
    "Today we are more than {a} people.",
    "Our team of {a}+ keeps {name} running around the clock.",
    "We now have upwards of {a} employees.",
    "Our headcount is north of {a}.",
    "{a}+ people build, sell and support what we make.",
];

const UP_TO: &[&str] = &[
    "We are a small team of at most {b} people.",
    "There are no more than {b} of us.",
    "{name} has up to {b} employees.",
    "We have kept the company to {b} people or fewer.",
    "Up to {b} people work here at any time.",
    "Even in our busiest months {name} is no more than {b} people.",
];

/// A sentence on the size.
pub(super) fn headcount(chance: &mut Chance, name: &str, size: Headcount) -> String {
    let (a, b) = (number(size.min), number(size.max.unwrap_or(size.min)));
    let slots = [("name", name), ("n", &*a), ("a", &*a), ("b", &*b), ("w", &*words(size.min))];
    let from = match size.max {
        None => AT_LEAST,
        Some(max) if max == size.min => {
            let spelled = size.min > 2 && (size.min <= 20 || (size.min < 100 && size.min.is_multiple_of(10)));
            if spelled && chance.percent(30) { IN_WORDS } else { EXACTLY }
        }
        Some(_) if size.min == 1 => UP_TO,
        Some(_) => BETWEEN,
    };
    say(chance, from, &slots)
}

/// The size as a value beside a label: "11–50 employees".
pub(super) fn headcount_label(chance: &mut Chance, size: Headcount, unit: &str) -> String {
    let (a, b) = (number(size.min), number(size.max.unwrap_or(size.min)));
    match size.max {
        None => format!("{a}+{unit}"),
        Some(max) if max == size.min => format!("{a}{unit}"),
        Some(_) => format!("{a}{}{b}{unit}", chance.pick(&["–", "-", " to "])),
    }
}

/// A sentence with the year it was true in.
pub(super) fn headcount_then(chance: &mut Chance, name: &str, n: u32, year: u32) -> String {
    const THEN: &[&str] = &[
        "As of {year} we are {n} people.",
        "In {year}, {name} has {n} employees.",
        "Our team has {n} members (as of {year}).",
        "As of {year}, {n} people work at {name}.",
        "We finish {year} with a team of {n}.",
        "{name} counts {n} employees as of {year}.",
    ];
    say(chance, THEN, &[("name", name), ("n", &number(n)), ("year", &year.to_string())])
}

const FOUNDED: &[&str] = &[
    "{name} was founded in {year}.",
    "Founded in {year}, we have stayed true to one idea.",
    "We started {name} in {year} with little more than two laptops.",
    "We've been doing this since {year}.",
    "{name} has been in business since {year}.",
    "Our story begins in {year}, when the company was started.",
    "Established in {year}, {name} remains independent in spirit.",
    "It was {year} when {name} opened its doors.",
    "Since {year}, {name} has helped people get their work done.",
    "The company was set up in {year}.",
    "We've been building software since {year}.",
    "{name}, est. {year}, is still run by the people who answer the phone.",
    "What began as a side project in {year} is now what we do all day.",
    "Incorporated in {year}, we have never taken a shortcut.",
    "Back in {year}, our founders left their jobs to start {name}.",
];

/// A sentence on the beginning.
pub(super) fn founded(chance: &mut Chance, name: &str, year: u32) -> String {
    say(chance, FOUNDED, &[("name", name), ("year", &year.to_string())])
}

/// The beginning as a few words of a footer or a badge.
pub(super) fn founded_label(chance: &mut Chance, year: u32) -> String {
    say(
        chance,
        &["est. {year}", "Est. {year}", "Established {year}", "Since {year}", "Founded {year}"],
        &[("year", &year.to_string())],
    )
}

const HQ: &[&str] = &[
    "{name} is headquartered in {city}, {country}.",
    "Our headquarters are in {city}, {country}.",
    "We are based in {city}, {country}.",
    "Our head office is in {city}, {country}, but our people are all over the place.",
    "Home is {city}, {country}: that is where our main office stands.",
    "From our base in {city}, {country}, we work with people everywhere.",
    "You will find our HQ in {city}, {country}.",
];

const HQ_CITY: &[&str] = &[
    "{name} is headquartered in {city}.",
    "Our headquarters are in {city}.",
    "We are a {city}-based company.",
    "Our main office is in the heart of {city}.",
    "Come and see us at our {city} headquarters.",
    "We are based in {city}.",
];

/// A sentence on the head office, and whether it names the country.
pub(super) fn hq(chance: &mut Chance, name: &str, city: &str, country: &str) -> (String, bool) {
    let full = country != city && chance.percent(65);
    let from = if full { HQ } else { HQ_CITY };
    (say(chance, from, &[("name", name), ("city", city), ("country", country)]), full)
}

/// A sentence on having none.
pub(super) fn no_office(chance: &mut Chance, name: &str) -> String {
    const NONE: &[&str] = &[
        "We have no headquarters: everybody works from where they live.",
        "There is no {name} office, and there never was one.",
        "Our office is the internet.",
        "We closed our last office and have not looked back.",
    ];
    say(chance, NONE, &[("name", name)])
}

/// A sentence on remote work for one of the four policies.
pub(super) fn remote(chance: &mut Chance, name: &str, policy: &str) -> Option<String> {
    let from: &[&str] = match policy {
        "fully-remote" => &[
            "{name} is a fully remote company.",
            "We are 100% remote: nobody commutes.",
            "Everyone at {name} works remotely, all of the time.",
            "We work fully remotely and always have.",
            "All of our positions are fully remote.",
            "We are an all-remote team.",
        ],
        "remote-first" => &[
            "{name} is a remote-first company.",
            "We think remote-first: every meeting has a link.",
            "We are remote-first by design.",
            "Remote-first is how {name} works.",
            "As a remote-first team, we write things down.",
            "Our culture is remote-first.",
        ],
        "remote-friendly" => &[
            "{name} is remote-friendly.",
            "We are a remote-friendly workplace.",
            "Many of our roles are remote-friendly: ask us.",
            "As a remote-friendly employer, we let teams decide how they work.",
            "Being remote-friendly is part of who we are.",
            "Remote-friendly policies let you choose where you work best.",
        ],
        "hybrid" => &[
            "We work in a hybrid model: some days at the office, some at home.",
            "{name} has a hybrid working policy.",
            "Our teams are hybrid, with a desk for everybody who wants one.",
            "We offer hybrid work from day one.",
            "Hybrid work is the norm at {name}.",
            "Expect a hybrid week: two or three days in the office, the rest wherever you like.",
        ],
        _ => return None,
    };
    Some(say(chance, from, &[("name", name)]))
}

/// Names as people list them: `a, b and c`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A sentence on what it builds with.
pub(super) fn technologies(chance: &mut Chance, name: &str, names: &[String]) -> String {
    const STACK: &[&str] = &[
        "Our stack: {list}.",
        "We build with {list}.",
        "Under the hood you will find {list}.",
        "You will work with {list}.",
        "Our engineers use {list} every day.",
        "{name} runs on {list}.",
        "Day to day, our tools of choice are {list}.",
        "The technologies we rely on are {list}.",
    ];
    say(chance, STACK, &[("name", name), ("list", &listed(names))])
}

/// A sentence with the address to write to.
pub(super) fn email(chance: &mut Chance, name: &str, address: &str) -> String {
    const WRITE: &[&str] = &[
        "Write to us at {address}.",
        "Questions? Drop a line to {address} and a human will answer.",
        "The quickest way to reach {name} is {address}.",
        "You can e-mail us at {address} at any time.",
        "Say hello: {address}.",
        "For everything else there is {address}.",
    ];
    say(chance, WRITE, &[("name", name), ("address", address)])
}

/// A sentence on the industry.
pub(super) fn industry(chance: &mut Chance, name: &str, industry: &str) -> String {
    const WORK: &[&str] = &[
        "{name} works in {industry}.",
        "We have spent our whole working lives in {industry}.",
        "Our industry is {industry}, and we know it well.",
        "If it has to do with {industry}, we have probably seen it.",
        "{industry} is what we do.",
        "We are one of the friendlier names in {industry}.",
    ];
    say(chance, WORK, &[("name", name), ("industry", industry)])
}

/// A sentence on whom it sells to.
pub(super) fn business_model(chance: &mut Chance, name: &str, model: &str) -> Option<String> {
    let from: &[&str] = match model {
        "b2b" => &[
            "{name} is a B2B company.",
            "We sell to businesses, not to consumers.",
            "Our customers are other companies.",
            "As a B2B business, we live from long relationships.",
            "We work exclusively with business customers.",
            "Companies of every size buy from us; private persons do not.",
        ],
        "b2c" => &[
            "{name} is a B2C company.",
            "We sell directly to consumers.",
            "Our customers are private people like you and me.",
            "As a consumer business, we answer every message ourselves.",
            "We are a direct-to-consumer company.",
            "{name} is made for consumers, not for companies.",
        ],
        "marketplace" => &[
            "{name} is a marketplace.",
            "We run a marketplace that brings two sides together.",
            "As an online marketplace, we earn only when both sides are happy.",
            "Our marketplace connects those who offer with those who look.",
            "{name} is a two-sided marketplace.",
            "Buyers and sellers meet on our marketplace.",
        ],
        _ => return None,
    };
    Some(say(chance, from, &[("name", name)]))
}

/// A sentence on prices; the model is `per_user`, `flat`, `usage` or `quote`.
pub(super) fn pricing(chance: &mut Chance, model: &str) -> Option<String> {
    let amount = chance.between(2, 30) * 5 - 1;
    let from: &[&str] = match model {
        "per_user" => &[
            "Plans start at ${amount} per user per month.",
            "You pay ${amount} for each user and month.",
            "${amount} per seat, billed monthly.",
        ],
        "flat" => &[
            "One price for everybody: ${amount} a month, as many users as you like.",
            "A flat ${amount} per month, everything included.",
            "We charge a flat monthly fee of ${amount}.",
        ],
        "usage" => &[
            "You only pay for what you use.",
            "Pricing is usage-based: no usage, no bill.",
            "Pay as you go, billed at the end of the month for actual usage.",
        ],
        "quote" => &[
            "Prices depend on your project: talk to us for a quote.",
            "Every project is different, so we quote individually.",
            "Contact sales for custom pricing.",
        ],
        _ => return None,
    };
    Some(say(chance, from, &[("amount", &amount.to_string())]))
}

/// What another company says or has said about it, with figures of its own: text, speaker, role, and the figures.
pub(super) struct Praise {
    /// What is said.
    pub text: String,
    /// By whom.
    pub who: String,
    /// Of what company.
    pub role: String,
    /// The other company's people, if it names them.
    pub people: Option<u32>,
    /// The other company's year, if it names it.
    pub year: Option<u32>,
    /// The other company's town, if it names it.
    pub city: Option<&'static str>,
}

/// A testimonial.
pub(super) fn praise(chance: &mut Chance, name: &str) -> Praise {
    const OTHERS: &[&str] = &[
        "Acme Freight",
        "Northwind Traders",
        "Blue Harbor Foods",
        "Contoso Rail",
        "Larkspur Clinics",
        "Fabrikam Homes",
        "Granite Peak Insurance",
        "Sunrise Bakeries",
        "Oldfield Motors",
        "Tailspin Toys",
    ];
    const CITIES: &[&str] = &["Rotterdam", "Cleveland", "Lyon", "Leeds", "Osaka", "Gothenburg", "Perth", "Calgary"];
    const SPEAKERS: &[&str] = &[
        "Dana Whitfield",
        "Marek Nowak",
        "Aiko Tanabe",
        "Luis Ferreira",
        "Priya Raman",
        "Ingrid Solberg",
        "Tom Okafor",
    ];
    const ROLES: &[&str] = &["COO", "Head of Operations", "CIO", "VP People", "Managing Director"];
    let other = chance.pick(OTHERS);
    let people = chance.pick(&[&1200u32, &5000, &350, &18000, &90, &2400]);
    let year = chance.between(1921, 2004);
    let at = chance.below(CITIES.len());
    let city = CITIES[at];
    let (template, has_people, has_year, has_city): (&str, bool, bool, bool) = *chance.pick(&[
        &(
            "“We have {people} employees, and every one of them noticed the difference after we chose {name}.”",
            true,
            false,
            false,
        ),
        &(
            "“{other} was founded in {year}. In all that time no supplier has impressed us like {name}.”",
            false,
            true,
            false,
        ),
        &("“With {people} people in {city}, {other} is not easy to please. {name} managed.”", true, false, true),
        &("“Our head office in {city} switched to {name} in a weekend.”", false, false, true),
        &(
            "“A company of {people} people that dates from {year} does not change quickly. With {name} we did.”",
            true,
            true,
            false,
        ),
        &("“{name} feels like part of our own team. All {people} of us would miss them.”", true, false, false),
    ]);
    let slots =
        [("name", name), ("other", other), ("people", &*number(*people)), ("year", &*year.to_string()), ("city", city)];
    Praise {
        text: fill(template, &slots),
        who: chance.pick(SPEAKERS).to_owned(),
        role: format!("{}, {other}", chance.pick(ROLES)),
        people: has_people.then_some(*people),
        year: has_year.then_some(year),
        city: has_city.then_some(city),
    }
}

/// Words of a page that state nothing: a heading for the first page.
pub(super) fn slogan(chance: &mut Chance, name: &str) -> String {
    const SLOGANS: &[&str] = &[
        "Welcome to {name}",
        "{name}: good work, done well",
        "Hello, we are {name}",
        "This is {name}",
        "Meet {name}",
        "{name}, made with care",
        "It's nice to meet you",
    ];
    say(chance, SLOGANS, &[("name", name)])
}

/// A sentence on cookies.
pub(super) fn cookies(chance: &mut Chance) -> String {
    const COOKIES: &[&str] = &[
        "We use cookies to understand how this site is used. You can refuse them at any time.",
        "This website uses cookies. By continuing to browse you agree to our cookie policy.",
        "Cookies help us improve. Accept all, or manage your preferences.",
        "We only set cookies that are strictly necessary.",
    ];
    say(chance, COOKIES, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_readers() {
        assert_eq!([number(7), number(1700), number(300000)], ["7", "1,700", "300,000"]);
        assert_eq!([words(12), words(40), words(45)], ["twelve", "forty", "45"]);
    }

    #[test]
    fn no_slot_stays_open() {
        let mut chance = Chance::of(3, "phrases");
        for round in 0..400 {
            let size =
                Headcount { min: 1 + round % 60, max: [None, Some(1 + round % 60), Some(90)][round as usize % 3] };
            let praise = praise(&mut chance, "X");
            let said = [
                headcount(&mut chance, "X", size),
                headcount_label(&mut chance, size, " people"),
                headcount_then(&mut chance, "X", 12, 2014),
                founded(&mut chance, "X", 2012),
                founded_label(&mut chance, 2012),
                hq(&mut chance, "X", "Berlin", "Germany").0,
                technologies(&mut chance, "X", &["Go".into(), "Rust".into()]),
                email(&mut chance, "X", "a@x.test"),
                industry(&mut chance, "X", "Education"),
                praise.text,
                slogan(&mut chance, "X"),
                cookies(&mut chance),
            ];
            for one in &said {
                assert!(!one.contains(['{', '}']), "{one}");
            }
        }
    }
}
