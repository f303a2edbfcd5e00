use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use greenroom_kernel::{Capabilities, FinishReason, ModelMessage, ModelRole, Usage};

use super::load::{Answerer, LoadFailure};
use super::*;
use crate::engine::{Answered, EngineError, Listener};

/// Longer than anything here takes, shorter than anybody's patience.
const SOON: Duration = Duration::from_secs(20);

/// A model that does what the last message says.
struct Puppet;

impl Answerer for Puppet {
    fn context_window(&self) -> usize {
        100
    }

    fn answer(
        &mut self,
        request: &ModelRequest,
        listener: &mut dyn Listener,
    ) -> Result<Answered, EngineError> {
        let mut output_tokens = 0;
        let last = request.messages.last();
        match &*last.map(|message| message.content.text()).unwrap_or_default() {
            "panic" => panic!("as told"),
            "too long" => {
                return Err(EngineError::ContextLength {
                    prompt: 120,
                    window: 100,
                });
            }
            "go on" => {
                listener.text("on".to_owned());
                while !listener.is_gone() {
                    std::thread::yield_now();
                }
                return Err(EngineError::Cancelled);
            }
            text => {
                listener.progress();
                for word in text.split_inclusive(' ') {
                    listener.text(word.to_owned());
                    output_tokens += 1;
                }
            }
        }
        Ok(Answered {
            finish: FinishReason::Stop,
            input_tokens: 7,
            cached_input_tokens: 3,
            output_tokens,
        })
    }

    fn forget(&mut self) {}
}

fn config() -> LocalConfig {
    LocalConfig {
        reload_after: Duration::ZERO,
        ..LocalConfig::new(SourceConfig::new(PathBuf::from("/nowhere")))
    }
}

fn provider_with(config: LocalConfig, loader: Loader) -> LocalProvider {
    LocalProvider::start_with(config, "puppet".to_owned(), loader).unwrap()
}

fn provider() -> LocalProvider {
    provider_with(config(), Box::new(|_| Ok(Box::new(Puppet))))
}

fn says(text: &str) -> ModelRequest {
    ModelRequest {
        messages: vec![ModelMessage::text(ModelRole::User, text)],
        ..ModelRequest::default()
    }
}

fn context() -> CallContext {
    CallContext {
        deadline: None,
        cancel: CancellationToken::new(),
        ..CallContext::default()
    }
}

async fn begin(
    provider: &LocalProvider,
    text: &str,
    context: &CallContext,
) -> Result<ModelStream, ProviderFault> {
    tokio::time::timeout(SOON, provider.call("puppet", &says(text), context))
        .await
        .unwrap()
}

async fn answer(provider: &LocalProvider, text: &str) -> Vec<Result<ModelEvent, ProviderFault>> {
    let stream = begin(provider, text, &context()).await.unwrap();
    tokio::time::timeout(SOON, stream.collect()).await.unwrap()
}

fn content(text: &str) -> Result<ModelEvent, ProviderFault> {
    Ok(ModelEvent::Content(text.to_owned()))
}

fn fault_of<T>(result: Result<T, ProviderFault>) -> ProviderFault {
    match result {
        Ok(_) => panic!("no fault"),
        Err(fault) => fault,
    }
}

/// The model, which goes on from a text that it is given.
fn named(context_window: Option<u32>) -> ModelInfo {
    ModelInfo {
        name: "puppet".to_owned(),
        can: Capabilities {
            context_window,
            prefill: Some(true),
            ..Capabilities::default()
        },
    }
}

#[tokio::test]
async fn a_call_streams_its_text_and_ends_with_its_usage() {
    let provider = provider();
    let usage = Usage {
        input_tokens: 7,
        cached_input_tokens: 3,
        output_tokens: 2,
        ..Usage::default()
    };
    let end = Ok(ModelEvent::End {
        finish: FinishReason::Stop,
        usage: Some(usage),
    });
    assert_eq!(
        answer(&provider, "well met").await,
        [Ok(ModelEvent::Progress), content("well "), content("met"), end]
    );
    assert_eq!(provider.models(), [named(Some(100))]);
    assert_eq!(provider.probe().await, Ok(()));
}

