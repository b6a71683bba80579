//! Both applications against a server in four dialects and in chaos, with few inputs: all of it is `apparatus applications`.

use std::path::{Path, PathBuf};

use apparatus::{
    applications::{Arguments, Mutant, Row, applications},
    mockllm::Fault,
};
use kernel::workflow::model::Dialect;

/// The folders of both applications, or of one.
fn short(projects: &[&str]) -> Arguments {
    let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps");
    Arguments {
        projects: projects.iter().map(|name| apps.join(name)).collect(),
        programs: Path::new(env!("CARGO_BIN_EXE_apparatus")).parent().map(PathBuf::from),
        dialects: Vec::new(),
        chaos: 0.0,
        faults: Vec::new(),
        only_chaos: false,
        seed: 1,
        runs: 2,
        at_once: 2,
        json: false,
        keep: None,
        mutant: None,
    }
}

async fn play(arguments: Arguments) -> Vec<Row> {
    applications(&arguments, &mut |_| Ok(())).await.unwrap()
}

fn broken(rows: &[Row]) -> Vec<String> {
    rows.iter().flat_map(Row::broken).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_is_the_same_in_every_dialect() {
    for (project, runs) in [("crm-leads", 1), ("support-desk", 4)] {
        let rows = play(Arguments { runs, ..short(&[project]) }).await;
        assert_eq!(broken(&rows), Vec::<String>::new());
        let of = |row: &Row| (row.dialect, row.identical);
        let each: Vec<_> = Dialect::ALL.iter().map(|one| (one.as_str(), runs as u64)).collect();
        assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), each);
        assert!(rows.iter().all(|row| row.sent > 4 && row.amplification == 1.0), "{rows:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_chaos_runs_complete_or_wait_for_people_within_their_budget() {
    for (project, runs, dialect) in [("crm-leads", 1, Dialect::Gemini), ("support-desk", 7, Dialect::OpenAiResponses)] {
        let chaos = Arguments { runs, chaos: 0.3, only_chaos: true, dialects: vec![dialect], ..short(&[project]) };
        let rows = play(chaos).await;
        assert_eq!(broken(&rows), Vec::<String>::new());
        assert!(rows.len() == 1 && rows.iter().all(|row| row.spent_uusd > 0), "{rows:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_answer_is_noticed() {
    let one = Arguments { runs: 1, dialects: vec![Dialect::Anthropic], ..short(&["support-desk"]) };
    let rows = play(Arguments { mutant: Some(Mutant::OtherAnswer), ..one }).await;
    let said = broken(&rows).join("\n");
    assert!(said.contains("0 of 1 outcomes are those of the control"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_nobody_answers_are_noticed() {
    let refusing = Arguments { chaos: 1.0, faults: vec![Fault::Refusal], only_chaos: true, ..short(&["support-desk"]) };
    let few = Arguments { runs: 4, dialects: vec![Dialect::OpenAiChat], ..refusing };
    let rows = play(Arguments { mutant: Some(Mutant::NobodyElse), ..few }).await;
    let said = broken(&rows).join("\n");
    assert!(said.contains("0 runs completed, where 1 do without chaos"), "{said}");
    assert!(said.contains("failed: {\"refused\": 4}"), "{said}");
}
