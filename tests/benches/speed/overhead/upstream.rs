//! The upstream: answers a chat completion at once, as cheaply as it can be done.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Events of a fast stream.
pub(crate) const EVENTS: usize = 100;

const WHOLE: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello! How can I help you today?","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}"#;

fn event(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

struct Words {
    whole: Vec<u8>,
    head: Vec<u8>,
    token: Vec<u8>,
    end: Vec<u8>,
}

impl Words {
    fn new() -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let role = event(r#"{"role":"assistant","content":""}"#, "null");
        let usage = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":100,\"total_tokens\":109}}\n\n";
        let end = [
            event("{}", "\"stop\""),
            usage.to_owned(),
            "data: [DONE]\n\n".to_owned(),
        ];
        Self {
            whole: format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{WHOLE}",
                WHOLE.len()
            )
            .into_bytes(),
            head: format!("{head}{}", chunk(&role)).into_bytes(),
            token: chunk(&event(r#"{"content":" token"}"#, "null")).into_bytes(),
            end: format!("{}0\r\n\r\n", end.map(|data| chunk(&data)).concat()).into_bytes(),
        }
    }
}

async fn answer(mut stream: TcpStream, words: &Words) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let (end, length) = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                break (end + 4, length.map_or(0, |length| length.trim().parse().unwrap()));
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        while buffer.len() < end + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let body = String::from_utf8_lossy(&buffer[end..end + length]).into_owned();
        buffer.drain(..end + length);
        if !body.contains("\"stream\":true") {
            stream.write_all(&words.whole).await?;
            continue;
        }
        let events = if body.contains("\"fast\"") { EVENTS } else { 1 };
        stream.write_all(&words.head).await?;
        for _ in 0..events {
            stream.write_all(&words.token).await?;
        }
        if body.contains("\"held\"") {
            tokio::time::sleep(Duration::from_secs(120)).await;
        }
        stream.write_all(&words.end).await?;
    }
}

/// Serves on the runtime of whoever calls, for as long as that lives; its address.
pub(crate) async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let words = Arc::new(Words::new());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let words = Arc::clone(&words);
            tokio::spawn(async move { answer(stream, &words).await });
        }
    });
    address
}
