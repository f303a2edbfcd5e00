//! A Cloud Map that answers as a test wrote down.

use std::collections::BTreeMap;
use std::sync::Arc;

use greenroom_discovery::CloudMap;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::super::config;

/// A status and what is said with it.
pub(super) type Answer = (u16, Value);

/// Answers each operation from its own queue, the last answer for ever.
pub(super) struct Canned {
    url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    _tasks: JoinSet<()>,
}

impl Canned {
    pub(super) async fn start(answers: &[(&str, Vec<Answer>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queues = answers
            .iter()
            .map(|(operation, all)| ((*operation).to_owned(), all.clone()));
        let queues: Arc<Mutex<BTreeMap<String, Vec<Answer>>>> = Arc::new(Mutex::new(queues.collect()));
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (mut tasks, noted) = (JoinSet::new(), Arc::clone(&asked));
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = answer(stream, &queues, &noted).await;
            }
        });
        Self {
            url,
            asked,
            _tasks: tasks,
        }
    }

    pub(super) fn map(&self) -> CloudMap {
        CloudMap::new(config("prod.test", "agents", &self.url))
    }

    pub(super) fn asked(&self, operation: &str) -> Vec<Value> {
        let asked = self.asked.lock();
        let of = asked.iter().filter(|(name, _)| name == operation);
        of.map(|(_, body)| body.clone()).collect()
    }
}

/// One request a connection.
async fn answer(
    stream: TcpStream,
    queues: &Mutex<BTreeMap<String, Vec<Answer>>>,
    asked: &Mutex<Vec<(String, Value)>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => operation = value.rsplit('.').next().unwrap_or_default().to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    asked
        .lock()
        .push((operation.clone(), serde_json::from_slice(&body).unwrap()));
    let (status, said) = {
        let mut queues = queues.lock();
        let queue = queues
            .get_mut(&operation)
            .unwrap_or_else(|| panic!("nobody expected {operation}"));
        if queue.len() > 1 {
            queue.remove(0)
        } else {
            queue[0].clone()
        }
    };
    let said = said.to_string();
    let head = format!(
        "HTTP/1.1 {status} said\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        said.len()
    );
    stream
        .write_all(&[head.as_bytes(), said.as_bytes()].concat())
        .await?;
    stream.shutdown().await
}
