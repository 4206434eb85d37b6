//! The first contact, over plain HTTP: which revision answers, what its handshake says, and what stands in between.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use sio_protocol::engine::Handshake;

use super::findings::{Cookie, Engine, Header, Sessions};
use super::{LIMIT, clip};
use crate::client::{Endpoint, Error, Jar, add, dress, http_client, usual_for};

/// More is no handshake.
const MAX_BODY: usize = 100_000;
/// Sessions that are opened to find out whether other connections know them.
const SESSIONS: u32 = 3;
const POLLING: &str = "EIO=4&transport=polling";

/// What the first contact has shown.
#[derive(Debug, Default)]
pub(super) struct Contact {
    pub(super) engine: Engine,
    pub(super) cookies: Vec<Cookie>,
    pub(super) headers: Vec<Header>,
    pub(super) sessions: Sessions,
    /// What came instead of a handshake.
    pub(super) instead: Option<String>,
    /// Values of cookies: secrets.
    pub(super) secrets: Vec<String>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

/// What an answer is.
enum Reading {
    Four(Handshake),
    Three(Handshake),
    /// The engine is there, and polling is switched off.
    NoPolling,
    /// The engine is there, and does not let one in.
    Refused(String),
    Other(String),
}

/// Asks for handshakes; if the path leads to an engine with or without a slash at its end alone, the endpoint has that one
/// from then on. The error says that nothing answers at all.
pub(super) async fn contact(endpoint: &mut Endpoint) -> Result<Contact, String> {
    let mut contact = Contact::default();
    let mut first = ask(endpoint, Method::GET, POLLING, "", None).await?;
    let mut reading = read(&first, endpoint);
    if matches!(reading, Reading::Other(_)) {
        let other = endpoint.clone().with_path(other_spelling(&endpoint.path));
        if let Ok(answer) = ask(&other, Method::GET, POLLING, "", None).await
            && let better @ (Reading::Four(_) | Reading::Three(_) | Reading::NoPolling | Reading::Refused(_)) =
                read(&answer, &other)
        {
            (*endpoint, first, reading) = (other, answer, better);
        }
    }
    contact.headers = telling(&first.headers);
    match reading {
        Reading::Four(handshake) => {
            contact.take(4, &handshake);
            contact.learn_cookies(&first.headers);
            contact.elsewhere(endpoint, &first, &handshake).await;
            for _ in 1..SESSIONS {
                contact.once_more(endpoint).await;
            }
        }
        Reading::Three(handshake) => contact.take(3, &handshake),
        Reading::NoPolling => contact.instead = Some("polling is switched off, and no WebSocket opens".to_owned()),
        Reading::Refused(what) | Reading::Other(what) => contact.instead = Some(what),
    }
    if contact.engine.revision != Some(3) {
        contact.older(endpoint).await;
    }
    Ok(contact)
}

impl Contact {
    fn take(&mut self, revision: u8, handshake: &Handshake) {
        self.engine = said(revision, handshake);
    }

    fn learn_cookies(&mut self, headers: &HeaderMap) {
        for (cookie, value) in cookies(headers) {
            if !self.cookies.contains(&cookie) {
                self.cookies.push(cookie);
            }
            self.secrets.push(value);
        }
    }

    async fn once_more(&mut self, endpoint: &Endpoint) {
        let Ok(answer) = ask(endpoint, Method::GET, POLLING, "", None).await else { return };
        if let Reading::Four(handshake) = read(&answer, endpoint) {
            self.learn_cookies(&answer.headers);
            self.elsewhere(endpoint, &answer, &handshake).await;
        }
    }

    /// Closes a session on another connection: without the cookies first, and with them if it is not known there.
    async fn elsewhere(&mut self, endpoint: &Endpoint, opened: &Answer, handshake: &Handshake) {
        self.sessions.opened += 1;
        let query = format!("{POLLING}&sid={}", handshake.sid);
        let closed = |answer: Result<Answer, String>| answer.is_ok_and(|answer| answer.status == 200);
        if closed(ask(endpoint, Method::POST, &query, "1", None).await) {
            self.sessions.known += 1;
            return;
        }
        let jar = Jar::default();
        let set = opened.headers.get_all(SET_COOKIE).iter().filter_map(|header| header.to_str().ok());
        jar.learn(&endpoint.engine_url(&query), set);
        if !jar.names().is_empty() && closed(ask(endpoint, Method::POST, &query, "1", Some(&jar)).await) {
            self.sessions.known_with_cookies += 1;
        }
    }

