use proptest::prelude::*;

use super::*;
use crate::{ErrorCode, Subject};

const DAY: i64 = 86_400_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn budget(id: &str, tokens: u64) -> Budget {
    Budget {
        id: BudgetId::parse(id).unwrap(),
        tenant: tenant(),
        subject: About::All,
        key: About::All,
        model: About::All,
        window: BudgetWindow::Day,
        limit_nanos: None,
        limit_tokens: Some(tokens),
        hard: true,
        configured: false,
    }
}

fn charge<'a>(tenant: &'a TenantId, subject: &'a str) -> Charge<'a> {
    Charge {
        tenant,
        subject,
        key: None,
        provider: "openai",
        model: "gpt-5",
    }
}

const fn tokens(tokens: u64) -> Amount {
    Amount { nanos: 0, tokens }
}

fn book(budgets: impl IntoIterator<Item = Budget>) -> Budgets {
    let mut book = Budgets::default();
    for budget in budgets {
        assert!(book.put(budget));
    }
    for unknown in book.unknown(at(0)) {
        book.known(&unknown);
    }
    book
}

#[test]
fn what_is_held_counts_until_it_is_settled_and_then_what_was_spent_does() {
    let (who, mut book) = (tenant(), book([budget("b", 100)]));
    let charge = charge(&who, "ann");
    let first = book.reserve(&charge, tokens(60), true, at(0)).unwrap();
    let refused = book
        .reserve(&charge, tokens(60), true, at(0))
        .unwrap_err()
        .failure(at(0));
    // Calls under way may give back what they hold.
    assert_eq!(
        (refused.code, refused.retry_after_ms),
        (ErrorCode::ResourceExhausted, Some(1_000))
    );
    assert_eq!(book.settle(first, &charge, tokens(30), at(1)), []);
    let second = book.reserve(&charge, tokens(60), true, at(1)).unwrap();
    let passed = book.settle(second, &charge, tokens(80), at(2));
    assert_eq!(passed.len(), 1);
    let refused = book
        .reserve(&charge, tokens(1), true, at(2))
        .unwrap_err()
        .failure(at(2));
    assert_eq!(refused.code, ErrorCode::LimitExceeded);
    assert_eq!(refused.retry_after_ms, Some(DAY as u64 - 2));
    assert!(
        refused.message.contains("budget b is used up"),
        "{}",
        refused.message
    );
    assert!(
        refused.message.contains("1970-01-02T00:00:00.000Z"),
        "{}",
        refused.message
    );
    let standing = &book.standings(&who, 10, at(2))[0];
    assert_eq!(
        (standing.spent, standing.held, standing.exceeded),
        (tokens(110), tokens(0), true)
    );
}

#[test]
fn a_window_begins_anew_and_what_open_calls_hold_goes_over_into_it() {
    let (who, mut book) = (tenant(), book([budget("b", 100)]));
    let charge = charge(&who, "ann");
    let open = book.reserve(&charge, tokens(90), true, at(DAY - 1)).unwrap();
    assert!(book.reserve(&charge, tokens(20), true, at(DAY)).is_err());
    assert_eq!(book.settle(open, &charge, tokens(50), at(DAY)), []);
    assert!(book.reserve(&charge, tokens(50), true, at(DAY)).is_ok());
    // A clock that was set back doesn't give the day back either.
    assert!(book.reserve(&charge, tokens(50), true, at(DAY - 5)).is_err());
}

#[test]
fn a_soft_budget_refuses_nobody_and_is_told_once_a_window() {
    let soft = Budget {
        hard: false,
        ..budget("soft", 10)
    };
    let (who, mut book) = (tenant(), book([soft]));
    let charge = charge(&who, "ann");
    let mut told = Vec::new();
    for now in [0, 1, 2, DAY] {
        let open = book.reserve(&charge, tokens(10), true, at(now)).unwrap();
        told.push(book.settle(open, &charge, tokens(10), at(now)).len());
    }
    assert_eq!(told, [1, 0, 0, 1]);
}

