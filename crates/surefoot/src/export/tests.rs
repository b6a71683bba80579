use kernel::{
    journal::{Blob, Usage},
    values::Value,
};

use kernel::journal::{Held, StepResult};

use super::*;

mod sealed;

fn run() -> RunId {
    RunId::from_bytes([7; 16])
}

/// A finished run of many entries, with two blobs, one of them no text.
fn journal() -> (Vec<Entry>, Vec<Blob>) {
    let big = Blob::new(format!("\"{}\"", "x".repeat(20_000)).into_bytes());
    let raw = Blob::new(vec![0xff, 0xfe, 1, 2]);
    let bundle = Digest::of(&[b"bundle"]);
    let value = |text: &str| Held::Value(Value::text(text));
    let mut events = vec![Event::RunStarted {
        bundle,
        workflow: "w".into(),
        stages: vec!["s".into()],
        input: Held::Blob(big.reference()),
        about: Value::Null,
        project: "".into(),
        by: None,
        acts_for: None,
        parent: None,
        fork: None,
    }];
    for step in 0..12 {
        events.push(Event::StepDone {
            step: format!("a{step}").as_str().into(),
            output: value(&format!("value {step}")),
        });
    }
    let manifest = kernel::context::Manifest {
        segments: Vec::new(),
        request: Digest::of(&[b"request"]),
        output_schema: None,
        tokens_est: 10,
        layout: None,
        edges: Vec::new(),
    };
    events.extend([
        Event::ModelAsked { step: "ask".into(), attempt: 1, model: "m".into(), route: None, manifest, reserved: None },
        Event::ModelAnswered {
            step: "ask".into(),
            attempt: 1,
            result: StepResult::Done(value("said")),
            usage: Usage { input: 3, ..Usage::default() },
            raw: Some(raw.reference()),
            spent: None,
            charged: None,
            said: None,
            cools: None,
            keeps: None,
            claims: Vec::new(),
            unsure: None,
        },
        Event::StepSkipped { step: "b".into() },
        Event::StageDone { stage: "s".into() },
        Event::RunFinished { end: End::Completed, result: Some(value("done")), failure: None },
    ]);
    (seal(run(), &events), vec![big, raw])
}

fn seal(run: RunId, events: &[Event]) -> Vec<Entry> {
    let mut head = Head::START;
    let sealed = (1_u8..).zip(events).map(|(number, event)| {
        let at = Timestamp::from_micros(1_790_000_000_000_000 + i64::from(number));
        let entry = Entry::seal(run, head, 1 + u64::from(number / 9), at, [number; 16], event);
        head = entry.head();
        entry
    });
    sealed.collect()
}

fn exported() -> (String, Head) {
    let (entries, blobs) = journal();
    written(run(), &entries, &blobs, &[])
}

/// What an export of these says, and its head.
fn written(run: RunId, entries: &[Entry], blobs: &[Blob], seals: &[Seal]) -> (String, Head) {
    let mut out = Vec::new();
    let find =
        |digest| Ok::<_, ExportError>(blobs.iter().find(|blob| blob.digest == digest).map(|blob| blob.bytes.clone()));
    let head = write(&mut out, &Contents { run, entries, seals, erased: None }, find).unwrap();
    (String::from_utf8(out).unwrap(), head)
}

fn noted(head: Digest) -> Kept<'static> {
    Kept { noted: Some(head), anchors: None }
}