    /// Whether clients of revision 3 are let in; leaves no session behind.
    async fn older(&mut self, endpoint: &Endpoint) {
        let Ok(answer) = ask(endpoint, Method::GET, "EIO=3&transport=polling", "", None).await else { return };
        let Reading::Three(handshake) = read(&answer, endpoint) else { return };
        if self.engine.revision.is_some() {
            self.engine.older = true;
        } else {
            self.take(3, &handshake);
        }
        let query = format!("EIO=3&transport=polling&sid={}", handshake.sid);
        let _ = ask(endpoint, Method::POST, &query, "1:1", None).await;
    }
}

/// What a handshake says.
pub(super) fn said(revision: u8, handshake: &Handshake) -> Engine {
    Engine {
        revision: Some(revision),
        older: false,
        ping_interval: handshake.ping_interval,
        ping_timeout: handshake.ping_timeout,
        max_payload: handshake.max_payload,
    }
}

/// One request on a connection of its own.
async fn ask(
    endpoint: &Endpoint,
    method: Method,
    query: &str,
    body: &'static str,
    shown: Option<&Jar>,
) -> Result<Answer, String> {
    let url = endpoint.engine_url(query);
    let mut headers = endpoint.headers(&endpoint.engine_path(query)).into_owned();
    if let Some(jar) = shown {
        add(jar, &url, &mut headers);
    }
    let mut request = dress(Request::builder().method(method).uri(url), &headers);
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "text/plain;charset=UTF-8");
    }
    let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).map_err(|error| error.to_string())?;
    let http = http_client(&endpoint.manner);
    let exchange = async {
        let response = http.request(request).await.map_err(|error| Error::requesting(&error).to_string())?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await;
        let body = body.map_err(|error| format!("an answer that cannot be read, or is no handshake: {error}"))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    };
    let late = |_| Err(format!("no answer within {LIMIT:?}"));
    tokio::time::timeout(LIMIT, exchange).await.unwrap_or_else(late)
}

fn read(answer: &Answer, endpoint: &Endpoint) -> Reading {
    let body = &answer.body;
    if let Some(handshake) = body.strip_prefix('0').and_then(|json| serde_json::from_str(json).ok()) {
        return Reading::Four(handshake);
    }
    if let Some(handshake) = older_handshake(body) {
        return Reading::Three(handshake);
    }
    if answer.status == 400 && body.contains(r#""code":0"#) {
        return Reading::NoPolling;
    }
    let is_engine = serde_json::from_str::<serde_json::Value>(body).is_ok_and(|body| body["code"].is_u64());
    if is_engine {
        let (status, words) = (answer.status, clip(body));
        return Reading::Refused(format!(
            "it refuses the handshake: {status} {words}; it may want a login: see --enter, --header and --query"
        ));
    }
    Reading::Other(instead(answer, endpoint))
}

/// What is asked for with a slash at its end, without it; and the other way round.
fn other_spelling(path: &str) -> String {
    match path.strip_suffix('/') {
        Some("") | None => format!("{path}/"),
        Some(bare) => bare.to_owned(),
    }
}

/// Payloads of revision 3 begin with the length of the first packet: `96:0{"sid":…}`.
fn older_handshake(body: &str) -> Option<Handshake> {
    let (length, rest) = body.split_once(':')?;
    length.parse::<u32>().ok()?;
    serde_json::Deserializer::from_str(rest.strip_prefix('0')?).into_iter().next()?.ok()
}

/// What was answered instead of a handshake, and what that may mean.
fn instead(answer: &Answer, endpoint: &Endpoint) -> String {
    let (status, path) = (answer.status, &endpoint.path);
    let location = answer.headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
    if let (300..400, Some(location)) = (status, location) {
        let location = location.split('?').next().unwrap_or_default();
        return format!(
            "it is no Socket.IO server: {path} was answered {status}, a redirect to {}; give that address",
            clip(location)
        );
    }
    let words = clip(&answer.body);
    let hint = match status {
        404 => "; is the path right? Give another with --path",
        401 | 403 => "; it wants a login: see --enter, --header and --query",
        _ => "",
    };
    format!("it is no Socket.IO server: {path} was answered {status} with {words:?} instead of a handshake{hint}")
}

