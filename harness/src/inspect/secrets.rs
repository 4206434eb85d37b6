//! What nobody is to read in an output: tokens, passwords, values of headers and cookies.

use sio_protocol::Value;

use crate::client::ConnectOptions;

/// Shorter ones could be any word.
const LEAST: usize = 6;

/// Texts that were given, or set as cookies; those of `auth` with the variable that stands for them in a scenario.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    texts: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Secrets {
    /// What the command line gave.
    pub(super) fn given(manner: &ConnectOptions) -> Self {
        let mut secrets = Self::default();
        if let Ok(auth) = serde_json::from_str(&manner.auth) {
            secrets.add_auth(&auth, "SIO_AUTH");
        }
        for (name, value) in &manner.headers {
            secrets.variables.push((header_variable(name), value.clone()));
            // `Bearer x`, `a=b; c=d`: each part is one.
            secrets.learn(value.split([' ', ';', ',', '=']).map(ToOwned::to_owned));
            secrets.learn([value.clone()]);
        }
        secrets.learn(manner.query.split('&').filter_map(|pair| Some(pair.split_once('=')?.1.to_owned())));
        secrets
    }

    fn add_auth(&mut self, value: &Value, variable: &str) {
        match value {
            Value::String(text) => {
                self.variables.push((variable.to_owned(), text.clone()));
                self.learn([text.clone()]);
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| self.add_auth(value, &under(variable, name)));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, value)| self.add_auth(value, &under(variable, &n.to_string())));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Binary(_) => {}
        }
    }

    /// More of them.
    pub(super) fn learn(&mut self, texts: impl IntoIterator<Item = String>) {
        self.texts.extend(texts.into_iter().filter(|text| text.len() >= LEAST));
        // The longest first: one may be a part of another.
        self.texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self.texts.dedup();
    }

    /// A text without them.
    pub fn hide(&self, text: &str) -> String {
        self.texts.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[hidden]"))
    }

    /// The environment variable that stands for a text.
    pub(super) fn variable(&self, text: &str) -> Option<&str> {
        self.variables.iter().find(|(_, secret)| secret == text).map(|(variable, _)| variable.as_str())
    }
}

/// `SIO_HEADER_X_API_KEY`
pub(super) fn header_variable(name: &str) -> String {
    under("SIO_HEADER", name)
}

pub(super) fn under(variable: &str, name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("{variable}_{name}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::Tls;

    #[test]
    fn secrets_are_hidden_and_stand_for_variables() {
        let headers = vec![("Authorization".to_owned(), "Bearer abc.def.ghi".to_owned())];
        let mut manner: Arc<ConnectOptions> = ConnectOptions::new(
            headers,
            "key=0123456789&v=1".to_owned(),
            Tls::default(),
            Vec::new(),
            sio_protocol::Parser::default(),
        );
        Arc::make_mut(&mut manner).auth = r#"{"token":"eyJhbGci","more":{"user":"ada"},"n":1}"#.to_owned();
        let secrets = Secrets::given(&manner);
        assert_eq!(secrets.hide("eyJhbGci abc.def.ghi 0123456789 ada v=1"), "[hidden] [hidden] [hidden] ada v=1");
        assert_eq!(secrets.variable("eyJhbGci"), Some("SIO_AUTH_TOKEN"));
        assert_eq!(secrets.variable("ada"), Some("SIO_AUTH_MORE_USER"));
        assert_eq!(secrets.variable("Bearer abc.def.ghi"), Some("SIO_HEADER_AUTHORIZATION"));
    }
}
