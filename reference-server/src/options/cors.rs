//! Which pages of other origins may talk to the server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Browsers of other origins. The defaults are those of the `cors` package that Socket.IO uses.
#[derive(Clone, Debug)]
pub struct Cors {
    origin: Origin,
    methods: String,
    allowed_headers: Option<String>,
    exposed_headers: Option<String>,
    credentials: bool,
    max_age: Option<Duration>,
    websockets: bool,
}

/// Who may.
#[derive(Clone)]
pub enum Origin {
    /// Everybody: `*`.
    Any,
    /// This origin, whoever asks.
    Is(String),
    /// Whoever asks, if it is one of these.
    OneOf(Vec<String>),
    /// Whoever asks, if the function says so.
    If(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Is(origin) => f.write_str(origin),
            Self::OneOf(origins) => f.debug_list().entries(origins).finish(),
            Self::If(_) => f.write_str("a function"),
        }
    }
}

impl Cors {
    /// One origin, or `*` for any.
    pub fn origin(origin: impl Into<String>) -> Self {
        match origin.into().as_str() {
            "*" => Self::new(Origin::Any),
            origin => Self::new(Origin::Is(origin.to_owned())),
        }
    }

    /// Several origins.
    pub fn origins(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Origin::OneOf(origins.into_iter().map(Into::into).collect()))
    }

    /// The origins a function accepts.
    pub fn origin_if(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Origin::If(Arc::new(accepts)))
    }

    fn new(origin: Origin) -> Self {
        Self {
            origin,
            methods: "GET,HEAD,PUT,PATCH,POST,DELETE".to_owned(),
            allowed_headers: None,
            exposed_headers: None,
            credentials: false,
            max_age: None,
            websockets: false,
        }
    }

    /// The methods a preflight allows.
    #[must_use]
    pub fn methods(mut self, methods: &[&str]) -> Self {
        self.methods = methods.join(",");
        self
    }

    /// The headers a preflight allows (those it asks for).
    #[must_use]
    pub fn allowed_headers(mut self, headers: &[&str]) -> Self {
        self.allowed_headers = Some(headers.join(","));
        self
    }

    /// The headers a page may read.
    #[must_use]
    pub fn exposed_headers(mut self, headers: &[&str]) -> Self {
        self.exposed_headers = Some(headers.join(","));
        self
    }

    /// Whether cookies may be sent (no).
    #[must_use]
    pub fn credentials(mut self, credentials: bool) -> Self {
        self.credentials = credentials;
        self
    }

    /// How long a browser may remember a preflight.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Whether WebSockets of other origins than these are refused, with 403 (no, as on Node). Browsers ask nobody ahead of
    /// a WebSocket: without this, any page may open one with the cookies of its visitor. Pages of the server's own host, and
    /// clients that are no browsers, are let in.
    #[must_use]
    pub fn check_websockets(mut self, check: bool) -> Self {
        self.websockets = check;
        self
    }

    /// With the defaults of what is said beside the origin and the credentials.
    #[cfg(feature = "faults")]
    pub(crate) fn without_details(self) -> Self {
        Self { credentials: self.credentials, websockets: self.websockets, ..Self::new(self.origin) }
    }

    /// Whether a WebSocket may be opened by this request.
    pub(crate) fn admits_websocket(&self, request: &HeaderMap) -> bool {
        let Some(asking) = request.get(header::ORIGIN).filter(|_| self.websockets) else { return true };
        let Ok(asking) = asking.to_str() else { return false };
        let host = request.get(header::HOST).and_then(|host| host.to_str().ok());
        let own = asking.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
        own || match &self.origin {
            Origin::Any => true,
            Origin::Is(origin) => origin == asking,
            Origin::OneOf(origins) => origins.iter().any(|origin| origin == asking),
            Origin::If(accepts) => accepts(asking),
        }
    }

    /// The headers of every answer.
    pub(crate) fn answer(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        self.common(request, answer);
        set(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed_headers.as_deref());
    }

    /// The headers of the answer to a preflight.
    pub(crate) fn preflight(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        self.answer(request, answer);
        set(answer, header::ACCESS_CONTROL_ALLOW_METHODS, Some(&self.methods));
        match &self.allowed_headers {
            Some(headers) => set(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, Some(headers)),
            None => {
                let by_origin = answer.contains_key(header::VARY);
                let varies =
                    if by_origin { "Origin, Access-Control-Request-Headers" } else { "Access-Control-Request-Headers" };
                answer.insert(header::VARY, HeaderValue::from_static(varies));
                if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                    answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
            }
        }
        let age = self.max_age.map(|age| age.as_secs().to_string());
        set(answer, header::ACCESS_CONTROL_MAX_AGE, age.as_deref());
    }

    fn common(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let asking = request.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let allowed = match &self.origin {
            Origin::Any => Some("*"),
            Origin::Is(origin) => Some(origin.as_str()),
            Origin::OneOf(origins) => asking.filter(|asking| origins.iter().any(|origin| origin == asking)),
            Origin::If(accepts) => asking.filter(|asking| accepts(asking)),
        };
        set(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if !matches!(self.origin, Origin::Any) {
            answer.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        set(answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, self.credentials.then_some("true"));
    }
}

/// Sets a header; what cannot be one (a line break in an option) is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}
