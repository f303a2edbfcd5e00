//! One provider's end of the wire: opens streams, lists what is served, and names what went wrong.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use greenroom_kernel::{
    CallContext, Clock, Credentials, ModelStream, ProviderFault, RawRequest, RelayAnswer, RelayFrame,
    RelayFrames, RelaySign,
};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use crate::base_url::{BaseUrl, ConfigError};
use crate::client::{Answer, Client, TransportError};
use crate::fault::{Faults, Wire};
use crate::key::ApiKey;
use crate::key_ring::KeyRing;
use crate::named::named;
use crate::quota::{is_used_up, quota};
use crate::relay::frames;
use crate::retry_after::retry_after;
use crate::stream::{Assembler, events};
use crate::trace::trace;
use crate::watcher::Watcher;

/// Longest wait for an allowance to be there again, where the provider asks for none: it may be one model's alone.
const RESET_AT_MOST: Duration = Duration::from_secs(60);

/// Most bytes read of an error's body.
const ERROR_BODY_AT_MOST: usize = 64 << 10;

/// Most bytes read of a whole answer: 2048 vectors of 3072 numbers, the largest that a provider gives, are four fifths.
const ANSWER_AT_MOST: usize = 96 << 20;

/// Most bytes read of a list of models.
const MODEL_LIST_AT_MOST: usize = 8 << 20;

/// What an [`Upstream`] is made of.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The provider's name in routes, logs and errors.
    pub name: &'a str,
    /// Where it is.
    pub base: &'a BaseUrl,
    /// Its key; none for servers without.
    pub key: Option<&'a ApiKey>,
    /// Keys that are used when those before them are refused.
    pub more_keys: &'a [ApiKey],
    /// The header that carries the key, and what stands before the key in it.
    pub key_header: (HeaderName, &'static str),
    /// Sent with every request.
    pub headers: HeaderMap,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// How the wire family tells errors.
    pub wire: &'static Wire,
}

/// A provider's HTTP end. Its connections are pooled; one is enough for a process.
pub struct Upstream {
    client: Client,
    keys: KeyRing,
    faults: Faults,
    probe_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// Makes the client; connects to nothing yet. `clock` tells what time a Retry-After date is counted from.
    ///
    /// # Errors
    /// A key that no header can carry, or a machine without root certificates for an https URL.
    pub fn new(settings: Settings<'_>, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let provider = || settings.name.to_owned();
        let mut keys: Vec<ApiKey> = Vec::new();
        for key in settings.key.into_iter().chain(settings.more_keys) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        let (header, prefix) = settings.key_header;
        let ring = KeyRing::new(header, prefix, &keys);
        let ring = ring.ok_or_else(|| ConfigError::ApiKey { provider: provider() })?;
        let client =
            Client::new(settings.base, settings.headers, settings.connect_timeout).map_err(|source| {
                ConfigError::Client {
                    provider: provider(),
                    source,
                }
            })?;
        Ok(Self {
            client,
            keys: ring,
            faults: Faults::new(settings.name, &settings.base.shown(), keys, settings.wire),
            probe_timeout: settings.probe_timeout,
            clock,
        })
    }

