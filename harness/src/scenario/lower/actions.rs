//! `[actions]`: `"join(room)" = { emit = ["join", "${room}"], ack = true }`.

use indexmap::IndexMap;

use crate::scenario::model::{Ack, Action, Invocation};
use crate::scenario::node::{Key, Kind, Node};
use crate::scenario::table::{self, Context, Table};
use crate::scenario::template::{self, Expr, Piece, Template};

pub(super) fn lower(node: &Node, cx: &mut Context<'_>) -> IndexMap<String, Action> {
    let mut actions = IndexMap::new();
    let Kind::Table(entries) = &node.kind else {
        cx.diagnostics.error(node.span.clone(), format_args!("[actions] is a table, not {}", node.describe()));
        return actions;
    };
    for (key, node) in entries {
        if let Some((name, action)) = action(key, node, cx) {
            actions.insert(name, action);
        }
    }
    actions
}

fn action(key: &Key, node: &Node, cx: &mut Context<'_>) -> Option<(String, Action)> {
    let Some((name, params)) = signature(&key.name) else {
        cx.diagnostics.error(key.span.clone(), format_args!("`{}` is not an action's signature", key.name));
        cx.diagnostics.note("write it as \"name(first, second)\", or \"name()\"");
        return None;
    };
    let mut table = Table::new(node, "an action", cx)?;
    let emit = table.require("emit", cx).and_then(|node| arguments(node, cx));
    let ack = ack(&mut table, cx);
    let confirmed_by = table.entry("confirmed_by").and_then(|(key, node)| {
        if ack.is_some() {
            cx.diagnostics.error(
                key.span.clone(),
                "`confirmed_by` and `ack` exclude each other: one of them says when it has happened",
            );
        }
        arguments(node, cx)
    });
    table.finish(cx);
    let emit = emit?;
    for template in emit.iter().chain(confirmed_by.iter().flatten()) {
        template.visit(&mut |expr| {
            if let Expr::Var(used) = expr
                && !params.contains(used)
                && cx.vars.get(used).is_none()
            {
                cx.diagnostics.unknown(node.span.clone(), "parameter", used, &params);
                cx.diagnostics.see(key.span.clone(), "declared here");
            }
        });
    }
    Some((name, Action { params, emit, ack, confirmed_by, span: key.span.clone() }))
}

fn signature(text: &str) -> Option<(String, Vec<String>)> {
    let (name, rest) = text.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    let params = inner.split(',').map(str::trim).filter(|param| !param.is_empty()).map(ToOwned::to_owned).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| (name.to_owned(), params))
}

/// `ack = true`, `ack = [...]` or `one_of = [[...], [...]]`.
pub(super) fn ack(table: &mut Table<'_>, cx: &mut Context<'_>) -> Option<Ack> {
    let one_of = table.get("one_of");
    let ack = table.get("ack");
    match (ack, one_of) {
        (Some(node), None) => match &node.kind {
            Kind::Bool(wanted) => wanted.then_some(Ack::Any),
            Kind::Array(_) => Some(Ack::OneOf(vec![list(node, cx)])),
            _ => {
                cx.diagnostics.error(node.span.clone(), "`ack` is true, or the array of arguments it must have");
                None
            }
        },
        (None, Some(node)) => {
            let lists = table::array(node, "an array of argument arrays", cx)?;
            Some(Ack::OneOf(lists.iter().map(|node| list(node, cx)).collect()))
        }
        (Some(node), Some(_)) => {
            cx.diagnostics.error(node.span.clone(), "`ack` and `one_of` exclude each other");
            None
        }
        (None, None) => None,
    }
}

/// An array of templates.
pub(super) fn list(node: &Node, cx: &mut Context<'_>) -> Vec<Template> {
    let items = table::array(node, "an array", cx).unwrap_or_default();
    items.iter().map(|item| template::parse(item, cx.diagnostics)).collect()
}

/// An event and its arguments, as one array.
pub(super) fn arguments(node: &Node, cx: &mut Context<'_>) -> Option<Vec<Template>> {
    let items = table::array(node, "an array: the event and its arguments", cx)?;
    if items.is_empty() {
        cx.diagnostics.error(node.span.clone(), "an event needs a name");
        return None;
    }
    Some(list(node, cx))
}

