//! Letters that really go out: to whom, with whose leave, and what happens where there is none.

mod common;

use std::{fs, path::Path};

use common::{
    act, asked_of, call, changed, decide, desk, last, letters, number, place, program, run_changed, run_file,
    run_until_asked, text, to, waiting,
};
use serde_json::{Value, json};
use support_desk::mailroom::Mailroom;

/// The letters to the team lead.
fn to_the_lead(place: &Path) -> Vec<String> {
    letters(place).into_iter().filter(|letter| to(letter) == ["team-lead@northlake.example"]).collect()
}

#[test]
fn who_is_angry_is_told_at_once_and_the_team_lead_is_written_to_with_leave_and_proof() {
    let place = place();
    let approval = run_until_asked(place.path(), "angry");
    let before = letters(place.path());
    assert!(before.len() == 1 && to(&before[0]) == ["kwame.quillon@mail.example"], "{before:?}");
    let (code, said_no) = decide(place.path(), &approval, "approve", "lee");
    assert!(code == 9 && said_no.contains("`lee` is in none of the groups"), "{code} {said_no}");
    // For whom the run acts does not permit it.
    let (code, said_no) = decide(place.path(), &approval, "approve", "mia");
    assert!(code == 9 && said_no.contains("`mia` asked for this action"), "{code} {said_no}");
    let (code, told) = decide(place.path(), &approval, "approve", "sam");
    assert!(
        code == 0 && told.contains("mail      to team-lead@northlake.example: ") && told.contains("queue team-lead"),
        "{code} {told}"
    );
    let file = told.lines().find_map(|line| line.strip_prefix("mail      to team-lead@northlake.example: ")).unwrap();
    let letter = fs::read_to_string(file).unwrap();
    for part in
        ["Kwame Quillon (verified)", "anger 0.98", "Payments on record: PAY-2", "message msg-7004@mail.example", "/3"]
    {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    let (_, why) = call(place.path(), &["runs", "why", &last(place.path(), "support-email"), "lead_letter"]);
    assert!(why.contains("mail.escalation (policies/ask/mails.cedar:") && why.contains("sam"), "{why}");
    let shown = act(place.path(), "support-email", "letters.escalate");
    assert!(
        shown.contains("sam approve") && shown.contains("verified") && shown.contains("private, untrusted"),
        "{shown}"
    );
    assert_eq!((to_the_lead(place.path()).len(), letters(place.path()).len()), (1, 2));
}

#[test]
fn without_leave_the_case_stays_with_people() {
    let place = place();
    let approval = run_until_asked(place.path(), "complaint");
    let (code, told) = decide(place.path(), &approval, "reject", "ines");
    assert!(code == 0 && told.contains("escalated, queue complaints"), "{code} {told}");
    let mail = json!({ "body": "Can I please talk to a real person?", "message_id": "person" });
    let approval = asked_of(place.path(), &changed(place.path(), "technical", &mail));
    let (code, told) = decide(place.path(), &approval, "reject", "sam");
    assert!(code == 0 && told.contains("escalated, queue front-desk"), "{code} {told}");
    assert_eq!(number(place.path(), "SELECT count(*) FROM case_note WHERE kind = 'lead_not_told'"), 2);
    assert!(to_the_lead(place.path()).is_empty());
}

#[test]
fn time_that_runs_out_is_no_leave() {
    let place = place();
    let file = place.path().join("policies/ask/mails.cedar");
    let rules = fs::read_to_string(&file).unwrap();
    assert!(rules.contains("@expires(\"4h\")"));
    fs::write(&file, rules.replace("@expires(\"4h\")", "@expires(\"1ms\")")).unwrap();
    let mail = place.path().join("seed/complaint.json");
    // The first process may leave before the time is over; then the next one finds that it is.
    let first = program().args(["run", "--json", "--input"]).arg(&mail).arg(place.path()).output().unwrap();
    assert!([Some(0), Some(8)].contains(&first.status.code()), "{first:?}");
    let result = run_file(place.path(), &mail, &[])["result"].clone();
    assert_eq!((&result["queue"], &result["lead"]), (&json!("complaints"), &Value::Null), "{result}");
    assert_eq!(text(place.path(), "SELECT kind FROM case_note ORDER BY id DESC"), "lead_not_told");
    let shown = act(place.path(), "support-email", "letters.escalate");
    assert!(shown.starts_with("expired "), "{shown}");
    assert!(to_the_lead(place.path()).is_empty());
}

/// The mail of the branches with so many of them in copy.
fn copies(n: usize) -> Value {
    let cc: Vec<String> = (1..=n).map(|at| format!("branch-{at:02}@nordahl.example")).collect();
    json!({ "message_id": format!("copies-{n}"), "cc": cc })
}

#[test]
fn one_is_written_to_without_leave_two_with_one_reader_and_51_with_two() {
    let place = place();
    let one = run_changed(place.path(), "bulk", &copies(0));
    assert_eq!((&one["reply"]["state"], letters(place.path()).len()), (&json!("sent"), 1), "{one}");

    let file = changed(place.path(), "bulk", &copies(1));
    let approval = asked_of(place.path(), &file);
    assert_eq!(
        (letters(place.path()).len(), number(place.path(), "SELECT count(*) FROM outbound WHERE state = 'held'")),
        (1, 1)
    );
    assert_eq!(text(place.path(), "SELECT status FROM thread WHERE id = 'copies-1'"), "waiting_approval");
    assert_eq!(decide(place.path(), &approval, "approve", "mia").0, 9);
    assert_eq!(decide(place.path(), &approval, "approve", "sam").0, 0);
    assert_eq!(text(place.path(), "SELECT status FROM thread WHERE id = 'copies-1'"), "waiting_customer");
    let two = run_file(place.path(), &file, &[])["result"].clone();
    assert_eq!((&two["reply"]["state"], &two["reply"]["recipient_count"]), (&json!("sent"), &json!(2)), "{two}");

    let file = changed(place.path(), "bulk", &copies(50));
    let approval = asked_of(place.path(), &file);
    let (_, why) = call(place.path(), &["runs", "why", &last(place.path(), "support-email"), "posted[0]/letter"]);
    assert!(why.contains("mail.mass (policies/ask/mails.cedar:6): sizes.to = 51"), "{why}");
    assert_eq!(decide(place.path(), &approval, "approve", "sam").0, 8);
    assert_eq!(letters(place.path()).len(), 2);
    let (code, told) = decide(place.path(), &approval, "approve", "ines");
    assert!(code == 0 && told.contains("mail      to 51 recipients: "), "{code} {told}");
    let mut counts: Vec<usize> = letters(place.path()).iter().map(|letter| to(letter).len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 51]);
}

