//! An e-mail as the desk works on it.

use serde::{Deserialize, Serialize};

/// What the mail server hands over, as far as it is read here.
#[derive(Debug, Deserialize)]
pub struct Email {
    message_id: String,
    #[serde(default)]
    thread_id: Option<String>,
    from: String,
    #[serde(default)]
    cc: Vec<String>,
    subject: String,
    body: String,
}

/// What goes on from here.
#[derive(Debug, PartialEq, Serialize)]
pub struct Mail {
    /// The thread that it belongs to: its own, if it answers none.
    pub thread: String,
    /// Who would get a reply to all: the sender first, nobody twice.
    pub recipients: Vec<String>,
    /// With card numbers masked.
    pub subject: String,
    /// With card numbers masked.
    pub body: String,
}

/// Takes an e-mail in.
pub fn intake(email: Email) -> Mail {
    let mut recipients: Vec<String> = Vec::new();
    for address in std::iter::once(&email.from).chain(&email.cc) {
        if !recipients.iter().any(|known| known.eq_ignore_ascii_case(address.trim())) {
            recipients.push(address.trim().to_owned());
        }
    }
    Mail {
        thread: email.thread_id.unwrap_or(email.message_id),
        recipients,
        subject: masked(&email.subject),
        body: masked(&email.body),
    }
}

/// The text with card numbers masked, all but their last four digits: 13 to 19 digits, in groups or not, whose check digit is right.
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = run(rest);
        let digits: Vec<u32> = rest[..end].chars().filter_map(|c| c.to_digit(10)).collect();
        if (13..=19).contains(&digits.len()) && luhn(&digits) {
            out.push_str("[card …");
            digits[digits.len() - 4..].iter().for_each(|digit| out.push_str(&digit.to_string()));
            out.push(']');
        } else {
            out.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// How far digits go on, with single spaces or hyphens between them.
fn run(text: &str) -> usize {
    let (mut end, bytes) = (0, text.as_bytes());
    while end < bytes.len() {
        let gap = usize::from(end > 0 && matches!(bytes[end], b' ' | b'-'));
        match bytes.get(end + gap) {
            Some(byte) if byte.is_ascii_digit() => end += gap + 1,
            _ => break,
        }
    }
    end
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match at % 2 {
            0 => *digit,
            _ => digit * 2 - if *digit > 4 { 9 } else { 0 },
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_masked_and_other_numbers_are_not() {
        assert_eq!(masked("my card 4111 1111 1111 1111 was charged"), "my card [card …1111] was charged");
        assert_eq!(masked("4111-1111-1111-1111, 5500000000000004"), "[card …1111], [card …0004]");
        for kept in
            ["4111 1111 1111 1112", "PAY-10432 of 2026-10-01", "tel. 555 0100", "1234567890", "£3.50 – naïve", ""]
        {
            assert_eq!(masked(kept), kept);
        }
    }

    #[test]
    fn a_reply_to_all_names_nobody_twice() {
        let email = Email {
            message_id: "m1".into(),
            thread_id: None,
            from: "a@x.test".into(),
            cc: vec!["b@x.test".into(), "A@x.test ".into(), "b@x.test".into()],
            subject: String::new(),
            body: String::new(),
        };
        let mail = intake(email);
        assert_eq!((mail.thread.as_str(), mail.recipients), ("m1", vec!["a@x.test".to_owned(), "b@x.test".to_owned()]));
    }
}