/// `["join", "${room}"]`, checked against the declared actions.
pub(super) fn invocation(node: &Node, actions: &IndexMap<String, Action>, cx: &mut Context<'_>) -> Option<Invocation> {
    let items = table::array(node, "an array: the action and its arguments", cx)?;
    let Some(name) = items.first().and_then(Node::as_str) else {
        cx.diagnostics.error(node.span.clone(), "an action's name comes first");
        return None;
    };
    let Some(action) = actions.get(name) else {
        let known: Vec<_> = actions.keys().map(String::as_str).collect();
        cx.unknown_name("actions", items[0].span.clone(), "action", name, &known);
        return None;
    };
    let given = items.len() - 1;
    if given != action.params.len() {
        let plural = if action.params.len() == 1 { "argument" } else { "arguments" };
        let wanted = format!("{} {plural} ({})", action.params.len(), action.params.join(", "));
        cx.diagnostics.error(node.span.clone(), format_args!("`{name}` takes {wanted}, not {given}"));
        cx.diagnostics.see(action.span.clone(), "declared here");
        return None;
    }
    let args = items[1..].iter().map(|item| template::parse(item, cx.diagnostics)).collect();
    Some(Invocation { action: name.to_owned(), args })
}

/// What an action emits and which acknowledgement it asks for, with its parameters replaced by what is passed.
pub(super) fn substitute(action: &Action, args: &[Template]) -> (Vec<Template>, Option<Ack>) {
    let lookup = |name: &str| action.params.iter().position(|param| param == name).map(|index| &args[index]);
    let all = |templates: &[Template]| templates.iter().map(|template| replace(template, &lookup)).collect();
    let ack = action.ack.as_ref().map(|ack| match ack {
        Ack::Any => Ack::Any,
        Ack::OneOf(lists) => Ack::OneOf(lists.iter().map(|list| all(list)).collect()),
    });
    (all(&action.emit), ack)
}

fn replace<'a>(template: &Template, lookup: &impl Fn(&str) -> Option<&'a Template>) -> Template {
    match template {
        Template::Text(pieces) => match pieces.as_slice() {
            [Piece::Expr(Expr::Var(name))] => lookup(name).cloned().unwrap_or_else(|| template.clone()),
            pieces => Template::Text(replace_pieces(pieces, lookup)),
        },
        Template::Array(items) => Template::Array(items.iter().map(|item| replace(item, lookup)).collect()),
        Template::Table(fields, open) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), replace(value, lookup)));
            Template::Table(fields.collect(), *open)
        }
        // The last two match and are never sent.
        Template::Bool(_) | Template::Int(_) | Template::Float(_) | Template::AnyOrder(_) | Template::Contains(_) => {
            template.clone()
        }
    }
}

fn replace_pieces<'a>(pieces: &[Piece], lookup: &impl Fn(&str) -> Option<&'a Template>) -> Vec<Piece> {
    pieces.iter().flat_map(|piece| replace_piece(piece, lookup)).collect()
}

fn replace_piece<'a>(piece: &Piece, lookup: &impl Fn(&str) -> Option<&'a Template>) -> Vec<Piece> {
    let Piece::Expr(expr) = piece else { return vec![piece.clone()] };
    if let Expr::Var(name) = expr {
        match lookup(name) {
            Some(Template::Text(pieces)) => return pieces.clone(),
            Some(Template::Int(number)) => return vec![Piece::Literal(number.to_string())],
            Some(Template::Float(number)) => return vec![Piece::Literal(number.to_string())],
            Some(Template::Bool(value)) => return vec![Piece::Literal(value.to_string())],
            _ => {}
        }
    }
    vec![Piece::Expr(replace_expr(expr, lookup))]
}

fn replace_expr<'a>(expr: &Expr, lookup: &impl Fn(&str) -> Option<&'a Template>) -> Expr {
    match expr {
        Expr::Bytes(size) => Expr::Bytes(replace_pieces(size, lookup)),
        Expr::Filler(size) => Expr::Filler(replace_pieces(size, lookup)),
        Expr::Calc(op, both) => {
            Expr::Calc(*op, Box::new((replace_expr(&both.0, lookup), replace_expr(&both.1, lookup))))
        }
        Expr::Var(name) => match lookup(name) {
            Some(Template::Int(number)) => Expr::Number((*number).into()),
            Some(Template::Float(number)) => serde_json::Number::from_f64(*number).map_or(Expr::Null, Expr::Number),
            Some(Template::Text(pieces)) => match pieces.as_slice() {
                [Piece::Expr(inner)] => inner.clone(),
                _ => expr.clone(),
            },
            _ => expr.clone(),
        },
        other => other.clone(),
    }
}