#[tokio::test]
async fn a_call_made_while_the_model_loads_waits_for_it() {
    let (let_go, gate) = std::sync::mpsc::channel::<()>();
    let provider = provider_with(
        config(),
        Box::new(move |context| {
            context.state.send_replace(LocalState::Loading { fraction: 0.5 });
            gate.recv().unwrap();
            Ok(Box::new(Puppet))
        }),
    );
    let mut state = provider.state();
    tokio::time::timeout(
        SOON,
        state.wait_for(|s| *s == LocalState::Loading { fraction: 0.5 }),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(provider.models(), [named(None)]);
    let fault = fault_of(provider.probe().await);
    assert_eq!(
        (fault.class, fault.retry_after),
        (FaultClass::HardDown, Some(COME_BACK_AFTER))
    );
    assert!(fault.message.contains("loading the model: 50 %"), "{fault}");
    let (events, ()) = tokio::join!(answer(&provider, "hello"), async { let_go.send(()).unwrap() });
    assert_eq!(events[1], content("hello"));
    let ready = LocalState::Ready {
        model: "puppet".to_owned(),
        context_window: 100,
    };
    assert_eq!(*state.borrow_and_update(), ready);
}

#[tokio::test]
async fn a_model_that_takes_too_long_to_load_is_unavailable_with_a_time_to_come_back() {
    let (_let_go, gate) = std::sync::mpsc::channel::<()>();
    let loader: Loader = Box::new(move |_| {
        let _ended = gate.recv();
        Err(LoadFailure {
            why: String::new(),
            remedy: String::new(),
        })
    });
    let provider = provider_with(
        LocalConfig {
            load_patience: Duration::from_millis(20),
            ..config()
        },
        loader,
    );
    let fault = fault_of(begin(&provider, "hello", &context()).await);
    assert_eq!(
        (fault.class, fault.retry_after),
        (FaultClass::HardDown, Some(COME_BACK_AFTER))
    );
}

#[tokio::test]
async fn a_model_that_cannot_be_had_is_unavailable_naming_the_remedy_and_is_tried_again_later() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let loader: Loader = Box::new(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => panic!("as told"),
        1 => Err(LoadFailure {
            why: "no network".to_owned(),
            remedy: "plug it in".to_owned(),
        }),
        _ => Ok(Box::new(Puppet)),
    });
    let provider = provider_with(config(), loader);
    let mut state = provider.state();
    for expected in ["loading the model panicked; ", "no network; plug it in"] {
        let failed = state.wait_for(|state| state.to_string().starts_with(expected));
        tokio::time::timeout(SOON, failed).await.unwrap().unwrap();
        let fault = fault_of(begin(&provider, "hello", &context()).await);
        assert_eq!(fault.class, FaultClass::HardDown);
        assert!(fault.message.starts_with(expected), "{fault}");
    }
    let ready = state.wait_for(|state| matches!(state, LocalState::Ready { .. }));
    tokio::time::timeout(SOON, ready).await.unwrap().unwrap();
    assert_eq!(answer(&provider, "hello").await[1], content("hello"));
    assert_eq!(tries.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_failure_is_not_tried_again_before_its_time() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let loader: Loader = Box::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Err(LoadFailure {
            why: "no network".to_owned(),
            remedy: "plug it in".to_owned(),
        })
    });
    let provider = provider_with(
        LocalConfig {
            reload_after: Duration::from_secs(3_600),
            ..config()
        },
        loader,
    );
    for _ in 0..5 {
        assert_eq!(
            fault_of(begin(&provider, "hello", &context()).await).class,
            FaultClass::HardDown
        );
    }
    provider.stop().await;
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn dropping_the_stream_stops_the_answer() {
    let provider = provider();
    let mut stream = begin(&provider, "go on", &context()).await.unwrap();
    assert_eq!(stream.next().await, Some(content("on")));
    drop(stream);
    assert_eq!(answer(&provider, "next").await[1], content("next"));
}