    /// The provider's faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Posts `body`, JSON, and reads the answer as an event stream put together by `assembler`. Dropping the future or
    /// the stream, or firing `context.cancel`, closes the upstream call.
    ///
    /// # Errors
    /// What kept the stream from beginning.
    pub async fn stream(
        &self,
        url: Uri,
        body: Vec<u8>,
        model: &str,
        context: &CallContext,
        assembler: impl Assembler,
    ) -> Result<ModelStream, ProviderFault> {
        let headers = HeaderMap::new();
        let response = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(self.faults.cancelled()),
            response = self.post(url, body.into(), &headers, true, model) => response?,
        };
        let quota = quota(response.headers(), self.clock.now());
        Ok(events(
            response,
            self.faults.clone(),
            assembler,
            context.cancel.clone(),
            quota,
        ))
    }

    /// Posts a request as its caller wrote it, with `model` for its model, and passes the answer on as it comes, read by
    /// `watcher`. One that isn't streamed is read whole first. Cancelled like [`Upstream::stream`].
    ///
    /// # Errors
    /// What kept the answer from beginning; of one that isn't streamed, what kept it from being whole.
    pub async fn relay(
        &self,
        url: Uri,
        request: &RawRequest,
        model: &str,
        context: &CallContext,
        watcher: impl Watcher,
    ) -> Result<RelayAnswer, ProviderFault> {
        let body = Bytes::from(named(request, model));
        let work = async {
            let response = self
                .post(url, body, &request.headers, request.stream, model)
                .await?;
            let quota = quota(response.headers(), self.clock.now());
            let headers = headers_for_callers(response.headers());
            let (frames, transcript) = if request.stream {
                let (frames, shown) = frames(response, self.faults.clone(), watcher, context.cancel.clone());
                (frames, Some(shown))
            } else {
                (self.whole(response, watcher).await?, None)
            };
            Ok(RelayAnswer {
                headers,
                quota,
                frames,
                transcript,
            })
        };
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(self.faults.cancelled()),
            answer = work => answer,
        }
    }

    /// Posts `body`, JSON, and reads the answer whole. Cancelled like [`Upstream::stream`].
    ///
    /// # Errors
    /// What kept the answer from being whole.
    pub async fn ask(
        &self,
        url: Uri,
        body: Vec<u8>,
        model: &str,
        context: &CallContext,
    ) -> Result<Bytes, ProviderFault> {
        let headers = HeaderMap::new();
        let work = async {
            let response = self.post(url, body.into(), &headers, false, model).await?;
            self.body(response).await
        };
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(self.faults.cancelled()),
            answer = work => answer,
        }
    }

    /// Posts a request as its caller wrote it, with `model` for its model, and gives the answer's body as it is. Cancelled
    /// like [`Upstream::stream`].
    ///
    /// # Errors
    /// What kept the answer from being whole.
    pub async fn pass_on(
        &self,
        url: Uri,
        request: &RawRequest,
        model: &str,
        context: &CallContext,
    ) -> Result<Bytes, ProviderFault> {
        let body = Bytes::from(named(request, model));
        let work = async {
            let response = self.post(url, body, &request.headers, false, model).await?;
            self.body(response).await
        };
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(self.faults.cancelled()),
            answer = work => answer,
        }
    }

    async fn whole(&self, response: Answer, mut watcher: impl Watcher) -> Result<RelayFrames, ProviderFault> {
        let bytes = self.body(response).await?;
        let frames = match (watcher.whole(&bytes), watcher.figures()) {
            (Ok(sign), _) => vec![Ok(RelayFrame { bytes, sign })],
            (Err(fault), None) => return Err(fault),
            // What a failure took is told before it.
            (Err(fault), Some(reported)) => {
                let (bytes, sign) = (Bytes::new(), RelaySign::Used(reported));
                vec![Ok(RelayFrame { bytes, sign }), Err(fault)]
            }
        };
        Ok(futures::stream::iter(frames).boxed())
    }

    /// A body that is an answer.
    async fn body(&self, response: Answer) -> Result<Bytes, ProviderFault> {
        let body = bytes_of(response, ANSWER_AT_MOST).await;
        body.map_err(|e| self.faults.transport(&e))?.ok_or_else(|| {
            let why = format!("an answer of more than {ANSWER_AT_MOST} bytes");
            self.faults.malformed(&why)
        })
    }

    /// Posts `body` and sees to it that the answer is of the kind that was asked for.
    async fn post(
        &self,
        url: Uri,
        body: Bytes,
        headers: &HeaderMap,
        stream: bool,
        model: &str,
    ) -> Result<Answer, ProviderFault> {
        let accept = if stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        let call = || {
            let mut call = Request::new(Full::new(body.clone()));
            *call.method_mut() = Method::POST;
            *call.uri_mut() = url.clone();
            let said = call.headers_mut();
            // With what is added here, by the key and by the client.
            *said = HeaderMap::with_capacity(headers.len() + 8);
            said.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
            said.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            said.insert(ACCEPT, HeaderValue::from_static(accept));
            trace(said);
            call
        };
        let response = self.send(Some(model), &[], None, call).await?;
        if !stream {
            return Ok(response);
        }
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
        match kind
            .filter(|kind| !kind.contains("event-stream"))
            .map(str::to_owned)
        {
            Some(kind) => {
                let body = body_of(response, ERROR_BODY_AT_MOST).await.unwrap_or_default();
                Err(self.faults.no_stream(status, &body, &kind, model))
            }
            None => Ok(response),
        }
    }

    /// Sends what `build` makes, with the key whose turn it is. Where that is refused, it is made again with the next that
    /// can be used, each at most once. What comes back has a good status, or one of those `tolerated`.
    ///
    /// # Errors
    /// What came of the last try.
    pub(crate) async fn send(
        &self,
        model: Option<&str>,
        tolerated: &[u16],
        within: Option<Duration>,
        build: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<Answer, ProviderFault> {
        let mut turn = self.keys.turn(self.clock.monotonic());
        let mut tried = Vec::new();
        loop {
            let mut call = build();
            self.keys.sign(turn, call.headers_mut());
            let response = self
                .answer(call, within)
                .await
                .map_err(|e| self.faults.transport(&e))?;
            if response.is_success() {
                self.keys.accepted(turn);
                return Ok(response);
            }
            let status = response.status();
            if tolerated.contains(&status) {
                return Ok(response);
            }
            let wait = self.wait(response.headers(), status);
            // The status is what matters: a body that breaks off only says less.
            let body = body_of(response, ERROR_BODY_AT_MOST).await.unwrap_or_default();
            let fault = self.faults.status(status, &body, model, wait);
            if !self.faults.refuses_the_key(status, &body) {
                return Err(fault);
            }
            let now = self.clock.monotonic();
            match self.keys.refused(turn, wait, &mut tried, now) {
                Some(next) => turn = Some(next),
                None => return Err(fault),
            }
        }
    }

    async fn answer(
        &self,
        call: Request<Full<Bytes>>,
        within: Option<Duration>,
    ) -> Result<Answer, TransportError> {
        let sending = self.client.send(call);
        match within {
            None => sending.await,
            Some(limit) => match tokio::time::timeout(limit, sending).await {
                Ok(answer) => answer,
                Err(_elapsed) => Err(TransportError::TimedOut(limit)),
            },
        }
    }

    /// When the provider wants to see us again: its own word, else when what is used up is there again.
    fn wait(&self, headers: &HeaderMap, status: u16) -> Option<Duration> {
        let now = self.clock.now();
        retry_after(headers, now).or_else(|| {
            let quota = quota(headers, now).filter(|q| status == 429 && is_used_up(q));
            quota?.resets_in.map(|wait| wait.min(RESET_AT_MOST))
        })
    }

    /// How many keys there are, and how many of them can be used now; none for servers without.
    pub fn credentials(&self) -> Option<Credentials> {
        self.keys.credentials(self.clock.monotonic())
    }

    /// Gets a list of models: its body, or none from a server without such a list, which still answers.
    ///
    /// # Errors
    /// What says that the provider can't serve now.
    pub async fn list(&self, url: Uri) -> Result<Option<Vec<u8>>, ProviderFault> {
        let call = || {
            let mut call = Request::new(Full::default());
            *call.uri_mut() = url.clone();
            call.headers_mut()
                .insert(ACCEPT, HeaderValue::from_static("application/json"));
            call
        };
        let within = Some(self.probe_timeout);
        let response = self.send(None, &[404, 405, 501], within, call).await?;
        if !response.is_success() {
            return Ok(None);
        }
        let body = body_of(response, MODEL_LIST_AT_MOST)
            .await
            .map_err(|e| self.faults.transport(&e))?;
        Ok(Some(body))
    }
}

/// Headers of an answer that say something to the caller, not about our account.
const FOR_CALLERS: [HeaderName; 3] = [
    CONTENT_TYPE,
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
];

fn headers_for_callers(headers: &HeaderMap) -> HeaderMap {
    // With what the door adds.
    let mut kept = HeaderMap::with_capacity(FOR_CALLERS.len() + 5);
    for name in &FOR_CALLERS {
        if let Some(value) = headers.get(name) {
            kept.insert(name.clone(), value.clone());
        }
    }
    kept
}

/// The whole body; none when it is larger than that.
async fn bytes_of(mut response: Answer, at_most: usize) -> Result<Option<Bytes>, TransportError> {
    let Some(first) = response.chunk().await? else {
        return Ok(Some(Bytes::new()));
    };
    let Some(second) = response.chunk().await? else {
        return Ok((first.len() <= at_most).then_some(first));
    };
    let mut body = BytesMut::from(first);
    body.extend_from_slice(&second);
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > at_most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// Reads a body, at most so many bytes of it.
async fn body_of(mut response: Answer, at_most: usize) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = at_most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
