use greenroom_kernel::{Effect, ErrorCode, Failure, Principal, Role, StepKind, Subject, TenantId};

use super::*;

fn start() -> RunStart {
    RunStart {
        task: TaskId::parse("s-1.2").unwrap(),
        agent: AgentName::parse("echo").unwrap(),
        attempt: 3,
        principal: Principal {
            tenant: TenantId::parse("dev").unwrap(),
            subject: Subject::parse("me@example.org").unwrap(),
            scopes: vec!["sessions:all".into()],
            tier: "free".into(),
        },
        input: r#"{"content":"hi"}"#.into(),
        history: vec![HistoryMessage {
            role: Role::Assistant,
            content: "earlier".into(),
        }],
        model: Some("small".into()),
        deadline: Some(Timestamp::from_millis(9)),
        accepted_at: Timestamp::from_millis(-5),
        seed: u64::MAX,
        credit: 7,
        heartbeat: Duration::from_millis(1500),
        trace: Some("00-1-2-01".into()),
    }
}

fn path(text: &str) -> StepPath {
    StepPath::parse(text).unwrap()
}

#[test]
fn a_start_survives_the_wire() {
    assert_eq!(decode_start(encode_start(start())).unwrap(), start());
}

#[test]
fn frames_to_an_agent_survive_the_wire() {
    let failure = Failure::unavailable("later").retry_after(Duration::from_secs(1));
    for frame in [
        ToAgent::Credit(3),
        ToAgent::Cancel("deadline".into()),
        ToAgent::Answer {
            path: path("0"),
            answer: StepAnswer::Go,
        },
        ToAgent::Answer {
            path: path("1.0"),
            answer: StepAnswer::Finished(Ok("{}".into())),
        },
        ToAgent::Answer {
            path: path("2"),
            answer: StepAnswer::Finished(Err(failure)),
        },
    ] {
        assert_eq!(decode_to_agent(encode_to_agent(frame.clone())).unwrap(), frame);
    }
}

#[test]
fn frames_from_an_agent_survive_the_wire() {
    let call = |kind, effect| {
        FromAgent::Call(StepCall {
            path: path("4"),
            kind,
            name: Some("n".into()),
            effect,
            input: "[1]".into(),
            visible: true,
        })
    };
    for frame in [
        call(StepKind::Model, Effect::ReadOnly),
        call(StepKind::Tool, Effect::Idempotent),
        call(StepKind::Agent, Effect::NonIdempotent),
        call(StepKind::Effect, Effect::ReadOnly),
        call(StepKind::Timer, Effect::ReadOnly),
        call(StepKind::Approval, Effect::ReadOnly),
        FromAgent::Report {
            path: path("4"),
            outcome: StepOutcome::Done(Payload::inline("null")),
        },
        FromAgent::Report {
            path: path("4"),
            outcome: StepOutcome::Failed(Failure::new(ErrorCode::AgentFailed, "x")),
        },
        FromAgent::Emit("text".into()),
        FromAgent::Heartbeat,
        FromAgent::Completed {
            content: None,
            data: Some("1".into()),
        },
        FromAgent::Failed(Failure::internal("y")),
        FromAgent::Panicked("z".into()),
    ] {
        let sent = encode_from_agent(frame.clone()).unwrap();
        assert_eq!(decode_from_agent(sent).unwrap(), frame);
    }
}

#[test]
fn a_malformed_start_is_refused_by_the_field_at_fault() {
    let broken = |change: fn(&mut pb::Start)| {
        let mut frame = encode_start(start());
        if let Some(ToFrame::Start(start)) = &mut frame.frame {
            change(start);
        }
        decode_start(frame).unwrap_err().field
    };
    assert_eq!(broken(|s| s.task_id = "nonsense".into()), "start.task_id");
    assert_eq!(broken(|s| s.agent = "a b".into()), "start.agent");
    assert_eq!(broken(|s| s.attempt = 0), "start.attempt");
    assert_eq!(broken(|s| s.credit = 0), "start.credit");
    assert_eq!(broken(|s| s.heartbeat_ms = 0), "start.heartbeat_ms");
    assert_eq!(broken(|s| s.principal = None), "principal");
    assert_eq!(broken(|s| s.history[0].role = 0), "start.history.role");
    assert_eq!(broken(|s| s.history[0].role = 99), "start.history.role");
    let late = encode_to_agent(ToAgent::Credit(1));
    assert_eq!(decode_start(late).unwrap_err().field, "frame");
    assert_eq!(decode_to_agent(encode_start(start())).unwrap_err().field, "frame");
    assert_eq!(
        decode_to_agent(pb::RunRequest { frame: None }).unwrap_err().field,
        "frame"
    );
}

#[test]
fn malformed_frames_of_an_agent_are_refused_by_the_field_at_fault() {
    let refused = |frame| decode_from_agent(pb::RunResponse { frame }).unwrap_err().field;
    let call = |change: fn(&mut pb::Call)| {
        let mut call = pb::Call {
            path: "0".into(),
            kind: pb::StepKind::Model.into(),
            name: None,
            effect: pb::Effect::ReadOnly.into(),
            input_json: "{}".into(),
            visible: false,
        };
        change(&mut call);
        Some(FromFrame::Call(call))
    };
    assert_eq!(refused(None), "frame");
    assert_eq!(refused(call(|c| c.path = "a".into())), "call.path");
    assert_eq!(refused(call(|c| c.kind = 0)), "call.kind");
    assert_eq!(refused(call(|c| c.effect = 77)), "call.effect");
    assert_eq!(refused(call(|c| c.input_json = "{".into())), "call.input_json");
    let done = pb::Completed {
        content: None,
        data_json: Some("nope".into()),
    };
    assert_eq!(refused(Some(FromFrame::Completed(done))), "completed.data_json");
    let report = pb::Report {
        path: "0".into(),
        outcome: None,
    };
    assert_eq!(refused(Some(FromFrame::Report(report))), "report.outcome");
}
