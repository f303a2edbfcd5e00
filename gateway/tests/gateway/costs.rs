//! Spending and budgets, as callers ask about them and are refused for them.

use std::sync::Arc;

use async_trait::async_trait;
use greenroom_kernel::*;
use parking_lot::Mutex;
use serde_json::json;

use crate::client::{dev, start};

/// Remembers what it was asked, and has one dear day and one budget.
#[derive(Default)]
pub(crate) struct FakeCosts {
    asked: Mutex<Vec<(Principal, SpendQuery)>>,
    set: Mutex<Vec<(Principal, BudgetId, Option<Budget>)>>,
    sought: Mutex<Vec<(Principal, RequestQuery, PageRequest)>>,
}

const SPENT: Spent = Spent {
    tries: 3,
    failed: 1,
    input: 5_000_000_000,
    cached_input: 1,
    cache_write: 2,
    output: 3,
    reasoning: 4,
    cost_nanos: 1_500_000_000,
    unpriced: 6,
    estimated: 7,
};

fn standing(budget: Budget, subject: Option<&str>, tokens: u64) -> BudgetStanding {
    BudgetStanding {
        exceeded: budget.limit_tokens.is_some_and(|limit| tokens >= limit),
        budget,
        subject: subject.map(Arc::from),
        key: None,
        model: None,
        spent: Amount {
            nanos: 250_000_000,
            tokens,
        },
        held: Amount { nanos: 0, tokens: 9 },
        resets_at: Timestamp::from_rfc3339("2026-12-01T00:00:00Z").unwrap(),
        known: subject.is_some(),
    }
}

fn budget(id: &str) -> Budget {
    Budget {
        id: BudgetId::parse(id).unwrap(),
        tenant: TenantId::parse("dev").unwrap(),
        subject: About::Each,
        key: About::All,
        model: About::One("openai/*".into()),
        window: BudgetWindow::Month,
        limit_nanos: Some(2_000_000_000),
        limit_tokens: Some(100),
        hard: true,
        configured: true,
    }
}

fn bare(id: u128) -> RequestRow {
    RequestRow {
        id: LedgerId(id),
        at: Timestamp::from_rfc3339("2026-11-26T10:00:00Z").unwrap(),
        caller: Arc::new(Caller::new(dev().tenant, dev().subject)),
        asked: None,
        streamed: false,
        served: None,
        tries: 0,
        failure: Some(ErrorCode::LimitExceeded),
        took_ms: 1,
        first_content_ms: None,
        usage: Usage::default(),
        content: None,
    }
}

fn full(id: u128) -> RequestRow {
    let session = SessionId::parse("s1").unwrap();
    RequestRow {
        caller: Arc::new(Caller {
            key: Some("laptop".into()),
            task: Some(TaskId {
                journal: session.clone(),
                ordinal: 3,
            }),
            session: Some(session),
            request: Some("r-1".into()),
            ..Caller::new(dev().tenant, dev().subject)
        }),
        asked: Some("smart".into()),
        streamed: true,
        served: Some(("openai".into(), "gpt-5".into())),
        tries: 2,
        failure: None,
        took_ms: 12,
        first_content_ms: Some(3),
        usage: Usage {
            input_tokens: 7,
            cost_usd: Some(0.5),
            ..Usage::default()
        },
        content: Some(RequestContent {
            asked: "why?".into(),
            answered: "because".into(),
        }),
        ..bare(id)
    }
}

#[async_trait]
impl Costs for FakeCosts {
    async fn spend(&self, who: &Principal, query: SpendQuery) -> Result<SpendReport, Failure> {
        self.asked.lock().push((who.clone(), query));
        Ok(SpendReport {
            total: SPENT,
            rows: vec![SpendRow {
                group: SpendGroup {
                    day: Some("2026-11-20".into()),
                    kind: Some("hedge".into()),
                    ..SpendGroup::default()
                },
                spent: SPENT,
            }],
            more: true,
            estimators: vec![EstimatorError {
                provider: "openai".into(),
                model: "gpt-5".into(),
                samples: 12,
                ratio: 1.25,
                error: 0.25,
            }],
        })
    }

    async fn requests(
        &self,
        who: &Principal,
        query: RequestQuery,
        page: PageRequest,
    ) -> Result<Page<RequestRow>, Failure> {
        let is_first = page.after.is_none();
        self.sought.lock().push((who.clone(), query, page));
        Ok(Page {
            rows: if is_first { vec![bare(3), full(2)] } else { vec![] },
            next: is_first.then(|| "place".to_owned()),
        })
    }

