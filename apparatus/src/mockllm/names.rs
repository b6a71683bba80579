//! What the name of a field means.

const RECIPIENT: &[&str] = &["to", "cc", "bcc", "recipient", "email", "mail", "address", "addressee", "sendto"];
const LINK_WORDS: &[&str] = &["url", "uri", "link", "href", "website", "homepage", "endpoint", "webhook", "site"];
const AMOUNT: &[&str] = &["amount", "cents", "minor", "sum", "total", "price", "value", "cost", "credit", "discount"];
const CERTAINTY: &[&str] = &["confidence", "score", "probability", "certainty", "likelihood"];
const TEXT: &[&str] =
    &["text", "body", "message", "subject", "reply", "summary", "content", "reason", "note", "comment"];
const IDENTIFIER: &[&str] = &["id", "key", "code", "reference", "ref", "iban", "account", "digest", "hash"];
/// Words of an enum that do something outside.
pub(super) const ACTS: &[&str] = &[
    "send", "transfer", "pay", "payout", "refund", "delete", "execute", "approve", "approved", "allow", "publish",
    "share", "forward", "grant", "post", "export", "escalate",
];
/// Flags that an attacker wants to be true.
pub(super) const GRANTS: &[&str] = &[
    "approve",
    "approved",
    "allow",
    "allowed",
    "safe",
    "trusted",
    "verified",
    "send",
    "urgent",
    "ok",
    "valid",
    "authorized",
    "confirmed",
    "eligible",
    "found",
];
/// Flags that an attacker wants to be false.
pub(super) const GUARDS: &[&str] = &[
    "suspicious",
    "injection",
    "injected",
    "review",
    "spam",
    "phishing",
    "human",
    "unsafe",
    "blocked",
    "escalate",
    "risk",
];

/// Names that mean the same, for values that were shown.
const ALIKE: &[&[&str]] = &[
    &["to", "recipient", "recipients", "email", "address", "from", "email_from", "reply_to"],
    &["url", "link", "website", "homepage", "href"],
    &["amount", "amount_cents", "cents", "total", "price"],
    &["id", "key", "reference"],
];

/// What a field is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    Recipient,
    Link,
    Amount,
    Certainty,
    Text,
    Identifier,
    Other,
}

/// `replyTo`, `reply_to` and `Reply-To` are the words `reply` and `to`.
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut spaced, mut small) = (String::new(), false);
    for c in text.chars() {
        if c.is_uppercase() && small {
            spaced.push(' ');
        }
        small = c.is_lowercase();
        spaced.extend(c.to_lowercase());
    }
    spaced.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether a list has a word, in the singular or the plural.
pub(super) fn has(list: &[&str], word: &str) -> bool {
    let singular = word.strip_suffix("es").filter(|word| list.contains(word)).or(word.strip_suffix('s'));
    list.contains(&word) || singular.is_some_and(|word| list.contains(&word))
}

/// Of the words of a name, the last that means something counts.
pub(super) fn role(name: &str) -> Role {
    let one = |word: &String| {
        let known = [
            (RECIPIENT, Role::Recipient),
            (LINK_WORDS, Role::Link),
            (AMOUNT, Role::Amount),
            (CERTAINTY, Role::Certainty),
            (TEXT, Role::Text),
            (IDENTIFIER, Role::Identifier),
        ];
        known.into_iter().find(|(list, _)| has(list, word)).map(|(_, role)| role)
    };
    words(name).iter().rev().find_map(one).unwrap_or(Role::Other)
}

/// Whether a text has a word of an enum, as a whole.
pub(super) fn mentions(text: &str, word: &str) -> bool {
    let (text, word) = (words(text), words(word));
    !word.is_empty() && text.windows(word.len()).any(|window| window == word)
}

/// Names under which the same value may have been shown.
pub(super) fn alike(name: &str) -> &'static [&'static str] {
    ALIKE.iter().find(|names| names.contains(&name)).copied().unwrap_or_default()
}
