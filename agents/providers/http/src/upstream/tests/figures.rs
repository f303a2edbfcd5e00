//! Figures are told before what came with them, and whatever becomes of the rest.

use greenroom_kernel::{Reach, RelaySign, Reported, Usage, WireFamily};

use super::*;

/// Events are text. One that begins with a number counts all until then; `bad` is a fault, `end` an end.
#[derive(Default)]
struct Counting {
    seen: Seen,
    figures: Option<Reported>,
}

fn reported(output_tokens: u64, ahead: u32) -> Reported {
    Reported {
        usage: Usage {
            output_tokens,
            ..Usage::default()
        },
        output: Reach::Until { ahead },
    }
}

impl Watcher for Counting {
    fn event(&mut self, data: &[u8]) -> Result<RelaySign, ProviderFault> {
        self.seen = Seen::Text(0..data.len());
        let said = std::str::from_utf8(data).unwrap();
        let (counted, said) = said.split_once(' ').unwrap_or(("", said));
        if let Ok(tokens) = counted.parse() {
            self.figures = Some(reported(tokens, 0));
            self.seen = Seen::Nothing;
        }
        match said {
            "bad" => Err(ProviderFault::new("acme", FaultClass::Transient, "bad")),
            _ => Words.event(said.as_bytes()),
        }
    }

    fn end(&mut self) -> Result<RelaySign, ProviderFault> {
        Words.end()
    }

    fn whole(&mut self, body: &[u8]) -> Result<RelaySign, ProviderFault> {
        self.event(body)
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.seen)
    }

    fn figures(&mut self) -> Option<Reported> {
        self.figures.take()
    }
}

async fn relayed(script: Vec<Step>, body: &'static str) -> Vec<Result<RelaySign, FaultClass>> {
    let stage = Stage::of(vec![script], &[]).await;
    let body = Bytes::from_static(body.as_bytes());
    let peeked = crate::peek(WireFamily::OpenAiChat, &body, HeaderMap::new()).unwrap();
    let (url, context) = (stage.base.join("chat"), CallContext::default());
    let answer = stage
        .upstream
        .relay(url, &peeked.raw, "m", &context, Counting::default())
        .await
        .unwrap();
    let frames: Vec<_> = answer.frames.collect().await;
    let sign = |frame: Result<RelayFrame, ProviderFault>| {
        let frame = frame.map_err(|fault| fault.class)?;
        let has_bytes = !matches!(frame.sign, RelaySign::Used(_));
        assert_eq!(has_bytes, !frame.bytes.is_empty(), "{frame:?}");
        Ok(frame.sign)
    };
    frames.into_iter().map(sign).collect()
}

const STREAMED: &str = r#"{"model":"m","stream":true}"#;

fn used(ahead: u32) -> Result<RelaySign, FaultClass> {
    Ok(RelaySign::Used(reported(5, ahead)))
}

#[tokio::test]
async fn the_figures_of_a_piece_come_before_it_and_say_how_much_of_it_they_count() {
    let script = vec![head(), raw("data: one\n\ndata: 5 four\n\ndata: three\n\n"), end()];
    let content = Ok(RelaySign::Content { said: 12 });
    let expected = [used(7), content, Err(FaultClass::Transient)];
    assert_eq!(relayed(script, STREAMED).await, expected);
}

#[tokio::test]
async fn figures_of_a_piece_that_breaks_are_told_and_nothing_else_of_it() {
    for last in [
        "data: one\n\ndata: 5 two\n\ndata: bad\n\n",
        "data: 5 bad\n\n",
        // Without an empty line it is an event once the stream is over.
        "data: 5 bad",
        "data: 5 one",
    ] {
        let script = vec![head(), raw(last), end()];
        let told = relayed(script, STREAMED).await;
        assert_eq!(told, [used(0), Err(FaultClass::Transient)], "{last}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_answer_tells_what_it_took_before_its_fault() {
    let told = relayed(answer(200, "", "5 bad"), r#"{"model":"m"}"#).await;
    assert_eq!(told, [used(0), Err(FaultClass::Transient)]);
}

/// The same of an answer that is put together.
#[derive(Default)]
struct Assembling(Counting);

impl Assembler for Assembling {
    fn is_done(&self) -> bool {
        false
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn take(&mut self, data: &[u8], out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        self.0.event(data)?;
        out.push_back(ModelEvent::Content(String::from_utf8_lossy(data).into_owned()));
        Ok(())
    }

    fn figures(&mut self) -> Option<Reported> {
        self.0.figures()
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        out.push_back(ModelEvent::Progress);
        Err(ProviderFault::new("acme", FaultClass::Transient, "truncated"))
    }
}

#[tokio::test]
async fn figures_come_before_the_content_that_they_count_and_before_a_fault() {
    let content = |text: &str| Ok(ModelEvent::Content(text.into()));
    let used = |ahead| Ok(ModelEvent::Used(reported(5, ahead)));
    let broken = || Err(FaultClass::Transient);
    for (sent, told) in [
        (
            "data: one\n\ndata: 5 four\n\n",
            vec![content("one"), used(6), content("5 four"), broken()],
        ),
        (
            "data: one\n\ndata: 5 bad\n\n",
            vec![content("one"), used(0), broken()],
        ),
        // What comes with the stream's end is not told, but for its figures.
        ("data: 5 four", vec![used(6), broken()]),
    ] {
        let stage = Stage::of(vec![vec![head(), raw(sent), end()]], &[]).await;
        let (url, context) = (stage.base.join("chat"), CallContext::default());
        let stream = stage
            .upstream
            .stream(url, b"{}".to_vec(), "m", &context, Assembling::default())
            .await
            .unwrap();
        let events: Vec<_> = stream
            .map(|event| event.map_err(|fault| fault.class))
            .collect()
            .await;
        assert_eq!(events, told, "{sent}");
    }
}
