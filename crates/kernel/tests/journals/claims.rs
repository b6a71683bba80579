//! What an agent says it did, compared with what the journal proves.

use expect_test::expect;

use crate::{
    agents::{INPUT, RULES, desk},
    drive::{Drive, Outside, check},
};

/// What is told of an answer, with claims as written and without any recovery of the step's own.
fn claimed(claims: &str) -> Drive {
    let answer = format!(r#"{{"summary": "Done, I sent the e-mail", "claims": {claims}}}"#);
    let outside = format!(
        r#"
        tell[0]/ask: {{"propose": [{{"kb.search": {{"q": "a"}}}}, {{"mail.send": {{"to": "ann@x.org", "text": "a"}}}}]}}
        tell[1]/ask: {answer}
        "#
    );
    let mut drive = Drive::governed(&desk("", RULES), "", INPUT, Outside::new(&outside));
    drive.run();
    drive
}

#[test]
fn a_claim_without_evidence_never_completes() {
    let outside = r#"tell[0]/ask: {"summary": "Done, I sent the e-mail", "claims": [{"says": "I sent the e-mail", "action": "mail.send", "resource": "ann@x.org", "status": "succeeded"}]}"#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: answer failed, unsupported_claim: refuted: `mail.send` on `ann@x.org`, “I sent the e-mail”: nothing of that kind was done in this step; claims: 1 refuted
            5   tell[0]/ask: asked again with the errors
            6   tell[0]/ask: asked model small, attempt 2, about 361 tokens
            7   tell[0]/ask: answer failed, unsupported_claim: refuted: `mail.send` on `ann@x.org`, “I sent the e-mail”: nothing of that kind was done in this step; claims: 1 refuted
            8   tell[0]/ask: no progress: the same failure twice
            9   tell[0]/ask: no recovery left
            10  tell: failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `mail.send` on `ann@x.org`, “I sent the e-mail”: nothing of that kind was done in this step
            11  tell: no recovery left
            12  run failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `mail.send` on `ann@x.org`, “I sent the e-mail”: nothing of that kind was done in this step
        "#]],
    );
}