fn fault(text: &[u8], noted: Digest) -> Option<String> {
    match verify(text, &self::noted(noted)) {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Numbers that are the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

#[test]
fn an_export_holds_and_says_what_it_is() {
    let (text, head) = exported();
    let verified = verify(text.as_bytes(), &noted(head.hash)).unwrap();
    assert_eq!((verified.entries, verified.blobs, verified.end), (18, 2, Some(End::Completed)));
    assert_eq!((verified.run, &*verified.workflow, verified.head), (run(), "w", head));
}

#[test]
fn a_thousand_changes_are_found() {
    let (text, head) = exported();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut dice = Dice(0x5eed);
    let mut unfound = Vec::new();
    for number in 0..1000 {
        let (what, changed) = change(&lines, number % 10, &mut dice);
        if changed == text.as_bytes() {
            // The dice wrote what stood there already.
            continue;
        }
        if fault(&changed, head.hash).is_none() {
            unfound.push(format!("{number}: {what}"));
        }
    }
    assert!(unfound.is_empty(), "{unfound:#?}");
}

fn change(lines: &[&str], kind: usize, dice: &mut Dice) -> (String, Vec<u8>) {
    let entries = 1..lines.len() - 2;
    let entry = |dice: &mut Dice| entries.start + dice.below(entries.len());
    let mut owned: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let whole = |lines: &[String]| lines.concat().into_bytes();
    match kind {
        0..=2 => {
            let mut bytes = whole(&owned);
            let at = dice.below(bytes.len());
            match kind {
                0 => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, u8::try_from(32 + dice.below(95)).unwrap()),
            }
            (format!("byte {at}, kind {kind}"), bytes)
        }
        3 => {
            let at = dice.below(owned.len());
            owned.remove(at);
            (format!("line {at} removed"), whole(&owned))
        }
        4 => {
            let (one, other) = (dice.below(owned.len()), dice.below(owned.len()));
            owned.swap(one, other);
            (format!("lines {one} and {other} swapped"), whole(&owned))
        }
        5 => {
            let at = dice.below(owned.len());
            owned.insert(at, owned[at].clone());
            (format!("line {at} doubled"), whole(&owned))
        }
        6 => {
            let mut header: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&owned[0]).unwrap();
            let keys: Vec<String> = header.keys().cloned().collect();
            let key = &keys[dice.below(keys.len())];
            match &mut header[key] {
                serde_json::Value::String(text) => {
                    let last = if text.ends_with('0') { '1' } else { '0' };
                    text.pop();
                    text.push(last);
                }
                serde_json::Value::Object(head) => head["seq"] = dice.below(17).into(),
                other => *other = 0.into(),
            }
            // The order of the fields stays: what is found is what they say.
            let order = ["surefoot", "format", "run", "workflow", "bundle", "head", "seals"];
            let fields: Vec<String> = order.iter().map(|key| format!("\"{key}\":{}", header[*key])).collect();
            owned[0] = format!("{{{}}}\n", fields.join(","));
            (format!("header {key}"), whole(&owned))
        }
        7 => {
            let (one, other) = (entry(dice), entry(dice));
            let mut pair = [one, other].map(|at| serde_json::from_str::<EntryLine>(&owned[at]).unwrap());
            let [first, second] = &mut pair;
            std::mem::swap(&mut first.body, &mut second.body);
            std::mem::swap(&mut first.salt, &mut second.salt);
            if dice.below(2) == 0 {
                std::mem::swap(&mut first.digest, &mut second.digest);
            }
            for (at, line) in [one, other].into_iter().zip(&pair) {
                if one != other {
                    owned[at] = serde_json::to_string(line).unwrap() + "\n";
                }
            }
            (format!("body and salt of {one} and {other} swapped"), whole(&owned))
        }
        8 => {
            // A tail is cut, and the header told so.
            let last = entry(dice);
            let kept = owned.len() - 2 - 1;
            let mut header: Header = serde_json::from_str(&owned[0]).unwrap();
            let line: EntryLine = serde_json::from_str(&owned[last]).unwrap();
            header.head = Head { seq: line.seq, hash: line.hash };
            owned.drain(last + 1..=kept);
            owned[0] = serde_json::to_string(&header).unwrap() + "\n";
            (format!("cut after entry {}", line.seq), whole(&owned))
        }
        _ => {
            // A body is replaced, and the chain behind it made anew.
            let (mut made, _) = journal();
            let at = dice.below(12) + 1;
            let events: Vec<Event> = made
                .drain(..)
                .enumerate()
                .map(|(place, entry)| match entry.event().unwrap() {
                    Event::StepDone { step, .. } if place == at => {
                        Event::StepDone { step, output: Held::Value(Value::text("forged")) }
                    }
                    event => event,
                })
                .collect();
            let made = seal(run(), &events);
            let (out, _) = written(run(), &made, &journal().1, &[]);
            (format!("entry {} forged and the chain made anew", at + 1), out.into_bytes())
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let (text, head) = exported();
    let say = |text: String| fault(text.as_bytes(), head.hash).unwrap();
    assert_eq!(
        say(text.replacen("value 3", "value 9", 1)),
        "line 6, entry 5: the body of entry 5 does not fit its digest"
    );
    let without: String =
        text.split_inclusive('\n').enumerate().filter(|(at, _)| *at != 5).map(|(_, line)| line).collect();
    assert_eq!(say(without), "line 6, entry 5: entry 6 stands where entry 5 belongs");
    let (without_blob, _) = text[..text.len() - 1].rsplit_once('\n').unwrap();
    assert!(say(format!("{without_blob}\n")).contains("is missing"));
    assert_eq!(say(String::new()), "line 1: the file is empty");
    assert_eq!(
        say(text.replacen("\"format\":2", "\"format\":3", 1)),
        "the file has format 3, this program reads up to 2"
    );
    assert!(fault(text.as_bytes(), Digest::ZERO).unwrap().starts_with("line 19, entry 18: the last entry has hash "));
}

#[test]
fn an_event_that_cannot_follow_is_found_though_the_chain_holds() {
    let (entries, _) = journal();
    let mut events: Vec<Event> = entries.iter().map(|entry| entry.event().unwrap()).collect();
    events[0] = match &events[0] {
        Event::RunStarted { bundle, workflow, stages, about, .. } => Event::RunStarted {
            bundle: *bundle,
            workflow: workflow.clone(),
            stages: stages.clone(),
            input: Held::Value(Value::Null),
            about: about.clone(),
            project: "".into(),
            by: None,
            acts_for: None,
            parent: None,
            fork: None,
        },
        _ => unreachable!("a journal begins with its start"),
    };
    events.truncate(3);
    events.push(events[1].clone());
    let entries = seal(run(), &events);
    let (out, _) = written(run(), &entries, &[], &[]);
    let error = verify(out.as_bytes(), &Kept::default()).unwrap_err().to_string();
    assert!(error.starts_with("line 5, entry 4: "), "{error}");
}

/// A journal of one read, sent under the key of `keyed`.
fn read_under(keyed: &str) -> String {
    use kernel::{
        governance::{Effect, Proposal, Verdict},
        ids::IdempotencyKey,
    };
    let bundle = Digest::of(&[b"bundle"]);
    let started = Event::RunStarted {
        bundle,
        workflow: "w".into(),
        stages: vec!["s".into()],
        input: Held::Value(Value::Null),
        about: Value::Null,
        project: "".into(),
        by: None,
        acts_for: None,
        parent: None,
        fork: None,
    };
    let proposal =
        Proposal { tool: "box".into(), operation: "find".into(), effect: Effect::Read, with: Held::Value(Value::Null) };
    let verdict = Verdict::Allow { rule: "built-in".into(), policy: bundle, by: Vec::new() };
    let key = IdempotencyKey::derive(run(), &keyed.into(), 0);
    let sent = Event::ActionStarted { step: "look".into(), attempt: 1, proposal, verdict, key, grounds: None };
    written(run(), &seal(run(), &[started, sent]), &[], &[]).0
}

#[test]
fn an_action_that_cannot_have_been_is_found_in_a_chain_that_holds() {
    let acts = verify(read_under("look").as_bytes(), &Kept::default()).unwrap().acts;
    assert_eq!(acts, 1);
    let found = verify(read_under("other").as_bytes(), &Kept::default()).unwrap_err().to_string();
    assert!(
        found.starts_with("line 3, entry 2: the key sf_") && found.ends_with("is not that of `look` in this run"),
        "{found}"
    );
}

#[test]
fn the_reader_in_python_finds_the_same() {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify.py");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("run.ndjson");
    let says = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let said = std::process::Command::new("python3").arg(&script).arg(&file).output();
        said.ok().map(|said| (said.status.code(), String::from_utf8_lossy(&said.stdout).trim().to_owned()))
    };
    let whole = sealed::exported();
    let Some(said) = says(&whole) else {
        // There is no python3 here: nothing to compare with.
        return;
    };
    assert_eq!(said, (Some(0), "ok".to_owned()));
    let lines: Vec<&str> = whole.lines().collect();
    let without = |gone: usize| {
        let left = lines.iter().enumerate().filter(|(place, _)| *place != gone).map(|(_, line)| format!("{line}\n"));
        left.collect::<String>()
    };
    let mut changed = vec![
        whole.replace("value 3", "value 4"),
        whole.replace("0303030303", "0303030304"),
        whole.replace("\"epoch\":2", "\"epoch\":3"),
        whole.replace(r#""at_us":1790000000000005"#, r#""at_us":1790000000000006"#),
        whole.replace("fffe0102", "fffe0103"),
    ];
    changed.extend((1..lines.len()).map(without));
    let seals: Vec<&&str> = lines.iter().filter(|line| line.starts_with("{\"seal\"")).collect();
    changed.push(whole.replace(*seals[0], seals[1]));
    changed.push(whole.replace("\"closed\":true", "\"closed\":false"));
    changed.push(whole.replace("\"place\":1", "\"place\":0"));
    for text in changed {
        assert_ne!(text, whole);
        let ours = verify(text.as_bytes(), &Kept::default()).is_err();
        let (code, said) = says(&text).unwrap();
        assert!(ours && code == Some(6), "{code:?} {said}");
    }
    let (erased, _) = sealed::erased();
    assert_eq!(says(&erased).unwrap(), (Some(0), "ok".to_owned()));
    for text in [erased.replace("\"by\":\"ann\"", "\"by\":\"bob\""), erased.replace("\"seq\":4", "\"seq\":5")] {
        assert_eq!(says(&text).unwrap().0, Some(6), "{text}");
    }
    let first = written(run(), &journal().0, &journal().1, &[]).0;
    let first = first.replacen(",\"seals\":0", "", 1).replacen("\"format\":2", "\"format\":1", 1);
    assert_eq!(says(&first).unwrap(), (Some(0), "ok".to_owned()), "what an earlier version wrote");
    assert!(verify(first.as_bytes(), &Kept::default()).is_ok());
}
