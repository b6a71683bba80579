//! Replies: the wordings that may go out unread, and what becomes of a draft that a writer made.
//!
//! A reply names an amount, a date or an article only from what the records answered, and asks nothing that the customer has written in
//! the last messages. A draft that does otherwise, or claims what the records do not prove, is not used: the fixed words go out.

use serde::{Deserialize, Serialize};

use crate::words::money;

/// What the records answered to a refund.
#[derive(Debug, Deserialize)]
pub struct Refunded {
    id: i64,
    payment_id: String,
    amount_cents: i64,
    currency: String,
}

/// An article of the knowledge base.
#[derive(Debug, Deserialize)]
pub struct Article {
    id: String,
    version: i64,
    title: String,
    text: String,
}

/// What the records have of a message that asked for several things.
#[derive(Debug, Deserialize)]
pub struct Errands {
    refunds: Vec<Refunded>,
    exchanges: Vec<Exchanged>,
    addresses: Vec<Moved>,
}

/// An order that is sent once more.
#[derive(Debug, Deserialize)]
pub struct Exchanged {
    id: i64,
    order_id: String,
    what: String,
}

/// An address that parcels go to from now on.
#[derive(Debug, Deserialize)]
pub struct Moved {
    id: i64,
}

impl Errands {
    /// One sentence for each thing that was done.
    fn in_words(&self) -> String {
        let refunds = self.refunds.iter().map(Refunded::given_back);
        let exchanges =
            self.exchanges.iter().map(|one| format!("we send order {} ({}) once more.", one.order_id, one.what));
        let moved = (!self.addresses.is_empty())
            .then(|| "parcels go to the new address of your message from now on.".to_owned());
        let all: Vec<String> = refunds.chain(exchanges).chain(moved).collect();
        format!("this is done:\n\n- {}", all.join("\n- "))
    }

    fn deeds(&self) -> impl Iterator<Item = Deed> {
        let deed =
            |action: &str, resource: String, evidence: String| Deed { action: action.to_owned(), resource, evidence };
        let exchanges = self
            .exchanges
            .iter()
            .map(move |one| deed("orders.exchange", one.order_id.clone(), format!("exchange/{}", one.id)));
        let moved = self
            .addresses
            .iter()
            .map(move |one| deed("orders.ship_to", format!("address {}", one.id), format!("address/{}", one.id)));
        self.refunds.iter().map(Refunded::deed).chain(exchanges).chain(moved)
    }
}

impl Refunded {
    fn given_back(&self) -> String {
        let amount = money(self.amount_cents, &self.currency);
        format!(
            "we have given back {amount} for payment {}. Banks need up to five working days to show it.",
            self.payment_id
        )
    }

    fn deed(&self) -> Deed {
        Deed { action: REFUND.to_owned(), resource: self.payment_id.clone(), evidence: format!("refund/{}", self.id) }
    }
}

/// The act that gives money back.
const REFUND: &str = "billing.refund";

/// What a reply is about. Nothing of it is what the writer of the message wrote.
#[derive(Debug, Deserialize)]
pub struct About {
    kind: String,
    refunded: Option<Refunded>,
    /// Of a message that asked for several things.
    errands: Option<Errands>,
    article: Option<Article>,
    /// The article that the writer of the reply found, as the records have it.
    cited: Option<Article>,
}

/// Something that a reply may ask.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Ask {
    /// `which_payment` or `error_words`.
    pub id: String,
    /// Its one wording.
    pub text: String,
}

/// Something that was done in this case, as the records prove it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Deed {
    /// `tool.operation`.
    pub action: String,
    /// What it was done on.
    pub resource: String,
    /// What a claim of it cites.
    pub evidence: String,
}

/// What may go out unread: paragraphs, questions, and what was done.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Wordings {
    /// The paragraphs that say what a reply of this kind has to say, in order.
    pub says: Vec<String>,
    /// Paragraphs that may stand behind them.
    pub may: Vec<String>,
    /// What may be asked.
    pub asks: Vec<Ask>,
    /// What was done.
    pub done: Vec<Deed>,
    /// The article that was cited, as a paragraph.
    pub citation: Option<String>,
    /// Every paragraph above.
    pub all: Vec<String>,
}

