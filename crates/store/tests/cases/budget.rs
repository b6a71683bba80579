use super::*;

pub fn line(scope: &str, unit: &str, limit: i64, max: i64) -> BudgetLine {
    BudgetLine { scope: scope.into(), unit: unit.into(), period: 0, limit, max }
}

fn reserve(step: &str, lines: &[BudgetLine]) -> Guard {
    Guard::Reserve { step: step.into(), lines: lines.to_vec() }
}

fn settle(step: &str, actual: &[(&str, i64)]) -> Guard {
    let actual = actual.iter().map(|(unit, spent)| ((*unit).into(), *spent)).collect();
    Guard::Settle { step: step.into(), actual }
}

fn forfeit(step: &str) -> Guard {
    Guard::Forfeit { step: step.into() }
}

/// Scope, unit, limit, settled, reserved, overrun, frozen of every sum.
async fn sums(bed: &Bed) -> Vec<(String, String, i64, i64, i64, i64, bool)> {
    let rows = bed.store.budgets().await.unwrap().into_iter();
    let told = rows.map(|row| {
        assert!(row.settled + row.reserved <= row.limit + row.overrun, "{row:?}");
        (row.scope.to_string(), row.unit.to_string(), row.limit, row.settled, row.reserved, row.overrun, row.frozen)
    });
    told.collect()
}

fn sum(scope: &str, unit: &str, of: (i64, i64, i64, i64, bool)) -> (String, String, i64, i64, i64, i64, bool) {
    (scope.to_owned(), unit.to_owned(), of.0, of.1, of.2, of.3, of.4)
}

