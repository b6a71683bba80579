//! What the desk writes: replies of fixed wording, and the note for a person who takes over.
//!
//! A reply names an amount only from what the records answered.

use serde::{Deserialize, Serialize};

use crate::assess::Payment;

/// What the records answered to a refund.
#[derive(Debug, Deserialize)]
pub struct Refunded {
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

/// What a reply is about. Nothing of it is what the writer wrote: a reply goes out unread.
#[derive(Debug, Deserialize)]
pub struct About {
    kind: String,
    name: Option<String>,
    refunded: Option<Refunded>,
    article: Option<Article>,
    /// What a person at the desk finds the case by.
    reference: String,
}

/// A mail that is to go out.
#[derive(Debug, PartialEq, Serialize)]
pub struct Reply {
    /// Which wording.
    pub template: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// Words a reply.
///
/// # Errors
/// There is no wording for the kind.
pub fn reply(about: About) -> Result<Reply, String> {
    let text = match (&*about.kind, &about.refunded) {
        ("article", _) => {
            let article = about.article.as_ref().ok_or("a reply of the kind `article` has no article")?;
            format!(
                "this may answer your question:\n\n{}\n{}\n\n(article {}, version {}) If it does not, please answer this message.",
                article.title, article.text, article.id, article.version
            )
        }
        ("refunded", Some(refunded)) => format!(
            "we have given back {} for payment {}. Banks need up to five working days to show it.",
            money(refunded.amount_cents, &refunded.currency),
            refunded.payment_id
        ),
        ("person", _) => "a colleague is reading your message now and will answer you in person. You need not write it again.".to_owned(),
        ("complaint", _) => "we have passed your complaint to the people who decide on it, together with what our records say. They will \
                             answer you in person."
            .to_owned(),
        ("billing", _) => "our billing team is looking at your payments and will answer you within one working day.".to_owned(),
        ("technical", _) => "our technical team has your message. If there was an error message, please answer with its words.".to_owned(),
        ("account", _) => "our account team has your message and will answer you within one working day. If a card is lost or stolen, \
                           please freeze it in the app now."
            .to_owned(),
        ("general", _) => "thank you for your message. We will answer it within one working day.".to_owned(),
        (kind, _) => return Err(format!("there are no words for a reply of the kind `{kind}`")),
    };
    let greeting = about.name.map_or_else(|| "Hello,".to_owned(), |name| format!("Dear {name},"));
    let subject = "Your message to Northlake Support".to_owned();
    let body = format!("{greeting}\n\n{text}\n\nNorthlake Support\nReference: {}", about.reference);
    Ok(Reply { template: about.kind, subject, body })
}

/// `62000` and `USD` as `620.00 USD`.
pub fn money(cents: i64, currency: &str) -> String {
    format!("{}.{:02} {currency}", cents / 100, cents % 100)
}

/// What the rules of alarm answered.
#[derive(Debug, Deserialize)]
pub struct Alarm {
    anger: f64,
    asks_for_person: bool,
    legal_or_safety: bool,
    complaint: bool,
    reasons: Vec<String>,
}

/// What the desk knows of a thread.
#[derive(Debug, Deserialize)]
pub struct Thread {
    name: Option<String>,
    known: bool,
    verified: bool,
    messages: i64,
}

/// What a note for a person is made of.
#[derive(Debug, Deserialize)]
pub struct Case {
    alarm: Alarm,
    thread: Thread,
    mail: Summary,
    category: Option<String>,
    payments: Vec<Payment>,
}

/// The part of a mail that a note shows.
#[derive(Debug, Deserialize)]
pub struct Summary {
    subject: String,
    body: String,
}

/// What a person reads before taking over.
#[derive(Debug, PartialEq, Serialize)]
pub struct Packet {
    /// Why a person is needed, as one word.
    pub reason: &'static str,
    /// How soon.
    pub priority: &'static str,
    /// At most 600 characters.
    pub note: String,
}

/// Writes the note.
pub fn packet(case: &Case) -> Packet {
    let (alarm, thread) = (&case.alarm, &case.thread);
    let (reason, priority) = if alarm.legal_or_safety {
        ("legal_or_safety", "urgent")
    } else if alarm.anger >= 0.7 {
        ("anger", "high")
    } else if alarm.asks_for_person {
        ("asks_for_person", "high")
    } else if alarm.complaint {
        ("complaint", "high")
    } else if thread.messages >= 3 {
        ("no_progress", "high")
    } else {
        ("unsure", "normal")
    };
    let who = match (thread.known, thread.verified) {
        (true, true) => "verified",
        (true, false) => "a known customer, not verified",
        (false, _) => "not a known customer",
    };
    let mut note = format!(
        "{} ({who}), message {} of the thread, anger {:.2}.\nSubject: {}\n",
        thread.name.as_deref().unwrap_or("Somebody"),
        thread.messages,
        alarm.anger,
        cut(&case.mail.subject, 80)
    );
    if !alarm.reasons.is_empty() {
        note.push_str(&format!(
            "Words: {}\n",
            alarm.reasons.iter().map(|word| cut(word, 30)).collect::<Vec<_>>().join(" · ")
        ));
    }
    if let Some(category) = &case.category {
        note.push_str(&format!("Perhaps: {category}\n"));
    }
    for payment in case.payments.iter().take(3) {
        note.push_str(&format!("Record: {}\n", payment.line()));
    }
    let left = 596_usize.saturating_sub(note.chars().count() + 8);
    note.push_str(&format!("Begins: {}", cut(&case.mail.body, left.min(200))));
    Packet { reason, priority, note }
}

fn cut(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(kind: &str, refunded: Option<Refunded>) -> About {
        About { kind: kind.into(), name: None, refunded, article: None, reference: "run_x".into() }
    }

    #[test]
    fn an_amount_comes_from_the_records_or_is_not_named() {
        let refunded = Refunded { payment_id: "PAY-1".into(), amount_cents: 3005, currency: "USD".into() };
        let one = reply(about("refunded", Some(refunded))).unwrap();
        assert!(one.body.contains("given back 30.05 USD for payment PAY-1"), "{}", one.body);
        assert!(one.body.ends_with("\nReference: run_x"), "{}", one.body);
        assert_eq!(
            reply(about("refunded", None)).unwrap_err(),
            "there are no words for a reply of the kind `refunded`"
        );
        for kind in ["person", "complaint", "billing", "technical", "account", "general"] {
            let body = reply(about(kind, None)).unwrap().body;
            assert!(!body.contains(|c: char| c.is_ascii_digit()), "{body}");
        }
    }

    #[test]
    fn an_article_is_cited_with_its_version() {
        let article = Article { id: "KB-1".into(), version: 2, title: "Title".into(), text: "Text.".into() };
        let body = reply(About { article: Some(article), ..about("article", None) }).unwrap().body;
        assert!(body.contains("Title\nText.\n\n(article KB-1, version 2)"), "{body}");
        assert!(reply(about("article", None)).unwrap_err().contains("has no article"));
    }

    #[test]
    fn a_note_is_short_whatever_was_written() {
        let long = "é".repeat(5000);
        let case = Case {
            alarm: Alarm {
                anger: 0.8,
                asks_for_person: false,
                legal_or_safety: false,
                complaint: true,
                reasons: vec![long.clone(), long.clone(), long.clone()],
            },
            thread: Thread { name: Some("Ann Example".into()), known: true, verified: false, messages: 2 },
            mail: Summary { subject: long.clone(), body: long },
            category: Some("billing".into()),
            payments: Vec::new(),
        };
        let packet = packet(&case);
        assert_eq!((packet.reason, packet.priority), ("anger", "high"));
        assert!(packet.note.chars().count() <= 600, "{}", packet.note.chars().count());
        assert!(
            packet
                .note
                .starts_with("Ann Example (a known customer, not verified), message 2 of the thread, anger 0.80.\n")
        );
    }
}
