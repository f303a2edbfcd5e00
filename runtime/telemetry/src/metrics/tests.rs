use super::*;

#[track_caller]
fn has(page: &str, line: &str) {
    assert!(
        page.lines().any(|found| found == line),
        "no line `{line}` in:\n{page}"
    );
}

#[test]
fn every_fact_appears_on_the_page_under_its_name_and_labels() {
    let metrics = Metrics::new("1.2.3");
    metrics.task_accepted("echo");
    metrics.task_accepted("echo");
    metrics.task_completed("echo");
    metrics.task_failed("echo", "AGENT_FAILED");
    metrics.step_finished("MODEL", "DONE");
    metrics.provider_try("local", "ok", Duration::from_millis(20));
    metrics.first_token("local", Duration::from_millis(3));
    metrics.journal_append(Duration::from_micros(400));
    metrics.journal_sync(3, Duration::from_micros(300));
    metrics.http_request("sendChat", 200, Duration::from_millis(7));
    metrics.breaker(BreakerOwner::Provider, "local", BreakerState::Open);
    metrics.actor_restarted("agent");
    let page = metrics.render();
    has(&page, r#"greenroom_build_info{version="1.2.3"} 1"#);
    has(&page, r#"greenroom_tasks_accepted_total{agent="echo"} 2"#);
    has(&page, r#"greenroom_tasks_completed_total{agent="echo"} 1"#);
    has(
        &page,
        r#"greenroom_tasks_failed_total{agent="echo",code="AGENT_FAILED"} 1"#,
    );
    has(&page, r#"greenroom_steps_total{kind="MODEL",status="DONE"} 1"#);
    has(
        &page,
        r#"greenroom_provider_tries_total{provider="local",class="ok"} 1"#,
    );
    has(
        &page,
        r#"greenroom_provider_try_seconds_bucket{le="0.025",provider="local"} 1"#,
    );
    has(
        &page,
        r#"greenroom_provider_first_token_seconds_count{provider="local"} 1"#,
    );
    has(
        &page,
        r#"greenroom_journal_append_seconds_bucket{le="0.00025"} 0"#,
    );
    has(&page, r#"greenroom_journal_append_seconds_bucket{le="0.0005"} 1"#);
    has(&page, r#"greenroom_journal_group_appends_bucket{le="4.0"} 1"#);
    has(&page, "greenroom_journal_sync_seconds_count 1");
    has(
        &page,
        r#"greenroom_http_requests_total{operation="sendChat",status="200"} 1"#,
    );
    has(
        &page,
        r#"greenroom_breaker_state{owner="provider",name="local"} 2"#,
    );
    has(&page, r#"greenroom_actor_restarts_total{kind="agent"} 1"#);
    has(&page, "# TYPE greenroom_tasks_accepted counter");
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn work_is_in_flight_until_its_guard_is_dropped() {
    let metrics = Metrics::new("1");
    let first = metrics.begin(Work::Tasks);
    let second = metrics.clone().begin(Work::Tasks);
    has(&metrics.render(), r#"greenroom_in_flight{work="tasks"} 2"#);
    drop(first);
    has(&metrics.render(), r#"greenroom_in_flight{work="tasks"} 1"#);
    drop(second);
    has(&metrics.render(), r#"greenroom_in_flight{work="tasks"} 0"#);
    metrics.bounded(Work::Tasks, 3);
    has(&metrics.render(), r#"greenroom_in_flight_limit{work="tasks"} 3"#);
}

#[test]
fn where_nothing_is_counted_there_is_no_page() {
    let metrics = Metrics::off();
    metrics.http_request("v1", 200, Duration::from_millis(1));
    drop(metrics.begin(Work::Tasks));
    assert_eq!(metrics.render(), "");
}

#[test]
fn a_label_keeps_a_bounded_number_of_values_and_loses_no_count() {
    let metrics = Metrics::new("1");
    for number in 0..labels::MOST_VALUES + 50 {
        metrics.task_accepted(&format!("agent-{number}"));
    }
    metrics.task_accepted("agent-0");
    let page = metrics.render();
    has(&page, r#"greenroom_tasks_accepted_total{agent="other"} 50"#);
    has(&page, r#"greenroom_tasks_accepted_total{agent="agent-0"} 2"#);
    let series = page
        .lines()
        .filter(|line| line.starts_with("greenroom_tasks_accepted_total"))
        .count();
    assert_eq!(series, labels::MOST_VALUES + 1);
}

#[test]
fn a_hostile_label_cannot_break_the_page_or_swell_it() {
    let metrics = Metrics::new("1");
    metrics.task_accepted("a\"} 1\nevil 2");
    metrics.task_accepted(&"é".repeat(5000));
    let page = metrics.render();
    assert!(!page.lines().any(|line| line.starts_with("evil")), "{page}");
    assert!(page.lines().all(|line| line.len() < 200), "{page}");
}

#[test]
fn a_provider_shows_what_is_known_of_it_and_nothing_else() {
    let metrics = Metrics::new("1");
    let mut status = ProviderStatus {
        name: "a".into(),
        node: "n".into(),
        health: greenroom_kernel::Health::Healthy,
        breaker: BreakerState::Open,
        concurrency_limit: 6,
        in_flight: 2,
        error_rate: 0.0,
        latency_ms_p50: None,
        ttft_ms_p50: None,
        last_error: None,
        concurrency_ceiling: 64,
        ttft_ms_average: Some(250),
        tokens_per_second: None,
        held_until: Some(Timestamp::from_millis(9_500)),
        credentials: Some(greenroom_kernel::Credentials { usable: 1, total: 3 }),
        requests_left: Some(7),
        tokens_left: None,
        quota_resets_at: None,
    };
    metrics.provider(&status, Timestamp::from_millis(4_000));
    let page = metrics.render();
    for line in [
        r#"greenroom_breaker_state{owner="provider",name="a"} 2"#,
        r#"greenroom_provider_concurrency_limit{provider="a"} 6.0"#,
        r#"greenroom_provider_concurrency_ceiling{provider="a"} 64.0"#,
        r#"greenroom_provider_in_flight{provider="a"} 2.0"#,
        r#"greenroom_provider_ttft_average_seconds{provider="a"} 0.25"#,
        r#"greenroom_provider_held_seconds{provider="a"} 5.5"#,
        r#"greenroom_provider_credentials_usable{provider="a"} 1.0"#,
        r#"greenroom_provider_credentials{provider="a"} 3.0"#,
        r#"greenroom_provider_requests_left{provider="a"} 7.0"#,
    ] {
        has(&page, line);
    }
    assert!(
        !page.contains("tokens_left{") && !page.contains("tokens_per_second{"),
        "{page}"
    );
    status.requests_left = None;
    metrics.provider(&status, Timestamp::from_millis(4_000));
    assert!(!metrics.render().contains("requests_left{"));
}
