//! What a run is charged by the price list, from the bytes that a server sent to the journal.

use std::{collections::BTreeMap, sync::Arc};

use gateway::{Provider, Reply, model::remote::RemoteModel, secret::Secret, tool::http::HttpClient};
use kernel::{
    context::ModelRequest,
    governance::budget::{Charged, PriceFrom, PriceList, Unit},
    journal::Event,
    workflow::project,
};
use runtime::{Start, govern::Asker};
use serde_json::json;
use store::Status;

use crate::world::{Outside, World};

const TEXT: &str = r"
    --- workflows/ask.yaml
    workflow: ask
    stages: [ { stage: only, steps: [ { step: ask, reason: prompts/p.md, model: small, output: schemas/o.yaml } ] } ]
    --- prompts/p.md
    Answer.
    --- schemas/o.yaml
    type: object
    --- surefoot.yaml
    project: test
    models:
      small: { provider: openai_responses, model: gpt-5.3-codex, key: secret://openai, max_tokens: 8000 }
";

/// An answer that was recorded at the server, with another text: its usage is as it came.
struct Recorded(RemoteModel);

#[async_trait::async_trait]
impl Provider for Recorded {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        let text = include_str!("../../../gateway/testdata/providers/vercel-ai/openai/responses/openai-phase.1.json");
        let mut body: serde_json::Value = serde_json::from_str(text).unwrap();
        let said = json!([{ "type": "output_text", "annotations": [], "text": "{\"ok\":true}" }]);
        body["output"] =
            json!([{ "id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": said }]);
        let event = json!({ "type": "response.completed", "response": body });
        self.0.heard(format!("data: {event}\n\n").as_bytes(), request)
    }
}

/// What the one call of a run is charged, and what the sum of the day says, if there is one.
async fn charged(text: &str) -> (Charged, Option<i64>) {
    let mut world = World::new(text, Outside::echo());
    let project::Provider::Remote(spec) = &world.project.file.models["small"].provider else {
        panic!("it has a server")
    };
    let none: BTreeMap<String, Secret> = BTreeMap::new();
    let model = RemoteModel::new((**spec).clone(), Arc::new(none), HttpClient::new().unwrap()).unwrap();
    world.model = Some(Arc::new(Recorded(model)));
    let life = world.boot().await;
    let asker = Asker { by: "ann".into(), auth: "local".into() };
    life.runtime.limit(&world.project, &asker).await.unwrap();
    let starter = kernel::next::Starter { project: "test".into(), by: None };
    let run = life.start(Start { starter, ..world.start("{}") }).await.run;
    let row = world.settled(run).await;
    assert_eq!(row.status, Status::Completed, "{}", world.outline(run).await);
    let journal = world.journal(run).await;
    let charged = journal.iter().find_map(|(_, event)| match event {
        Event::ModelAnswered { charged, .. } => charged.as_deref().cloned(),
        _ => None,
    });
    let sums = life.runtime.budgets().await.unwrap();
    let sum = sums.iter().find(|sum| sum.unit == Unit::Money).map(|sum| sum.settled);
    world.check_store().await.unwrap();
    life.leave().await;
    (charged.expect("it was answered"), sum)
}

#[tokio::test]
async fn a_run_is_charged_what_the_list_says_of_the_tokens_that_the_server_billed() {
    // 7243 tokens in, 3072 of them from a cache; 423 out, 58 of them reasoning. At $1.75, $0.175, $14 and $14 for a million:
    // 4171 * 1.75 + 3072 * 0.175 + 365 * 14 + 58 * 14 = 7299.25 + 537.6 + 5110 + 812 = 13758.85 micro-dollars, rounded up.
    let (unlimited, none) = charged(TEXT).await;
    assert_eq!((unlimited.money_uusd, none), (13_759, None));
    let by = format!("{}, openai/gpt-5.3-codex", PriceList::today().name);
    assert_eq!(unlimited.by, PriceFrom::List(by.into()));
    // Where money is limited, it is what the sum counts, too.
    let limited = TEXT.replace("    models:\n", "    budgets: { day: { money: 5.00 USD } }\n    models:\n");
    assert_eq!(charged(&limited).await, (unlimited, Some(13_759)));
}