#[test]
fn a_reply_that_people_refuse_or_that_is_for_too_many_stays_a_draft_with_people() {
    let place = place();
    let file = changed(place.path(), "bulk", &copies(1));
    let approval = asked_of(place.path(), &file);
    assert_eq!(decide(place.path(), &approval, "reject", "sam").0, 0);
    let no = run_file(place.path(), &file, &[])["result"].clone();
    assert_eq!((&no["status"], &no["reply"]["state"]), (&json!("escalated"), &json!("held")), "{no}");
    assert!(no["reply"]["why"].as_str().unwrap().contains("approval_rejected"), "{no}");
    // 101 recipients: denied, and nobody is asked.
    let many = run_changed(place.path(), "bulk", &copies(100));
    assert!(many["reply"]["why"].as_str().unwrap().contains("permission_denied"), "{many}");
    assert!(letters(place.path()).is_empty() && waiting(place.path()).is_empty());
}

#[test]
fn a_recipient_that_the_mail_server_refuses_is_named_and_nobody_else_gets_half_a_letter() {
    let place = place();
    desk(place.path()).execute("INSERT INTO contact VALUES ('C-1006', 'closed@branch.invalid')", []).unwrap();
    let mail = json!({ "message_id": "partly", "cc": ["branch-01@nordahl.example", "closed@branch.invalid"] });
    let file = changed(place.path(), "bulk", &mail);
    let approval = asked_of(place.path(), &file);
    let (code, told) = decide(place.path(), &approval, "approve", "sam");
    assert!(
        code == 0 && told.contains("550") && told.contains("the recipient `closed@branch.invalid`"),
        "{code} {told}"
    );
    let note = text(place.path(), "SELECT text FROM case_note WHERE kind = 'reply_not_sent'");
    assert!(note.contains("closed@branch.invalid"), "{note}");
    assert!(letters(place.path()).is_empty());
}