    async fn budgets(&self, _: &Principal) -> Result<Vec<BudgetStanding>, Failure> {
        Ok(vec![
            standing(budget("a"), Some("ann"), 100),
            standing(budget("a"), Some("bob"), 1),
            standing(budget("b"), None, 0),
        ])
    }

    async fn set_budget(
        &self,
        who: &Principal,
        id: BudgetId,
        budget: Option<Budget>,
    ) -> Result<Vec<BudgetStanding>, Failure> {
        self.set.lock().push((who.clone(), id, budget.clone()));
        Ok(budget
            .map(|budget| standing(budget, None, 5))
            .into_iter()
            .collect())
    }
}

#[tokio::test]
async fn spend_is_told_by_day_and_class_for_the_caller_s_tenant() {
    let gateway = start().await;
    let sum =
        "tries failed inputTokens cachedInputTokens cacheWriteTokens outputTokens reasoningTokens costUsd
        unpricedTokens estimatedTokens";
    let query = format!(
        "{{ spend(from: \"2026-11-20\", to: \"2026-11-21\", groupBy: [DAY, KIND]) {{ total {{ {sum} }} more
            groups {{ day month subject key provider model kind sum {{ costUsd }} }}
            estimators {{ provider model samples ratio error }} }} }}"
    );
    let data = gateway.data(&query, json!({})).await;
    assert_eq!(
        data["spend"],
        json!({
            "total": { "tries": 3.0, "failed": 1.0, "inputTokens": 5e9, "cachedInputTokens": 1.0, "cacheWriteTokens": 2.0,
                "outputTokens": 3.0, "reasoningTokens": 4.0, "costUsd": 1.5, "unpricedTokens": 6.0, "estimatedTokens": 7.0 },
            "more": true,
            "groups": [{ "day": "2026-11-20", "month": null, "subject": null, "key": null, "provider": null, "model": null,
                "kind": "hedge", "sum": { "costUsd": 1.5 } }],
            "estimators": [{ "provider": "openai", "model": "gpt-5", "samples": 12, "ratio": 1.25, "error": 0.25 }],
        })
    );
    gateway.data("{ spend { total { tries } } }", json!({})).await;
    let asked = gateway.costs.asked.lock();
    assert_eq!(asked[0].0.tenant.as_str(), "dev");
    let days: Vec<_> = asked
        .iter()
        .map(|(_, q)| (q.from.as_str(), q.to.as_str()))
        .collect();
    // The last day is included; absent, this month up to today.
    assert_eq!(days, [("2026-11-20", "2026-11-22"), ("2026-01-01", "2026-01-02")]);
    assert_eq!(asked[0].1.group_by, [SpendDimension::Day, SpendDimension::Kind]);
}

#[tokio::test]
async fn a_day_that_is_none_is_refused() {
    let gateway = start().await;
    for query in [
        "{ spend(from: \"soon\") { more } }",
        "{ spend(to: \"2026-13-01\") { more } }",
    ] {
        let answer = gateway.post(query, json!({})).await.json();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{answer}"
        );
    }
}

#[tokio::test]
async fn budgets_stand_once_or_for_each_that_they_count_apart() {
    let gateway = start().await;
    let query = "{ budgets { id subject key model window limitUsd limitTokens hard configured exceeded known
        standings { subject key model spentUsd spentTokens heldUsd heldTokens resetsAt exceeded } } }";
    let data = gateway.data(query, json!({})).await;
    let standing = |subject, tokens: f64, exceeded| {
        json!({ "subject": subject, "key": null, "model": null, "spentUsd": 0.25, "spentTokens": tokens, "heldUsd": 0.0,
            "heldTokens": 9.0, "resetsAt": "2026-12-01T00:00:00.000Z", "exceeded": exceeded })
    };
    let first = &data["budgets"][0];
    assert_eq!(
        *first,
        json!({ "id": "a", "subject": "*", "key": null, "model": "openai/*", "window": "MONTH", "limitUsd": 2.0,
            "limitTokens": 100.0, "hard": true, "configured": true, "exceeded": true, "known": true,
            "standings": [standing(Some("ann"), 100.0, true), standing(Some("bob"), 1.0, false)] })
    );
    assert_eq!(data["budgets"][1]["known"], false);
    assert_eq!(
        data["budgets"][1]["standings"],
        json!([standing(None, 0.0, false)])
    );
}

