//! `context:` and `see:`: what a model is shown, as it is written.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    expr::Projection,
    governance::labels::{Words, WordsOf},
    types::Type,
    workflow::{Cut, Layer, Overflow, See, reading::Reading},
    yaml::{Fields, Kind, Node},
};

/// The most tokens that a budget of shown things can name.
const MOST: i64 = 10_000_000;

impl Reading<'_> {
    /// `context: { text, see, tokens }`.
    pub(crate) fn layer(&mut self, node: &Node) -> Option<Layer> {
        let known = ["text", "see", "tokens"];
        let fields = Fields::new(node, "a context layer", &known, &["budget", "cache"], &mut self.complaints)?;
        let (see, types) = self.see(&fields);
        let tokens = self.tokens(&fields);
        let text = fields.required("text", &mut self.complaints)?;
        let prompt = self.prompt(text, &types)?;
        Some(Layer { prompt, see, tokens, at: text.span })
    }

    fn tokens(&mut self, fields: &Fields<'_>) -> Option<u64> {
        fields.int("tokens", 1, MOST, &mut self.complaints).map(i64::unsigned_abs)
    }

    /// `budget: { tokens }` of a step that asks a model: what one call may be shown.
    pub(crate) fn call_budget(&mut self, fields: &Fields<'_>) -> Option<u64> {
        let node = fields.get("budget")?;
        let later = ["money", "calls", "time"];
        let fields = Fields::new(node, "the budget of a step", &["tokens"], &later, &mut self.complaints)?;
        fields.required("tokens", &mut self.complaints)?;
        self.tokens(&fields)
    }

    /// `see: { name: expression }` or `{ name: { from, tokens, overflow, required, labels } }`.
    pub(crate) fn see(&mut self, fields: &Fields<'_>) -> (Vec<See>, Vec<(Arc<str>, Type)>) {
        let (mut see, mut types) = (Vec::new(), Vec::new());
        for (key, node) in fields.map("see", &mut self.complaints) {
            let known = ["from", "tokens", "overflow", "required", "labels"];
            let later = ["fence", "cache"];
            let long = match &node.kind {
                Kind::Map(_) => {
                    let Some(fields) = Fields::new(node, "an item of `see`", &known, &later, &mut self.complaints)
                    else {
                        continue;
                    };
                    Some(fields)
                }
                _ => None,
            };
            let from = match &long {
                Some(fields) => fields.required("from", &mut self.complaints),
                None => Some(node),
            };
            let Some(from) = from else { continue };
            let projection = self.complaints.take(Projection::of_node(from));
            let typed = projection.and_then(|one| Some((self.typed(from, |names| one.ty(names))?, one)));
            let Some((ty, projection)) = typed else {
                types.push((key.text.clone(), Type::Any));
                continue;
            };
            types.push((key.text.clone(), ty.clone()));
            self.reads_at(from, projection.expr().derivation());
            let mut item = See {
                name: key.text.clone(),
                from: projection.expr().clone(),
                tokens: None,
                overflow: Overflow::Fail,
                required: true,
                labels: BTreeSet::new(),
                depth: self.depth(projection.roots()),
                ty,
                at: key.span,
            };
            if let Some(fields) = &long {
                self.bounds(fields, &mut item);
            }
            see.push(item);
        }
        (see, types)
    }

    fn bounds(&mut self, fields: &Fields<'_>, item: &mut See) {
        item.tokens = self.tokens(fields);
        let labels = fields.get("labels").and_then(|node| Words::read(node, WordsOf::See, &mut self.complaints));
        item.labels = labels.unwrap_or_default().words;
        if let Some(node) = fields.get("overflow") {
            item.overflow = self.overflow(node, &item.ty);
            self.fits(node, item);
        }
        let shrinks = !matches!(item.overflow, Overflow::Fail);
        item.required = fields.bool("required", !shrinks, &mut self.complaints);
        if let Some(node) = fields.get("required").filter(|_| item.required && shrinks) {
            let message = format!("`{}` is required, so it never shrinks, and its `overflow` never counts", item.name);
            self.complaints.push(node.complaint("W158", message).hint("leave one of the two out"));
        }
    }

    /// Whether what is done with an item can be done with its type.
    fn fits(&mut self, node: &Node, item: &See) {
        let ty = item.ty.present();
        let (wanted, does) = match item.overflow {
            Overflow::Truncate(_) => (Type::TEXT, "`truncate` cuts a text"),
            Overflow::DropLast | Overflow::DropFirst => {
                (Type::list(Type::Any), "what drops items drops those of a list")
            }
            Overflow::Top { .. } => (Type::list(Type::Any), "`top` keeps items of a list"),
            Overflow::Fail | Overflow::Offload => return,
        };
        if let Some(why) = wanted.refusal(&ty) {
            self.complaints.push(node.complaint("W158", format!("{does}: {why}")));
        }
    }

    fn overflow(&mut self, node: &Node, ty: &Type) -> Overflow {
        if node.scalar().is_some_and(|word| &**word == "summarise") {
            self.complaints.push(node.complaint("W002", "the overflow `summarise` is not supported yet"));
            return Overflow::Fail;
        }
        if let Kind::Map(_) = &node.kind {
            return self.long_overflow(node, ty).unwrap_or(Overflow::Fail);
        }
        match node.one_of(&["fail", "truncate", "drop_last", "drop_first", "offload"], &mut self.complaints) {
            Some("truncate") => Overflow::Truncate(Cut::Tail),
            Some("drop_last") => Overflow::DropLast,
            Some("drop_first") => Overflow::DropFirst,
            Some("offload") => Overflow::Offload,
            _ => Overflow::Fail,
        }
    }

    /// `{ truncate: head }`, `{ top: 5, by: item.score }`.
    fn long_overflow(&mut self, node: &Node, ty: &Type) -> Option<Overflow> {
        let known = ["truncate", "top", "by"];
        let fields = Fields::new(node, "`overflow`", &known, &[], &mut self.complaints)?;
        match (fields.has("truncate"), fields.has("top")) {
            (true, false) if !fields.has("by") => {
                let cut = match fields.one_of("truncate", &["head", "middle", "tail"], &mut self.complaints)? {
                    "head" => Cut::Head,
                    "middle" => Cut::Middle,
                    _ => Cut::Tail,
                };
                Some(Overflow::Truncate(cut))
            }
            (false, true) => {
                let most = fields.int("top", 1, 100_000, &mut self.complaints)?;
                self.enter([("item".into(), ty.present().item())]);
                let by = fields.get("by").map(|node| self.expr(node));
                self.leave();
                let by = match by {
                    Some(by) => Some(by?.0),
                    None => None,
                };
                Some(Overflow::Top { most: u32::try_from(most).unwrap_or(u32::MAX), by })
            }
            _ => {
                self.complaints.push(node.expected("`{ truncate: head }` or `{ top: 5, by: item.score }`"));
                None
            }
        }
    }
}
