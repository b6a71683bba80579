//! `agent`: what its model proposes, what is done about it, and when it ends.

use expect_test::expect;

use crate::drive::{Drive, Outside, check};

/// A desk whose agent may look things up and write mails; `extra` are lines of the agent's step.
pub fn desk(extra: &str, files: &str) -> String {
    format!(
        r#"
        --- workflows/desk.yaml
        workflow: desk
        input: schemas/in.yaml
        result: {{ value: =tell }}
        stages:
          - stage: only
            steps:
              - step: tell
                agent: prompts/reply.md
                model: small
                see: {{ question: input.question, to: input.to }}
                tools: [ kb.search, mail.send ]
                output: schemas/reply.yaml
                {extra}
        --- prompts/reply.md
        Answer {{{{ question }}}} to {{{{ to }}}}.
        --- schemas/in.yaml
        type: object
        required: [ question, to ]
        properties: {{ question: {{ type: string, x-labels: [ trusted ] }}, to: {{ type: string, x-labels: [ trusted ] }} }}
        --- schemas/reply.yaml
        type: object
        required: [ summary, claims ]
        properties:
          summary: {{ type: string }}
          claims:
            type: array
            items:
              type: object
              required: [ says, action, status ]
              properties:
                says: {{ type: string }}
                action: {{ type: string }}
                resource: {{ type: string }}
                status: {{ enum: [ succeeded, failed ] }}
                evidence: {{ type: string }}
        --- schemas/query.yaml
        type: object
        required: [ q ]
        additionalProperties: false
        properties: {{ q: {{ type: string }} }}
        --- schemas/mail.yaml
        type: object
        required: [ to, text ]
        additionalProperties: false
        properties: {{ to: {{ type: string }}, text: {{ type: string }} }}
        --- tools/kb.yaml
        tool: kb
        native: true
        operations: {{ search: {{ effect: read, params: schemas/query.yaml, returns: {{ labels: [ trusted ] }} }} }}
        --- tools/mail.yaml
        tool: mail
        native: true
        operations:
          send:
            effect: at_most_once
            params: schemas/mail.yaml
            resource: {{ type: Address, id: =with.to }}
            control: [ to ]
            says: "Write to {{{{ with.to }}}}"
            returns: {{ labels: [ trusted ] }}
{files}
        "#
    )
}

pub const INPUT: &str = r#"{"question": "when?", "to": "ann@x.org"}"#;

/// Looks something up, writes, and says so with the evidence of it.
const GOOD: &str = r#"
    tell[0]/ask: {"propose": [{"kb.search": {"q": "when"}}], "text": "I look it up."}
    tell[0]/call1: {"hits": ["on Monday"]}
    tell[1]/ask: {"propose": [{"mail.send": {"to": "ann@x.org", "text": "on Monday"}}]}
    tell[1]/call1: {"id": "m1"}
    tell[2]/ask: {"summary": "told", "claims": [{"says": "I wrote to Ann", "action": "mail.send", "resource": "ann@x.org", "status": "succeeded", "evidence": "$E(mail.send)"}]}
"#;