/// Cookies that an answer sets, with their values.
fn cookies(headers: &HeaderMap) -> Vec<(Cookie, String)> {
    let set = headers.get_all(SET_COOKIE).iter();
    let cookies = set.filter_map(|header| {
        let text = String::from_utf8_lossy(header.as_bytes()).into_owned();
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let attributes = parts.filter(|part| !part.is_empty()).map(clip).collect();
        Some((Cookie { name: clip(name.trim()), attributes }, value.trim().to_owned()))
    });
    cookies.take(16).collect()
}

/// Headers that tell what made or carried an answer.
fn telling(headers: &HeaderMap) -> Vec<Header> {
    const TELLING: [&str; 14] = [
        "server",
        "via",
        "x-powered-by",
        "x-served-by",
        "x-backend",
        "x-backend-server",
        "x-upstream",
        "x-node",
        "x-cache",
        "cf-ray",
        "x-amz-cf-id",
        "x-envoy-upstream-service-time",
        "fly-request-id",
        "x-render-origin-server",
    ];
    let shown = TELLING.iter().filter_map(|name| {
        let value = String::from_utf8_lossy(headers.get(*name)?.as_bytes()).into_owned();
        Some(Header { name: (*name).to_owned(), value: clip(&value) })
    });
    shown.collect()
}

/// The nodes that named themselves, headers of a proxy, cookies of a balancer, several addresses, sessions that are known
/// on some connections only.
pub(super) fn balancer_signs(contact: &Contact, addresses: &[String], nodes: Vec<String>) -> Vec<String> {
    let mut signs = nodes;
    for cookie in &contact.cookies {
        if let Some(whose) = usual_for(&cookie.name) {
            signs.push(format!("the cookie {} is usual for {whose}", cookie.name));
        }
    }
    let carriers = ["via", "x-served-by", "x-backend", "x-backend-server", "x-upstream", "cf-ray", "x-amz-cf-id"];
    for header in contact.headers.iter().filter(|header| carriers.contains(&header.name.as_str())) {
        signs.push(format!("the header {}: {}", header.name, header.value));
    }
    let remote = addresses.iter().filter(|address| !address.starts_with("127.") && *address != "::1").count();
    if remote > 1 {
        signs.push(format!("the name stands for {remote} addresses"));
    }
    let Sessions { opened, known, known_with_cookies } = contact.sessions;
    if known < opened {
        let mut sign = format!("{} of {opened} sessions were not known on another connection", opened - known);
        if known_with_cookies > 0 {
            sign.push_str(&format!(", and {known_with_cookies} of them were when the cookies were shown"));
        } else {
            sign.push_str(": several servers, and nothing that leads one back to one's own");
        }
        signs.push(sign);
    }
    signs
}

/// Everything the name of the host stands for.
pub(super) fn addresses(endpoint: &Endpoint) -> Vec<String> {
    endpoint.addresses().iter().map(|address| address.ip().to_string()).take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_of_both_revisions_are_told_apart() {
        let json = r#"{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
        let handshake = older_handshake(&format!("{}:0{json}2:40", json.len() + 1)).unwrap();
        assert_eq!((handshake.sid.as_str(), handshake.max_payload), ("a", None));
        assert!(older_handshake("<html>12:00</html>").is_none());
        assert!(older_handshake("404: not found").is_none());
    }

    #[test]
    fn cookies_are_kept_without_their_values_and_tell_of_a_balancer() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", "AWSALB=v/+1; Path=/; HttpOnly".parse().unwrap());
        headers.append("set-cookie", "broken".parse().unwrap());
        let mut contact =
            Contact { sessions: Sessions { opened: 3, known: 1, known_with_cookies: 2 }, ..Contact::default() };
        contact.learn_cookies(&headers);
        assert_eq!(
            contact.cookies,
            [Cookie { name: "AWSALB".to_owned(), attributes: vec!["Path=/".to_owned(), "HttpOnly".to_owned()] }]
        );
        assert_eq!(contact.secrets, ["v/+1"]);
        let signs = balancer_signs(&contact, &["10.0.0.1".to_owned(), "10.0.0.2".to_owned()], Vec::new());
        assert_eq!(signs.len(), 3, "{signs:?}");
        assert!(signs[2].contains("2 of 3 sessions"), "{signs:?}");
    }
}