#[test]
fn one_is_counted_for_whom_it_is_about_and_each_apart() {
    let named = |id: &str, set: fn(&mut Budget)| {
        let mut budget = budget(id, 100);
        set(&mut budget);
        budget
    };
    let budgets = [
        named("each", |b| b.subject = About::Each),
        named("ann", |b| b.subject = About::One("ann".into())),
        named("model", |b| b.model = About::One("gpt-5".into())),
        named("target", |b| b.model = About::One("openai/gpt-5".into())),
        named("provider", |b| b.model = About::One("openai/*".into())),
        named("other", |b| b.model = About::One("open/*".into())),
        named("key", |b| b.key = About::Each),
    ];
    let (who, mut book) = (tenant(), book(budgets));
    for subject in ["ann", "bob", "bob"] {
        let charge = charge(&who, subject);
        let open = book.reserve(&charge, tokens(1), true, at(0)).unwrap();
        book.settle(open, &charge, tokens(10), at(0));
    }
    let spent: Vec<_> = book
        .standings(&who, 10, at(0))
        .into_iter()
        .map(|s| {
            (
                s.budget.id.to_string(),
                s.subject.map(|s| s.to_string()),
                s.spent.tokens,
            )
        })
        .collect();
    let row = |id: &str, subject: Option<&str>, spent| (id.to_owned(), subject.map(str::to_owned), spent);
    assert_eq!(
        spent,
        [
            row("ann", None, 10),
            row("each", Some("bob"), 20),
            row("each", Some("ann"), 10),
            row("key", None, 0),
            row("model", None, 30),
            row("other", None, 0),
            row("provider", None, 30),
            row("target", None, 30),
        ]
    );
    let stranger = TenantId::parse("bolt").unwrap();
    assert_eq!(book.standings(&stranger, 10, at(0)), []);
    assert!(!book.refuses(&charge(&stranger, "ann")));
}

#[test]
fn a_budget_in_dollars_refuses_what_has_no_price_and_one_in_tokens_does_not() {
    let dollars = Budget {
        limit_nanos: Some(1_000),
        limit_tokens: None,
        ..budget("usd", 0)
    };
    let (who, mut book) = (tenant(), book([dollars]));
    let charge = charge(&who, "ann");
    let refused = book
        .reserve(&charge, tokens(1), false, at(0))
        .unwrap_err()
        .failure(at(0));
    assert!(
        refused.message.contains("no price is known for openai/gpt-5"),
        "{}",
        refused.message
    );
    let cheap = Amount {
        nanos: 1_000,
        tokens: 1,
    };
    let open = book.reserve(&charge, cheap, true, at(0)).unwrap();
    book.settle(open, &charge, cheap, at(0));
    // What is free goes on.
    assert!(book.reserve(&charge, tokens(5), true, at(0)).is_ok());
    assert!(book.reserve(&charge, cheap, true, at(0)).is_err());
}

#[test]
fn another_limit_keeps_what_was_spent_and_another_scope_begins_at_nothing() {
    let (who, mut book) = (tenant(), book([budget("b", 100)]));
    let charge = charge(&who, "ann");
    let open = book.reserve(&charge, tokens(40), true, at(0)).unwrap();
    assert!(!book.put(budget("b", 50)));
    assert!(book.reserve(&charge, tokens(20), true, at(0)).is_err());
    let scoped = Budget {
        subject: About::One(Subject::parse("ann").unwrap().as_str().into()),
        ..budget("b", 50)
    };
    assert!(book.put(scoped));
    let unknown = book.unknown(at(0)).remove(0);
    book.spent_already(&unknown, &charge, tokens(20));
    book.known(&unknown);
    // What the earlier one held is not given back to it.
    book.settle(open, &charge, tokens(10), at(0));
    let standing = &book.standings(&who, 10, at(0))[0];
    assert_eq!((standing.spent, standing.held), (tokens(30), tokens(0)));
    assert!(book.remove(&who, &BudgetId::parse("b").unwrap()) && book.is_empty());
}

#[test]
fn a_hard_budget_lets_nothing_through_until_its_past_is_known_and_a_soft_one_does() {
    let soft = Budget {
        hard: false,
        ..budget("soft", 100)
    };
    let (who, mut book) = (tenant(), Budgets::default());
    let charge = charge(&who, "ann");
    assert!(book.put(soft) && !book.waits(&charge) && book.has_unknown());
    let open = book.reserve(&charge, tokens(1), true, at(0)).unwrap();
    book.settle(open, &charge, tokens(5), at(0));
    assert!(book.put(budget("hard", 100)) && book.waits(&charge));
    let refused = book
        .reserve(&charge, tokens(1), true, at(0))
        .unwrap_err()
        .failure(at(0));
    assert_eq!(
        (refused.code, refused.retryable, refused.retry_after_ms),
        (ErrorCode::Unavailable, true, Some(1_000))
    );
    // A limit that is changed meanwhile makes nothing known.
    assert!(!book.put(budget("hard", 50)) && book.waits(&charge));
    // What is settled before the past is asked for is part of it, what is settled behind that is not.
    for _ in 0..2 {
        book.settle(Reservation::default(), &charge, tokens(7), at(0));
        for unknown in book.unknown(at(0)) {
            book.settle(Reservation::default(), &charge, tokens(1), at(0));
            book.spent_already(&unknown, &charge, tokens(20));
        }
    }
    for unknown in book.unknown(at(0)) {
        book.spent_already(&unknown, &charge, tokens(20));
        book.known(&unknown);
    }
    let told: Vec<_> = book.standings(&who, 1, at(0));
    assert!(told.iter().all(|s| s.known && s.spent == tokens(20)), "{told:?}");
    assert!(book.reserve(&charge, tokens(30), true, at(0)).is_ok());
    assert!(book.reserve(&charge, tokens(1), true, at(0)).is_err());
}

