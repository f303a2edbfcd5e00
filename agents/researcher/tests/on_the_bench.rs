//! Questions to other agents, with the others and the model scripted, and through crashes.

#![allow(clippy::panic, reason = "helpers of tests fail their test")]

use greenroom_agent_researcher::Researcher;
use greenroom_agent_sdk::testkit::{Bench, Ran, Reply, StepKind};
use greenroom_agent_sdk::{AgentError, AgentReply, ErrorCode, Failure, ModelRequest, OutputFormat};
use serde_json::{Value, json};

fn research(input: impl serde::Serialize) -> Bench {
    Bench::new(Researcher::default()).input(input)
}

fn is_plan(request: &ModelRequest) -> bool {
    request.messages[0].content.text().starts_with("You plan")
}

fn plan(parts: &[(&str, &str)]) -> Reply {
    let parts: Vec<Value> = parts
        .iter()
        .map(|(agent, question)| json!({ "agent": agent, "question": question }))
        .collect();
    Reply::text(json!({ "parts": parts }).to_string())
}

/// A child task's answer.
fn says(content: impl Into<String>) -> AgentReply {
    AgentReply {
        content: Some(content.into()),
        data: None,
        task_id: Some("child-1".to_owned()),
    }
}

fn fails(bench: Bench, agent: &str, failure: Failure) -> Bench {
    bench.agent_by(agent, move |_| Err(AgentError::from(failure.clone())))
}

fn data(ran: &Ran) -> Value {
    ran.data().unwrap_or_else(|| panic!("no answer: {:?}", ran.end()))
}

/// Two parts, of which summarizer's fails, and a model that cites what isn't there.
fn world() -> Bench {
    let bench = research("how tall and old is it?")
        .agent_by("assistant", |input| Ok(says(format!("A says {input}"))))
        .reply_by(|request| {
            if is_plan(request) {
                return plan(&[("assistant", "how tall?"), ("summarizer", "how old?")]);
            }
            let said = &request.messages[1].content.text();
            assert!(
                said.contains("<source n=\"1\" agent=\"assistant\">\nAsked: how tall?\nA says"),
                "{said}"
            );
            assert!(
                said.contains("summarizer was asked too and could not answer"),
                "{said}"
            );
            Reply::text("Very tall [1]. Very old [2] and wise [7].")
        });
    fails(bench, "summarizer", Failure::not_found("agent"))
}

