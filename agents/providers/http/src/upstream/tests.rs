mod figures;

use std::collections::VecDeque;

use futures::StreamExt;
use greenroom_kernel::{FaultClass, FinishReason, ModelEvent, Quota, Shown, Timestamp};
use parking_lot::Mutex;

use super::*;
use crate::notes::Reader;
use crate::testkit::{Fake, Step, answer, data, end, head, raw};
use crate::watcher::Seen;

const WIRE: Wire = Wire {
    name: "Acme",
    key_variable: "ACME_KEY",
    by_words: |detail, _| {
        let quota = detail.words.iter().any(|w| w == "insufficient_quota");
        quota.then_some(crate::fault::Verdict::Quota)
    },
};

/// A clock that is put forward by hand.
#[derive(Default)]
struct Hand(Mutex<Duration>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0).after(*self.0.lock())
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock()
    }
}

/// Every event is text; the end of the stream is that of the answer.
struct Texts;

impl Assembler for Texts {
    fn is_done(&self) -> bool {
        false
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn take(&mut self, data: &[u8], out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        out.push_back(ModelEvent::Content(String::from_utf8_lossy(data).into_owned()));
        Ok(())
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderFault> {
        let finish = FinishReason::Stop;
        out.push_back(ModelEvent::End { finish, usage: None });
        Ok(())
    }
}

struct Stage {
    fake: Fake,
    upstream: Upstream,
    base: BaseUrl,
    clock: Arc<Hand>,
}

impl Stage {
    async fn of(scripts: Vec<Vec<Step>>, keys: &[&str]) -> Self {
        let fake = Fake::start(scripts).await;
        let base = BaseUrl::parse("acme", &fake.base_url(), "http://h/v1").unwrap();
        let keys: Vec<ApiKey> = keys.iter().map(ApiKey::new).collect();
        let settings = Settings {
            name: "acme",
            base: &base,
            key: keys.first(),
            more_keys: keys.get(1..).unwrap_or_default(),
            key_header: (HeaderName::from_static("authorization"), "Bearer "),
            headers: HeaderMap::new(),
            connect_timeout: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(5),
            wire: &WIRE,
        };
        let clock = Arc::new(Hand::default());
        let upstream = Upstream::new(settings, clock.clone()).unwrap();
        Self {
            fake,
            upstream,
            base,
            clock,
        }
    }

    async fn call(&self) -> Result<Vec<ModelEvent>, ProviderFault> {
        let (url, body) = (self.base.join("chat"), b"{\"a\":1}".to_vec());
        let context = CallContext::default();
        let stream = self.upstream.stream(url, body, "m", &context, Texts).await?;
        Ok(stream.map(|event| event.unwrap()).collect().await)
    }

    fn keys_used(&self) -> Vec<String> {
        let seen = self.fake.seen();
        let key = |s: &crate::testkit::Seen| s.header("authorization").unwrap_or("none").to_owned();
        seen.iter().map(key).collect()
    }

    fn usable(&self) -> (u32, u32) {
        let credentials = self.upstream.credentials().unwrap();
        (credentials.usable, credentials.total)
    }
}

fn says(text: &str) -> Vec<Step> {
    vec![head(), data(&[text]), end()]
}

fn refuses(status: u16) -> Vec<Step> {
    answer(
        status,
        "content-type: application/json\r\n",
        r#"{"error":{"message":"no"}}"#,
    )
}

#[tokio::test]
async fn a_refused_key_is_left_alone_and_the_same_try_goes_on_with_the_next() {
    let no_quota = answer(429, "", r#"{"error":{"code":"insufficient_quota"}}"#);
    let scripts = vec![refuses(401), no_quota, says("c"), says("again"), says("later")];
    let stage = Stage::of(scripts, &["one", "two", "three", "two"]).await;
    assert_eq!(stage.usable(), (3, 3));
    let events = stage.call().await.unwrap();
    assert_eq!(events[0], ModelEvent::Content("c".into()));
    assert_eq!(stage.keys_used(), ["Bearer one", "Bearer two", "Bearer three"]);
    assert_eq!(stage.fake.seen()[2].body, serde_json::json!({"a": 1}));
    assert_eq!(stage.usable(), (1, 3));
    stage.call().await.unwrap();
    *stage.clock.0.lock() = Duration::from_secs(60);
    assert_eq!(stage.usable(), (3, 3));
    stage.call().await.unwrap();
    assert_eq!(stage.keys_used()[3..], ["Bearer three", "Bearer three"]);
}

#[tokio::test]
async fn only_when_every_key_was_refused_once_does_the_fault_go_up_and_it_names_none() {
    let echo = answer(
        401,
        "",
        r#"{"error":{"message":"wrong key second-key, not first-key"}}"#,
    );
    let stage = Stage::of(
        vec![refuses(403), echo, refuses(401)],
        &["first-key", "second-key"],
    )
    .await;
    let fault = stage.call().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::HardDown);
    assert!(
        !fault.message.contains("first-key") && !fault.message.contains("second-key"),
        "{fault}"
    );
    assert_eq!((stage.keys_used().len(), stage.usable()), (2, (0, 2)));
    // Nobody is usable: one is asked all the same, and once.
    stage.call().await.unwrap_err();
    assert_eq!(stage.keys_used().len(), 3);
    assert!(!format!("{:?}", stage.upstream).contains("first-key"));
}

#[tokio::test]
async fn other_faults_change_no_key_and_a_probe_changes_it_as_a_call_does() {
    let list = answer(200, "content-type: application/json\r\n", "{}");
    let scripts = vec![refuses(429), refuses(500), refuses(401), list, refuses(404)];
    let stage = Stage::of(scripts, &["one", "two"]).await;
    assert_eq!(stage.call().await.unwrap_err().class, FaultClass::Throttled);
    assert_eq!(stage.call().await.unwrap_err().class, FaultClass::Transient);
    assert_eq!(stage.usable(), (2, 2));
    let models = stage.base.join("models");
    assert_eq!(
        stage.upstream.list(models.clone()).await.unwrap(),
        Some(b"{}".to_vec())
    );
    assert_eq!(stage.keys_used()[2..], ["Bearer one", "Bearer two"]);
    assert_eq!(stage.upstream.list(models).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_without_keys_gets_none() {
    let stage = Stage::of(vec![says("x"), refuses(401)], &[]).await;
    stage.call().await.unwrap();
    stage.call().await.unwrap_err();
    assert_eq!(
        (stage.keys_used(), stage.upstream.credentials()),
        (vec!["none".to_owned(); 2], None)
    );
}

#[tokio::test]
async fn what_is_left_of_the_allowance_is_told_first_and_ends_a_throttled_call_s_silence() {
    let limits = "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 6m0s\r\n";
    let good = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{limits}content-length: 9\r\n\r\ndata: x\n\n"
    );
    let stage = Stage::of(
        vec![vec![Step::Send(good.into_bytes())], answer(429, limits, "{}")],
        &["one"],
    )
    .await;
    let quota = Quota {
        requests_left: Some(0),
        tokens_left: None,
        resets_in: Some(Duration::from_secs(360)),
    };
    let events = stage.call().await.unwrap();
    assert_eq!(
        events[..2],
        [ModelEvent::Quota(quota), ModelEvent::Content("x".into())]
    );
    let throttled = stage.call().await.unwrap_err();
    // One model's allowance, and it may be a day's: the provider is asked again before.
    assert_eq!(throttled.retry_after, Some(Duration::from_secs(60)));
}

/// Every event is content, but `end`.
struct Words;

impl Watcher for Words {
    fn event(&mut self, data: &[u8]) -> Result<greenroom_kernel::RelaySign, ProviderFault> {
        Ok(match data {
            b"end" => greenroom_kernel::RelaySign::End {
                finish: FinishReason::Stop,
                usage: None,
            },
            said => greenroom_kernel::RelaySign::Content {
                said: u32::try_from(said.len()).unwrap(),
            },
        })
    }

    fn end(&mut self) -> Result<greenroom_kernel::RelaySign, ProviderFault> {
        Err(ProviderFault::new("acme", FaultClass::Transient, "truncated"))
    }

    fn whole(&mut self, _: &[u8]) -> Result<greenroom_kernel::RelaySign, ProviderFault> {
        self.end()
    }
}

#[tokio::test]
async fn a_chunk_that_ends_within_a_line_end_loses_no_sign() {
    let script = vec![
        head(),
        raw("data: one\r\n\r"),
        raw("\ndata: end\r\n\r"),
        raw("\n"),
        end(),
    ];
    let stage = Stage::of(vec![script], &[]).await;
    let body = Bytes::from_static(b"{\"model\":\"m\",\"stream\":true}");
    let seen = crate::peek(greenroom_kernel::WireFamily::OpenAiChat, &body, HeaderMap::new()).unwrap();
    let (url, context) = (stage.base.join("chat"), CallContext::default());
    let answer = stage
        .upstream
        .relay(url, &seen.raw, "m", &context, Words)
        .await
        .unwrap();
    let frames: Vec<RelayFrame> = answer.frames.map(|frame| frame.unwrap()).collect().await;
    let bytes: Vec<&[u8]> = frames.iter().map(|frame| &frame.bytes[..]).collect();
    assert_eq!(bytes.concat(), b"data: one\r\n\r\ndata: end\r\n\r\n");
    let said = frames
        .iter()
        .any(|f| f.sign == greenroom_kernel::RelaySign::Content { said: 3 });
    let ended = matches!(
        frames.last().unwrap().sign,
        greenroom_kernel::RelaySign::End { .. }
    );
    assert!(said && ended, "{frames:?}");
}

/// Every event is text, but `bad`, which is a fault.
#[derive(Default)]
struct Noting(usize);

impl Watcher for Noting {
    fn event(&mut self, data: &[u8]) -> Result<greenroom_kernel::RelaySign, ProviderFault> {
        self.0 = data.len();
        match data {
            b"bad" => Err(ProviderFault::new("acme", FaultClass::Transient, "bad")),
            _ => Words.event(data),
        }
    }

    fn end(&mut self) -> Result<greenroom_kernel::RelaySign, ProviderFault> {
        Words.end()
    }

    fn whole(&mut self, body: &[u8]) -> Result<greenroom_kernel::RelaySign, ProviderFault> {
        Words.whole(body)
    }

    fn seen(&mut self) -> Seen {
        Seen::Text(0..self.0)
    }

    fn reader(&self) -> Reader {
        |notes| {
            let text = notes.text()?;
            Some(Shown {
                text,
                ..Shown::default()
            })
        }
    }
}

#[tokio::test]
async fn what_is_noted_as_shown_is_what_was_passed_on_and_nothing_that_a_fault_took_with_it() {
    for last in [
        "data: two\n\ndata: bad\n\n",
        "data: two\n\ndata: thr",
        "data: two\n\n",
    ] {
        let script = vec![head(), raw("data: one\n\n"), raw(last), end()];
        let stage = Stage::of(vec![script], &[]).await;
        let body = Bytes::from_static(b"{\"model\":\"m\",\"stream\":true}");
        let seen = crate::peek(greenroom_kernel::WireFamily::OpenAiChat, &body, HeaderMap::new()).unwrap();
        let (url, context) = (stage.base.join("chat"), CallContext::default());
        let relayed = stage
            .upstream
            .relay(url, &seen.raw, "m", &context, Noting::default())
            .await
            .unwrap();
        let frames: Vec<_> = relayed.frames.collect().await;
        assert!(frames.last().unwrap().is_err());
        let passed: Vec<u8> = frames
            .iter()
            .flatten()
            .flat_map(|frame| frame.bytes.to_vec())
            .collect();
        let passed = String::from_utf8(passed).unwrap();
        let passed: String = passed
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect();
        assert_eq!(
            relayed.transcript.unwrap().shown().unwrap().text,
            passed,
            "{last}"
        );
    }
}
