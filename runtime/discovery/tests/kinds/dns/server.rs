//! A name server of a few lines: what is in its zone by UDP, by TCP where it is too much for a packet.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// What fits into every packet.
const PACKET: usize = 512;

/// Records by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zone(BTreeMap<String, Vec<RData>>);

impl Zone {
    pub(crate) fn a(self, name: &str, ip: Ipv4Addr) -> Self {
        self.with(name, RData::A(A(ip)))
    }

    pub(crate) fn aaaa(self, name: &str, ip: Ipv6Addr) -> Self {
        self.with(name, RData::AAAA(AAAA(ip)))
    }

    pub(crate) fn srv(self, name: &str, priority: u16, port: u16, target: &str) -> Self {
        let mut target = Name::from_ascii(target).unwrap();
        target.set_fqdn(true);
        self.with(name, RData::SRV(SRV::new(priority, 1, port, target)))
    }

    fn with(mut self, name: &str, data: RData) -> Self {
        self.0.entry(name.to_owned()).or_default().push(data);
        self
    }
}

#[derive(Default)]
struct State {
    zone: Mutex<Zone>,
    silent: AtomicBool,
    failing: AtomicBool,
    by_tcp: AtomicU32,
}

/// It ends with its test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        // The same port of both kinds.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let (address, state) = (udp.local_addr().unwrap(), Arc::new(State::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(packets(udp, Arc::clone(&state)));
        tasks.spawn(connections(tcp, Arc::clone(&state)));
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    pub(crate) fn serve(&self, zone: Zone) {
        *self.state.zone.lock() = zone;
    }

    pub(crate) fn silent(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
    }

    pub(crate) fn failing(&self, failing: bool) {
        self.state.failing.store(failing, Ordering::SeqCst);
    }

    pub(crate) fn asked_by_tcp(&self) -> u32 {
        self.state.by_tcp.load(Ordering::SeqCst)
    }
}

impl State {
    /// None while it is silent.
    fn answer(&self, asked: &[u8]) -> Option<Message> {
        let asked = Message::from_vec(asked).ok()?;
        if self.silent.load(Ordering::SeqCst) {
            return None;
        }
        let query = asked.queries.first()?.clone();
        let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
        answer.metadata.recursion_desired = asked.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        if self.failing.load(Ordering::SeqCst) {
            answer.metadata.response_code = ResponseCode::ServFail;
            return Some(answer);
        }
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let zone = self.zone.lock();
        match zone.0.get(&name) {
            None => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(records) => {
                let of_kind = records
                    .iter()
                    .filter(|data| data.record_type() == query.query_type());
                answer.add_answers(
                    of_kind.map(|data| Record::from_rdata(query.name().clone(), 300, data.clone())),
                );
            }
        }
        Some(answer)
    }
}

async fn packets(socket: UdpSocket, state: Arc<State>) {
    let mut packet = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut packet).await.unwrap();
        let Some(answer) = state.answer(&packet[..length]) else {
            continue;
        };
        let mut bytes = answer.to_vec().unwrap();
        if bytes.len() > PACKET {
            bytes = answer.truncate().to_vec().unwrap();
        }
        let _ = socket.send_to(&bytes, from).await;
    }
}

async fn connections(listener: TcpListener, state: Arc<State>) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        open.spawn(connection(stream, Arc::clone(&state)));
    }
}

async fn connection(mut stream: TcpStream, state: Arc<State>) {
    while let Ok(length) = stream.read_u16().await {
        let mut asked = vec![0; length.into()];
        if stream.read_exact(&mut asked).await.is_err() {
            return;
        }
        state.by_tcp.fetch_add(1, Ordering::SeqCst);
        let Some(answer) = state.answer(&asked) else {
            return;
        };
        let bytes = answer.to_vec().unwrap();
        let framed = [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
}
