//! An e-mail as the desk works on it.

use serde::{Deserialize, Serialize};
use surefoot::rules::words::words_of;

/// What the mail server hands over, as far as it is read here.
#[derive(Debug, Deserialize)]
pub struct Email {
    message_id: String,
    #[serde(default)]
    thread_id: Option<String>,
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
    /// Who else got it, in lower case, nobody twice.
    pub cc: Vec<String>,
    /// With card numbers masked.
    pub subject: String,
    /// With card numbers masked.
    pub body: String,
    /// The words of subject and body in lower case, each between spaces: how articles are looked up.
    pub words: String,
}

/// Takes an e-mail in.
pub fn intake(email: Email) -> Mail {
    let (subject, body) = (masked(&email.subject), masked(&email.body));
    let words = words_of(&format!("{subject} {body}")).join(" ");
    Mail {
        thread: email.thread_id.unwrap_or(email.message_id),
        cc: plain(email.cc),
        subject,
        body,
        words: format!(" {words} "),
    }
}

/// Addresses in lower case, nobody twice.
fn plain(addresses: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut plain: Vec<String> = Vec::new();
    for address in addresses {
        let address = address.trim().to_lowercase();
        if !plain.contains(&address) {
            plain.push(address);
        }
    }
    plain
}

/// What a reply's recipients are made of.
#[derive(Debug, Deserialize)]
pub struct Writer {
    /// The address in the records; none of somebody who is not known.
    email: Option<String>,
    cc: Vec<String>,
    /// Whether those in copy get the reply as well.
    all: bool,
}

/// Whom a reply goes to.
#[derive(Debug, PartialEq, Serialize)]
pub struct Recipients {
    /// The address in the records first, nobody twice; empty if there is none.
    pub to: Vec<String>,
}

/// Chooses them: whatever a message says of its sender, a reply goes to the address in the records.
pub fn recipients(writer: Writer) -> Recipients {
    let Some(email) = writer.email else { return Recipients { to: Vec::new() } };
    let others = if writer.all { writer.cc } else { Vec::new() };
    Recipients { to: plain(std::iter::once(email).chain(others)) }
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
    fn a_reply_goes_to_the_address_in_the_records_and_names_nobody_twice() {
        let to = |email: Option<&str>, all| {
            let cc = ["b@x.test", "A@x.test ", "B@x.test"].map(str::to_owned).to_vec();
            recipients(Writer { email: email.map(str::to_owned), cc, all }).to.join(" ")
        };
        assert_eq!(to(Some("a@x.test"), true), "a@x.test b@x.test");
        assert_eq!(to(Some("a@x.test"), false), "a@x.test");
        assert_eq!(to(None, true), "");
    }

    #[test]
    fn what_was_written_is_taken_in_as_words() {
        let email = Email {
            message_id: "m1".into(),
            thread_id: None,
            cc: vec![" B@x.test".into()],
            subject: "Card: 4111 1111 1111 1111".into(),
            body: "It doesn\u{2019}t WORK.".into(),
        };
        let mail = intake(email);
        assert_eq!((&*mail.thread, &*mail.words, &*mail.cc[0]), ("m1", " card card 1111 it doesn't work ", "b@x.test"));
    }
}