const AGAIN: &str = "We have read your earlier messages as well: you need not repeat them.";

/// The wordings of a reply.
///
/// # Errors
/// There are none for the kind.
pub fn wordings(about: &About) -> Result<Wordings, String> {
    let ask = |id: &str, text: &str| vec![Ask { id: id.to_owned(), text: text.to_owned() }];
    let payment =
        || ask("which_payment", "Which payment is it about? Its number, which begins with PAY or ORD, helps us most.");
    let (says, asks) = match (&*about.kind, &about.refunded) {
        ("article", _) => {
            let article = about.article.as_ref().ok_or("a reply of the kind `article` has no article")?;
            let text = format!(
                "this may answer your question:\n\n{} If it does not, please answer this message.",
                in_full(article)
            );
            (text, Vec::new())
        }
        ("refunded", Some(refunded)) => (refunded.given_back(), Vec::new()),
        ("errands", _) => {
            let errands = about.errands.as_ref().ok_or("a reply of the kind `errands` has no records")?;
            (errands.in_words(), Vec::new())
        }
        ("person", _) => (
            "a colleague is reading your message now and will answer you in person. You need not write it again.".to_owned(),
            payment(),
        ),
        ("complaint", _) => (
            "we have passed your complaint to the people who decide on it, together with what our records say. They will answer you \
             in person."
                .to_owned(),
            Vec::new(),
        ),
        ("billing", _) => (
            "our billing team is looking at your payments and will answer you within one working day.".to_owned(),
            payment(),
        ),
        ("technical", _) => (
            "our technical team has your message.".to_owned(),
            ask("error_words", "If there was an error message, please answer with its words."),
        ),
        ("account", _) => (
            "our account team has your message and will answer you within one working day. If a card is lost or stolen, please \
             freeze it in the app now."
                .to_owned(),
            Vec::new(),
        ),
        ("general", _) => {
            ("thank you for your message. We will answer it within one working day.".to_owned(), Vec::new())
        }
        (kind, _) => return Err(format!("there are no words for a reply of the kind `{kind}`")),
    };
    let done = about.refunded.iter().map(Refunded::deed).chain(about.errands.iter().flat_map(Errands::deeds));
    let citation =
        about.cited.as_ref().map(|article| format!("Perhaps this helps until then:\n\n{}", in_full(article)));
    let mut all = vec![says.clone(), AGAIN.to_owned()];
    all.extend(asks.iter().map(|ask| ask.text.clone()).chain(citation.clone()));
    Ok(Wordings { says: vec![says], may: vec![AGAIN.to_owned()], asks, done: done.collect(), citation, all })
}

fn in_full(article: &Article) -> String {
    format!("{}\n{}\n\n(article {}, version {})", article.title, article.text, article.id, article.version)
}

/// A message of the customer.
#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    /// As it stands in the records.
    pub subject: String,
    /// With card numbers masked.
    pub body: String,
}

/// What a writer proposes.
#[derive(Clone, Debug, Deserialize)]
pub struct Draft {
    paragraphs: Vec<String>,
    asks: Vec<String>,
    claims: Vec<Claim>,
}

/// What a writer says was done.
#[derive(Clone, Debug, Deserialize)]
pub struct Claim {
    says: String,
    action: String,
    status: String,
    resource: Option<String>,
    evidence: Option<String>,
}

/// A draft with what it is judged by.
#[derive(Debug, Deserialize)]
pub struct Drafted {
    /// None if no writer was asked, or none has answered.
    draft: Option<Draft>,
    known: Wordings,
    /// The customer's last messages, the oldest first.
    messages: Vec<Message>,
}

/// How a claim stands.
#[derive(Debug, PartialEq, Serialize)]
pub struct Standing {
    /// The claim's sentence; of something done that no claim names, the action.
    pub says: String,
    /// `verified`, `refuted` or `unsupported`.
    pub standing: &'static str,
    /// Why, unless it is verified.
    pub why: Option<&'static str>,
}

/// What goes out.
#[derive(Debug, PartialEq, Serialize)]
pub struct Spoken {
    /// Its paragraphs, in order.
    pub paragraphs: Vec<String>,
    /// The fixed words, with the questions that are open.
    pub fixed: Vec<String>,
    /// Whether the writer's paragraphs have words that no fixed wording has.
    pub own: bool,
    /// `writer`, or `desk` for the fixed words.
    pub by: &'static str,
    /// Why the writer's draft was not used; none if it was, or if there is none.
    pub unused: Option<String>,
    /// How the draft's claims stand.
    pub claims: Vec<Standing>,
}

