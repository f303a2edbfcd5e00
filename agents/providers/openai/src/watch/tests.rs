mod against_the_parse;
mod figures;
mod meanings;

use greenroom_kernel::WireFamily;

use super::*;

fn faults() -> Faults {
    Faults::new("p", "http://h/v1", None, &crate::classify::WIRE)
}

fn watcher_of(body: &'static str) -> ChatWatcher {
    let request = RawRequest {
        family: WireFamily::OpenAiChat,
        before: bytes::Bytes::from_static(body.as_bytes()),
        model: bytes::Bytes::new(),
        after: bytes::Bytes::new(),
        stream: true,
        headers: greenroom_provider_http::HeaderMap::new(),
        allows: greenroom_kernel::Allows::default(),
    };
    ChatWatcher::new(faults(), "m", &request)
}

fn watcher() -> ChatWatcher {
    watcher_of("{}")
}
