//! Requests of iterations beside their sockets: a login, for example. They are users' requests, so connections are
//! kept open and cookies are kept as browsers do.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json_path::JsonPath;
use sio_protocol::Value;

use super::runner::{FlowRunner, Trouble};
use crate::client::body::collect;
use crate::client::{Endpoint, Error, Http, Jar, add, dress, set_cookies};
use crate::load::message::json_of;
use crate::play::answer;
use crate::play::shown::{FORM, encoded};
use crate::scenario::model::{AnswerPattern, HttpRequest, RawPacket};
use crate::scenario::template::{Expr, Scope, Template};
use crate::secrets;
use crate::wire::Response;

/// The largest body that is taken.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Where a request goes: to a URL, or to a path or with a query to the target. What was filled in may come from the target, which does
/// not say to which host the rest goes.
fn url_of(base: &str, engine: &str, path: String) -> Result<String, String> {
    if path.starts_with("http://") || path.starts_with("https://") {
        return Ok(path);
    }
    match path.chars().next() {
        Some('/') | None => Ok(format!("{base}{path}")),
        Some('?') => Ok(format!("{base}{engine}{path}")),
        Some(_) => Err(format!("`{path}` is no place for a request; expected /PATH, ?QUERY or http://HOST/PATH")),
    }
}

impl FlowRunner<'_> {
    /// Sends a request, compares its answer and keeps what is asked for.
    pub(super) async fn request(
        &mut self,
        spec: &HttpRequest,
        pattern: &AnswerPattern,
        save: &[(String, JsonPath)],
        within: Duration,
    ) -> Result<(), Trouble> {
        let (endpoint, http) = (self.endpoint(), &self.local.stage.http);
        let mut asker = Asker { endpoint: &endpoint, http, scope: &mut self.scope, jar: &self.jar };
        asker.request(spec, pattern, save, within).await
    }
}

/// Who asks: what it knows, and where it keeps its cookies.
pub(crate) struct Asker<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) http: &'a Http,
    pub(crate) scope: &'a mut Scope,
    pub(crate) jar: &'a Jar,
}

impl Asker<'_> {
    /// Sends a request, compares its answer and keeps what is asked for.
    pub(crate) async fn request(
        &mut self,
        spec: &HttpRequest,
        pattern: &AnswerPattern,
        save: &[(String, JsonPath)],
        within: Duration,
    ) -> Result<(), Trouble> {
        let (url, request) = self.prepare(spec)?;
        let sending = self.http.request(request);
        let whole = async {
            let response = sending.await.map_err(|error| Error::requesting(&error))?;
            let (head, body) = response.into_parts();
            let body = collect(body, MAX_BODY).await?;
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Ok::<_, Error>(Response { status: head.status.as_u16(), headers, body })
        };
        let answer = tokio::time::timeout(within, whole).await;
        let answer = answer.map_err(|_| Trouble::Target(format!("not answered within {within:?}")))?;
        let response = answer.map_err(Trouble::of)?;
        self.jar.learn(&url, set_cookies(&response.headers));
        answer::compare(self.scope, pattern, Ok(&response)).map_err(Trouble::Target)?;
        self.learn(pattern);
        self.save(save, &response.body)
    }

    fn prepare(&mut self, spec: &HttpRequest) -> Result<(String, Request<Full<Bytes>>), Trouble> {
        let path = self.scope.render_string(&spec.path).map_err(Trouble::Target)?;
        let endpoint = self.endpoint;
        let url = url_of(&endpoint.base(), &endpoint.path, path).map_err(Trouble::Target)?;
        let headers = self.headers(spec, &url)?;
        let mut request = dress(Request::builder().method(spec.method.as_str()).uri(&url), &headers);
        let mut body = Vec::new();
        for packet in &spec.body {
            match packet {
                RawPacket::Text(pieces) => {
                    body.extend(self.scope.render_string(pieces).map_err(Trouble::Target)?.into_bytes());
                }
                RawPacket::Binary(template) | RawPacket::Bytes(template) => body.extend(self.bytes(template)?),
                RawPacket::Frame { .. } => return Err(Trouble::Target("a request has no frames".to_owned())),
            }
        }
        if let Some(json) = &spec.json {
            let value = self.scope.render(json).map_err(Trouble::Target)?;
            request = request.header(http::header::CONTENT_TYPE, "application/json");
            body = json_of(&value).map_err(Trouble::Target)?.into_bytes();
        }
        if !spec.form.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, FORM);
            body = encoded(&spec.form, self.scope).map_err(Trouble::Target)?.into_bytes();
        }
        let request = request.body(Full::new(body.into()));
        Ok((url, request.map_err(|error| Trouble::Target(format!("not a request: {error}")))?))
    }

    /// What the step says itself, what every request to the target says, and the cookies that belong to `url`. Another
    /// host is told nothing of what gets one into the target.
    fn headers(&mut self, spec: &HttpRequest, url: &str) -> Result<Vec<(String, String)>, Trouble> {
        let mut headers = Vec::with_capacity(spec.headers.len());
        for (name, value) in &spec.headers {
            let value = match self.scope.render(value).map_err(Trouble::Target)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            headers.push((name.clone(), value));
        }
        // Who writes a cookie by hand means this one and no other.
        let by_hand = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        if self.endpoint.is_at(url) {
            self.endpoint.lend_headers(&mut headers);
        }
        if !by_hand {
            add(self.jar, url, &mut headers);
        }
        Ok(headers)
    }

    fn bytes(&mut self, template: &Template) -> Result<Vec<u8>, Trouble> {
        match self.scope.render(template).map_err(Trouble::Target)? {
            Value::Binary(bytes) => Ok(bytes.to_vec()),
            Value::String(text) => Ok(text.into_bytes()),
            other => Err(Trouble::Target(format!("expected bytes, found {other}"))),
        }
    }

    /// What was saved of an answer lets somebody in, as a rule.
    fn learn(&self, pattern: &AnswerPattern) {
        pattern.visit(&mut |expr| {
            if let Expr::Save(name) = expr
                && let Some(Value::String(text)) = self.scope.vars.get(name)
            {
                secrets::learn(name, text);
            }
        });
    }

    fn save(&mut self, save: &[(String, JsonPath)], body: &[u8]) -> Result<(), Trouble> {
        let saved = answer::saved(save, body).map_err(Trouble::Target)?;
        for (name, value) in &saved {
            if let Value::String(text) = value {
                secrets::learn(name, text);
            }
        }
        self.scope.vars.extend(saved);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_has_said_leads_to_no_other_host() {
        let url = |path: &str| url_of("http://h:1", "/socket.io/", path.to_owned());
        assert_eq!(url("/a@b").unwrap(), "http://h:1/a@b");
        assert_eq!(url("?a=1").unwrap(), "http://h:1/socket.io/?a=1");
        assert_eq!(url("https://other/x").unwrap(), "https://other/x");
        for elsewhere in ["@other/x", ".other/x", "2/x", "other", "HTTP://other/"] {
            assert!(url(elsewhere).unwrap_err().contains("no place for a request"), "{elsewhere}");
        }
    }
}