#[test]
fn what_is_proposed_is_done_and_told_until_the_model_answers() {
    check(
        &desk("", RULES),
        INPUT,
        GOOD,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed kb__search {"q":"when"}
            5   tell[0]/call1: started kb.search {"q":"when"}
            6   tell[0]/call1: finished {"hits":["on Monday"]}
            7   tell[0]: told kb__search "{\"hits\":[\"on Monday\"]}\nevidence: run_01a1f640bc0077078707070707070…
            8   tell[1]/ask: asked model small, about 390 tokens
            9   tell[1]/ask: proposed mail__send {"text":"on Monday","to":"ann@x.org"}
            10  tell[1]/call1: started mail.send {"text":"on Monday","to":"ann@x.org"}
            11  tell[1]/call1: finished {"id":"m1"}
            12  tell[1]: told mail__send "{\"id\":\"m1\"}\nevidence: run_01a1f640bc0077078707070707070707/10"
            13  tell[2]/ask: asked model small, about 481 tokens
            14  tell[2]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 1 verified
            15  tell: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
            16  stage only done
            17  run completed {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
        "#]],
    );
}

/// Whoever is not named otherwise may do everything; writing to the boss is put before people.
pub const RULES: &str = r#"
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        --- policies/ask/boss.cedar
        @id("boss") @reason("the boss") @approve_by("desk") forbid (principal is Step, action == Action::"mail.send", resource)
        when { context.input.to == "boss@x.org" };
        --- policies/never/rival.cedar
        @id("rival") forbid (principal == Step::"desk/tell", action == Action::"mail.send", resource)
        when { context.input.to == "rival@x.org" };
        --- people.yaml
        groups: { desk: {} }
        people: { bea: { name: Bea, groups: [ desk ] }, cleo: { name: Cleo, groups: [ desk ] } }
"#;

#[test]
fn a_crash_after_any_entry_changes_nothing() {
    let text = desk("", RULES);
    let outside = format!("{}\n> vote bea approve", GOOD.replace("ann@x.org", "boss@x.org"));
    let input = INPUT.replace("ann@x.org", "boss@x.org");
    let mut whole = Drive::governed(&text, "", &input, Outside::new(&outside));
    whole.run();
    expect![[r#"
        1   run started: desk
        2   tell: begins its turns
        3   tell[0]/ask: asked model small, about 301 tokens
        4   tell[0]/ask: proposed kb__search {"q":"when"}
        5   tell[0]/call1: started kb.search {"q":"when"}
        6   tell[0]/call1: finished {"hits":["on Monday"]}
        7   tell[0]: told kb__search "{\"hits\":[\"on Monday\"]}\nevidence: run_01a1f640bc0077078707070707070…
        8   tell[1]/ask: asked model small, about 391 tokens
        9   tell[1]/ask: proposed mail__send {"text":"on Monday","to":"boss@x.org"}
        10  tell[1]/call1: asks desk by boss to approve mail.send {"text":"on Monday","to":"boss@x.org"} (apr_9ddbc4d08a9b312d)
        11  tell[1]/call1: bea approved (apr_9ddbc4d08a9b312d)
        12  tell[1]/call1: started mail.send {"text":"on Monday","to":"boss@x.org"}
        13  tell[1]/call1: finished {"id":"m1"}
        14  tell[1]: told mail__send "{\"id\":\"m1\"}\nevidence: run_01a1f640bc0077078707070707070707/10"
        15  tell[2]/ask: asked model small, about 482 tokens
        16  tell[2]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 1 verified
        17  tell: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
        18  stage only done
        19  run completed {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
    "#]].assert_eq(&whole.outline());
    let sent = |drive: &Drive| drive.calls.iter().filter(|call| call.contains("m1") || call.contains("boss")).count();
    for cut in 1..whole.entries.len() {
        let mut half = Drive::governed(&text, "", &input, Outside::new(&outside));
        half.die_after = Some(cut);
        half.run();
        let mut rest = half.resumed(&half.entries);
        if half.events.iter().any(|event| matches!(event, kernel::journal::Event::VoteReceived { .. })) {
            rest.outside = Outside::new(GOOD.replace("ann@x.org", "boss@x.org").as_str());
        }
        rest.now = whole.now;
        rest.run();
        let open = matches!(half.events.last(), Some(kernel::journal::Event::ActionStarted { step, .. }) if step.as_str() == "tell[1]/call1");
        match open {
            // Whether it was written when the process died, only a person can tell: nothing goes on, and nothing is sent again.
            true => {
                assert!(rest.outline().contains("outcome unknown"), "{cut}\n{}", rest.outline());
                assert_eq!(sent(&rest), 0, "{cut}");
            }
            false => {
                let end = rest.state.end.as_ref().unwrap_or_else(|| panic!("{cut}\n{}", rest.outline()));
                assert_eq!(end.end, kernel::journal::End::Completed, "{cut}");
                assert!(sent(&half) + sent(&rest) <= 1, "{cut}\n{}", rest.outline());
            }
        }
    }
}

#[test]
fn a_denial_is_one_line_and_a_no_of_a_person_gives_the_reason() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "rival@x.org", "text": "a"}}, {"mail.send": {"to": "boss@x.org", "text": "b"}}, {"mail.send": {"to": "boss@x.org", "text": "c"}}]}
        tell[0]/call3: {"id": "m3"}
        tell[1]/ask: {"summary": "told", "claims": [{"says": "I wrote to the boss", "action": "mail.send", "status": "succeeded", "evidence": "$E(mail.send)"}, {"says": "I could not write to the rival", "action": "mail.send", "status": "failed"}]}
        > vote bea reject not now
        > vote cleo approve
    "#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed mail__send {"text":"a","to":"rival@x.org"}, mail__send {"text":"b","to":"boss@x.org"}, mail__send {"text":"c","to":"boss@x.org"}
            5   tell[0]/call1: mail.send denied by rival: `rival` denies `mail.send`
            6   tell[0]/call1: the model is told
            7   tell[0]/call2: asks desk by boss to approve mail.send {"text":"b","to":"boss@x.org"} (apr_f793dcdff0d33f9d)
            8   tell[0]/call2: bea rejected (apr_f793dcdff0d33f9d)
            9   tell[0]/call2: approval_rejected: bea said no: not now
            10  tell[0]/call2: the model is told
            11  tell[0]/call3: asks desk by boss to approve mail.send {"text":"c","to":"boss@x.org"} (apr_a9a7d14ef6775a96)
            12  tell[0]/call3: cleo approved (apr_a9a7d14ef6775a96)
            13  tell[0]/call3: started mail.send {"text":"c","to":"boss@x.org"}
            14  tell[0]/call3: finished {"id":"m3"}
            15  tell[0]: told mail__send failed "not permitted", mail__send failed "a person was asked: bea said no: not now", mail__send "{\"id\":\"m3\"}\nevidence: run_01a1f640bc0077078707070707070707/11"
            16  tell[1]/ask: asked model small, about 494 tokens
            17  tell[1]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 2 verified
            18  tell: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
            19  stage only done
            20  run completed {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
        "#]],
    );
}