#[test]
fn an_address_that_only_the_message_names_is_put_before_a_manager() {
    let place = place();
    let mail = json!({ "message_id": "stranger", "cc": ["mallory@else.example"] });
    let file = changed(place.path(), "technical", &mail);
    let approval = asked_of(place.path(), &file);
    let (_, why) = call(place.path(), &["runs", "why", &last(place.path(), "support-email"), "posted[0]/letter"]);
    assert!(why.contains("mail.stranger (policies/ask/mails.cedar:"), "{why}");
    // The front desk alone does not decide it.
    assert_eq!(decide(place.path(), &approval, "approve", "mia").0, 9);
    assert_eq!(decide(place.path(), &approval, "reject", "ines").0, 0);
    assert!(letters(place.path()).is_empty());
    // Where no rule asks, what is private and comes with an untrusted address is denied.
    let rules = place.path().join("policies/ask/mails.cedar");
    let only: String =
        fs::read_to_string(&rules).unwrap().split("\n\n").filter(|rule| rule.contains("letters.escalate")).collect();
    fs::write(&rules, only).unwrap();
    fs::remove_dir_all(place.path().join("policies/cases")).unwrap();
    let denied =
        run_changed(place.path(), "technical", &json!({ "message_id": "again", "cc": ["mallory@else.example"] }));
    assert!(denied["reply"]["why"].as_str().unwrap().contains("permission_denied"), "{denied}");
    assert!(letters(place.path()).is_empty());
}

#[test]
fn a_reply_goes_to_the_address_in_the_records_whoever_wrote() {
    let place = place();
    run_changed(place.path(), "technical", &json!({ "from": "mallory@else.example", "auth": "fail" }));
    let sent = letters(place.path());
    assert!(sent.len() == 1 && to(&sent[0]) == ["mara.drummel@mail.example"], "{sent:?}");
}

#[test]
fn an_article_answers_only_what_it_fits_and_only_while_it_is_reviewed() {
    let place = place();
    let mail = |id: &str, subject: &str, body: &str| json!({ "message_id": id, "subject": subject, "body": body });
    let fits = run_changed(place.path(), "technical", &json!({}));
    assert!(fits["reply"]["body"].as_str().unwrap().contains("(article KB-101, version 3)"), "{fits}");
    // Reviewed long ago; about something that no article speaks of: the desk has it.
    let old = mail("old", "Virtual card", "My virtual card was declined, the payment does not work.");
    let none = mail("none", "Top up", "My top up by card failed and I do not know why it does not work.");
    for mail in [old, none] {
        let result = run_changed(place.path(), "technical", &mail);
        assert_eq!((&result["status"], &result["article"]), (&json!("escalated"), &Value::Null), "{result}");
        assert!(!result["reply"]["body"].as_str().unwrap().contains("article"), "{result}");
    }
    assert_eq!(number(place.path(), "SELECT count(*) FROM case_note WHERE kind = 'no_article'"), 2);
    // Two that fit alike are none.
    let twin = "INSERT INTO kb_article SELECT 'KB-9', 1, category, title, text, fits, reviewed_at FROM kb_article WHERE id = 'KB-101'";
    desk(place.path()).execute(twin, []).unwrap();
    let result = run_changed(place.path(), "technical", &json!({ "message_id": "twin" }));
    assert_eq!((&result["status"], &result["article"]), (&json!("escalated"), &Value::Null), "{result}");
}

#[test]
fn a_mail_server_that_the_operator_names_gets_the_letters() {
    let (place, other) = (place(), tempfile::tempdir().unwrap());
    let url = Mailroom::new(other.path()).url().unwrap();
    let file = place.path().join("seed/technical.json");
    let mut command = program();
    command.env("SMTP_URL", url).args(["run", "--profile", "none", "--input"]).arg(file).arg(place.path());
    let told = String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap();
    assert!(told.contains("mail      accepted by the mail server as <sf_"), "{told}");
    assert!(fs::read_dir(other.path()).unwrap().count() == 1 && letters(place.path()).is_empty());
}

