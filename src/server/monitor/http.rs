//! How the monitor is served: HTTP/1.1 on a listener.

use super::answer::Answer;
use crate::Bus;
use crate::server::listener::Listener;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What answers a request, by path and query.
pub(crate) type Answers = Arc<dyn Fn(&str, &str) -> Answer + Send + Sync>;

/// A client that asks for nothing so long is not waited for.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How many clients are served at one time; more wait.
const CLIENTS_MAX: usize = 256;

/// How long to wait when the operating system has no more sockets for us.
const BREATH: Duration = Duration::from_millis(10);

/// Answers requests until the listener is closed. Dropped or done, it ends the requests under way.
pub(crate) async fn serve(listener: Arc<Listener>, bus: Bus, answers: Answers) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    let mut clients = JoinSet::new();
    loop {
        // Never closed.
        let place = places.clone().acquire_owned().await;
        match listener.accept().await {
            None => return,
            Some(Ok((stream, _))) => {
                let (bus, answers) = (bus.clone(), answers.clone());
                clients.spawn(async move {
                    serve_one(stream, &bus, &answers).await;
                    drop(place);
                });
            }
            Some(Err(_)) => bus.sleep(BREATH).await,
        }
        while clients.try_join_next().is_some() {}
    }
}

async fn serve_one(stream: TcpStream, bus: &Bus, answers: &Answers) {
    // ORDERING: Relaxed; the client's task alone uses it.
    let requests = AtomicU64::new(0);
    let service = service_fn(|request: Request<Incoming>| {
        requests.fetch_add(1, Relaxed);
        let uri = request.uri();
        let response = respond(answers(uri.path(), uri.query().unwrap_or_default()));
        async move { Ok::<_, Infallible>(response) }
    });
    let mut served = pin!(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let mut seen = u64::MAX;
    while requests.load(Relaxed) != seen {
        seen = requests.load(Relaxed);
        tokio::select! {
            // A client that breaks off is no concern of the server's.
            _ = served.as_mut() => return,
            () = bus.sleep(IDLE_MAX) => {}
        }
    }
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        if let Ok(name) = HeaderName::try_from(*name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Some(location) = answer.location.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;
    use crate::ServerOptions;
    use crate::server::monitor::Monitor;
    use crate::server::monitor::fake::Fake;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn exchange(client: &mut TcpStream, request: &str) -> String {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn speaks_http() {
        let clock = Clock::manual();
        let (listener, address) = listen();
        let monitor = Monitor::default();
        let answer = move |path: &str, query: &str| monitor.answer(&Fake::new(ServerOptions::new()), path, query);
        let bus = Bus::builder().clock(&clock).build();
        let server = tokio::spawn(serve(listener.clone(), bus, Arc::new(answer)));

        for method in ["GET", "POST", "PUT"] {
            let mut client = TcpStream::connect(address).await.unwrap();
            let request = format!("{method} /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let text = exchange(&mut client, &request).await;
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            let lower = text.to_lowercase();
            assert!(lower.contains("\r\ncontent-type: application/json\r\n"), "{text}");
            assert!(lower.contains("\r\naccess-control-allow-origin: *\r\n"), "{text}");
            assert!(lower.contains("\r\ndate: "), "{text}");
            assert!(text.ends_with("\r\n\r\n{\"status\":\"ok\"}"), "{text}");
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        let text = exchange(&mut client, "HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(text.to_lowercase().contains("content-length: 15\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        let mut client = TcpStream::connect(address).await.unwrap();
        let text = exchange(&mut client, "GET //varz?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(
            text.starts_with("HTTP/1.1 307 ") && text.to_lowercase().contains("\r\nlocation: /varz?a=b\r\n"),
            "{text}"
        );

        // An idle client is not waited for, and another ends with the server.
        let mut client = open(address).await;
        clock.wait_for_timers(1);
        clock.advance(IDLE_MAX);
        let mut rest = Vec::new();
        // The first look finds the request it has had; the second one none.
        clock.wait_for_timers(1);
        clock.advance(IDLE_MAX);
        client.read_to_end(&mut rest).await.unwrap();
        let mut client = open(address).await;
        listener.close();
        server.await.unwrap();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    /// A client that has had an answer.
    async fn open(address: std::net::SocketAddr) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut some = [0; 12];
        client.read_exact(&mut some).await.unwrap();
        client
    }

    fn listen() -> (Arc<Listener>, std::net::SocketAddr) {
        Listener::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap()
    }
}