#[test]
fn what_no_offer_names_does_nothing_and_is_told_once() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.delete": {"to": "x"}}, {"kb.search": {"q": "when"}}]}
        tell[1]/ask: {"propose": [{"mail.burn": {}}]}
    "#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed mail__delete {"to":"x"}, kb__search {"q":"when"}
            5   tell[0]/call1: failed, unknown_tool: `mail__delete` is not offered: use one of kb__search, mail__send, answer
            6   tell[0]/call1: the model is told
            7   tell[0]/call2: started kb.search {"q":"when"}
            8   tell[0]/call2: finished {"ok":true}
            9   tell[0]: told mail__delete failed "unknown_tool: `mail__delete` is not offered: use one of kb__search, mai…, kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/7"
            10  tell[1]/ask: asked model small, about 449 tokens
            11  tell[1]/ask: proposed mail__burn {}
            12  tell[1]/call1: failed, unknown_tool: `mail__burn` is not offered: use one of kb__search, mail__send, answer
            13  tell[1]/call1: no recovery left
            14  tell: failed, unknown_tool: `mail__burn` is not offered: use one of kb__search, mail__send, answer
            15  tell: no recovery left
            16  run failed, unknown_tool: `mail__burn` is not offered: use one of kb__search, mail__send, answer
        "#]],
    );
}

#[test]
fn arguments_that_do_not_fit_are_told_back_twice() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "ann@x.org"}}]}
        tell[1]/ask: {"propose": [{"kb.search": {"query": "x"}}, {"kb.search": {"q": "a"}}]}
        tell[2]/ask: {"propose": [{"mail.send": "write to ann"}]}
    "#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed mail__send {"to":"ann@x.org"}
            5   tell[0]/call1: failed, invalid_arguments: the arguments of `mail__send`: the value: "text" is missing
            6   tell[0]/call1: the model is told
            7   tell[0]: told mail__send failed "invalid_arguments: the arguments of `mail__send`: the value: \"text\" i…
            8   tell[1]/ask: asked model small, about 389 tokens
            9   tell[1]/ask: proposed kb__search {"query":"x"}, kb__search {"q":"a"}
            10  tell[1]/call1: failed, invalid_arguments: the arguments of `kb__search`: the value: "query" may not stand there; the value: "q" is missing
            11  tell[1]/call1: the model is told
            12  tell[1]/call2: started kb.search {"q":"a"}
            13  tell[1]/call2: finished {"ok":true}
            14  tell[1]: told kb__search failed "invalid_arguments: the arguments of `kb__search`: the value: \"query\" …, kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/12"
            15  tell[2]/ask: asked model small, about 548 tokens
            16  tell[2]/ask: proposed mail__send "write to ann"
            17  tell[2]/call1: failed, invalid_arguments: the arguments of `mail__send`: the value: "write to ann" is not an object
            18  tell[2]/call1: no recovery left
            19  tell: failed, invalid_arguments: the arguments of `mail__send`: the value: "write to ann" is not an object
            20  tell: no recovery left
            21  run failed, invalid_arguments: the arguments of `mail__send`: the value: "write to ann" is not an object
        "#]],
    );
}