#[test]
fn a_mail_server_that_says_yes_and_keeps_nothing_is_found_out() {
    let (place, kept, shown) = (place(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = place.path().join("seed/complaint.json");
    let url = Mailroom::new(kept.path()).url().unwrap();
    let run = |folder: &Path, args: &[&str]| {
        let mut command = program();
        command.env("SMTP_URL", &url).env("MAIL_FOLDER", folder).args(args).arg(place.path());
        command.assert()
    };
    run(shown.path(), &["run", "--input", file.to_str().unwrap()]).code(8);
    let approval = waiting(place.path()).pop().unwrap();
    run(shown.path(), &["approvals", "decide", &approval, "approve", "--as", "sam"]).success();
    let result = run_file(place.path(), &file, &[])["result"].clone();
    assert_eq!((&result["queue"], fs::read_dir(kept.path()).unwrap().count()), (&json!("complaints"), 2), "{result}");
    assert_eq!(text(place.path(), "SELECT kind FROM case_note ORDER BY id DESC"), "lead_not_told");
    // The same letter, in the folder that is looked into.
    let again = changed(place.path(), "complaint", &json!({ "message_id": "again" }));
    run(kept.path(), &["run", "--input", again.to_str().unwrap()]).code(8);
    let approval = waiting(place.path()).pop().unwrap();
    run(kept.path(), &["approvals", "decide", &approval, "approve", "--as", "sam"]).success();
    assert_eq!(run_file(place.path(), &again, &[])["result"]["queue"], "team-lead");
}

#[test]
fn a_process_that_dies_with_a_letter_on_its_way_sends_no_second_one() {
    let place = place();
    let file = place.path().join("seed/technical.json");
    let mut command = program();
    command.args(["run", "--json", "--crash-at", "posted[0]/letter", "--input"]).arg(&file).arg(place.path());
    command.assert().code(8);
    // No mail server tells whether it has a letter: a person looks, and until then nothing is sent again.
    assert_eq!((letters(place.path()).len(), number(place.path(), "SELECT count(*) FROM letter")), (1, 0));
    program().args(["run", "--resume"]).arg(place.path()).assert().code(8);
    let letter = letters(place.path()).pop().unwrap();
    let id = letter.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
    let gave = json!({ "message_id": id, "accepted": to(&letter) }).to_string();
    let seen = ["--output", &gave, "--as", "sam", "--reason", "it stands in the folder of the mail server"];
    let (code, told) = call(
        place.path(),
        &[&["effects", "resolve", &last(place.path(), "support-email"), "posted[0]/letter", "performed"], &seen[..]]
            .concat(),
    );
    assert!(code == 0 && told.contains("answered, queue technical"), "{code} {told}");
    assert_eq!((letters(place.path()).len(), number(place.path(), "SELECT count(*) FROM letter")), (1, 1));
}

#[test]
fn letters_that_are_held_wait_and_go_out_once_they_are_released() {
    let place = place();
    // A project is known here once something ran.
    run_changed(place.path(), "technical", &json!({}));
    assert_eq!(
        call(place.path(), &["hold", "--scope", "tool:letters", "--as", "ines", "--reason", "a wrong word"]).0,
        0
    );
    let file = place.path().join("seed/refund-30.json").display().to_string();
    let (code, told) = call(place.path(), &["run", "--input", &file]);
    assert!(code == 8 && told.contains("held by ines: a wrong word"), "{code} {told}");
    assert_eq!((letters(place.path()).len(), number(place.path(), "SELECT count(*) FROM refund")), (1, 1));
    assert_eq!(call(place.path(), &["release", "--scope", "tool:letters", "--as", "ines"]).0, 0);
    assert_eq!(call(place.path(), &["run", "--resume"]).0, 0);
    assert_eq!((letters(place.path()).len(), number(place.path(), "SELECT count(*) FROM refund")), (2, 1));
}
