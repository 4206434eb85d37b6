//! A Socket.IO packet as text, taken apart so that one part can be spoiled.

use serde_json::Value;
use sio_protocol::Frame;

/// The parts of `4<kind><attachments>-<nsp>,<id><json>`.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) kind: char,
    pub(super) attachments: Option<usize>,
    pub(super) nsp: Option<String>,
    pub(super) id: Option<String>,
    pub(super) json: String,
}

impl Parts {
    /// None for whatever is no Socket.IO packet in text.
    pub(super) fn of(frame: &Frame) -> Option<Self> {
        let Frame::Text(text) = frame else { return None };
        let mut rest = text.strip_prefix('4')?;
        let kind = rest.chars().next().filter(char::is_ascii_digit)?;
        rest = &rest[1..];
        let mut attachments = None;
        if matches!(kind, '5' | '6')
            && let Some((count, behind)) = rest.split_once('-')
        {
            attachments = count.parse().ok();
            rest = behind;
        }
        let mut nsp = None;
        if rest.starts_with('/') {
            let (name, behind) = rest.split_once(',').unwrap_or((rest, ""));
            nsp = Some(name.to_owned());
            rest = behind;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let id = (digits > 0).then(|| rest[..digits].to_owned());
        Some(Self { kind, attachments, nsp, id, json: rest[digits..].to_owned() })
    }

    pub(super) fn frame(&self) -> Frame {
        let attachments = self.attachments.map(|count| format!("{count}-")).unwrap_or_default();
        let nsp = self.nsp.as_ref().map(|nsp| format!("{nsp},")).unwrap_or_default();
        let id = self.id.as_deref().unwrap_or_default();
        Frame::text(format!("4{}{attachments}{nsp}{id}{}", self.kind, self.json))
    }

    pub(super) fn is_event(&self) -> bool {
        matches!(self.kind, '2' | '5')
    }

    pub(super) fn is_ack(&self) -> bool {
        matches!(self.kind, '3' | '6')
    }

    /// The namespace; the main one has no name on the wire.
    pub(super) fn namespace(&self) -> &str {
        self.nsp.as_deref().unwrap_or("/")
    }

    /// Changes the arguments; of an event, without its name.
    pub(super) fn args(&mut self, change: impl FnOnce(&mut Vec<Value>)) {
        let Ok(Value::Array(mut all)) = serde_json::from_str(&self.json) else { return };
        let named = self.is_event() && !all.is_empty();
        let mut args = all.split_off(usize::from(named));
        change(&mut args);
        all.extend(args);
        self.json = Value::Array(all).to_string();
    }

    /// Changes every value in the arguments, from the outside in.
    pub(super) fn values(&mut self, change: &dyn Fn(&mut Value)) {
        self.args(|args| args.iter_mut().for_each(|arg| walk(arg, change)));
    }
}

fn walk(value: &mut Value, change: &dyn Fn(&mut Value)) {
    // What stands for bytes is not a value.
    if value.get("_placeholder").is_some() {
        return;
    }
    change(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, change)),
        _ => {}
    }
}