#[test]
fn the_same_for_the_third_time_is_not_done_and_then_ends_it() {
    let outside = r#"ask: {"propose": [{"kb.search": {"q": "when"}}]}"#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed kb__search {"q":"when"}
            5   tell[0]/call1: started kb.search {"q":"when"}
            6   tell[0]/call1: finished {"ok":true}
            7   tell[0]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5"
            8   tell[1]/ask: asked model small, about 382 tokens
            9   tell[1]/ask: proposed kb__search {"q":"when"}
            10  tell[1]/call1: started kb.search {"q":"when"}
            11  tell[1]/call1: finished {"ok":true}
            12  tell[1]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/10"
            13  tell[2]/ask: asked model small, about 464 tokens
            14  tell[2]/ask: proposed kb__search {"q":"when"}
            15  tell[2]/call1: failed, no_progress: `kb__search` with the same arguments for the third time: it is not done again
            16  tell[2]/call1: the model is told
            17  tell[2]: told kb__search failed "no_progress: `kb__search` with the same arguments for the third time: i…; "You turn in circles: `kb__search` with the same arguments for the third…
            18  tell[3]/ask: asked model small, about 601 tokens
            19  tell[3]/ask: proposed kb__search {"q":"when"}
            20  tell[3]/call1: failed, no_progress: `kb__search` with the same arguments for the third time, and there is no answer; done until then: kb.search (run_01a1f640bc0077078707070707070707/5), kb.search (run_01a1f640bc0077078707070707070707/10)
            21  tell[3]/call1: no recovery left
            22  tell: failed, no_progress: `kb__search` with the same arguments for the third time, and there is no answer; done until then: kb.search (run_01a1f640bc0077078707070707070707/5), kb.search (run_01a1f640bc0077078707070707070707/10)
            23  tell: no recovery left
            24  run failed, no_progress: `kb__search` with the same arguments for the third time, and there is no answer; done until then: kb.search (run_01a1f640bc0077078707070707070707/5), kb.search (run_01a1f640bc0077078707070707070707/10)
        "#]],
    );
}

#[test]
fn two_actions_in_turn_are_not_done_twice() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"kb.search": {"q": "a"}}]}
        tell[0]/call1: {"hits": 1}
        tell[1]/ask: {"propose": [{"kb.search": {"q": "b"}}]}
        tell[1]/call1: {"hits": 2}
        tell[2]/ask: {"propose": [{"kb.search": {"q": "a"}}]}
        tell[2]/call1: {"hits": 3}
        tell[3]/ask: {"propose": [{"kb.search": {"q": "b"}}]}
        tell[4]/ask: {"summary": "nothing", "claims": []}
    "#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed kb__search {"q":"a"}
            5   tell[0]/call1: started kb.search {"q":"a"}
            6   tell[0]/call1: finished {"hits":1}
            7   tell[0]: told kb__search "{\"hits\":1}\nevidence: run_01a1f640bc0077078707070707070707/5"
            8   tell[1]/ask: asked model small, about 381 tokens
            9   tell[1]/ask: proposed kb__search {"q":"b"}
            10  tell[1]/call1: started kb.search {"q":"b"}
            11  tell[1]/call1: finished {"hits":2}
            12  tell[1]: told kb__search "{\"hits\":2}\nevidence: run_01a1f640bc0077078707070707070707/10"
            13  tell[2]/ask: asked model small, about 462 tokens
            14  tell[2]/ask: proposed kb__search {"q":"a"}
            15  tell[2]/call1: started kb.search {"q":"a"}
            16  tell[2]/call1: finished {"hits":3}
            17  tell[2]: told kb__search "{\"hits\":3}\nevidence: run_01a1f640bc0077078707070707070707/15"
            18  tell[3]/ask: asked model small, about 543 tokens
            19  tell[3]/ask: proposed kb__search {"q":"b"}
            20  tell[3]/call1: failed, no_progress: the same two actions in turn, `kb__search` the last of them: it is not done again
            21  tell[3]/call1: the model is told
            22  tell[3]: told kb__search failed "no_progress: the same two actions in turn, `kb__search` the last of the…; "You turn in circles: the same two actions in turn, `kb__search` the las…
            23  tell[4]/ask: asked model small, about 681 tokens
            24  tell[4]/ask: proposed answer {"claims":[],"summary":"nothing"}
            25  tell: done {"claims":[],"summary":"nothing"}
            26  stage only done
            27  run completed {"claims":[],"summary":"nothing"}
        "#]],
    );
}

