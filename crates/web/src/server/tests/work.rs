//! Work for people: shown, taken, passed on, answered.

use super::*;

const FILES: [(&str, &str); 5] = [
    ("surefoot.yaml", "project: shop\n"),
    (
        "people.yaml",
        "groups: { desk: {}, chiefs: {} }\npeople:\n  sue: { name: Sue, groups: [ desk ] }\n  tom: { name: Tom, groups: [ desk ] }\n  \
         cleo: { name: Cleo, groups: [ chiefs ] }\n",
    ),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { id: { type: string, x-labels: [ trusted ] }, said: { type: string } }\nrequired: [ id ]\n",
    ),
    (
        "schemas/called.yaml",
        "type: object\nrequired: [ reached ]\nadditionalProperties: false\nproperties:\n  reached: { type: boolean }\n  \
         minutes: { type: integer, minimum: 1 }\n  note: { type: string, maxLength: 20 }\n",
    ),
    (
        "workflows/call.yaml",
        "workflow: call\ninput: schemas/order.yaml\nresult: { value: =back }\nstages:\n  - stage: all\n    steps:\n      - step: back\n        \
         handoff:\n          to: { person: desk }\n          task: \"Call about {{ input.id }}\"\n          with: { order: =input.id, said: \"{{ input.said | default('nothing') }}\" }\n          \
         contract: schemas/called.yaml\n",
    ),
];

impl Heard {
    /// Where a link of the page that begins so goes.
    pub(super) fn link(&self, begins: &str) -> String {
        let (_, rest) =
            self.text.split_once(&format!("href=\"{begins}")).unwrap_or_else(|| panic!("no {begins} in {}", self.text));
        format!("{begins}{}", rest.split('"').next().unwrap_or_default())
    }
}

#[tokio::test]
async fn a_person_takes_work_and_answers_it() {
    let scene = scene_of(&FILES).await;
    let cookie = scene.enter_as("sue").await;
    assert!(scene.page(&cookie, "/work").await.text.contains("There is nothing to do"));
    let run = scene.started("call", "<b>A-1</b>").await;
    // The list and what needs attention name it, and so does the run.
    for page in ["/work", "/work?group=desk", "/", &format!("/runs/{run}")] {
        let heard = scene.page(&cookie, page).await;
        assert!(heard.link("/work/wrk_").len() > 10 && !heard.text.contains("<b>A-1"), "{}", heard.text);
    }
    assert!(scene.page(&cookie, "/work?group=chiefs").await.text.contains("nothing to do for this group"));
    let path = scene.page(&cookie, "/work").await.link("/work/wrk_");
    let item = scene.page(&cookie, &path).await;
    assert!(item.text.contains("Call about &#60;b&#62;A-1&#60;/b&#62;"), "{}", item.text);
    let (known, claimed) = item.text.split_once("proven by nothing").expect("facts and claims are apart");
    assert!(known.contains("<h3>order</h3>") && claimed.contains("<h3>said"), "{}", item.text);
    let csrf = item.field("csrf");
    let send = async |cookie: &str, to: &str, fields: &[(&str, &str)]| {
        let csrf = scene.page(cookie, "/").await.field("csrf");
        let fields: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        scene.form(cookie, &format!("{path}{to}"), &fields).await
    };
    // A link changes nothing, and neither does a form of somebody else's session.
    assert_eq!(scene.page(&cookie, &format!("{path}/claim")).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let other = scene.enter_as("cleo").await;
    assert_eq!(scene.form(&other, &format!("{path}/claim"), &[("csrf", &csrf)]).await.status, StatusCode::FORBIDDEN);
    // Who may is the runtime's word.
    let refused = send(&other, "/claim", &[]).await;
    assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("not in the group"), "{}", refused.text);
    let nobody = scene.enter().await;
    assert_eq!(send(&nobody, "/claim", &[]).await.status, StatusCode::CONFLICT);

    assert_eq!(send(&cookie, "/claim", &[]).await.status, StatusCode::SEE_OTHER);
    assert!(scene.page(&cookie, &path).await.text.contains("You do it."));
    let tom = scene.enter_as("tom").await;
    assert!(scene.page(&tom, &path).await.text.contains("sue does it."));
    let taken = send(&tom, "/answer", &[("answer.reached", "yes")]).await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(taken.text.contains("nobody else does it"), "{}", taken.text);
    assert_eq!(send(&cookie, "/holder", &[("to", "")]).await.status, StatusCode::SEE_OTHER);
    assert!(scene.page(&cookie, &path).await.text.contains("Nobody does it yet."));
    assert_eq!(send(&cookie, "/holder", &[("to", "tom")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(send(&tom, "/holder", &[("to", "")]).await.status, StatusCode::SEE_OTHER);

    // What is not taken comes back as it was written.
    let wrong = send(&cookie, "/answer", &[("answer.reached", "yes"), ("answer.minutes", "soon \"<i>")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("is no whole number"), "{}", wrong.text);
    assert!(wrong.text.contains("soon &#34;&#60;i&#62;") && wrong.text.contains("<option value=\"yes\" selected>"));
    let small = send(&cookie, "/answer", &[("answer.reached", "yes"), ("answer.minutes", "0")]).await;
    assert!(small.text.contains("does not keep the contract"), "{}", small.text);
    let done =
        send(&cookie, "/answer", &[("answer.reached", "yes"), ("answer.minutes", "3"), ("answer.note", "")]).await;
    assert_eq!(
        (done.status, &done.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &format!("/runs/{run}").parse().expect("it is a path"))
    );
    let ended = scene.runtime.finished(run.parse().expect("it is an id")).await.expect("it ends");
    assert_eq!(ended.result.map(|result| result.to_json()), Some(r#"{"minutes":3,"reached":true}"#.to_owned()));
    let after = scene.page(&cookie, &path).await;
    assert!(after.text.contains("Answered by sue") && !after.text.contains("<textarea"), "{}", after.text);
    assert_eq!(send(&cookie, "/answer", &[("answer.reached", "no")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    for missing in ["/work/wrk_x", "/work/wrk_%3Cscript%3E"] {
        assert_eq!(scene.page(&cookie, missing).await.status, StatusCode::NOT_FOUND);
    }
}
