//! Exports with seals and the anchors that somebody kept.

use std::collections::BTreeMap;

use runtime::seals;
use store::{DirtyHeads, SYSTEM};

use super::*;

fn other() -> RunId {
    RunId::from_bytes([6; 16])
}

/// A shorter run beside the first one.
fn short() -> (Vec<Entry>, Vec<Blob>) {
    let (entries, blobs) = journal();
    let mut events: Vec<Event> = entries.iter().map(|entry| entry.event().unwrap()).collect();
    events.drain(3..events.len() - 2);
    (super::seal(other(), &events), blobs[..1].to_vec())
}

fn head(entries: &[Entry], seq: usize) -> SealedHead {
    let closed = seq == entries.len();
    SealedHead { head: entries[seq - 1].head(), closed }
}

/// Three seals over both runs and the log of changes.
fn three(one: &[Entry], two: &[Entry]) -> Vec<Seal> {
    let log = SealedHead { head: Head { seq: 1, hash: Digest::of(&[b"log"]) }, closed: false };
    let system = (RunId::from_bytes(SYSTEM), log);
    let heads = [
        BTreeMap::from([system, (run(), head(one, 5)), (other(), head(two, 3))]),
        BTreeMap::from([system, (run(), head(one, 12))]),
        BTreeMap::from([system, (run(), head(one, one.len())), (other(), head(two, two.len()))]),
    ];
    let mut seals: Vec<Seal> = Vec::new();
    for (number, heads) in (1..).zip(heads) {
        let at = Timestamp::from_micros(1_790_000_000_100_000 + number);
        let upto = 10 * u64::try_from(number).unwrap();
        seals.push(Seal::after(seals.last(), DirtyHeads { upto, heads }, at));
    }
    seals
}

fn all() -> Vec<Seal> {
    three(&journal().0, &short().0)
}

pub(super) fn exported() -> String {
    let (entries, blobs) = journal();
    written(run(), &entries, &blobs, &all()).0
}

/// What stands outside.
fn anchors(seals: &[Seal]) -> Vec<(u64, Anchor)> {
    let place = tempfile::tempdir().unwrap();
    let file = seals::Anchors::at(place.path().join("a"));
    file.keep(seals, "i").unwrap();
    let text = std::fs::read(file.path()).unwrap();
    seals::read(text.as_slice()).unwrap().unwrap()
}

fn says(text: &[u8], anchors: &[(u64, Anchor)]) -> Result<Verified, String> {
    verify(text, &Kept { noted: None, anchors: Some(anchors) }).map_err(|error| error.to_string())
}

#[test]
fn a_sealed_export_holds_beside_its_anchors() {
    let text = exported();
    let verified = says(text.as_bytes(), &anchors(&all())).unwrap();
    assert_eq!((verified.seals, verified.sealed, verified.unanchored), (3, 18, 0));
    let verified = says(text.as_bytes(), &anchors(&all()[..2])).unwrap();
    assert_eq!((verified.seals, verified.unanchored), (3, 1), "the anchors were kept before the last seal");
    let (entries, blobs) = short();
    let verified = says(written(other(), &entries, &blobs, &all()).0.as_bytes(), &anchors(&all())).unwrap();
    assert_eq!((verified.seals, verified.sealed), (2, 5));
}

#[test]
fn a_thousand_changes_of_a_sealed_export_are_found_without_a_noted_head() {
    let text = exported();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let kept = anchors(&all());
    let mut dice = Dice(0xa11);
    let (mut unfound, mut tried) = (Vec::new(), [0; 11]);
    let mut number = 0;
    while tried.iter().sum::<usize>() < 1000 {
        let kind = number % 11;
        number += 1;
        let (what, changed) = change(&lines, kind, &mut dice);
        if changed == text.as_bytes() {
            // The dice wrote what stood there already.
            continue;
        }
        tried[kind] += 1;
        if says(&changed, &kept).is_ok() {
            unfound.push(format!("{number}: {what}"));
        }
    }
    assert!(unfound.is_empty(), "{unfound:#?}");
    assert!(tried.iter().all(|count| *count > 50), "{tried:?}");
}

/// A file with the first `count` entries and those seals that fit, as somebody writes it who knows the form.
fn cut(count: usize, keep: impl Fn(&Seal) -> bool) -> Vec<u8> {
    let (entries, blobs) = journal();
    let fits = |seal: &Seal| seal.heads.get(&run()).is_some_and(|sealed| sealed.head.seq <= count as u64);
    let seals: Vec<Seal> = all().into_iter().filter(|seal| fits(seal) && keep(seal)).collect();
    written(run(), &entries[..count], &blobs, &seals).0.into_bytes()
}