pub async fn the_last_unit_is_reserved_once(bed: Bed) {
    let own = bed.join(1, 0).await;
    let pens = [bed.owned(1, own, 1).await, bed.owned(2, own, 1).await, bed.owned(3, own, 1).await];
    let begin = |pen: &Pen| {
        let mut append = pen.start_action("pay");
        append.guards.push(reserve("pay", &[line("tenant:acme", "calls", 2, 1)]));
        append
    };
    let hands: Vec<_> = pens
        .iter()
        .map(|pen| {
            let (store, append) = (bed.store.clone(), begin(pen));
            tokio::spawn(async move { store.append(append).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for hand in hands {
        answers.push(hand.await.unwrap());
    }
    let done = answers.iter().filter(|answer| matches!(answer, Appended::Done { .. })).count();
    let refused = answers.iter().filter(|answer| **answer == Appended::Refused { guard: 1, current: 0 }).count();
    assert_eq!((done, refused), (2, 1), "{answers:?}");
    assert_eq!(sums(&bed).await, [sum("tenant:acme", "calls", (2, 0, 2, 0, false))]);
    let last = answers.iter().position(|answer| matches!(answer, Appended::Refused { .. })).expect("counted above");
    assert_eq!(bed.row(pens[last].run).await.head, pens[last].head, "the one that was refused has written nothing");
    assert_eq!(bed.store.open_actions(store::ActionQuery::default()).await.unwrap().len(), 2);
    bed.sound().await;
}

pub async fn a_reservation_that_does_not_fit_writes_nothing(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let before = bed.snapshot(pen.run).await;
    let tenant = |max| line("tenant:acme", "tokens", 100, max);
    let flow = |max| line("workflow:lead", "tokens", 30, max);
    let append = |pen: &Pen, lines: &[BudgetLine]| {
        let mut append = pen.start_action("pay");
        append
            .guards
            .insert(0, Guard::CounterIs { counter: "c".into(), version: 0, add: Some(governed::add("pay", 1, 1)) });
        append.guards.push(reserve("pay", lines));
        append
    };
    let refused = |current| Appended::Refused { guard: 2, current };
    assert_eq!(bed.append(append(&pen, &[tenant(31), flow(31)])).await, refused(1));
    assert_eq!(bed.append(append(&pen, &[tenant(101), flow(31)])).await, refused(0));
    assert_eq!(bed.snapshot(pen.run).await, before);
    assert_eq!(sums(&bed).await, []);

    bed.write(append(&pen, &[tenant(30), flow(30)]), &mut pen).await;
    // Another period of the same sum is another sum; a limit that was lowered since holds for what comes.
    let next = BudgetLine { period: 7, ..flow(30) };
    bed.write(pen.append(&[], vec![reserve("next", &[next])]), &mut pen).await;
    let lowered = line("tenant:acme", "tokens", 30, 1);
    assert_eq!(
        bed.append(pen.append(&[], vec![reserve("b", &[lowered])])).await,
        Appended::Refused { guard: 0, current: 0 }
    );
    let raised = line("tenant:acme", "tokens", i64::MAX, 90);
    bed.write(pen.append(&[], vec![reserve("b", &[raised])]), &mut pen).await;
    assert_eq!(
        sums(&bed).await,
        [
            sum("tenant:acme", "tokens", (i64::MAX, 0, 120, 0, false)),
            sum("workflow:lead", "tokens", (30, 0, 30, 0, false)),
            sum("workflow:lead", "tokens", (30, 0, 30, 0, false)),
        ]
    );
    bed.sound().await;
}

pub async fn a_reservation_is_settled_or_forfeited(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let lines = [line("t", "calls", 5, 1), line("t", "tokens", 100, 40), line("w", "tokens", 50, 40)];
    bed.write(pen.append(&[], vec![reserve("a", &lines)]), &mut pen).await;
    // What comes back fits at once into what is set aside next; a unit that nobody names is forfeited.
    let next = reserve("b", &[line("t", "tokens", 100, 75), line("w", "tokens", 50, 25)]);
    let guards = vec![settle("a", &[("tokens", 25), ("money_uusd", 3)]), next];
    bed.write(pen.append(&[], guards), &mut pen).await;
    let after = [
        sum("t", "calls", (5, 1, 0, 0, false)),
        sum("t", "tokens", (100, 25, 75, 0, false)),
        sum("w", "tokens", (50, 25, 25, 0, false)),
    ];
    assert_eq!(sums(&bed).await, after);
    // Nothing is set aside for it any more: nothing changes.
    bed.write(pen.append(&[], vec![settle("a", &[("tokens", 9)]), forfeit("a"), forfeit("c")]), &mut pen).await;
    assert_eq!(sums(&bed).await, after);
    bed.write(pen.append(&[], vec![forfeit("b")]), &mut pen).await;
    assert_eq!(
        sums(&bed).await,
        [
            sum("t", "calls", (5, 1, 0, 0, false)),
            sum("t", "tokens", (100, 100, 0, 0, false)),
            sum("w", "tokens", (50, 50, 0, 0, false)),
        ]
    );
    bed.sound().await;
}

pub async fn an_overrun_is_counted_and_freezes_its_scope(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let lines = [line("t", "tokens", 100, 90), line("w", "tokens", 100, 90)];
    bed.write(pen.append(&[], vec![reserve("a", &lines)]), &mut pen).await;
    let small = [line("w", "calls", 9, 1)];
    bed.write(pen.append(&[], vec![reserve("b", &small), settle("a", &[("tokens", 90)])]), &mut pen).await;
    let again = [line("t", "tokens", 100, 10)];
    bed.write(pen.append(&[], vec![reserve("a", &again), settle("a", &[("tokens", 13)])]), &mut pen).await;
    assert_eq!(
        sums(&bed).await,
        [
            sum("t", "tokens", (100, 103, 0, 3, true)),
            sum("w", "calls", (9, 0, 1, 0, false)),
            sum("w", "tokens", (100, 90, 0, 0, false)),
        ]
    );
    // Every sum of the scope is frozen, also one that is not there yet; what is under way is still settled.
    for (unit, period) in [("tokens", 0), ("tokens", 7), ("calls", 0)] {
        let line = BudgetLine { period, ..line("t", unit, 1000, 0) };
        let refused = bed.append(pen.append(&[], vec![reserve("c", &[line])])).await;
        assert_eq!(refused, Appended::Refused { guard: 0, current: 0 }, "{unit} {period}");
    }
    bed.write(pen.append(&[], vec![settle("b", &[("calls", 1)])]), &mut pen).await;
    bed.write(pen.append(&[], vec![reserve("d", &small)]), &mut pen).await;
    bed.sound().await;
}
