//! What stands behind a run: what its models were shown, who allowed its actions, where its values come from, how it stood before, and
//! what can be proven of it.

use super::*;

const FILES: [(&str, &str); 9] = [
    ("surefoot.yaml", "project: shop\nmodels:\n  small: { provider: scripted, answers: answers.yaml }\n"),
    ("answers.yaml", "[]\n"),
    ("people.yaml", "groups: { chiefs: {} }\npeople:\n  cleo: { name: Cleo, groups: [ chiefs ] }\n"),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\nadditionalProperties: false\n",
    ),
    ("prompts/house.md", "You work for a shop.\n"),
    ("prompts/sum.md", "Sum up {{ order }}\n"),
    (
        "tools/bank.yaml",
        "tool: bank\nnative: true\noperations:\n  pay: { effect: idempotent, params: schemas/order.yaml, returns: schemas/order.yaml }\n",
    ),
    (
        "workflows/sum.yaml",
        "workflow: sum\ninput: schemas/order.yaml\ncontext: { text: prompts/house.md }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: noted, set: { order: =input.id } }\n      - step: said\n        reason: prompts/sum.md\n        model: small\n        \
         see: { order: noted.order }\n        output: schemas/order.yaml\nresult: { value: =said.id }\n",
    ),
    (
        "workflows/pay.yaml",
        "workflow: pay\ninput: schemas/order.yaml\nresult: { value: =paid.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: noted, set: { order: =input.id } }\n      - { step: paid, act: bank.pay, with: { id: =noted.order } }\n",
    ),
];

impl Scene {
    /// The number of the first entry of a run that says this.
    async fn entry(&self, run: &str, says: fn(&kernel::journal::Event) -> bool) -> u64 {
        let mut entries = self.runtime.entries(run.parse().expect("it is an id"));
        while let Some((entry, event)) = entries.next().await.expect("the journal can be read") {
            if says(&event) {
                return entry.seq;
            }
        }
        panic!("no entry says so");
    }
}

#[tokio::test]
async fn what_a_model_was_shown_is_told_piece_by_piece_and_word_by_word() {
    let scene = scene_of(&FILES).await;
    let cookie = scene.enter().await;
    // Nothing answers for the model here: what it was shown is on record all the same.
    let run = scene.started("sum", "<i>42</i>").await;
    let asked = scene.entry(&run, |event| matches!(event, kernel::journal::Event::ModelAsked { .. })).await;
    let page = scene.page(&cookie, &format!("/runs/{run}?entry={asked}")).await;
    for told in [
        "What the model was shown",
        "<svg class=\"bar\"",
        "class=\"shared\"",
        "prompts/sum.md",
        "noted.order",
        "Tokens that were billed",
    ] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let path = format!("/runs/{run}/shown/{asked}");
    assert!(page.text.contains(&format!("href=\"{path}\"")), "{}", page.text);
    let shown = scene.page(&cookie, &path).await;
    for told in [
        "You work for a shop.",
        "the shared layer ends here",
        "Sum up",
        "&#60;i&#62;42",
        "its answer must fit",
        "noted = ",
    ] {
        assert!(shown.text.contains(told), "{told}: {}", shown.text);
    }
    assert!(!shown.text.contains("<i>42") && !shown.text.contains(" style="), "{}", shown.text);
    for missing in ["1", "999", "x"] {
        let heard = scene.page(&cookie, &format!("/runs/{run}/shown/{missing}")).await;
        assert!(heard.status.is_client_error(), "{missing}");
    }
}

#[tokio::test]
async fn an_action_is_told_with_who_allowed_it_and_what_proves_it() {
    let scene = scene_of(&FILES).await;
    let cookie = scene.enter().await;
    let run = scene.started("pay", "P-1").await;
    let begun = scene.entry(&run, |event| matches!(event, kernel::journal::Event::ActionStarted { .. })).await;
    let page = scene.page(&cookie, &format!("/runs/{run}?entry={begun}")).await;
    let (_, decision) = page.text.split_once("<h4>Decision</h4>").expect("the entry is a decision");
    assert!(decision.contains("allowed") && page.text.contains("<h3>Actions</h3>"), "{}", page.text);
    let evidence = scene.page(&cookie, &format!("/runs/{run}/evidence")).await;
    let head = scene
        .runtime
        .store()
        .run(run.parse().expect("it is an id"))
        .await
        .expect("it can be read")
        .expect("it is there")
        .head;
    for told in ["the chain holds", "bank.pay", &head.hash.to_string(), "allowed", "entries"] {
        assert!(evidence.text.contains(told), "{told}: {}", evidence.text);
    }
    let none = scene.started("sum", "N-1").await;
    assert!(scene.page(&cookie, &format!("/runs/{none}/evidence")).await.text.contains("did nothing outside"));
}