#[test]
fn a_past_that_is_told_behind_midnight_is_the_past_of_yesterday() {
    let (who, mut book) = (tenant(), Budgets::default());
    let charge = charge(&who, "ann");
    book.put(budget("b", 100));
    let unknown = book.unknown(at(DAY - 1)).remove(0);
    book.settle(Reservation::default(), &charge, tokens(3), at(DAY + 1));
    book.spent_already(&unknown, &charge, tokens(90));
    book.known(&unknown);
    assert_eq!(book.standings(&who, 1, at(DAY + 1))[0].spent, tokens(3));
}

#[test]
fn a_past_that_was_asked_for_before_the_budget_was_replaced_is_not_its_past() {
    let (who, mut book) = (tenant(), Budgets::default());
    let charge = charge(&who, "ann");
    book.put(budget("b", 100));
    let earlier = book.unknown(at(0)).remove(0);
    book.put(Budget {
        window: BudgetWindow::Month,
        ..budget("b", 100)
    });
    book.spent_already(&earlier, &charge, tokens(90));
    book.known(&earlier);
    assert!(book.waits(&charge));
    assert_eq!(book.standings(&who, 1, at(0))[0].spent, tokens(0));
}

#[test]
fn many_counted_apart_are_tidied_seldom_and_those_of_now_stay() {
    let each = Budget {
        subject: About::Each,
        ..budget("each", 100)
    };
    let (who, mut book) = (tenant(), book([each]));
    let mut settle = |subjects: std::ops::Range<u32>, now| {
        for n in subjects {
            let subject = format!("u{n}");
            book.settle(
                Reservation::default(),
                &charge(&who, &subject),
                tokens(1),
                at(now),
            );
        }
        book.standings(&who, 100_000, at(now))
    };
    assert_eq!(settle(0..10_000, 0).len(), 10_000);
    // Yesterday's are forgotten, once.
    let today = settle(20_000..37_000, DAY);
    assert!(today.iter().all(|s| s.spent == tokens(1) || s.spent == tokens(0)));
    assert_eq!(today.iter().filter(|s| s.spent == tokens(1)).count(), 17_000);
    assert_eq!(today.len(), 17_000);
}

#[derive(Debug, Clone)]
enum Op {
    Reserve { asked: u64, subject: bool },
    Settle { which: usize, spent: u64 },
    Wait(i64),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..40_u64, any::<bool>()).prop_map(|(asked, subject)| Op::Reserve { asked, subject }),
        4 => (0..64_usize, 0..60_u64).prop_map(|(which, spent)| Op::Settle { which, spent }),
        1 => (0..DAY).prop_map(Op::Wait),
    ]
}

proptest! {
    /// The stated overshoot: what the calls that were under way when the last one was let in used beyond what they had
    /// reserved. And nothing stays held when all are settled.
    #[test]
    fn a_hard_budget_is_passed_by_no_more_than_open_calls_used_beyond_their_reservations(
        limit in 1..200_u64,
        ops in proptest::collection::vec(any_op(), 1..120),
    ) {
        let (who, mut book) = (tenant(), book([budget("b", limit)]));
        let mut now = 0;
        let mut open: Vec<(usize, &str, Reservation)> = Vec::new();
        // By call: what it held, and what it spent once it was settled.
        let mut calls: Vec<(u64, Option<u64>)> = Vec::new();
        let mut together: Vec<usize> = Vec::new();
        for op in ops {
            match op {
                Op::Reserve { asked, subject } => {
                    let subject = if subject { "ann" } else { "bob" };
                    if let Ok(held) = book.reserve(&charge(&who, subject), tokens(asked), true, at(now)) {
                        open.push((calls.len(), subject, held));
                        calls.push((asked, None));
                        together = open.iter().map(|(call, ..)| *call).collect();
                    }
                }
                Op::Settle { which, spent } if !open.is_empty() => {
                    let (call, subject, held) = open.swap_remove(which % open.len());
                    calls[call].1 = Some(spent);
                    book.settle(held, &charge(&who, subject), tokens(spent), at(now));
                }
                Op::Settle { .. } => {}
                Op::Wait(ms) => now += ms,
            }
            let beyond: u64 = together
                .iter()
                .map(|call| calls[*call].1.map_or(0, |spent| spent.saturating_sub(calls[*call].0)))
                .sum();
            let standing = &book.standings(&who, 1, at(now))[0];
            prop_assert!(standing.spent.tokens <= limit + beyond, "{standing:?} {beyond}");
        }
        for (_, subject, held) in open.drain(..) {
            book.settle(held, &charge(&who, subject), tokens(0), at(now));
        }
        prop_assert_eq!(book.standings(&who, 1, at(now))[0].held, tokens(0));
    }
}