#[test]
fn turns_are_limited() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"kb.search": {"q": "a"}}]}
        tell[1]/ask: {"propose": [{"kb.search": {"q": "b"}}]}
    "#;
    check(
        &desk("limits: { turns: 2 }", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed kb__search {"q":"a"}
            5   tell[0]/call1: started kb.search {"q":"a"}
            6   tell[0]/call1: finished {"ok":true}
            7   tell[0]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5"; "This is your last turn: answer now."
            8   tell[1]/ask: asked model small, about 397 tokens
            9   tell[1]/ask: proposed kb__search {"q":"b"}
            10  tell[1]/call1: started kb.search {"q":"b"}
            11  tell[1]/call1: finished {"ok":true}
            12  tell[1]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/10"
            13  tell: failed, no_progress: the limit of turns, 2, is reached, and there is no answer; done until then: kb.search (run_01a1f640bc0077078707070707070707/5), kb.search (run_01a1f640bc0077078707070707070707/10)
            14  tell: no recovery left
            15  run failed, no_progress: the limit of turns, 2, is reached, and there is no answer; done until then: kb.search (run_01a1f640bc0077078707070707070707/5), kb.search (run_01a1f640bc0077078707070707070707/10)
        "#]],
    );
}

#[test]
fn actions_are_limited_and_what_was_done_is_named() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "ann@x.org", "text": "a"}}]}
        tell[1]/ask: {"propose": [{"kb.search": {"q": "b"}}]}
    "#;
    check(
        &desk("limits: { actions: 1 }", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed mail__send {"text":"a","to":"ann@x.org"}
            5   tell[0]/call1: started mail.send {"text":"a","to":"ann@x.org"}
            6   tell[0]/call1: finished {"ok":true}
            7   tell[0]: told mail__send "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5"; "Your limit of actions, 1, is reached: answer now."
            8   tell[1]/ask: asked model small, about 407 tokens
            9   tell[1]/ask: proposed kb__search {"q":"b"}
            10  tell[1]/call1: failed, no_progress: the limit of actions, 1, is reached, and there is no answer; done until then: mail.send on ann@x.org (run_01a1f640bc0077078707070707070707/5)
            11  tell[1]/call1: no recovery left
            12  tell: failed, no_progress: the limit of actions, 1, is reached, and there is no answer; done until then: mail.send on ann@x.org (run_01a1f640bc0077078707070707070707/5)
            13  tell: no recovery left
            14  run failed, no_progress: the limit of actions, 1, is reached, and there is no answer; done until then: mail.send on ann@x.org (run_01a1f640bc0077078707070707070707/5)
        "#]],
    );
}

#[test]
fn an_answer_beside_other_proposals_does_not_count() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"kb.search": {"q": "a"}}, {"answer": {"summary": "guessed", "claims": []}}]}
        tell[1]/ask: {"summary": "found", "claims": []}
    "#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed kb__search {"q":"a"}, answer {"claims":[],"summary":"guessed"}
            5   tell[0]/call1: started kb.search {"q":"a"}
            6   tell[0]/call1: finished {"ok":true}
            7   tell[0]/call2: failed, invalid_output: `answer` stands alone, after you have seen what came of your proposals
            8   tell[0]/call2: the model is told
            9   tell[0]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5", answer failed "invalid_output: `answer` stands alone, after you have seen what came of…
            10  tell[1]/ask: asked model small, about 451 tokens
            11  tell[1]/ask: proposed answer {"claims":[],"summary":"found"}
            12  tell: done {"claims":[],"summary":"found"}
            13  stage only done
            14  run completed {"claims":[],"summary":"found"}
        "#]],
    );
}

#[test]
fn an_answer_in_words_alone_ends_nothing() {
    let outside = r#"
        tell[0]/ask#1: {"propose": [], "text": "Done, I sent the e-mail."}
        tell[0]/ask#2: {"summary": 7, "claims": []}
        tell[0]/ask#3: {"summary": "nothing to do", "claims": []}
    "#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: answer failed, invalid_output: nothing was proposed: use one of kb__search, mail__send, answer; `answer` ends the work
            5   tell[0]/ask: asked again with the errors
            6   tell[0]/ask: asked model small, attempt 2, about 355 tokens
            7   tell[0]/ask: answer failed, invalid_output: `/summary`: 7 is not a text
            8   tell[0]/ask: asked again with the errors
            9   tell[0]/ask: asked model small, attempt 3, about 365 tokens
            10  tell[0]/ask: proposed answer {"claims":[],"summary":"nothing to do"}
            11  tell: done {"claims":[],"summary":"nothing to do"}
            12  stage only done
            13  run completed {"claims":[],"summary":"nothing to do"}
        "#]],
    );
}