#[test]
fn a_claim_of_something_that_never_was_is_refuted() {
    let drive = claimed(
        r#"[{"says": "I sent the e-mail", "action": "mail.send", "status": "succeeded", "evidence": "$E(mail.send)"}, {"says": "I paid", "action": "bank.pay", "status": "succeeded", "evidence": "run_01/7"}]"#,
    );
    expect![[r#"
        1   run started: desk
        2   tell: begins its turns
        3   tell[0]/ask: asked model small, about 300 tokens
        4   tell[0]/ask: proposed kb__search {"q":"a"}, mail__send {"text":"a","to":"ann@x.org"}
        5   tell[0]/call1: started kb.search {"q":"a"}
        6   tell[0]/call1: finished {"ok":true}
        7   tell[0]/call2: started mail.send {"text":"a","to":"ann@x.org"}
        8   tell[0]/call2: finished {"ok":true}
        9   tell[0]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5", mail__send "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/7"
        10  tell[1]/ask: asked model small, about 445 tokens
        11  tell[1]/ask: answer failed, unsupported_claim: refuted: `bank.pay` (run_01/7), “I paid”: its evidence is no act of this step that succeeded; claims: 1 verified, 1 refuted
        12  tell[1]/ask: asked again with the errors
        13  tell[1]/ask: asked model small, attempt 2, about 503 tokens
        14  tell[1]/ask: answer failed, unsupported_claim: refuted: `bank.pay` (run_01/7), “I paid”: its evidence is no act of this step that succeeded; claims: 1 verified, 1 refuted
        15  tell[1]/ask: no progress: the same failure twice
        16  tell[1]/ask: no recovery left
        17  tell: failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `bank.pay` (run_01/7), “I paid”: its evidence is no act of this step that succeeded
        18  tell: no recovery left
        19  run failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `bank.pay` (run_01/7), “I paid”: its evidence is no act of this step that succeeded
    "#]].assert_eq(&drive.outline());
}

#[test]
fn an_act_that_nobody_claims_counts_too() {
    expect![[r#"
        1   run started: desk
        2   tell: begins its turns
        3   tell[0]/ask: asked model small, about 300 tokens
        4   tell[0]/ask: proposed kb__search {"q":"a"}, mail__send {"text":"a","to":"ann@x.org"}
        5   tell[0]/call1: started kb.search {"q":"a"}
        6   tell[0]/call1: finished {"ok":true}
        7   tell[0]/call2: started mail.send {"text":"a","to":"ann@x.org"}
        8   tell[0]/call2: finished {"ok":true}
        9   tell[0]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5", mail__send "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/7"
        10  tell[1]/ask: asked model small, about 445 tokens
        11  tell[1]/ask: answer failed, unsupported_claim: unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it; claims: 1 unsupported
        12  tell[1]/ask: asked again with the errors
        13  tell[1]/ask: asked model small, attempt 2, about 510 tokens
        14  tell[1]/ask: answer failed, unsupported_claim: unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it; claims: 1 unsupported
        15  tell[1]/ask: no progress: the same failure twice
        16  tell[1]/ask: no recovery left
        17  tell: failed, no_progress: the same failure twice, although something was changed: unsupported_claim: unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it
        18  tell: no recovery left
        19  run failed, no_progress: the same failure twice, although something was changed: unsupported_claim: unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it
    "#]].assert_eq(&claimed("[]").outline());
}

#[test]
fn the_evidence_of_another_action_proves_nothing() {
    let drive = claimed(
        r#"[{"says": "I sent the e-mail", "action": "mail.send", "status": "succeeded", "evidence": "$E(kb.search)"}]"#,
    );
    expect![[r#"
        1   run started: desk
        2   tell: begins its turns
        3   tell[0]/ask: asked model small, about 300 tokens
        4   tell[0]/ask: proposed kb__search {"q":"a"}, mail__send {"text":"a","to":"ann@x.org"}
        5   tell[0]/call1: started kb.search {"q":"a"}
        6   tell[0]/call1: finished {"ok":true}
        7   tell[0]/call2: started mail.send {"text":"a","to":"ann@x.org"}
        8   tell[0]/call2: finished {"ok":true}
        9   tell[0]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5", mail__send "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/7"
        10  tell[1]/ask: asked model small, about 445 tokens
        11  tell[1]/ask: answer failed, unsupported_claim: refuted: `mail.send` (run_01a1f640bc0077078707070707070707/5), “I sent the e-mail”: its evidence is an act of `kb.search`; unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it; claims: 1 refuted, 1 unsupported
        12  tell[1]/ask: asked again with the errors
        13  tell[1]/ask: asked model small, attempt 2, about 552 tokens
        14  tell[1]/ask: answer failed, unsupported_claim: refuted: `mail.send` (run_01a1f640bc0077078707070707070707/5), “I sent the e-mail”: its evidence is an act of `kb.search`; unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it; claims: 1 refuted, 1 unsupported
        15  tell[1]/ask: no progress: the same failure twice
        16  tell[1]/ask: no recovery left
        17  tell: failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `mail.send` (run_01a1f640bc0077078707070707070707/5), “I sent the e-mail”: its evidence is an act of `kb.search`; unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it
        18  tell: no recovery left
        19  run failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `mail.send` (run_01a1f640bc0077078707070707070707/5), “I sent the e-mail”: its evidence is an act of `kb.search`; unsupported: `mail.send` on `ann@x.org` (run_01a1f640bc0077078707070707070707/7): it was done, and no claim names it
    "#]].assert_eq(&drive.outline());
    assert!(drive.state.end.is_some_and(|end| end.end == kernel::journal::End::Failed));
}

#[test]
fn claims_that_do_not_stand_are_told_back_once() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "ann@x.org", "text": "a"}}]}
        tell[1]/ask#1: {"summary": "told", "claims": [{"says": "I wrote", "action": "mail.send", "status": "succeeded"}]}
        tell[1]/ask#2: {"summary": "told", "claims": [{"says": "I wrote", "action": "mail.send", "status": "succeeded", "evidence": "$E(mail.send)"}]}
    "#;
    let mut drive = Drive::governed(&desk("", RULES), "", INPUT, Outside::new(outside));
    drive.run();
    let from = drive.outline().find("10 ").unwrap_or_default();
    expect![[r#"
        10  tell[1]/ask: asked again with the errors
        11  tell[1]/ask: asked model small, attempt 2, about 473 tokens
        12  tell[1]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 1 verified
        13  tell: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
        14  stage only done
        15  run completed {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
    "#]].assert_eq(&drive.outline()[from..]);
    let told = format!("{:?}", drive.asked.last().map(|asked| asked.turns.clone()));
    expect![[r#"Some([Said { model: "small", text: "", proposed: [Proposed { id: "p0", name: "mail__send", arguments: {"text":"a","to":"ann@x.org"} }], echo: None }, Returned([Returned { id: "p0", name: "mail__send", text: "{\"ok\":true}\nevidence: RUN/5", failed: false }]), Told("Your last answer was not accepted. Answer again and mend this:\n- unsupported: `mail.send`, “I wrote”: it cites no evidence; unsupported: `mail.send` on `ann@x.org` (RUN/5): it was done, and no claim names it")])"#]].assert_eq(&told.replace(&drive.state.run.to_string(), "RUN"));
}

#[test]
fn people_are_asked_about_an_agent_that_cannot_prove_what_it_says() {
    let outside = r#"
        tell[0]/ask: {"summary": "told", "claims": [{"says": "I wrote", "action": "mail.send", "status": "succeeded"}]}
        tell~2[0]/ask: {"summary": "not told", "claims": []}
        > work bea "again"
    "#;
    let text = desk("on_failure: { unsupported_claim: [ { person: desk } ] }", RULES);
    let mut drive = Drive::governed(&text, "", INPUT, Outside::new(outside));
    drive.run();
    expect![[r#"
        1   run started: desk
        2   tell: begins its turns
        3   tell[0]/ask: asked model small, about 300 tokens
        4   tell[0]/ask: answer failed, unsupported_claim: refuted: `mail.send`, “I wrote”: nothing of that kind was done in this step; claims: 1 refuted
        5   tell[0]/ask: asked again with the errors
        6   tell[0]/ask: asked model small, attempt 2, about 352 tokens
        7   tell[0]/ask: answer failed, unsupported_claim: refuted: `mail.send`, “I wrote”: nothing of that kind was done in this step; claims: 1 refuted
        8   tell[0]/ask: no progress: the same failure twice
        9   tell[0]/ask: no recovery left
        10  tell: failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `mail.send`, “I wrote”: nothing of that kind was done in this step
        11  tell: no recovery left
        12  run failed, no_progress: the same failure twice, although something was changed: unsupported_claim: refuted: `mail.send`, “I wrote”: nothing of that kind was done in this step
    "#]].assert_eq(&drive.outline());
    let agent = drive.program.step("tell").expect("a step");
    assert!(!agent.takes_value(), "a person's value would claim what nobody has proven");
}
