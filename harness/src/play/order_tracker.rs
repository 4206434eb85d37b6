//! Which client sent what, so that "in order per sender" can be decided whatever the application's events are.

use sio_protocol::Value;

use crate::scenario::template::same;

/// Everything the clients of a case have emitted, in order.
#[derive(Default)]
pub(crate) struct OrderTracker {
    sent: Vec<(String, Vec<Value>)>,
}

impl OrderTracker {
    /// Notes an emit: its name and arguments.
    pub(crate) fn note(&mut self, client: &str, values: &[Value]) {
        self.sent.push((client.to_owned(), values.to_vec()));
    }

    /// Whether these arrivals (arguments without the name) keep each sender's order.
    ///
    /// Fails when an arrival cannot be traced to an emit that carries the same arguments.
    pub(crate) fn check<'a>(&self, arrivals: impl Iterator<Item = &'a [Value]>) -> Result<(), String> {
        let mut newest: Vec<(&str, usize)> = Vec::new();
        for values in arrivals {
            let Some(index) = self.sent.iter().position(|(_, sent)| carries(sent, values)) else {
                return Err(format!("{} was sent by nobody in this case", list(values)));
            };
            let client = self.sent[index].0.as_str();
            match newest.iter_mut().find(|(name, _)| *name == client) {
                Some((_, last)) if *last >= index => {
                    let after = list(&self.sent[*last].1);
                    return Err(format!("{} of {client} came after {after}, which was sent later", list(values)));
                }
                Some((_, last)) => *last = index,
                None => newest.push((client, index)),
            }
        }
        Ok(())
    }
}

/// Whether an emit carries these arguments: as its own, or as a list somewhere inside (a request to emit).
fn carries(sent: &[Value], arguments: &[Value]) -> bool {
    let equal =
        |items: &[Value]| items.len() == arguments.len() && items.iter().zip(arguments).all(|(a, b)| same(a, b));
    equal(sent.get(1..).unwrap_or_default()) || sent.iter().any(|value| search(value, &equal))
}

/// Whether a list that `equal` takes stands anywhere inside.
fn search(value: &Value, equal: &dyn Fn(&[Value]) -> bool) -> bool {
    match value {
        Value::Array(items) => equal(items) || items.iter().any(|item| search(item, equal)),
        Value::Object(fields) => fields.iter().any(|(_, value)| search(value, equal)),
        _ => false,
    }
}

fn list(values: &[Value]) -> String {
    Value::Array(values.to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_judged_for_each_sender_alone() {
        let mut senders = OrderTracker::default();
        for (client, text) in [("a", "a1"), ("b", "b1"), ("a", "a2")] {
            senders.note(client, &[Value::from("tell"), Value::Array(vec![Value::from(text)])]);
        }
        let check = |order: &[&str]| {
            let values: Vec<_> = order.iter().map(|text| vec![Value::from(*text)]).collect();
            senders.check(values.iter().map(Vec::as_slice))
        };
        assert_eq!(check(&["b1", "a1", "a2"]), Ok(()));
        assert!(check(&["a2", "a1"]).unwrap_err().contains("sent later"));
        assert!(check(&["a1", "a1"]).is_err());
        assert!(check(&["c1"]).unwrap_err().contains("by nobody"));
    }
}