fn change(lines: &[&str], kind: usize, dice: &mut Dice) -> (String, Vec<u8>) {
    let mut owned: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let whole = |lines: &[String]| lines.concat().into_bytes();
    let seals = lines.len() - 3..lines.len();
    match kind {
        // What is done to bytes and lines is the same for every export.
        0..=5 => super::change(lines, kind, dice),
        6 => {
            let count = 2 + dice.below(16);
            (format!("cut after entry {count}, header and seals told so"), cut(count, |_| true))
        }
        7 => {
            // A body is replaced, the chain behind it made anew, and all seals as well.
            let at = 1 + dice.below(12);
            let events: Vec<Event> = journal()
                .0
                .iter()
                .enumerate()
                .map(|(place, entry)| match entry.event().unwrap() {
                    Event::StepDone { step, .. } if place == at => Event::StepDone {
                        step,
                        output: Held::Value(Value::text(format!("forged {}", dice.below(1000)))),
                    },
                    event => event,
                })
                .collect();
            let made = super::seal(run(), &events);
            let blobs = journal().1;
            let seals = three(&made, &short().0);
            (format!("entry {} forged, and every seal", at + 1), written(run(), &made, &blobs, &seals).0.into_bytes())
        }
        8 => {
            // A seal of another run, or of another story, in the place of one of these.
            let at = seals.start + dice.below(3);
            let (entries, blobs) = short();
            let theirs = written(other(), &entries, &blobs, &all()).0;
            let theirs: Vec<&str> = theirs.split_inclusive('\n').filter(|line| line.starts_with("{\"seal\"")).collect();
            let (line, from) = match dice.below(2) {
                0 => (theirs[dice.below(2)].to_owned(), "of another run"),
                _ => (owned[seals.start + dice.below(3)].clone(), "of another place"),
            };
            owned[at] = line;
            (format!("seal {} replaced by one {from}", at - seals.start + 1), whole(&owned))
        }
        9 => {
            // Another run is shown in its place, or it is not there at all.
            match dice.below(3) {
                0 => ("nothing is left".to_owned(), Vec::new()),
                1 => {
                    let count = 1 + dice.below(lines.len() - 1);
                    (format!("the first {count} lines are gone"), whole(&owned[count..]))
                }
                _ => {
                    let (entries, blobs) = short();
                    let count = 1 + dice.below(entries.len());
                    let named = written(other(), &entries[..count], &blobs, &[]).0;
                    let named = named.replace(&other().to_string(), &run().to_string());
                    ("another run under its name".to_owned(), named.into_bytes())
                }
            }
        }
        _ => {
            // Some seals are left out, and the header told so.
            let gone = dice.below(7);
            let keep = |seal: &Seal| gone & (1 << (seal.no - 1)) != 0;
            (format!("seals left but of {gone:03b}"), cut(18, keep))
        }
    }
}

#[test]
fn what_is_wrong_with_seals_is_named() {
    let (text, kept) = (exported(), anchors(&all()));
    let found = |text: &str| says(text.as_bytes(), &kept).unwrap_err();
    let cut = |count| String::from_utf8(self::cut(count, |_| true)).unwrap();
    assert_eq!(
        found(&cut(11)),
        "line 14: seal 2 in line 2 of the anchors holds entry 12, and the file ends with entry 11: its tail was cut"
    );
    assert_eq!(
        found(&cut(12)),
        "line 16: seal 3 in line 3 of the anchors holds entry 18, and the file ends with entry 12: its tail was cut"
    );
    let none = String::from_utf8(self::cut(18, |seal| seal.no != 2)).unwrap();
    assert_eq!(found(&none), "line 23: seal 2 in line 2 of the anchors holds this run, and the file does not have it");
    assert_eq!(
        found(&text.replace("\"closed\":true", "\"closed\":false")),
        "line 24: entry 18 does not give the root of seal 3"
    );
    assert_eq!(found(&text.replace("\"upto\":20", "\"upto\":21")), "line 23: seal 2 does not give its hash");
    let restored = anchors(&all()[..1]);
    let other = three(&journal().0, &journal().0[..4]);
    let shown = written(run(), &journal().0, &journal().1, &other).0;
    assert_eq!(
        says(shown.as_bytes(), &restored).unwrap_err(),
        "line 22: seal 1 is another than in line 1 of the anchors"
    );
}

/// The shorter run, erased by ann, with the log of changes that says so.
pub(super) fn erased() -> (String, Vec<Entry>) {
    let (mut entries, _) = short();
    let seals = all();
    entries.iter_mut().for_each(|entry| (entry.body, entry.salt) = (None, [0; 16]));
    let said = store::Change {
        at: Timestamp::from_micros(5),
        by: "ann".into(),
        auth: "local".into(),
        body: Change::Erase { run: other(), reason: "asked for".into() }.to_bytes(),
        expect: None,
        wake: None,
    };
    let log = [GovernanceEntry::seal(0, Digest::ZERO, &said)];
    let contents = Contents { run: other(), entries: &entries, seals: &seals, erased: erasure(other(), &log) };
    let mut out = Vec::new();
    write(&mut out, &contents, |_| Ok::<_, ExportError>(None)).unwrap();
    (String::from_utf8(out).unwrap(), entries)
}

#[test]
fn a_run_that_was_erased_still_verifies_and_says_who_did_it() {
    let (text, entries) = erased();
    let kept = anchors(&all());
    let verified = says(text.as_bytes(), &kept).unwrap();
    let erasure = verified.erased.unwrap();
    assert_eq!((erasure.entries, &*erasure.by, &*erasure.reason), (5, "ann", "asked for"));
    assert_eq!((verified.head, verified.seals, verified.blobs), (entries[4].head(), 2, 0));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let without: String =
            lines.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, line)| *line).collect();
        assert!(says(without.as_bytes(), &kept).is_err(), "without line {}", at + 1);
    }
    let mut dice = Dice(0xe);
    for _ in 0..300 {
        let mut bytes = text.clone().into_bytes();
        let at = dice.below(bytes.len());
        bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
        assert!(
            says(&bytes, &kept).is_err(),
            "byte {at}: {}",
            String::from_utf8_lossy(&bytes[at.saturating_sub(40)..=at])
        );
    }
    // Nobody takes single bodies away and calls it an erasure.
    let whole = written(other(), &short().0, &short().1, &all()).0;
    let taken: String = whole
        .split_inclusive('\n')
        .map(|line| match serde_json::from_str::<EntryLine>(line) {
            Ok(entry) if entry.seq == 2 => serde_json::to_string(&EntryLine { body: None, ..entry }).unwrap() + "\n",
            _ => line.to_owned(),
        })
        .collect();
    let found = says(taken.as_bytes(), &kept).unwrap_err();
    assert_eq!(found, "line 3, entry 2: the body was taken away, and not by an erasure");
}
