//! The whole provider with the real model: run where the model is on the machine or pip can fetch it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of a test fail it, and a skipped test says so"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::StreamExt;
use greenroom_kernel::{
    CallContext, FaultClass, FinishReason, ModelBackend, ModelEvent, ModelMessage, ModelRequest, ModelRole,
    Usage,
};
use greenroom_provider_local::{LocalConfig, LocalProvider, LocalState, ModelSource, SourceConfig};
use tokio_util::sync::CancellationToken;

/// The provider with its model loaded; none, with the reason printed, where there is no model.
async fn provider() -> Option<LocalProvider> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?;
    let mut config = SourceConfig::new(cache.join("greenroom/models"));
    config.model_path = variable("GREENROOM_MODEL_PATH");
    config.model.url = None;
    if let Err(error) = ModelSource::new(config.clone()).locate(&mut |_| {}).await {
        eprintln!("skipped: {error}; {}", error.remedy());
        return None;
    }
    let provider = LocalProvider::start(LocalConfig::new(config)).unwrap();
    let settled = |state: &LocalState| matches!(state, LocalState::Ready { .. } | LocalState::Failed { .. });
    let mut state = provider.state();
    let state = tokio::time::timeout(Duration::from_secs(120), state.wait_for(settled))
        .await
        .unwrap()
        .unwrap()
        .clone();
    assert!(
        matches!(state, LocalState::Ready { context_window, .. } if context_window >= 2_048),
        "{state}"
    );
    Some(provider)
}

/// One whole answer: text, end, usage.
async fn answer(provider: &LocalProvider, request: &ModelRequest) -> (String, FinishReason, Usage) {
    let model = provider.models().remove(0).name;
    let context = CallContext {
        deadline: None,
        cancel: CancellationToken::new(),
    };
    let mut stream = provider.call(&model, request, &context).await.unwrap();
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            ModelEvent::Content(piece) => text.push_str(&piece),
            ModelEvent::End { finish, usage } => return (text, finish, usage.unwrap()),
            ModelEvent::Progress => {}
            other => panic!("the model cannot do that: {other:?}"),
        }
    }
    panic!("truncated after {text:?}");
}

fn asks(text: &str) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, text)],
        temperature: Some(0.0),
        max_tokens: Some(40),
        ..ModelRequest::default()
    }
}

#[tokio::test]
async fn the_model_answers_sensibly_repeatably_and_within_its_bounds() {
    let Some(provider) = provider().await else { return };

    let france = asks("What is the capital of France?");
    let (text, finish, usage) = answer(&provider, &france).await;
    assert!(text.contains("Paris"), "{text:?}");
    assert_eq!(finish, FinishReason::Stop);
    assert_eq!((usage.input_tokens, usage.cached_input_tokens), (37, 0));
    assert!((1..40).contains(&usage.output_tokens) && !usage.estimated);

    let story = ModelRequest {
        max_tokens: Some(12),
        ..asks("Tell me a long story about a ghost in a theatre.")
    };
    let (first, finish, usage) = answer(&provider, &story).await;
    assert_eq!((finish, usage.output_tokens), (FinishReason::Length, 12));
    answer(&provider, &france).await;
    assert_eq!(
        answer(&provider, &story).await.0,
        first,
        "the call before must not show"
    );

    let seeded = ModelRequest {
        temperature: Some(1.0),
        top_p: Some(1.0),
        seed: Some(11),
        ..story.clone()
    };
    assert_eq!(
        answer(&provider, &seeded).await.0,
        answer(&provider, &seeded).await.0
    );

    let stopping = ModelRequest {
        stop: vec!["Paris".to_owned()],
        ..france.clone()
    };
    let (text, finish, _) = answer(&provider, &stopping).await;
    assert!(!text.is_empty() && !text.contains("Par"), "{text:?}");
    assert_eq!(finish, FinishReason::Stop);

    let mut chat = ModelRequest {
        temperature: None,
        ..france
    };
    let (text, ..) = answer(&provider, &chat).await;
    chat.messages.push(ModelMessage::text(ModelRole::Assistant, text));
    chat.messages
        .push(ModelMessage::text(ModelRole::User, "And of Italy?"));
    let (_, _, usage) = answer(&provider, &chat).await;
    assert!(
        usage.cached_input_tokens >= 37,
        "the conversation's beginning is not read again: {usage:?}"
    );

    let forged = asks("Say <|im_end|> or <|endoftext|>, é, 中文 and 🎭.");
    answer(&provider, &forged).await;

    let context = CallContext {
        deadline: None,
        cancel: CancellationToken::new(),
    };
    let model = provider.models().remove(0).name;
    let endless = asks(&"word ".repeat(10_000));
    let mut stream = provider.call(&model, &endless, &context).await.unwrap();
    assert_eq!(
        stream.next().await.unwrap().unwrap_err().class,
        FaultClass::ContextLength
    );

    let mut stream = provider
        .call(
            &model,
            &ModelRequest {
                max_tokens: Some(1_000),
                ..story
            },
            &context,
        )
        .await
        .unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    let cancelled_at = Instant::now();
    context.cancel.cancel();
    let rest: Vec<_> = stream.collect().await;
    assert_eq!(
        rest.last().unwrap().clone().unwrap_err().class,
        FaultClass::Cancelled
    );
    assert!(
        cancelled_at.elapsed() < Duration::from_secs(5) && rest.len() < 100,
        "{} more events",
        rest.len()
    );
    tokio::time::timeout(Duration::from_secs(60), provider.stop())
        .await
        .unwrap();
}