/// Judges a draft. One that does not stand is replaced by the fixed words, with the questions that are open.
pub fn spoken(drafted: &Drafted) -> Spoken {
    let known = &drafted.known;
    let open = known.asks.iter().filter(|ask| is_open(&ask.id, &drafted.messages));
    let fixed: Vec<String> = known.says.iter().chain(open.map(|ask| &ask.text)).cloned().collect();
    let in_fixed_words = |unused, claims| {
        let paragraphs = fixed.clone();
        Spoken { paragraphs, fixed: fixed.clone(), own: false, by: "desk", unused, claims }
    };
    let Some(draft) = &drafted.draft else { return in_fixed_words(None, Vec::new()) };
    let claims = standings(draft, known);
    if let Some(why) = refusal(draft, known, &drafted.messages, &claims) {
        return in_fixed_words(Some(why), claims);
    }
    let asks = known.asks.iter().filter(|ask| draft.asks.contains(&ask.id)).map(|ask| ask.text.clone());
    let paragraphs = draft.paragraphs.iter().cloned().chain(known.citation.clone()).chain(asks).collect();
    let own = draft.paragraphs.iter().any(|text| !known.all.contains(text));
    Spoken { paragraphs, fixed, own, by: "writer", unused: None, claims }
}

/// Why a draft is not used.
fn refusal(draft: &Draft, known: &Wordings, messages: &[Message], claims: &[Standing]) -> Option<String> {
    if let Some(claim) = claims.iter().find(|claim| claim.standing != "verified") {
        return Some(format!("{}: “{}”: {}", claim.standing, claim.says, claim.why.unwrap_or_default()));
    }
    for id in &draft.asks {
        if !known.asks.iter().any(|ask| ask.id == *id) {
            return Some(format!("it asks `{id}`, which is not asked in a reply of this kind"));
        }
        if !is_open(id, messages) {
            return Some(format!("it asks `{id}`, and the last messages answer that"));
        }
    }
    if draft.paragraphs.iter().any(|text| known.asks.iter().any(|ask| ask.text == *text)) {
        return Some("it asks outside of `asks`".to_owned());
    }
    let own: Vec<&String> = draft.paragraphs.iter().filter(|text| !known.all.contains(text)).collect();
    for text in &own {
        if text.contains('?') {
            return Some("it asks in its own words".to_owned());
        }
        if let Some(figure) = unknown_figure(text, known) {
            return Some(format!("it names `{figure}`, which no record and no article has"));
        }
        if known.done.iter().all(|deed| deed.action != REFUND) && says_given_back(text) {
            return Some("unsupported: it says that money was given back, and nothing proves it".to_owned());
        }
    }
    let left_out = known.says.iter().any(|text| !draft.paragraphs.contains(text));
    (own.is_empty() && left_out).then(|| "it leaves out what such a reply has to say".to_owned())
}

/// Every claim compared with what was done, then everything done that no claim names.
fn standings(draft: &Draft, known: &Wordings) -> Vec<Standing> {
    let mut named = Vec::new();
    let mut all: Vec<Standing> = draft
        .claims
        .iter()
        .map(|claim| {
            let of_kind: Vec<&Deed> = known.done.iter().filter(|deed| deed.action == claim.action).collect();
            let on = |deed: &&&Deed| claim.resource.as_ref().is_none_or(|resource| *resource == deed.resource);
            let cited = |deed: &&&Deed| claim.evidence.as_ref().is_some_and(|evidence| *evidence == deed.evidence);
            let (standing, why) = if claim.status != "succeeded" {
                ("unsupported", Some("what failed is told by people"))
            } else if of_kind.is_empty() {
                ("refuted", Some("nothing of that kind was done in this case"))
            } else if claim.evidence.is_none() {
                ("unsupported", Some("it cites no evidence"))
            } else {
                match of_kind.iter().filter(on).find(cited) {
                    None => ("refuted", Some("it was done otherwise")),
                    Some(deed) if named.contains(deed) => {
                        ("refuted", Some("its evidence proves another claim already"))
                    }
                    Some(deed) => {
                        named.push(*deed);
                        ("verified", None)
                    }
                }
            };
            Standing { says: claim.says.clone(), standing, why }
        })
        .collect();
    let silent = known.done.iter().filter(|deed| !named.contains(deed));
    all.extend(silent.map(|deed| Standing {
        says: deed.action.clone(),
        standing: "unsupported",
        why: Some("it was done, and no claim names it"),
    }));
    all
}