#[tokio::test]
async fn the_log_of_requests_is_told_page_by_page_and_as_it_was_asked_for() {
    let gateway = start().await;
    let query =
        "query($filter: RequestFilter, $after: String) { requests(first: 2, after: $after, filter: $filter) {
        pageInfo { hasPreviousPage hasNextPage endCursor }
        nodes { id at subject key sessionId taskId requestId asked provider model streamed tries error tookMs
            firstContentMs usage { inputTokens costUsd } content { asked answered } } } }";
    let filter = json!({ "subject": "ann", "model": "openai/gpt-5", "failed": false,
        "endedAfter": "2026-11-26T00:00:00.000Z", "endedBefore": "2026-11-27T00:00:00.000Z" });
    let data = gateway.data(query, json!({ "filter": filter })).await;
    let at = "2026-11-26T10:00:00.000Z";
    let id = |n: u128| format!("{n:032x}");
    assert_eq!(
        data["requests"],
        json!({
            "pageInfo": { "hasPreviousPage": false, "hasNextPage": true, "endCursor": "place" },
            "nodes": [
                { "id": id(3), "at": at, "subject": "dev", "key": null, "sessionId": null, "taskId": null, "requestId": null,
                    "asked": null, "provider": null, "model": null, "streamed": false, "tries": 0,
                    "error": "LIMIT_EXCEEDED", "tookMs": 1, "firstContentMs": null,
                    "usage": { "inputTokens": 0, "costUsd": null }, "content": null },
                { "id": id(2), "at": at, "subject": "dev", "key": "laptop", "sessionId": "s1", "taskId": "s1.3",
                    "requestId": "r-1", "asked": "smart", "provider": "openai", "model": "gpt-5", "streamed": true,
                    "tries": 2, "error": null, "tookMs": 12, "firstContentMs": 3,
                    "usage": { "inputTokens": 7, "costUsd": 0.5 }, "content": { "asked": "why?", "answered": "because" } },
            ],
        })
    );
    let data = gateway.data(query, json!({ "after": "place" })).await;
    let info = &data["requests"]["pageInfo"];
    assert_eq!(
        *info,
        json!({ "hasPreviousPage": true, "hasNextPage": false, "endCursor": null })
    );
    let moment = |text| Timestamp::from_rfc3339(text);
    let sought = gateway.costs.sought.lock();
    assert_eq!(
        sought[0].1,
        RequestQuery {
            subject: Some(Subject::parse("ann").unwrap()),
            model: Some("openai/gpt-5".into()),
            failed: Some(false),
            from: moment("2026-11-26T00:00:00Z"),
            until: moment("2026-11-27T00:00:00Z"),
        }
    );
    assert_eq!((sought[0].0.subject.as_str(), sought[0].2.limit), ("dev", 2));
    assert_eq!(
        (&sought[1].1, sought[1].2.after.as_deref()),
        (&RequestQuery::default(), Some("place"))
    );
}

#[tokio::test]
async fn a_page_of_the_log_is_from_1_to_100_requests_and_a_caller_is_named_as_one() {
    let gateway = start().await;
    for arguments in ["first: 0", "first: 101", "filter: { subject: \"\" }"] {
        let query = format!("{{ requests({arguments}) {{ nodes {{ id }} }} }}");
        let answer = gateway.post(&query, json!({})).await.json();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_budget_is_set_for_the_caller_s_tenant_and_removed() {
    let gateway = start().await;
    let query = "mutation($input: SetBudgetInput!) { setBudget(input: $input) { id hard exceeded } }";
    let set = async |input| gateway.data(query, json!({ "input": input })).await["setBudget"].clone();
    let made =
        set(json!({ "id": "team", "subject": "*", "limitUsd": 1.5, "window": "DAY", "hard": false })).await;
    assert_eq!(made, json!({ "id": "team", "hard": false, "exceeded": false }));
    assert_eq!(set(json!({ "id": "team", "remove": true })).await, json!(null));
    let calls = gateway.costs.set.lock();
    let budget = calls[0].2.as_ref().unwrap();
    assert_eq!(
        (budget.tenant.as_str(), budget.limit_nanos),
        ("dev", Some(1_500_000_000))
    );
    assert_eq!(
        (&budget.subject, budget.window, budget.limit_tokens),
        (&About::Each, BudgetWindow::Day, None)
    );
    assert_eq!(calls[1].2, None);
}

#[tokio::test]
async fn a_budget_without_a_limit_or_with_nonsense_is_refused() {
    let gateway = start().await;
    let query = "mutation($input: SetBudgetInput!) { setBudget(input: $input) { id } }";
    for input in [
        json!({ "id": "team" }),
        json!({ "id": "no spaces", "limitUsd": 1 }),
        json!({ "id": "team", "limitUsd": -1 }),
        json!({ "id": "team", "limitTokens": 1.5 }),
    ] {
        let answer = gateway.post(query, json!({ "input": input })).await.json();
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{answer}"
        );
    }
    assert!(gateway.costs.set.lock().is_empty());
}
