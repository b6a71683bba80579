//! `surefoot budget`, as printed.

mod common;

use common::{Place, stable};
use expect_test::expect;

/// A project whose runs ask a scripted model once; one of them together.
fn shop() -> Place {
    let place = Place::new();
    let files = [
        (
            "surefoot.yaml",
            "project: shop\nmodels: { small: { provider: scripted, answers: cases/answers.yaml } }\n\
             budgets: { tenant: { per: ever, calls: 1, money: 5 USD }, workflow: { mail: { per: ever, calls: 5 } } }\n\
             try: { workflow: mail, input: cases/mail.yaml }\n",
        ),
        (
            "workflows/mail.yaml",
            "workflow: mail\nbudget: { calls: 3 }\nresult: { value: =facts }\nstages:\n  - stage: only\n    steps:\n      \
             - { step: facts, reason: prompts/p.md, model: small, see: { n: input.n }, output: schemas/o.yaml }\n",
        ),
        ("prompts/p.md", "What about {{ n }}?\n"),
        ("schemas/o.yaml", "type: object\n"),
        ("cases/mail.yaml", "n: 1\n"),
        ("cases/answers.yaml", "answers:\n  - { step: facts, value: { ok: true } }\n"),
    ];
    for (file, text) in files {
        place.write(&format!("shop/{file}"), text);
    }
    place
}

fn shown(place: &Place, args: &[&str]) -> String {
    let said = place.call(args);
    stable(&format!("{}{}--- {}\n", said.out, said.err, said.code))
}

#[test]
fn a_budget_fills_stops_the_next_run_is_raised_and_lets_it_go_on() {
    let place = shop();
    place.ok(&["run", "shop", "--quiet"]);
    expect![[r#"
        room tenant:main money $0.00 of $5.00
        full tenant:main calls 1 call of 1 call
        room workflow:mail calls 1 call of 5 calls
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["budget", "show", "shop"]));
    let second = place.call(&["run", "shop"]);
    assert!(
        second.out.contains("`tenant:main` has no room for 1 call more: 0 calls of 1 call is left"),
        "{}",
        second.out
    );
    expect![[r#"
        raised tenant:main to 3 calls, by ann
        paused: 1 run for lack of room there; resume with
            surefoot runs resume <run 1> shop
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["budget", "raise", "tenant:main", "calls", "3", "shop", "--as", "ann"]));
    let again = ["budget", "raise", "tenant:main", "calls", "4", "shop", "--as", "ann", "--resume"];
    expect![[r#"
        raised tenant:main to 4 calls, by ann
        resumed 1 run; without a worker they go on with `surefoot run shop --resume`
        --- 0
    "#]]
    .assert_eq(&shown(&place, &again));
    let went_on = place.ok(&["run", "shop", "--resume"]);
    assert!(went_on.contains("run completed"), "{went_on}");
    expect![[r#"
        {"frozen":false,"kind":"budget","limit":5000000,"near":false,"overrun":0,"per":"ever","period":null,"reserved":0,"scope":"tenant:main","settled":0,"unit":"money_uusd"}
        {"frozen":false,"kind":"budget","limit":4,"near":false,"overrun":0,"per":"ever","period":null,"reserved":0,"scope":"tenant:main","settled":2,"unit":"calls"}
        {"frozen":false,"kind":"budget","limit":5,"near":false,"overrun":0,"per":"ever","period":null,"reserved":0,"scope":"workflow:mail","settled":2,"unit":"calls"}
        --- 0
    "#]].assert_eq(&shown(&place, &["budget", "show", "shop", "--json"]));
    place.ok(&["db", "check", "shop"]);
}

#[test]
fn what_cannot_be_raised_is_said_in_one_sentence() {
    let place = shop();
    let raise = |args: &[&str]| {
        let mut all = vec!["budget", "raise"];
        all.extend(args);
        all.extend(["shop", "--as", "ann"]);
        shown(&place, &all)
    };
    expect![[r#"
        error: there are no data in shop/.surefoot
          try: name the project's folder or `--data DIR`; `surefoot run` makes them
        --- 4
    "#]]
    .assert_eq(&raise(&["tenant:main", "calls", "7"]));
    place.ok(&["run", "shop", "--quiet"]);
    expect![[r#"
        error: `tenant` is not limited; limited: tenant:main, workflow:mail, and runs as `run:ID`
        --- 9
    "#]]
    .assert_eq(&raise(&["tenant", "calls", "7"]));
    expect![[r#"
        error: `lots` is no amount of money: write US dollars, as in `0.50` or `0.50 USD`
        --- 2
    "#]]
    .assert_eq(&raise(&["tenant:main", "money", "lots"]));
    expect![[r#"
        error: `tenant:main` has no limit of tokens; limited: money, calls
        --- 9
    "#]]
    .assert_eq(&raise(&["tenant:main", "tokens", "7"]));
    expect![[r#"
        error: `tenant:main` has a limit of 1 call already: a raise never lowers it
        --- 9
    "#]]
    .assert_eq(&raise(&["tenant:main", "calls", "1"]));
    expect![[r#"
        error: run <run 1> is over: completed
          try: see how it ended with `surefoot runs show <run 1>`
        --- 9
    "#]]
    .assert_eq(&raise(&["run:last", "calls", "9"]));
}