/// Whether a question makes sense and is not answered in these messages.
pub fn is_open(ask: &str, messages: &[Message]) -> bool {
    let texts: Vec<String> =
        messages.iter().map(|one| format!("{} \n {}", one.subject, one.body).to_lowercase()).collect();
    match ask {
        "which_payment" => {
            texts.iter().any(|text| is_about_money(text)) && !texts.iter().any(|text| names_payment(text))
        }
        "error_words" => !texts.iter().any(|text| has_error_words(text)),
        _ => false,
    }
}

fn is_about_money(text: &str) -> bool {
    ["refund", "charge", "payment", "paid", "pay ", "money", "invoice", "bill"].iter().any(|word| text.contains(word))
}

/// The number of a payment or order, or an amount with its currency.
fn names_payment(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    let numbered = ["pay-", "ord-"].iter().any(|start| text.split(start).skip(1).any(|rest| rest.starts_with(digit)));
    let signed = text.split(['$', '€', '£']).skip(1).any(|rest| rest.trim_start().starts_with(digit));
    let words: Vec<&str> = text.split_whitespace().collect();
    let named = words.windows(2).any(|two| {
        let currency = two[1].trim_matches(|c: char| !c.is_alphanumeric());
        two[0].ends_with(digit) && ["usd", "eur", "gbp", "dollars", "dollar", "euros", "bucks"].contains(&currency)
    });
    numbered || signed || named
}

/// What an error message says: something in quotes, or what "it says".
fn has_error_words(text: &str) -> bool {
    let quoted = [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»')].iter().any(|(open, close)| {
        text.split_once(*open)
            .and_then(|(_, rest)| rest.split_once(*close))
            .is_some_and(|(inside, _)| inside.len() >= 3)
    });
    quoted
        || ["it says", "says that", "saying that", "error code", "error:", "message:"]
            .iter()
            .any(|words| text.contains(words))
}

/// A number, a date or a name of time in the text that stands in no wording.
fn unknown_figure(text: &str, known: &Wordings) -> Option<String> {
    const TIMES: &str = "today tomorrow tonight monday tuesday wednesday thursday friday saturday sunday january february march april june \
                         july august september october november december hundred hundreds thousand thousands million";
    let facts: Vec<String> = known.says.iter().chain(&known.citation).flat_map(|text| pieces(text)).collect();
    let may = text.split_whitespace().skip(1).any(|word| word.trim_matches(|c: char| !c.is_alphanumeric()) == "May");
    let mut told = pieces(text).into_iter();
    let found = told.find(|piece| {
        let figure = piece.contains(|c: char| c.is_numeric()) || TIMES.split_whitespace().any(|time| time == piece);
        figure && !facts.contains(piece)
    });
    found.or_else(|| may.then(|| "May".to_owned()))
}

/// The words of a text in lower case, with what numbers, amounts and ids have inside.
fn pieces(text: &str) -> Vec<String> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | ',' | ':' | '-' | '/');
    let all = text.split(|c: char| !inside(c)).map(|piece| piece.trim_matches(|c: char| !c.is_alphanumeric()));
    all.filter(|piece| !piece.is_empty()).map(str::to_lowercase).collect()
}