#[tokio::test]
async fn cancelling_stops_the_answer_with_a_fault_that_blames_nobody() {
    let provider = provider();
    let context = context();
    let mut stream = begin(&provider, "go on", &context).await.unwrap();
    assert_eq!(stream.next().await, Some(content("on")));
    context.cancel.cancel();
    let fault = fault_of(tokio::time::timeout(SOON, stream.next()).await.unwrap().unwrap());
    assert_eq!(fault.class, FaultClass::Cancelled);
    assert!(stream.next().await.is_none());
    assert_eq!(answer(&provider, "next").await[1], content("next"));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_waiting_call_gets_its_stream_when_its_turn_comes() {
    let provider = provider_with(
        LocalConfig { queue: 1, ..config() },
        Box::new(|_| Ok(Box::new(Puppet))),
    );
    let first = begin(&provider, "go on", &context()).await.unwrap();
    let (own_context, second_request) = (context(), says("second"));
    let mut second = provider.call("puppet", &second_request, &own_context);
    assert!(
        futures::poll!(&mut second).is_pending(),
        "it has no stream before its turn"
    );
    let fault = fault_of(begin(&provider, "third", &context()).await);
    assert_eq!(
        (fault.class, fault.retry_after),
        (FaultClass::Overloaded, Some(COME_BACK_AFTER))
    );
    drop(first);
    let mut stream = tokio::time::timeout(SOON, second).await.unwrap().unwrap();
    assert_eq!(stream.next().await, Some(Ok(ModelEvent::Progress)));
    assert_eq!(stream.next().await, Some(content("second")));
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_costs_nothing() {
    let provider = provider();
    let first = begin(&provider, "go on", &context()).await.unwrap();
    let (own_context, request) = (context(), says("go on"));
    let mut dropped = provider.call("puppet", &request, &own_context);
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(dropped);
    let cancelled = context();
    let mut leaving = provider.call("puppet", &request, &cancelled);
    assert!(futures::poll!(&mut leaving).is_pending());
    cancelled.cancel.cancel();
    assert_eq!(fault_of(leaving.await).class, FaultClass::Cancelled);
    drop(first);
    // Had one of them been answered, it would go on for ever.
    assert_eq!(answer(&provider, "next").await[1], content("next"));
}

#[tokio::test]
async fn a_panic_is_a_fault_of_its_call_alone() {
    let provider = provider();
    let events = answer(&provider, "panic").await;
    assert_eq!(events.len(), 1);
    assert_eq!(fault_of(events[0].clone()).class, FaultClass::Transient);
    assert_eq!(answer(&provider, "next").await[1], content("next"));
}

#[tokio::test]
async fn requests_at_fault_are_told_apart_from_a_provider_at_fault() {
    let provider = provider();
    let fault = fault_of(provider.call("gpt-5", &says("hello"), &context()).await);
    assert_eq!(fault.class, FaultClass::BadRequest);
    assert!(fault.message.contains("gpt-5") && fault.message.contains("puppet"));
    let fault = fault_of(answer(&provider, "too long").await[0].clone());
    assert_eq!(fault.class, FaultClass::ContextLength);
}

#[tokio::test]
async fn stopping_ends_what_runs_and_what_waits_and_refuses_what_comes() {
    let provider = provider();
    let running = begin(&provider, "go on", &context()).await.unwrap();
    let (own_context, request) = (context(), says("waiting"));
    let mut waiting = provider.call("puppet", &request, &own_context);
    assert!(futures::poll!(&mut waiting).is_pending());
    tokio::time::timeout(SOON, provider.stop()).await.unwrap();
    let events: Vec<_> = running.collect().await;
    assert_eq!(fault_of(events[1].clone()).class, FaultClass::Cancelled);
    assert_eq!(fault_of(waiting.await).class, FaultClass::HardDown);
    assert_eq!(
        fault_of(begin(&provider, "hello", &context()).await).class,
        FaultClass::HardDown
    );
    assert_eq!(fault_of(provider.probe().await).class, FaultClass::HardDown);
}
