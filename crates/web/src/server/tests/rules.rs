//! Limits and holds: shown, raised, put on and taken off.

use super::*;

const FILES: [(&str, &str); 6] = [
    (
        "surefoot.yaml",
        "project: shop\nbudgets: { day: { money: 2 USD, calls: 10 } }\nmodels:\n  small: { provider: scripted, answers: answers.yaml }\n",
    ),
    ("answers.yaml", "[]\n"),
    ("people.yaml", "groups: { chiefs: {} }\npeople:\n  cleo: { name: Cleo, groups: [ chiefs ] }\n"),
    ("schemas/order.yaml", "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\n"),
    (
        "tools/bank.yaml",
        "tool: bank\nnative: true\noperations:\n  pay: { effect: idempotent, params: schemas/order.yaml }\n",
    ),
    (
        "workflows/pay.yaml",
        "workflow: pay\ninput: schemas/order.yaml\nresult: { value: =paid }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: paid, act: bank.pay, with: { id: =input.id } }\n",
    ),
];

async fn limited() -> Scene {
    let scene = idle(&FILES).await;
    let sources: Sources = FILES.into_iter().collect();
    let project = project::check(&sources).project.expect("the files have no errors");
    let asker = Asker { by: "program".into(), auth: "local".into() };
    scene.runtime.limit(&project, &asker).await.expect("memory takes it");
    scene
}

#[tokio::test]
async fn a_limit_is_raised_by_somebody_with_a_name() {
    let scene = limited().await;
    let nobody = scene.enter().await;
    let page = scene.page(&nobody, "/money").await;
    for told in ["$0.00 of $2.00 a day", "0 calls of 10 calls a day", "<svg class=\"bar\"", "room"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let raise = async |cookie: &str, unit: &str, amount: &str| {
        let csrf = scene.page(cookie, "/").await.field("csrf");
        let fields = [("csrf", &*csrf), ("scope", "day"), ("unit", unit), ("amount", amount)];
        scene.form(cookie, "/money/limit", &fields).await
    };
    assert_eq!(raise(&nobody, "money", "5").await.status, StatusCode::CONFLICT);
    let cookie = scene.enter_as("cleo").await;
    assert_eq!(raise(&cookie, "money", "much").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(raise(&cookie, "gold", "5").await.status, StatusCode::BAD_REQUEST);
    let lower = raise(&cookie, "money", "1").await;
    assert!(lower.status == StatusCode::CONFLICT && lower.text.contains("a raise never lowers it"), "{}", lower.text);
    assert_eq!(raise(&cookie, "money", "5").await.status, StatusCode::SEE_OTHER);
    assert!(scene.page(&cookie, "/money").await.text.contains("$0.00 of $5.00 a day"));
    let csrf = page.field("csrf");
    let fields = [("csrf", &*csrf), ("scope", "day"), ("reason", "looked")];
    assert_eq!(scene.form(&nobody, "/money/unfreezing", &fields).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_tool_is_held_and_released() {
    let scene = limited().await;
    let cookie = scene.enter_as("cleo").await;
    let page = scene.page(&cookie, "/holds").await;
    for told in ["Nothing is held", "tool:bank.pay", "model:small", "workflow:pay"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let csrf = page.field("csrf");
    let change = async |change: &str, scope: &str| {
        let fields = [("csrf", &*csrf), ("change", change), ("scope", scope), ("reason", "<b>audit</b>")];
        scene.form(&cookie, "/holds", &fields).await
    };
    assert_eq!(change("hold", "tool:bank").await.status, StatusCode::SEE_OTHER);
    let held = scene.page(&cookie, "/holds").await;
    assert!(
        held.text.contains("tool:bank</b>") && held.text.contains("by cleo") && !held.text.contains("<b>audit"),
        "{}",
        held.text
    );
    assert_eq!(change("hold", "tool:bnak").await.status, StatusCode::SEE_OTHER);
    assert!(scene.page(&cookie, "/holds").await.text.contains("The project has nothing of this name."));
    let wrong = change("hold", "bank").await;
    assert!(wrong.status.is_client_error(), "{}", wrong.text);
    assert_eq!(change("burn", "tool:bank").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        scene.form(&cookie, "/holds", &[("change", "release"), ("scope", "tool:bank")]).await.status,
        StatusCode::FORBIDDEN
    );
    for scope in ["tool:bank", "tool:bnak"] {
        assert_eq!(change("release", scope).await.status, StatusCode::SEE_OTHER);
    }
    assert!(scene.page(&cookie, "/holds").await.text.contains("Nothing is held"));
    assert_eq!(change("release", "tool:bank").await.status, StatusCode::CONFLICT);
}
