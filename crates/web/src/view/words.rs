//! Times, statuses and values, as people say them.

use kernel::{
    evidence::Status as ActStatus,
    values::{Money, Timestamp},
};
use store::{KeyKind, RunKey, RunRow, Status};

/// How something stands: a word, and a colour by meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Badge {
    /// `good`, `bad`, `wait`, `busy` or `calm`: a class of the style sheet.
    pub(crate) class: &'static str,
    /// What it says.
    pub(crate) word: &'static str,
}

/// How a run stands. A run that nothing drives is never told as running.
pub(crate) fn badge(status: Status) -> Badge {
    let class = match status {
        Status::Completed => "good",
        Status::Failed | Status::Quarantined | Status::Blocked => "bad",
        Status::Waiting | Status::Paused => "wait",
        Status::Queued | Status::Running => "busy",
        Status::Cancelled => "calm",
    };
    Badge { class, word: status.as_str() }
}

/// A run is looked at as it stood.
pub(crate) const PAST: Badge = Badge { class: "calm", word: "as it stood" };

/// The colour of how an act stands.
pub(crate) fn act(status: ActStatus) -> &'static str {
    match status {
        ActStatus::Succeeded | ActStatus::ResolvedPerformed | ActStatus::Answered => "good",
        ActStatus::Waiting | ActStatus::Intended | ActStatus::Superseded | ActStatus::ResolvedNotPerformed => "wait",
        ActStatus::Failed
        | ActStatus::Unknown
        | ActStatus::GivenUp
        | ActStatus::Denied
        | ActStatus::Rejected
        | ActStatus::Expired => "bad",
    }
}

/// Why a run stands as it does.
pub(crate) fn reason(row: &RunRow) -> String {
    let some = |text: &Option<std::sync::Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
    match row.status {
        Status::Waiting | Status::Paused | Status::Blocked => some(&row.waits_for),
        Status::Failed => some(&row.failure),
        Status::Running => some(&row.doing),
        Status::Quarantined => "its worker died again and again".to_owned(),
        Status::Queued | Status::Completed | Status::Cancelled => String::new(),
    }
}

/// How a person calls a run: its business keys, else its workflow and the end of its id.
pub(crate) fn called(row: &RunRow) -> String {
    if row.about.is_empty() {
        let id = row.run.to_string();
        return format!("{} …{}", row.workflow, id.get(id.len().saturating_sub(6)..).unwrap_or(&id));
    }
    row.about.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(" · ")
}

/// How long something took or takes: `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
pub(crate) fn span(micros: i64) -> String {
    const S: i64 = 1_000_000;
    match micros.max(0) {
        us if us < S => format!("{} ms", us / 1_000),
        us if us < 120 * S => format!("{} s", us / S),
        us if us < 7_200 * S => format!("{} min", us / (60 * S)),
        us if us < 172_800 * S => format!("{} h", us / (3_600 * S)),
        us => format!("{} d", us / (86_400 * S)),
    }
}

/// What models were charged: `$0.0123`, or nothing that is known.
pub(crate) fn cost(uusd: Option<i64>) -> String {
    uusd.map_or_else(|| "not known".to_owned(), |uusd| Money::from_micros(uusd).to_string())
}

/// What a run was found by: `order A-17`, `start key mail-9`.
pub(crate) fn found_by(by: &RunKey) -> String {
    let value = plain(&by.value);
    match by.kind {
        KeyKind::Run => "its id".to_owned(),
        KeyKind::About => format!("{} {value}", plain(&by.name)),
        KeyKind::Start => format!("start key {value}"),
        KeyKind::Event => format!("event {} {value}", plain(&by.name)),
        KeyKind::Outside => format!("{value} in {}", plain(&by.name)),
    }
}

/// `1 run`, `12 runs`, `12,345 runs`.
pub(crate) fn runs(count: u64) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{} runs", grouped(count)) }
}

/// `12,345`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `once`, `3 times`.
pub(crate) fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

/// `3 min ago`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.micros() - at.micros() {
        us if us < 1_000_000 => "just now".to_owned(),
        us => format!("{} ago", span(us)),
    }
}

/// `2 h left`, or that it is over.
pub(crate) fn left(until: Timestamp, now: Timestamp) -> String {
    match until.micros() - now.micros() {
        us if us <= 0 => "its time is over".to_owned(),
        us => format!("{} left", span(us)),
    }
}

/// Text without characters that hide or reorder what is read: control characters, and those that change the direction of writing.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}' => {
            '\u{fffd}'
        }
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let s = |seconds: i64| span(seconds * 1_000_000);
        assert_eq!(
            (s(0), s(119), s(120), s(7_199), s(7_200), s(172_800)),
            ("0 ms".into(), "119 s".into(), "2 min".into(), "119 min".into(), "2 h".into(), "2 d".into())
        );
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(ago(at(10), at(10)), "just now");
        assert_eq!(ago(at(10), at(70)), "60 s ago");
        assert_eq!(left(at(10), at(10)), "its time is over");
        assert_eq!(left(at(3_610), at(10)), "60 min left");
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!([0, 7, 999, 1_000, 1_234_567].map(grouped), ["0", "7", "999", "1,000", "1,234,567"]);
        assert_eq!((runs(1), runs(2_000)), ("1 run".to_owned(), "2,000 runs".to_owned()));
    }

    #[test]
    fn nothing_turns_the_reading_around() {
        assert_eq!(plain("pay \u{202e}005$\u{2069} to\u{0007} Ada\n"), "pay \u{fffd}005$\u{fffd} to\u{fffd} Ada\n");
        assert_eq!(plain("שלום — Łódź"), "שלום — Łódź");
    }
}
