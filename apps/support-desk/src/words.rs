//! The note for a person who takes over.

use serde::{Deserialize, Serialize};

use crate::assess::Payment;

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