#[tokio::test]
async fn a_run_is_shown_as_it_stood() {
    let scene = scene_of(&FILES).await;
    let cookie = scene.enter().await;
    let run = scene.started("pay", "P-1").await;
    let noted = scene.entry(&run, |event| matches!(event, kernel::journal::Event::StepDone { .. })).await;
    let now = scene.page(&cookie, &format!("/runs/{run}")).await;
    assert!(now.text.contains("type=\"range\"") && !now.text.contains("as it stood<"), "{}", now.text);
    let then = scene.page(&cookie, &format!("/runs/{run}?at={noted}")).await;
    assert!(then.text.contains("as it stood<") && then.text.contains("rel=\"next\""), "{}", then.text);
    assert!(then.text.contains("What steps gave") && !then.text.contains("bank.pay"), "{}", then.text);
    assert!(!then.text.contains("name=\"order\""), "the past is given no orders: {}", then.text);
    // What lies outside is the nearest that there is.
    assert!(scene.page(&cookie, &format!("/runs/{run}?at=0")).await.text.contains("As of entry 1 of"));
    assert!(!scene.page(&cookie, &format!("/runs/{run}?at=9999")).await.text.contains("as it stood<"));
}

#[tokio::test]
async fn a_value_is_followed_back_to_the_input() {
    let scene = scene_of(&FILES).await;
    let cookie = scene.enter().await;
    let run = scene.started("pay", "P-1").await;
    let why = scene.page(&cookie, &format!("/runs/{run}/why?step=paid")).await;
    let (first, rest) = why.text.split_once("id=\"s1\"").unwrap_or_else(|| panic!("two steps: {}", why.text));
    assert!(first.contains("bank.pay") && first.contains("<a href=\"#s1\"><b>noted</b></a>"), "{first}");
    assert!(rest.contains("noted <span") && rest.contains("the run&#39;s input, entry 1"), "{rest}");
    let all = scene.page(&cookie, &format!("/runs/{run}/why")).await;
    assert!(all.text.contains("Of which step?") && all.text.contains("why?step=noted"), "{}", all.text);
    let wrong = scene.page(&cookie, &format!("/runs/{run}/why?step=piad")).await;
    assert!(wrong.status == StatusCode::NOT_FOUND && wrong.text.contains("did you mean `paid`?"), "{}", wrong.text);
}

#[tokio::test]
async fn a_run_is_told_step_by_step_with_what_is_small_folded_and_waits_as_waits() {
    let mut files = FILES.to_vec();
    files.push((
        "workflows/tell.yaml",
        "workflow: tell\ninput: schemas/order.yaml\nresult: { value: =input.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: first, set: { id: =input.id } }\n      - { step: pair, set: \"=[first.id, first.id]\" }\n      - step: copies\n        \
         each: pair\n        as: one\n        steps:\n          - { step: copy, set: =one }\n        gives: =copy\n      - step: release\n        \
         approve: { ask: \"Ship {{ input.id }}?\", of: chiefs }\n",
    ));
    let scene = scene_of(&files).await;
    let cookie = scene.enter().await;
    let run = scene.started("tell", "T-1").await;
    scene.entry(&run, |event| matches!(event, kernel::journal::Event::ApprovalRequested { .. })).await;
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    let told = |page: &Heard, words: &str| assert!(page.text.contains(words), "{words}: {}", page.text);
    told(&page, "tell begins");
    told(&page, "2 small steps: first, pair");
    told(&page, "<summary>2 parts</summary>");
    told(&page, "chiefs decide");
    told(&page, "waits for chiefs since");
    let (_, rest) = page.text.split_once("href=\"/approvals/").expect("it names the card");
    let path = format!("/approvals/{}", rest.split('"').next().unwrap_or_default());
    let card = scene.page(&cookie, &path).await;
    let (csrf, shown) = (card.field("csrf"), card.field("shown"));
    scene.form(&cookie, "/acting", &[("csrf", csrf.as_str()), ("person", "cleo")]).await;
    let approve = [("csrf", csrf.as_str()), ("shown", shown.as_str()), ("decision", "approve")];
    assert_eq!(scene.form(&cookie, &format!("{path}/decision"), &approve).await.status, StatusCode::SEE_OTHER);
    scene.runtime.finished(run.parse().expect("it is an id")).await.expect("it ends");
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    told(&page, "for chiefs</p>");
    told(&page, "It is done");
}
