//! How the monitor is served: HTTP/1.1 on a listener.

use super::answer::Answer;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How many clients are served at one time; more wait to be accepted.
const CLIENTS_MAX: usize = 256;

/// Answers requests for ever; to be dropped when that is to end, which also ends the requests under way.
pub(crate) async fn serve(listener: TcpListener, answer: Arc<dyn Fn(&str, &str) -> Answer + Send + Sync>) {
    let mut clients = JoinSet::new();
    loop {
        let full = clients.len() >= CLIENTS_MAX;
        tokio::select! {
            Some(_) = clients.join_next(), if !clients.is_empty() => {}
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, _)) => drop(clients.spawn(serve_one(stream, answer.clone()))),
                // Too many open files, or a client that left again: others may have closed theirs by the next turn.
                Err(_) => tokio::task::yield_now().await,
            },
        }
    }
}

async fn serve_one(stream: TcpStream, answer: Arc<dyn Fn(&str, &str) -> Answer + Send + Sync>) {
    let service = service_fn(|request: Request<Incoming>| {
        let uri = request.uri();
        let response = respond(answer(uri.path(), uri.query().unwrap_or_default()));
        async move { Ok::<_, Infallible>(response) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    // A client that breaks off is no concern of the server's.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
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

    #[tokio::test]
    async fn speaks_http() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let monitor = Monitor::default();
        let answer = move |path: &str, query: &str| monitor.answer(&Fake::new(ServerOptions::new()), path, query);
        let server = tokio::spawn(serve(listener, Arc::new(answer)));

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

        // An idle client ends with the server.
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut some = [0; 12];
        client.read_exact(&mut some).await.unwrap();
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