#[tokio::test]
async fn parts_go_to_agents_and_the_answer_cites_only_those_who_said_something() {
    let ran = world().run().await;
    let data = data(&ran);
    assert_eq!(data["answer"], "Very tall [1]. Very old and wise.");
    let sources = data["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 2);
    assert_eq!(sources[0]["agent"], "assistant");
    assert_eq!(sources[0]["question"], "how tall?");
    assert!(
        sources[0]["content"].as_str().unwrap().contains("how tall?"),
        "{data}"
    );
    assert_eq!(sources[0]["taskId"], "child-1");
    assert!(
        sources[1]["error"].as_str().unwrap().contains("NOT_FOUND"),
        "{data}"
    );
    assert!(sources[1].get("content").is_none());
    let text = ran.content().unwrap();
    assert!(
        text.starts_with("Very tall [1]. Very old and wise.\n\nSources:\n[1] assistant: how tall?\n"),
        "{text}"
    );
    assert!(
        text.contains("[2] summarizer, without an answer: how old? (NOT_FOUND"),
        "{text}"
    );
    let (_, list) = text.split_once("\n\n").unwrap();
    // As the model said it, and then who they are.
    let shown = format!("Very tall [1]. Very old [2] and wise [7].\n\n{list}");
    assert_eq!(ran.emitted(), shown);
    let visible: Vec<bool> = ran.steps().iter().map(|step| step.visible).collect();
    assert_eq!(visible, [false, false, false, true]);
}

#[tokio::test]
async fn nobody_is_asked_twice_whatever_is_lost_on_the_way() {
    let survival = world().crashes().await;
    assert!(survival.is_whole(), "{survival}");
    assert_eq!(survival.steps, 4..=4);
}

#[tokio::test]
async fn a_plan_is_mended_once_and_its_form_is_asked_of_the_provider() {
    let bench = research(json!({ "question": "q?", "agents": ["a", "b"], "maxParts": 1 }))
        .agent("b", says("so"))
        .reply_by(|request| {
            if !is_plan(request) {
                return Reply::text("So [1].");
            }
            match request.messages.last() {
                Some(last) if last.content.text().contains("/parts/0/agent") => plan(&[("b", "q?")]),
                _ => plan(&[("c", "q?")]),
            }
        });
    let ran = bench.run().await;
    let requests = ran.steps().iter().filter_map(|step| step.request());
    let plans: Vec<ModelRequest> = requests.filter(is_plan).collect();
    for plan in &plans {
        let OutputFormat::JsonSchema { schema, .. } = &plan.output else {
            panic!("no form: {plan:?}")
        };
        assert_eq!(schema["properties"]["parts"]["maxItems"], 1);
    }
    assert_eq!(
        (plans.len(), &data(&ran)["sources"][0]["agent"]),
        (2, &json!("b"))
    );
}

#[tokio::test]
async fn a_model_that_cannot_plan_leaves_the_whole_question_to_everybody() {
    for answer in [
        Reply::text("I do not know what a plan is."),
        Reply::failed(Failure::bad_input("too long")),
    ] {
        let bench = research("q?")
            .agent("assistant", says("so"))
            .agent("summarizer", says("so"))
            .reply_by(move |request| match is_plan(request) {
                true => answer.clone(),
                false => Reply::text("So [1] and so [2]."),
            });
        let data = data(&bench.run().await);
        let sources = data["sources"].as_array().unwrap();
        let asked: Vec<_> = sources.iter().map(|s| (&s["agent"], &s["question"])).collect();
        assert_eq!(
            asked,
            [
                (&json!("assistant"), &json!("q?")),
                (&json!("summarizer"), &json!("q?"))
            ]
        );
    }
}

#[tokio::test]
async fn answers_too_long_for_the_model_are_shortened_until_they_fit() {
    let bench = research(json!({ "question": "q?", "agents": ["a"] }))
        .agent("a", says("long ".repeat(10_000)))
        .reply_by(|request| match request {
            _ if is_plan(request) => plan(&[("a", "q?")]),
            _ if request.messages[1].content.text().len() > 5_000 => {
                Reply::failed(Failure::bad_input("too long"))
            }
            _ => Reply::text("Long [1]."),
        });
    let ran = bench.run().await;
    let failed = |outcome: &Option<Result<Value, Failure>>| matches!(outcome, Some(Err(_)));
    let refused = ran.steps().iter().filter(|step| failed(&step.outcome)).count();
    assert_eq!((data(&ran)["answer"].as_str(), refused), (Some("Long [1]."), 2));
}

#[tokio::test]
async fn where_nobody_answers_the_task_fails_saying_why() {
    let (missing, stranger) = (Failure::unavailable("no model"), Failure::not_found("agent"));
    for (one, two, code, named) in [
        (&missing, &missing, ErrorCode::Unavailable, "no model"),
        (&missing, &stranger, ErrorCode::AgentFailed, "no such agent"),
    ] {
        let bench = research("q?").reply(plan(&[("assistant", "q?"), ("summarizer", "q?")]));
        let bench = fails(bench, "assistant", one.clone());
        let ran = fails(bench, "summarizer", two.clone()).run().await;
        let failure = ran.failure().expect("nobody answered");
        assert_eq!(failure.code, code);
        assert!(failure.message.contains(named), "{failure}");
        let asked = ran.steps().iter().filter(|step| step.kind == StepKind::Agent);
        assert_eq!(asked.count(), 2);
    }
    let missing = Failure::unavailable("no model: set GREENROOM_MODEL_PATH");
    let reply = Reply::failed(missing.clone());
    let ran = research("q?").reply_by(move |_| reply.clone()).run().await;
    assert_eq!((ran.failure(), ran.steps().len()), (Some(&missing), 1));
}

#[tokio::test]
async fn bad_input_asks_nobody() {
    for input in [
        json!(""),
        json!(1),
        json!({ "question": "q", "agents": ["researcher"] }),
        json!({ "q": "q" }),
    ] {
        let ran = research(input).run().await;
        assert_eq!(ran.steps(), []);
        let code = ran.failure().map(|failure| failure.code);
        assert_eq!(code, Some(ErrorCode::BadUserInput), "{:?}", ran.end());
    }
}
