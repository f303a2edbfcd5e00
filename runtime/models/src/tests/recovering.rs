//! What happens once a reader has seen a part of an answer that then breaks.

mod held;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use greenroom_kernel::{
    CallEvent, FaultClass, ModelMessage, ModelRequest, ModelRole, Models, OutputFormat, RawRequest, Readable,
    ReasoningWish, Resumed, ServedAnswer, Shown, Unreadable, WireCall, WireFamily, Wish,
};
use http::HeaderMap;

use super::script::{Act, Script, Scripted, USED, refuses, says, streams};
use super::world::{World, config, context, pairs, request};
use crate::{Hold, ModelsConfig, Recover, Way};

use FaultClass::{BadRequest, HardDown, Overloaded, Transient};

/// A caller who can be gone on with.
struct Caller(ModelRequest);

impl Readable for Caller {
    fn wish(&self) -> Result<Wish, Unreadable> {
        Ok(Wish::Answer(Arc::new(self.0.clone())))
    }

    fn resumed(&self, shown: &Shown) -> Option<Box<dyn Resumed>> {
        assert_eq!(shown.place, "here");
        Some(Box::new(Writes))
    }
}

struct Writes;

impl Resumed for Writes {
    fn event(&mut self, event: &CallEvent, out: &mut Vec<u8>) {
        let text = match event {
            CallEvent::Text(text) => text.clone(),
            CallEvent::End(answer) => format!("<{} {}>", answer.content, answer.usage.total_tokens()),
            other => format!("{other:?}"),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

fn wire(request: ModelRequest) -> WireCall {
    WireCall {
        model: None,
        raw: RawRequest {
            family: WireFamily::OpenAiChat,
            before: Bytes::from_static(b"{"),
            model: Bytes::new(),
            after: Bytes::from_static(b"}"),
            stream: true,
            headers: HeaderMap::new(),
            allows: greenroom_kernel::Allows::default(),
        },
        readable: Arc::new(Caller(request)),
    }
}

/// What its reader saw, and how it ended: with the whole answer's text, or an error's.
struct Told {
    seen: String,
    end: Result<String, String>,
    tokens: u64,
}

async fn ask(world: &World, request: ModelRequest) -> Told {
    let served = Arc::clone(&world.router).serve(wire(request), context()).await;
    let mut told = Told {
        seen: String::new(),
        end: Err("it never ended".into()),
        tokens: 0,
    };
    let answer = match served {
        Ok(served) => served.answer,
        Err(failed) => {
            told.end = Err(failed.failure.message);
            return told;
        }
    };
    match answer {
        ServedAnswer::Spoken(mut events) => {
            while let Some(event) = events.next().await {
                match event {
                    Ok(CallEvent::Text(text)) => told.seen.push_str(&text),
                    Ok(CallEvent::End(answer)) => {
                        told.tokens = answer.usage.total_tokens();
                        told.end = Ok(answer.content);
                    }
                    Ok(CallEvent::Thinking(text)) => told.seen.push_str(&format!("({text})")),
                    Ok(CallEvent::ToolCall(call)) => told.seen.push_str(&format!("[{}]", call.name)),
                    Err(failed) => told.end = Err(failed.failure.message),
                }
            }
        }
        ServedAnswer::Relayed { mut pieces, .. } => {
            told.end = Ok(String::new());
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => told.seen.push_str(std::str::from_utf8(&piece).unwrap()),
                    Err(failed) => told.end = Err(failed.failure.message),
                }
            }
        }
        ServedAnswer::Whole { .. } | ServedAnswer::Embedded { .. } => panic!("not streamed"),
    }
    told
}

fn recovering(backends: &[&Arc<Scripted>], ways: &[Way], hold: Option<Hold>) -> World {
    let recover = Recover {
        ways: ways.to_vec(),
        hold,
    };
    World::with(ModelsConfig {
        recover,
        ..config(backends)
    })
}

fn breaks(text: &'static str) -> Script {
    streams(&[Act::Say(text), Act::Break(Transient)])
}

fn greedy() -> ModelRequest {
    ModelRequest {
        temperature: Some(0.0),
        ..request()
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_target_goes_on_from_the_text_and_the_reader_sees_one_answer() {
    let a = Scripted::new("a", vec![breaks("one "), says("two")]).prefilling();
    let world = World::of(&[&a]);
    let told = ask(&world, request()).await;
    assert_eq!(
        (told.seen.as_str(), told.end.as_deref()),
        ("one two", Ok("one two"))
    );
    let asked = &a.requests()[1];
    assert_eq!(
        asked.messages.last(),
        Some(&ModelMessage::text(ModelRole::Assistant, "one"))
    );
    // What was lost is billed too.
    assert!(told.tokens > USED.total_tokens());
    assert_eq!(world.classes(), pairs(&[("a", "transient"), ("a", "ok")]));
}

#[tokio::test(start_paused = true)]
async fn a_relayed_stream_is_gone_on_with_in_the_caller_s_words() {
    let a = Scripted::new(
        "a",
        vec![streams(&[Act::Work, Act::Say("one "), Act::Break(HardDown)])],
    )
    .relaying();
    let b = Scripted::new("b", vec![says("two")]).prefilling();
    let world = World::of(&[&a, &b]);
    let told = ask(&world, request()).await;
    assert!(told.end.is_ok());
    let lost = world.tried()[0].usage.total_tokens();
    let used = lost + USED.total_tokens();
    assert_eq!(told.seen, format!("role one two<one two {used}>"));
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_on_who_is_not_known_to_be_able_to() {
    let a = Scripted::new("a", vec![breaks("one ")]);
    let b = Scripted::new("b", vec![says("two")]);
    let world = World::of(&[&a, &b]);
    let told = ask(&world, request()).await;
    assert_eq!(told.seen, "one ");
    let why = told.end.unwrap_err();
    assert!(
        why.contains("scripted Transient") && why.contains("nobody could go on"),
        "{why}"
    );
    assert_eq!(world.classes(), pairs(&[("a", "transient")]));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_to_go_on_is_remembered_and_the_next_one_asked() {
    let a = Scripted::new("a", vec![breaks("one"), refuses(BadRequest), breaks("one")]).prefilling();
    let b = Scripted::new("b", vec![says(" two"), says(" two")]).prefilling();
    let world = World::of(&[&a, &b]);
    for _ in 0..2 {
        let told = ask(&world, request()).await;
        assert_eq!(
            (told.seen.as_str(), told.end.as_deref()),
            ("one two", Ok("one two"))
        );
    }
    let expected = [
        ("a", "transient"),
        ("a", "bad_request"),
        ("b", "ok"),
        ("a", "transient"),
        ("b", "ok"),
    ];
    assert_eq!(world.classes(), pairs(&expected));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_again_is_gone_on_with_again_within_its_tries() {
    let a = Scripted::new("a", vec![breaks("1"), breaks("2"), breaks("3"), says("4")]).prefilling();
    let patient = |backend: &Arc<Scripted>| {
        let mut config = config(&[backend]);
        config.providers[0].breaker.minimum_calls = 100;
        config
    };
    let told = ask(&World::with(patient(&a)), request()).await;
    assert_eq!(told.seen, "1234");
    assert_eq!(a.requests()[3].messages.last().unwrap().content.text(), "123");

    let a = Scripted::new("a", ["1", "2", "3", "4", "5", "6", "7"].map(breaks).to_vec()).prefilling();
    let mut config = patient(&a);
    config.retry.tries = 9;
    let told = ask(&World::with(config), request()).await;
    assert_eq!((told.seen.as_str(), a.calls().len()), ("123456", 6));
    assert!(told.end.unwrap_err().contains("scripted Transient"));
}

#[tokio::test(start_paused = true)]
async fn second_tries_at_the_same_target_are_out_of_the_budget() {
    let a = Scripted::new("a", vec![breaks("1"), says("2")]).prefilling();
    let mut config = config(&[&a]);
    config.retry_budget.floor = 0;
    config.retry_budget.ratio = 0.0;
    let told = ask(&World::with(config), request()).await;
    assert_eq!(told.seen, "1");
    assert!(told.end.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_second_run_of_a_deterministic_request_is_joined_where_it_has_repeated_what_was_shown() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("one tw"), Act::Break(HardDown)])]);
    let b = Scripted::new(
        "b",
        vec![streams(&[
            Act::Say("one "),
            Act::Say("two three"),
            Act::End(Some(USED)),
        ])],
    );
    let told = ask(&World::of(&[&a, &b]), greedy()).await;
    assert_eq!(
        (told.seen.as_str(), told.end.as_deref()),
        ("one two three", Ok("one two three"))
    );
    assert_eq!(b.requests()[0].messages.len(), 1);

    // One that says something else is no answer.
    let a = Scripted::new("a", vec![streams(&[Act::Say("one tw"), Act::Break(HardDown)])]);
    let b = Scripted::new("b", vec![says("one too many")]);
    let world = World::of(&[&a, &b]);
    let told = ask(&world, greedy()).await;
    assert_eq!(told.seen, "one tw");
    assert!(told.end.is_err());
    assert_eq!(world.classes(), pairs(&[("a", "hard_down"), ("b", "cancelled")]));

    // Without a word that the same is asked for each time there is no second run.
    let a = Scripted::new("a", vec![streams(&[Act::Say("one tw"), Act::Break(HardDown)])]);
    let b = Scripted::new("b", vec![says("one two")]);
    assert!(ask(&World::of(&[&a, &b]), request()).await.end.is_err());
    assert!(b.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_shown_are_never_gone_on_from_but_may_be_repeated() {
    let calls = || streams(&[Act::Say("so "), Act::Tool, Act::Break(HardDown)]);
    let again = || streams(&[Act::Say("so "), Act::Tool, Act::Tool, Act::End(Some(USED))]);
    let a = Scripted::new("a", vec![calls()]);
    let b = Scripted::new("b", vec![again()]).prefilling();
    let told = ask(&World::of(&[&a, &b]), request()).await;
    assert_eq!(told.seen, "so [f]");
    assert!(told.end.is_err() && b.calls().is_empty());

    let a = Scripted::new("a", vec![calls()]);
    let told = ask(&World::of(&[&a, &b]), greedy()).await;
    assert_eq!(
        (told.seen.as_str(), told.end.as_deref()),
        ("so [f][f]", Ok("so "))
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_form_is_not_gone_on_with() {
    let a = Scripted::new("a", vec![breaks("{"), says("}")]).prefilling();
    let schema = serde_json::json!({"type": "object"});
    let output = OutputFormat::JsonSchema {
        name: "n".into(),
        schema,
    };
    let request = ModelRequest { output, ..request() };
    assert!(ask(&World::of(&[&a]), request).await.end.is_err());
    assert_eq!(a.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn behind_thoughts_alone_any_answer_may_follow_and_nothing_is_thought_twice() {
    let thinks = || streams(&[Act::Think("hm"), Act::Break(HardDown)]);
    let answers = || streams(&[Act::Think("well"), Act::Say("yes"), Act::End(Some(USED))]);
    let asked = ModelRequest {
        reasoning: Some(ReasoningWish::Tokens(100)),
        ..request()
    };
    let a = Scripted::new("a", vec![thinks()]);
    let b = Scripted::new("b", vec![answers()]);
    let told = ask(&World::of(&[&a, &b]), asked.clone()).await;
    assert_eq!((told.seen.as_str(), told.end.as_deref()), ("(hm)yes", Ok("yes")));

    let a = Scripted::new("a", vec![thinks()]).relaying();
    let b = Scripted::new("b", vec![answers()]);
    let told = ask(&World::of(&[&a, &b]), asked).await;
    assert!(told.seen.starts_with("hmyes<yes "), "{}", told.seen);

    let a = Scripted::new("a", vec![thinks()]);
    let told = ask(&recovering(&[&a, &b], &[], None), request()).await;
    assert!(told.end.is_err());
}

#[tokio::test(start_paused = true)]
async fn only_who_asks_for_it_is_gone_on_with_in_words() {
    let script = || vec![streams(&[Act::Say("The quick brown fox"), Act::Break(HardDown)])];
    let a = Scripted::new("a", script());
    let b = Scripted::new("b", vec![says("brown fox jumps")]);
    assert!(ask(&World::of(&[&a, &b]), request()).await.end.is_err());

    let a = Scripted::new("a", script());
    let told = ask(&recovering(&[&a, &b], &[Way::Prompt], None), request()).await;
    let whole = "The quick brown fox jumps";
    assert_eq!((told.seen.as_str(), told.end.as_deref()), (whole, Ok(whole)));
    let [.., answer, words] = &b.requests()[0].messages[..] else {
        panic!("no words");
    };
    assert_eq!((answer.role, words.role), (ModelRole::Assistant, ModelRole::User));
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_on_behind_a_fault_of_the_caller_s() {
    let a = Scripted::new(
        "a",
        vec![
            streams(&[Act::Say("one"), Act::Break(FaultClass::ContentFilter)]),
            says("two"),
        ],
    )
    .prefilling();
    let told = ask(&World::of(&[&a]), greedy()).await;
    assert!(told.end.is_err());
    assert_eq!(a.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_gone_on_from_and_the_call_s_whole_time_holds() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("one"), Act::Hang]), says(" two")]).prefilling();
    let told = ask(&World::of(&[&a]), request()).await;
    assert_eq!(
        (told.seen.as_str(), told.end.as_deref()),
        ("one two", Ok("one two"))
    );

    let hangs = |text| streams(&[Act::Say(text), Act::Hang]);
    let a = Scripted::new("a", vec![hangs("x"), hangs("y"), hangs("z")]).prefilling();
    let mut config = config(&[&a]);
    config.deadlines.total = Duration::from_secs(50);
    let told = ask(&World::with(config), request()).await;
    assert_eq!(told.seen, "xy");
    assert!(told.end.unwrap_err().contains("50000 ms"));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_asked_to_be_left_alone_is_not_asked_to_go_on() {
    let a = Scripted::new("a", vec![streams(&[Act::Say("one"), Act::Break(Overloaded)])]).prefilling();
    *a.retry_after.lock() = Some(Duration::from_secs(9));
    let b = Scripted::new("b", vec![says(" two")]).prefilling();
    let told = ask(&World::of(&[&a, &b]), request()).await;
    assert_eq!(told.seen, "one two");
    assert_eq!((a.calls().len(), b.calls().len()), (1, 1));
}