#[test]
fn a_failed_act_goes_back_to_the_model_after_its_own_retries() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"kb.search": {"q": "a"}}, {"mail.send": {"to": "ann@x.org", "text": "a"}}]}
        tell[0]/call1: !tool_error
        tell[0]/call2: !tool_rejected
        tell[1]/ask: {"summary": "could not", "claims": [{"says": "I could not write", "action": "mail.send", "status": "failed"}]}
    "#;
    check(
        &desk("on_failure: { tool_error: [ { retry: 1 }, { model: strong } ] }", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed kb__search {"q":"a"}, mail__send {"text":"a","to":"ann@x.org"}
            5   tell[0]/call1: started kb.search {"q":"a"}
            6   tell[0]/call1: action failed, tool_error: as told
            7   tell[0]/call1: tried again at 2026-11-20T00:00:00.128Z
            8   tell[0]/call1: sent again, attempt 2
            9   tell[0]/call1: action failed, tool_error: as told
            10  tell[0]/call1: the model is told
            11  tell[0]/call2: started mail.send {"text":"a","to":"ann@x.org"}
            12  tell[0]/call2: action failed, tool_rejected: as told
            13  tell[0]/call2: the model is told
            14  tell[0]: told kb__search failed "tool_error: as told", mail__send failed "tool_rejected: as told"
            15  tell[1]/ask: asked model small, about 416 tokens
            16  tell[1]/ask: proposed answer {"claims":[{"action":"mail.send","says":"I could not write","status":"fa…; claims: 1 verified
            17  tell: done {"claims":[{"action":"mail.send","says":"I could not write","status":"fa…
            18  stage only done
            19  run completed {"claims":[{"action":"mail.send","says":"I could not write","status":"fa…
        "#]],
    );
}

#[test]
fn nothing_goes_on_over_an_act_whose_outcome_nobody_knows() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "ann@x.org", "text": "a"}}]}
        tell[0]/call1: !tool_timeout maybe_sent
        tell[1]/ask: {"summary": "told", "claims": [{"says": "I wrote", "action": "mail.send", "status": "succeeded", "evidence": "$E(mail.send)"}]}
        > > resolve - {"step": "tell[0]/call1", "resolution": "performed", "output": {"id": "m1"}, "reason": "I saw it", "auth": "local"}
    "#;
    let mut drive = Drive::governed(&desk("", RULES), "", INPUT, Outside::new(outside));
    drive.run();
    expect![[r#"
        1   run started: desk
        2   tell: begins its turns
        3   tell[0]/ask: asked model small, about 300 tokens
        4   tell[0]/ask: proposed mail__send {"text":"a","to":"ann@x.org"}
        5   tell[0]/call1: started mail.send {"text":"a","to":"ann@x.org"}
        6   tell[0]/call1: outcome unknown, tool_timeout: as told; a person must resolve it
        7   tell[0]/call1: ann says that it was performed: I saw it
        8   tell[0]/call1: finished {"id":"m1"}
        9   tell[0]: told mail__send "{\"id\":\"m1\"}\nevidence: run_01a1f640bc0077078707070707070707/5"
        10  tell[1]/ask: asked model small, about 388 tokens
        11  tell[1]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 1 verified
        12  tell: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
        13  stage only done
        14  run completed {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
    "#]].assert_eq(&drive.outline());
    expect!["a person to resolve `mail.send` at `tell[0]/call1`"].assert_eq(&drive.slept.join("\n"));
}

#[test]
fn an_agent_that_failed_is_begun_anew_and_knows_what_stands() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "ann@x.org", "text": "a"}}]}
        tell~2[0]/ask: {"summary": "told", "claims": [{"says": "I wrote", "action": "mail.send", "status": "succeeded", "evidence": "run_E/8"}]}
    "#;
    let text = desk("limits: { turns: 1 }\n                on_failure: { no_progress: [ { model: strong } ] }", RULES);
    let mut drive = Drive::governed(&text, "", INPUT, Outside::new(outside));
    let run = drive.state.run.to_string();
    drive.outside = Outside::new(&outside.replace("run_E/8", &format!("{run}/5")));
    drive.run();
    expect![[r#"
        1   run started: desk
        2   tell: begins its turns
        3   tell[0]/ask: asked model small, about 300 tokens
        4   tell[0]/ask: proposed mail__send {"text":"a","to":"ann@x.org"}
        5   tell[0]/call1: started mail.send {"text":"a","to":"ann@x.org"}
        6   tell[0]/call1: finished {"ok":true}
        7   tell[0]: told mail__send "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5"
        8   tell: failed, no_progress: the limit of turns, 1, is reached, and there is no answer; done until then: mail.send on ann@x.org (run_01a1f640bc0077078707070707070707/5)
        9   tell: passed to model strong
        10  tell~2: begins its turns
        11  tell~2[0]/ask: asked model strong, about 352 tokens
        12  tell~2[0]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 1 verified
        13  tell~2: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
        14  stage only done
        15  run completed {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
    "#]].assert_eq(&drive.outline());
    let last = drive.asked.last().expect("asked");
    expect![[r#"[Told("This was done already in an earlier attempt at this work, and stands:\n- mail.send on ann@x.org, evidence: RUN/5")]"#]].assert_eq(&format!("{:?}", last.turns).replace(&run, "RUN"));
}

#[test]
fn each_item_has_an_agent_of_its_own() {
    let text = desk("", RULES)
        .replace("              - step: tell\n", "              - step: all\n                each: input.to\n                as: one\n                steps:\n                - step: tell\n")
        .replace("to: { type: string, x-labels", "to: { type: array, items: { type: string }, x-labels")
        .replace("to: input.to }", "to: one }")
        .replace("value: =tell", "value: =all");
    let text: String = text
        .lines()
        .map(|line| {
            let inside =
                ["agent:", "model:", "see:", "tools:", "output:"].iter().any(|key| line.trim_start().starts_with(key));
            if inside && line.starts_with("                ") { format!("  {line}\n") } else { format!("{line}\n") }
        })
        .collect();
    let outside = r#"
        all[0]/tell[0]/ask: {"propose": [{"mail.send": {"to": "a@x.org", "text": "a"}}]}
        all[0]/tell[1]/ask: {"summary": "told a", "claims": [{"says": "I wrote", "action": "mail.send", "status": "succeeded", "evidence": "$E(mail.send)"}]}
        all[1]/tell[0]/ask: {"summary": "nothing", "claims": []}
    "#;
    check(
        &text,
        r#"{"question": "when?", "to": ["a@x.org", "b@x.org"]}"#,
        outside,
        expect![[r#"
            1   run started: desk
            2   all: over 2 items
            3   all[0]/tell: begins its turns
            4   all[1]/tell: begins its turns
            5   all[0]/tell[0]/ask: asked model small, about 300 tokens
            6   all[1]/tell[0]/ask: asked model small, about 300 tokens
            7   all[0]/tell[0]/ask: proposed mail__send {"text":"a","to":"a@x.org"}
            8   all[1]/tell[0]/ask: proposed answer {"claims":[],"summary":"nothing"}
            9   all[0]/tell[0]/call1: started mail.send {"text":"a","to":"a@x.org"}
            10  all[1]/tell: done {"claims":[],"summary":"nothing"}
            11  all[1]: gave {"claims":[],"summary":"nothing"}
            12  all[0]/tell[0]/call1: finished {"ok":true}
            13  all[0]/tell[0]: told mail__send "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/9"
            14  all[0]/tell[1]/ask: asked model small, about 387 tokens
            15  all[0]/tell[1]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 1 verified
            16  all[0]/tell: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
            17  all[0]: gave {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
            18  all: done [{"claims":[{"action":"mail.send","evidence":"run_01a1f640bc007707870707…
            19  stage only done
            20  run completed [{"claims":[{"action":"mail.send","evidence":"run_01a1f640bc007707870707…
        "#]],
    );
}

#[test]
fn what_untrusted_text_shaped_is_denied_and_the_answer_of_a_tool_counts_once_it_was_told() {
    let text = desk("", RULES)
        .replace("params: schemas/query.yaml, returns: { labels: [ trusted ] }", "params: schemas/query.yaml");
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "ann@x.org", "text": "a"}}, {"kb.search": {"q": "a"}}]}
        tell[1]/ask: {"propose": [{"mail.send": {"to": "ann@x.org", "text": "b"}}]}
        tell[2]/ask: {"summary": "told", "claims": [{"says": "I wrote", "action": "mail.send", "status": "succeeded", "evidence": "$E(mail.send)"}]}
    "#;
    check(
        &text,
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed mail__send {"text":"a","to":"ann@x.org"}, kb__search {"q":"a"}
            5   tell[0]/call1: started mail.send {"text":"a","to":"ann@x.org"}
            6   tell[0]/call1: finished {"ok":true}
            7   tell[0]/call2: started kb.search {"q":"a"}
            8   tell[0]/call2: finished {"ok":true}
            9   tell[0]: told mail__send "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/5", kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/7"
            10  tell[1]/ask: asked model small, about 445 tokens
            11  tell[1]/ask: proposed mail__send {"text":"b","to":"ann@x.org"}
            12  tell[1]/call1: mail.send denied by untrusted-control: `to` says what `mail.send` does, and comes from `tell/kb.search`, which is untrusted: tie it to trusted data with `trust:`, allow-list it in the tool file, or let an ask rule put it before a person
            13  tell[1]/call1: the model is told
            14  tell[1]: told mail__send failed "not permitted"
            15  tell[2]/ask: asked model small, about 515 tokens
            16  tell[2]/ask: proposed answer {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…; claims: 1 verified
            17  tell: done {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
            18  stage only done
            19  run completed {"claims":[{"action":"mail.send","evidence":"run_01a1f640bc0077078707070…
        "#]],
    );
}

#[test]
fn a_budget_that_is_used_up_pauses_it_where_it_is() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"kb.search": {"q": "a"}}]}
        tell[1]/ask: {"summary": "nothing", "claims": []}
        > raise - {"unit": "calls", "limit": 9, "auth": "local"}
        > resume
    "#;
    let text = desk("", RULES).replace("        stages:\n", "        budget: { calls: 1 }\n        stages:\n");
    check(
        &text,
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed kb__search {"q":"a"}
            5   tell[0]/call1: failed, budget_exceeded: `run` has no room for 1 call more: 0 calls of 1 call is left
            6   tell[0]/call1: paused until a person resumes
            7   ann raised the run's budget of calls to 9 calls
            8   resume asked by ann
            9   tell[0]/call1: started kb.search {"q":"a"}
            10  tell[0]/call1: finished {"ok":true}
            11  tell[0]: told kb__search "{\"ok\":true}\nevidence: run_01a1f640bc0077078707070707070707/9"
            12  tell[1]/ask: asked model small, about 381 tokens
            13  tell[1]/ask: proposed answer {"claims":[],"summary":"nothing"}
            14  tell: done {"claims":[],"summary":"nothing"}
            15  stage only done
            16  run completed {"claims":[],"summary":"nothing"}
        "#]],
    );
}

#[test]
fn a_run_that_is_cancelled_begins_no_further_turn() {
    let outside = r#"
        tell[0]/ask: {"propose": [{"mail.send": {"to": "boss@x.org", "text": "a"}}]}
        > cancel
    "#;
    check(
        &desk("", RULES),
        INPUT,
        outside,
        expect![[r#"
            1   run started: desk
            2   tell: begins its turns
            3   tell[0]/ask: asked model small, about 300 tokens
            4   tell[0]/ask: proposed mail__send {"text":"a","to":"boss@x.org"}
            5   tell[0]/call1: asks desk by boss to approve mail.send {"text":"a","to":"boss@x.org"} (apr_787295ca796f18cd)
            6   cancel asked by ann
            7   run cancelled
        "#]],
    );
}

#[test]
fn a_long_result_is_cut_and_goes_through_a_blob() {
    let long = "x".repeat(40_000);
    let outside = format!(
        r#"
        tell[0]/ask: {{"propose": [{{"kb.search": {{"q": "a"}}}}]}}
        tell[0]/call1: {{"text": "{long}"}}
        tell[1]/ask: {{"summary": "found", "claims": []}}
        "#
    );
    let mut drive = Drive::governed(&desk("", RULES), "", INPUT, Outside::new(&outside));
    drive.run();
    let turns = format!("{:?}", drive.asked.last().expect("asked").turns);
    assert!(turns.len() < 9_000 && turns.contains("(cut: these are the first 8192 of 40011 bytes)"), "{}", turns.len());
    assert!(drive.state.end.is_some_and(|end| end.end == kernel::journal::End::Completed));
}

#[test]
fn what_does_not_fit_its_turns_is_refused() {
    use kernel::{
        journal::{Entry, Event, Held},
        recovery::Response,
        values::Value,
    };
    let outside = r#"tell[0]/ask: {"propose": [{"mail.send": {"to": "boss@x.org", "text": "a"}}]}"#;
    let mut drive = Drive::governed(&desk("", RULES), "", INPUT, Outside::new(outside));
    drive.run();
    let output = Held::Value(Value::map([("returned", Value::list([]))]));
    let wrong = [
        Event::AgentOpened { step: "tell".into() },
        // A proposal of the turn is still before people.
        Event::TurnDone { body: "tell[0]".into(), output: output.clone(), again: true },
        Event::TurnDone { body: "tell[1]".into(), output, again: true },
        Event::FailureAnswered { step: "tell[0]/call1".into(), response: Response::GiveBack },
    ];
    for event in wrong {
        let head = drive.entries.last().map(Entry::head).expect("entries");
        let entry = Entry::seal(drive.state.run, head, drive.epoch, drive.now, [0; 16], &event);
        assert!(drive.state.clone().apply(&entry, event.clone()).is_err(), "{event:?}");
    }
}
