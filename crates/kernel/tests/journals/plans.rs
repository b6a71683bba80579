//! `plan`: nothing of a list of actions is done before all of it was looked at.

use expect_test::expect;
use kernel::journal::{End, Event};

use crate::drive::{Drive, Outside, check};

/// A desk whose model plans payments and mails; `extra` are lines of the step.
fn desk(extra: &str, files: &str) -> String {
    format!(
        r#"
        --- workflows/desk.yaml
        workflow: desk
        input: schemas/in.yaml
        result: {{ value: =work }}
        stages:
          - stage: only
            steps:
              - step: work
                plan: prompts/plan.md
                model: small
                see: {{ question: input.question }}
                tools: [ kb.search, mail.send ]
                {extra}
        --- prompts/plan.md
        Plan what is to be done about {{{{ question }}}}.
        --- schemas/in.yaml
        type: object
        required: [ question ]
        properties: {{ question: {{ type: string, x-labels: [ trusted ] }} }}
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
            cost: 0.02 USD
            params: schemas/mail.yaml
            resource: {{ type: Address, id: =with.to }}
            control: [ to ]
            says: "Write to {{{{ with.to }}}}"
            returns: {{ labels: [ trusted ] }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        --- policies/ask/boss.cedar
        @id("boss") @reason("the boss") @approve_by("desk") forbid (principal is Step, action == Action::"mail.send", resource)
        when {{ context.input.to == "boss@x.org" }};
        --- policies/never/rival.cedar
        @id("rival") forbid (principal == Step::"desk/work", action == Action::"mail.send", resource)
        when {{ context.input.to == "rival@x.org" }};
        --- people.yaml
        groups: {{ desk: {{}}, leads: {{}} }}
        people: {{ bea: {{ name: Bea, groups: [ desk ] }}, cleo: {{ name: Cleo, groups: [ leads ] }} }}
{files}
        "#
    )
}

const INPUT: &str = r#"{"question": "the late order"}"#;

/// The mail stands first and needs the search.
fn planned(to: &str) -> String {
    let mail = format!(
        r#"{{"id": "tell", "act": "mail.send", "with": {{"to": "{to}", "text": "sorry"}}, "why": "they wait", "needs": ["look"]}}"#
    );
    let look = r#"{"id": "look", "act": "kb.search", "with": {"q": "late"}, "why": "to know", "needs": []}"#;
    format!(r#"{{"goal": "say sorry", "actions": [{mail}, {look}]}}"#)
}

fn outside(first: &str, rest: &str) -> String {
    format!(
        "work[0]/ask: {first}\nwork[0]/call1: {{\"hits\": [\"Monday\"]}}\nwork[0]/call2: {{\"id\": \"m1\"}}\n{rest}"
    )
}

#[test]
fn a_plan_is_written_frozen_and_done_in_the_order_of_its_needs() {
    check(
        &desk("", ""),
        INPUT,
        &outside(&planned("ann@x.org"), ""),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/call1: started kb.search {"q":"late"}
        7   work[0]/call1: finished {"hits":["Monday"]}
        8   work[0]/call2: started mail.send {"text":"sorry","to":"ann@x.org"}
        9   work[0]/call2: finished {"id":"m1"}
        10  work: done {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        11  stage only done
        12  run completed {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
    "#]],
    );
}

#[test]
fn people_say_yes_before_the_first_action() {
    let text = desk("review: { by: leads, when: plan.writes > 0 and plan.cost_cents >= 2 }", "");
    check(
        &text,
        INPUT,
        &outside(&planned("ann@x.org"), "> vote cleo approve"),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/review: asks leads to approve (apr_6b186fd93fe3615b)
        7   work[0]/review: cleo approved (apr_6b186fd93fe3615b)
        8   work[0]/review: decided {"approved":true,"by":["cleo"]}
        9   work[0]/call1: started kb.search {"q":"late"}
        10  work[0]/call1: finished {"hits":["Monday"]}
        11  work[0]/call2: started mail.send {"text":"sorry","to":"ann@x.org"}
        12  work[0]/call2: finished {"id":"m1"}
        13  work: done {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        14  stage only done
        15  run completed {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
    "#]],
    );
    let none = desk("review: { by: leads, when: plan.writes > 1 }", "");
    check(
        &none,
        INPUT,
        &outside(&planned("ann@x.org"), ""),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/review: skipped
        7   work[0]/call1: started kb.search {"q":"late"}
        8   work[0]/call1: finished {"hits":["Monday"]}
        9   work[0]/call2: started mail.send {"text":"sorry","to":"ann@x.org"}
        10  work[0]/call2: finished {"id":"m1"}
        11  work: done {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        12  stage only done
        13  run completed {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
    "#]],
    );
}

#[test]
fn a_no_ends_it_and_a_replan_is_told_why() {
    let text = desk("review: { by: leads }", "");
    check(
        &text,
        INPUT,
        &outside(&planned("ann@x.org"), "> vote cleo reject too early"),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/review: asks leads to approve (apr_6b186fd93fe3615b)
        7   work[0]/review: cleo rejected (apr_6b186fd93fe3615b)
        8   work[0]/review: approval_rejected: cleo said no: too early
        9   work[0]/review: no recovery left
        10  work: failed, approval_rejected: cleo said no: too early
        11  work: no recovery left
        12  run failed, approval_rejected: cleo said no: too early
    "#]],
    );
    let again = desk("review: { by: leads }\n                on_failure: { approval_rejected: [ { replan: 1 } ] }", "");
    let rest = format!(
        "work~2[0]/ask: {}\n> vote cleo reject too early\n> vote cleo approve",
        r#"{"goal": "wait", "actions": [{"id": "look", "act": "kb.search", "with": {"q": "late"}, "why": "to know", "needs": []}]}"#
    );
    let mut drive = Drive::governed(&again, "", INPUT, Outside::new(&outside(&planned("ann@x.org"), &rest)));
    drive.run();
    expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/review: asks leads to approve (apr_6b186fd93fe3615b)
        7   work[0]/review: cleo rejected (apr_6b186fd93fe3615b)
        8   work[0]/review: approval_rejected: cleo said no: too early
        9   work[0]/review: no recovery left
        10  work: failed, approval_rejected: cleo said no: too early
        11  work: begun afresh
        12  work~2: begins to plan
        13  work~2[0]/ask: asked model small, about 69 tokens
        14  work~2[0]/ask: answered {"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to know","w…
        15  work~2[0]/plan: version 2 is frozen (13238faf6916), 1 call for $0.00 at most
        16  work~2[0]/review: asks leads to approve (apr_70c1d95cbfb829d9)
        17  work~2[0]/review: cleo approved (apr_70c1d95cbfb829d9)
        18  work~2[0]/review: decided {"approved":true,"by":["cleo"]}
        19  work~2[0]/call1: started kb.search {"q":"late"}
        20  work~2[0]/call1: finished {"ok":true}
        21  work~2: done {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        22  stage only done
        23  run completed {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
    "#]]
    .assert_eq(&drive.outline());
    expect![[r#"
        Plan what is to be done about the late order.

        What became of it until now:
        An earlier plan of this work was not carried out to its end: approval_rejected: cleo said no: too early
        Nothing of it was done."#]]
    .assert_eq(&drive.asked[1].user);
}

#[test]
fn a_yes_to_the_plan_is_none_to_what_a_rule_puts_before_people() {
    let text = desk("review: { by: leads }", "");
    let votes = "> vote cleo approve\n> vote bea approve";
    check(
        &text,
        INPUT,
        &outside(&planned("boss@x.org"), votes),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (10e3cb12e75f), 2 calls for $0.02 at most
        6   work[0]/review: asks leads to approve (apr_6b186fd93fe3615b)
        7   work[0]/review: cleo approved (apr_6b186fd93fe3615b)
        8   work[0]/review: decided {"approved":true,"by":["cleo"]}
        9   work[0]/call1: started kb.search {"q":"late"}
        10  work[0]/call1: finished {"hits":["Monday"]}
        11  work[0]/call2: asks desk by boss to approve mail.send {"text":"sorry","to":"boss@x.org"} (apr_5e433be83b7da3fe)
        12  work[0]/call2: bea approved (apr_5e433be83b7da3fe)
        13  work[0]/call2: started mail.send {"text":"sorry","to":"boss@x.org"}
        14  work[0]/call2: finished {"id":"m1"}
        15  work: done {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        16  stage only done
        17  run completed {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
    "#]],
    );
}

#[test]
fn what_people_are_shown_says_all_of_it() {
    let text = desk("review: { by: leads }", "");
    let mut drive = Drive::governed(&text, "", INPUT, Outside::new(&outside(&planned("boss@x.org"), "")));
    drive.run();
    let card = drive.events.iter().find_map(|event| match event {
        Event::ApprovalRequested { card: kernel::journal::Held::Value(card), terms, .. } => Some((card, terms)),
        _ => None,
    });
    let (card, terms) = card.expect("a question");
    assert!(terms.editable.is_empty() && !terms.answerable, "a plan is taken or left");
    for key in ["says", "model_words", "on_yes", "on_no"] {
        assert!(card.get(key).is_some(), "{key} in {}", card.to_json());
    }
    expect![[r#""Carry out version 1 of the plan of `work`: 2 actions, 1 of them writing, for at most $0.02: 1. Call kb.search with {\"q\":\"late\"}; 2. Write to boss@x.org [ask: boss]""#]].assert_eq(&card.get("says").map(kernel::values::Value::to_json).unwrap_or_default());
    expect![[r#""say sorry\nlook: to know\ntell: they wait""#]]
        .assert_eq(&card.get("model_words").map(kernel::values::Value::to_json).unwrap_or_default());
}

#[test]
fn arguments_that_people_change_are_refused() {
    let text = desk("review: { by: leads }", "");
    let votes = "> vote cleo edit {\"to\": \"eve@x.org\"}\n> vote cleo approve";
    let mut drive = Drive::governed(&text, "", INPUT, Outside::new(&outside(&planned("ann@x.org"), votes)));
    drive.run();
    expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/review: asks leads to approve (apr_6b186fd93fe3615b)
        7   work[0]/review: cleo approved (apr_6b186fd93fe3615b)
        8   work[0]/review: decided {"approved":true,"by":["cleo"]}
        9   work[0]/call1: started kb.search {"q":"late"}
        10  work[0]/call1: finished {"hits":["Monday"]}
        11  work[0]/call2: started mail.send {"text":"sorry","to":"ann@x.org"}
        12  work[0]/call2: finished {"id":"m1"}
        13  work: done {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        14  stage only done
        15  run completed {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        `to` cannot be changed here; nothing can be
    "#]]
    .assert_eq(&format!("{}{}\n", drive.outline(), drive.refused.join("\n")));
}

#[test]
fn a_plan_with_what_is_denied_goes_back_once_and_does_nothing() {
    let mended = outside("{}", "").replace(
        "work[0]/ask: {}",
        &format!("work[0]/ask#1: {}\nwork[0]/ask#2: {}", planned("rival@x.org"), planned("ann@x.org")),
    );
    let mut drive = Drive::governed(&desk("", ""), "", INPUT, Outside::new(&mended));
    drive.run();
    expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answer failed, permission_denied: not permitted, actions `tell`: tell by rival
        5   work[0]/ask: asked again with the errors
        6   work[0]/ask: asked model small, attempt 2, about 48 tokens
        7   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        8   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        9   work[0]/call1: started kb.search {"q":"late"}
        10  work[0]/call1: finished {"hits":["Monday"]}
        11  work[0]/call2: started mail.send {"text":"sorry","to":"ann@x.org"}
        12  work[0]/call2: finished {"id":"m1"}
        13  work: done {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
        14  stage only done
        15  run completed {"plan":{"actions":[{"act":"kb.search","id":"look","needs":[],"why":"to …
    "#]]
    .assert_eq(&drive.outline());
    assert!(!drive.asked[1].user.contains("rival`"), "{}", drive.asked[1].user);
    expect![[r#"
        Plan what is to be done about the late order.

        Your last answer was not accepted. Answer again and mend this:
        - not permitted, actions `tell`"#]]
    .assert_eq(&drive.asked[1].user);
    check(
        &desk("", ""),
        INPUT,
        &outside(&planned("rival@x.org"), ""),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answer failed, permission_denied: not permitted, actions `tell`: tell by rival
        5   work[0]/ask: asked again with the errors
        6   work[0]/ask: asked model small, attempt 2, about 48 tokens
        7   work[0]/ask: answer failed, permission_denied: not permitted, actions `tell`: tell by rival
        8   work[0]/ask: no recovery left
        9   work: failed, permission_denied: not permitted, actions `tell`: tell by rival
        10  work: no recovery left
        11  run failed, permission_denied: not permitted, actions `tell`: tell by rival
    "#]],
    );
}

#[test]
fn what_is_wrong_with_it_is_told_precisely() {
    let wrong = r#"{"goal": "", "extra": 1, "actions": [{"id": "a", "act": "mail.burn", "with": {}, "why": "x", "needs": ["c"]}, {"id": "A!", "act": "mail.send", "with": {"to": "ann@x.org"}, "why": "x"}, {"id": "a", "act": "kb.search", "with": {"q": "x"}, "why": "x", "needs": "a"}]}"#;
    check(
        &desk("", ""),
        INPUT,
        &outside(wrong, ""),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answer failed, invalid_output: the plan: `extra` may not stand there; the plan: `goal` is missing, or no text; action `a`: `mail.burn` is not offered: use one of kb.search, mail.send; action number 2: an id has lower-case letters, digits and `_`, at most 32; action number 2: the arguments of `mail.send`: the value: "text" is missing; action `a`: `needs` is no list of ids
        5   work[0]/ask: asked again with the errors
        6   work[0]/ask: asked model small, attempt 2, about 153 tokens
        7   work[0]/ask: answer failed, invalid_output: the plan: `extra` may not stand there; the plan: `goal` is missing, or no text; action `a`: `mail.burn` is not offered: use one of kb.search, mail.send; action number 2: an id has lower-case letters, digits and `_`, at most 32; action number 2: the arguments of `mail.send`: the value: "text" is missing; action `a`: `needs` is no list of ids
        8   work[0]/ask: no progress: the same failure twice
        9   work[0]/ask: no recovery left
        10  work: failed, no_progress: the same failure twice, although something was changed: invalid_output: the plan: `extra` may not stand there; the plan: `goal` is missing, or no text; action `a`: `mail.burn` is not offered: use one of kb.search, mail.send; action number 2: an id has lower-case letters, digits and `_`, at most 32; action number 2: the arguments of `mail.send`: the value: "text" is missing; action `a`: `needs` is no list of ids
        11  work: no recovery left
        12  run failed, no_progress: the same failure twice, although something was changed: invalid_output: the plan: `extra` may not stand there; the plan: `goal` is missing, or no text; action `a`: `mail.burn` is not offered: use one of kb.search, mail.send; action number 2: an id has lower-case letters, digits and `_`, at most 32; action number 2: the arguments of `mail.send`: the value: "text" is missing; action `a`: `needs` is no list of ids
    "#]],
    );
    let round = planned("ann@x.org").replace(r#""needs": []"#, r#""needs": ["tell"]"#);
    check(
        &desk("limits: { actions: 2 }", ""),
        INPUT,
        &outside(&round, ""),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answer failed, invalid_output: the needs of `tell`, `look` go round in a circle
        5   work[0]/ask: asked again with the errors
        6   work[0]/ask: asked model small, attempt 2, about 55 tokens
        7   work[0]/ask: answer failed, invalid_output: the needs of `tell`, `look` go round in a circle
        8   work[0]/ask: no progress: the same failure twice
        9   work[0]/ask: no recovery left
        10  work: failed, no_progress: the same failure twice, although something was changed: invalid_output: the needs of `tell`, `look` go round in a circle
        11  work: no recovery left
        12  run failed, no_progress: the same failure twice, although something was changed: invalid_output: the needs of `tell`, `look` go round in a circle
    "#]],
    );
    check(
        &desk("limits: { actions: 1 }", ""),
        INPUT,
        &outside(&planned("ann@x.org"), ""),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answer failed, invalid_output: the plan has 2 actions, at most 1 are allowed
        5   work[0]/ask: asked again with the errors
        6   work[0]/ask: asked model small, attempt 2, about 54 tokens
        7   work[0]/ask: answer failed, invalid_output: the plan has 2 actions, at most 1 are allowed
        8   work[0]/ask: no progress: the same failure twice
        9   work[0]/ask: no recovery left
        10  work: failed, no_progress: the same failure twice, although something was changed: invalid_output: the plan has 2 actions, at most 1 are allowed
        11  work: no recovery left
        12  run failed, no_progress: the same failure twice, although something was changed: invalid_output: the plan has 2 actions, at most 1 are allowed
    "#]],
    );
}

#[test]
fn an_action_that_fails_fails_the_step_or_is_planned_around() {
    let failed = outside(&planned("ann@x.org"), "").replace(r#"{"id": "m1"}"#, "!tool_rejected");
    check(
        &desk("", ""),
        INPUT,
        &failed,
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/call1: started kb.search {"q":"late"}
        7   work[0]/call1: finished {"hits":["Monday"]}
        8   work[0]/call2: started mail.send {"text":"sorry","to":"ann@x.org"}
        9   work[0]/call2: action failed, tool_rejected: as told
        10  work[0]/call2: no recovery left
        11  work: failed, tool_rejected: as told
        12  work: no recovery left
        13  run failed, tool_rejected: as told
    "#]],
    );
    let again = desk("on_failure: { tool_rejected: [ { replan: 1 } ] }", "");
    let rest = r#"work~2[0]/ask: {"goal": "nothing more", "actions": []}"#;
    let mut drive = Drive::governed(&again, "", INPUT, Outside::new(&format!("{failed}\n{rest}")));
    drive.run();
    expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: asked model small, about 16 tokens
        4   work[0]/ask: answered {"actions":[{"act":"mail.send","id":"tell","needs":["look"],"why":"they …
        5   work[0]/plan: version 1 is frozen (e07985594e3b), 2 calls for $0.02 at most
        6   work[0]/call1: started kb.search {"q":"late"}
        7   work[0]/call1: finished {"hits":["Monday"]}
        8   work[0]/call2: started mail.send {"text":"sorry","to":"ann@x.org"}
        9   work[0]/call2: action failed, tool_rejected: as told
        10  work[0]/call2: no recovery left
        11  work: failed, tool_rejected: as told
        12  work: begun afresh
        13  work~2: begins to plan
        14  work~2[0]/ask: asked model small, about 81 tokens
        15  work~2[0]/ask: answered {"actions":[],"goal":"nothing more"}
        16  work~2[0]/plan: version 2 is frozen (1100369ca780), 0 calls for $0.00 at most
        17  work~2: done {"plan":{"actions":[],"digest":"1100369ca7801e8719efc8036e42b79cd3398a35…
        18  stage only done
        19  run completed {"plan":{"actions":[],"digest":"1100369ca7801e8719efc8036e42b79cd3398a35…
    "#]]
    .assert_eq(&drive.outline());
    expect![[r#"
        Plan what is to be done about the late order.

        What became of it until now:
        An earlier plan of this work was not carried out to its end: tool_rejected
        This was done, and stands:
        - kb.search, evidence: run_01a1f640bc0077078707070707070707/6"#]]
    .assert_eq(&drive.asked[1].user);
}

#[test]
fn a_plan_that_costs_too_much_does_not_begin() {
    let text =
        desk("", "").replace("input: schemas/in.yaml", "input: schemas/in.yaml\n        budget: { money: 0.01 USD }");
    check(
        &text,
        INPUT,
        &outside(&planned("ann@x.org"), ""),
        expect![[r#"
        1   run started: desk
        2   work: begins to plan
        3   work[0]/ask: failed, budget_exceeded: the model `small` has no price, and `run` has a limit of money: write `price` at the model
        4   work[0]/ask: paused until a person resumes
    "#]],
    );
}

#[test]
fn a_crash_after_any_entry_changes_nothing() {
    let text = desk("review: { by: leads }", "");
    let said = outside(&planned("boss@x.org"), "");
    let votes = ["> vote cleo approve", "> vote bea approve"];
    let all = format!("{said}\n{}", votes.join("\n"));
    let mut whole = Drive::governed(&text, "", INPUT, Outside::new(&all));
    whole.run();
    assert_eq!(whole.state.end.as_ref().map(|end| end.end), Some(End::Completed), "{}", whole.outline());
    let sent = |drive: &Drive| drive.calls.iter().filter(|call| call.contains("boss")).count();
    assert_eq!(sent(&whole), 1, "{:?}", whole.calls);
    for cut in 1..whole.entries.len() {
        let mut half = Drive::governed(&text, "", INPUT, Outside::new(&all));
        half.die_after = Some(cut);
        half.run();
        let mut rest = half.resumed(&half.entries);
        let voted = half.events.iter().filter(|event| matches!(event, Event::VoteReceived { .. })).count();
        rest.outside = Outside::new(&format!("{said}\n{}", votes[voted..].join("\n")));
        rest.now = whole.now;
        rest.run();
        let open =
            matches!(half.events.last(), Some(Event::ActionStarted { step, .. }) if step.as_str() == "work[0]/call2");
        if open {
            // Whether it was written when the process died, only a person can tell.
            assert!(rest.outline().contains("outcome unknown"), "{cut}\n{}", rest.outline());
            assert_eq!(sent(&rest), 0, "{cut}");
            continue;
        }
        let end = rest.state.end.as_ref().unwrap_or_else(|| panic!("{cut}\n{}", rest.outline()));
        assert_eq!(end.end, End::Completed, "{cut}\n{}", rest.outline());
        assert!(sent(&half) + sent(&rest) <= 1, "{cut}\n{}", rest.outline());
    }
}