fn says_given_back(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "refund",
        "reimburs",
        "given back",
        "gave back",
        "giving back",
        "paid back",
        "paying back",
        "credited",
        "money back",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// A mail that is to go out, before it is put into words.
#[derive(Debug, Deserialize)]
pub struct Body {
    template: String,
    name: Option<String>,
    paragraphs: Vec<String>,
    /// What a person at the desk finds the case by.
    reference: String,
}

/// A mail that is to go out.
#[derive(Debug, PartialEq, Serialize)]
pub struct Letter {
    /// Which kind of reply.
    pub template: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// Puts the paragraphs between greeting and reference.
pub fn letter(body: Body) -> Letter {
    let greeting = body.name.map_or_else(|| "Hello,".to_owned(), |name| format!("Dear {name},"));
    let text = body.paragraphs.join("\n\n");
    Letter {
        template: body.template,
        subject: "Your message to Northlake Support".to_owned(),
        body: format!("{greeting}\n\n{text}\n\nNorthlake Support\nReference: {}", body.reference),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn about(kind: &str) -> About {
        About { kind: kind.into(), refunded: None, errands: None, article: None, cited: None }
    }

    fn refunded() -> About {
        let refunded = Refunded { id: 7, payment_id: "PAY-1".into(), amount_cents: 3005, currency: "USD".into() };
        About { refunded: Some(refunded), ..about("refunded") }
    }

    /// Who the reply is by and why the draft was not used; the draft is given as JSON, its paragraphs by `says`, `may` or their text.
    fn judged(about: &About, draft: Value, messages: &[&str]) -> (Spoken, String) {
        let known = wordings(about).unwrap();
        let mut draft: Draft = serde_json::from_value(draft).unwrap();
        for text in &mut draft.paragraphs {
            match &**text {
                "says" => known.says[0].clone_into(text),
                "may" => known.may[0].clone_into(text),
                _ => {}
            }
        }
        let messages =
            messages.iter().map(|body| Message { subject: String::new(), body: (*body).to_owned() }).collect();
        let spoken = spoken(&Drafted { draft: Some(draft), known, messages });
        let said = format!("{}: {}", spoken.by, spoken.unused.as_deref().unwrap_or("used"));
        (spoken, said)
    }

    #[test]
    fn an_amount_comes_from_the_records_or_is_not_named() {
        let one = wordings(&refunded()).unwrap();
        assert!(one.says[0].contains("given back 30.05 USD for payment PAY-1"), "{one:?}");
        assert_eq!(wordings(&about("refunded")).unwrap_err(), "there are no words for a reply of the kind `refunded`");
        for kind in ["person", "complaint", "billing", "technical", "account", "general"] {
            let all = wordings(&about(kind)).unwrap().all.concat();
            assert!(!all.contains(|c: char| c.is_ascii_digit()), "{all}");
        }
        let body =
            letter(Body { template: "refunded".into(), name: None, paragraphs: one.says, reference: "run_x".into() });
        assert!(body.body.starts_with("Hello,\n\nwe have") && body.body.ends_with("\nReference: run_x"), "{body:?}");
    }

    #[test]
    fn an_article_is_cited_with_its_version() {
        let article = || Some(Article { id: "KB-1".into(), version: 2, title: "Title".into(), text: "Text.".into() });
        let one = wordings(&About { article: article(), ..about("article") }).unwrap();
        assert!(one.says[0].contains("Title\nText.\n\n(article KB-1, version 2)"), "{one:?}");
        assert!(wordings(&about("article")).unwrap_err().contains("has no article"));
        let cited = About { cited: article(), ..about("technical") };
        let (spoken, said) = judged(&cited, json!({ "paragraphs": ["says"], "asks": [], "claims": [] }), &[]);
        assert!(said == "writer: used" && spoken.paragraphs[1].ends_with("(article KB-1, version 2)"), "{spoken:?}");
    }

    #[test]
    fn a_claim_stands_only_if_the_records_prove_it_and_what_was_done_is_claimed() {
        let draft = |claims: Value| json!({ "paragraphs": ["says"], "asks": [], "claims": claims });
        let claim = |action: &str, resource: &str, evidence: &str| json!({ "says": "s", "action": action, "resource": resource, "status": "succeeded", "evidence": evidence });
        let right = claim("billing.refund", "PAY-1", "refund/7");
        assert_eq!(judged(&refunded(), draft(json!([right])), &[]).1, "writer: used");
        for (claims, why) in [
            (json!([]), "unsupported: “billing.refund”: it was done, and no claim names it"),
            (json!([right, right]), "refuted: “s”: its evidence proves another claim already"),
            (json!([claim("billing.refund", "PAY-2", "refund/7")]), "refuted: “s”: it was done otherwise"),
            (json!([claim("billing.refund", "PAY-1", "refund/8")]), "refuted: “s”: it was done otherwise"),
            (
                json!([claim("cards.close", "PAY-1", "refund/7")]),
                "refuted: “s”: nothing of that kind was done in this case",
            ),
            (
                json!([{ "says": "s", "action": "billing.refund", "status": "succeeded" }]),
                "unsupported: “s”: it cites no evidence",
            ),
        ] {
            assert_eq!(judged(&refunded(), draft(claims), &[]).1, format!("desk: {why}"));
        }
        let (spoken, said) = judged(&about("billing"), draft(json!([right])), &["Where is my money?"]);
        assert_eq!(said, "desk: refuted: “s”: nothing of that kind was done in this case");
        assert_eq!(spoken.claims[0].standing, "refuted");
        assert!(spoken.paragraphs.len() == 2 && spoken.paragraphs[1].starts_with("Which payment"), "{spoken:?}");
    }

    #[test]
    fn own_words_name_no_figure_ask_nothing_and_say_nothing_done_that_is_not_proven() {
        let own = |text: &str| {
            judged(&about("billing"), json!({ "paragraphs": [text, "says"], "asks": [], "claims": [] }), &[]).1
        };
        assert_eq!(own("we are sorry that this happened."), "writer: used");
        let (spoken, _) = judged(
            &about("billing"),
            json!({ "paragraphs": ["we are sorry that this happened."], "asks": [], "claims": [] }),
            &["Where is my money?"],
        );
        assert!(spoken.own && spoken.fixed.len() == 2 && spoken.fixed[1].starts_with("Which payment"), "{spoken:?}");
        assert_eq!(own("we may need one working day."), "writer: used");
        for (text, figure) in [
            ("we will pay 500 dollars.", "500"),
            ("we look at PAY-20001 now.", "pay-20001"),
            ("we answer on Friday.", "friday"),
            ("we answer by the end of May.", "May"),
            ("five hundred dollars are on their way.", "hundred"),
            ("it was ５００ dollars.", "５００"),
        ] {
            assert_eq!(own(text), format!("desk: it names `{figure}`, which no record and no article has"));
        }
        assert_eq!(own("what is your password?"), "desk: it asks in its own words");
        let lie = "desk: unsupported: it says that money was given back, and nothing proves it";
        assert_eq!(own("We have refunded you in full."), lie);
        let silent = judged(&about("billing"), json!({ "paragraphs": ["may"], "asks": [], "claims": [] }), &[]).1;
        assert_eq!(silent, "desk: it leaves out what such a reply has to say");
    }

    #[test]
    fn nothing_is_asked_that_the_messages_answer() {
        let asks = |id: &str, kind: &str, messages: &[&str]| {
            judged(&about(kind), json!({ "paragraphs": ["says"], "asks": [id], "claims": [] }), messages).1
        };
        assert_eq!(asks("which_payment", "billing", &["I was charged twice."]), "writer: used");
        for named in [
            "It is PAY-20004.",
            "order ord-20004",
            "I want my $12.00 back",
            "the 30 USD of May",
            "12.50 dollars, please",
        ] {
            let said = asks("which_payment", "billing", &["I was charged twice.", named, "Thanks."]);
            assert_eq!(said, "desk: it asks `which_payment`, and the last messages answer that", "{named}");
        }
        assert_eq!(asks("error_words", "technical", &["My app does not start."]), "writer: used");
        for told in ["It says that the card cannot be read.", "The app shows “not now” and closes."] {
            let said = asks("error_words", "technical", &[told]);
            assert_eq!(said, "desk: it asks `error_words`, and the last messages answer that", "{told}");
        }
        let other = "desk: it asks `error_words`, which is not asked in a reply of this kind";
        assert_eq!(asks("error_words", "billing", &[]), other);
        let known = wordings(&about("technical")).unwrap();
        let smuggled = json!({ "paragraphs": ["says", known.asks[0].text], "asks": [], "claims": [] });
        let said = judged(&about("technical"), smuggled, &["It says that the card cannot be read."]).1;
        assert_eq!(said, "desk: it asks outside of `asks`");
        // Who does not write of money is not asked for a payment.
        assert!(!is_open("which_payment", &[Message { subject: "Hello".into(), body: "My card is lost.".into() }]));
    }
}
